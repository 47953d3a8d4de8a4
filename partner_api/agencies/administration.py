"""Administer mandates over HTTP: for the administration's own client, and nobody else."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict

from kernel.db import UnitOfWork
from kernel.ids import AgencyId
from kernel.web import PlainText
from partner_api.agencies.asking import Call
from partner_api.agencies.desk import ADMINISTRATION, MANDATES, desk_of
from population_register.api import (
    Condition,
    LegalBasis,
    add_legal_basis,
    grant_mandate,
    list_legal_bases,
    list_mandates,
    revoke_mandate,
)

router = APIRouter(prefix=ADMINISTRATION, tags=["administration"])


class MandateAsked(BaseModel):
    """A mandate that is to be given; `valid_from` is today when it is left out."""

    model_config = ConfigDict(extra="forbid")

    agency: PlainText
    field: PlainText
    legal_basis: PlainText
    condition: Condition = Condition.ALWAYS
    valid_from: date | None = None
    valid_to: date | None = None


class MandateState(BaseModel):
    """A mandate as it stands, and who gave it and took it back."""

    model_config = ConfigDict(from_attributes=True)

    mandate_id: UUID
    agency_id: str
    field: str
    condition: Condition
    legal_basis: str
    valid_from: date
    valid_to: date | None
    granted_at: datetime
    granted_by: str
    revoked_at: datetime | None
    revoked_by: str | None


class MandateList(BaseModel):
    """Mandates by the time they were given."""

    mandates: list[MandateState]


class LegalBasisState(BaseModel):
    """A legal basis, in the words in which people read it."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")

    code: PlainText
    title_ru: PlainText
    title_en: PlainText
    reference: PlainText


class LegalBasisList(BaseModel):
    """Legal bases by code."""

    legal_bases: list[LegalBasisState]


async def begin(request: Request, response: Response) -> Call:
    """Verify the administration's token, spend the proof."""
    desk = desk_of(request)
    call = await desk.begin(request, MANDATES)
    await desk.admit(call)
    response.headers["Cache-Control"] = "no-store"
    return call


Administration = Annotated[Call, Depends(begin)]


@router.get("/mandates")
def mandates(
    call: Administration,
    session: UnitOfWork,
    agency: PlainText | None = None,
    *,
    history: bool = False,
) -> MandateList:
    """List the mandates in force, of all agencies or of one; with `history` all there ever were."""
    found = list_mandates(session, None if agency is None else AgencyId(agency))
    shown = [each for each in found if history or each.in_force(call.at)]
    return MandateList(mandates=[MandateState.model_validate(each) for each in shown])


@router.post("/mandates", status_code=201)
def grant(call: Administration, session: UnitOfWork, asked: MandateAsked) -> MandateState:
    """Give an agency one field, under a condition, for a legal basis."""
    granted = grant_mandate(
        session,
        AgencyId(asked.agency),
        field=asked.field,
        condition=asked.condition,
        legal_basis=asked.legal_basis,
        valid_from=asked.valid_from,
        valid_to=asked.valid_to,
        by=call.token.client_id,
        at=call.at,
    )
    return MandateState.model_validate(granted)


@router.post("/mandates/{mandate_id}/revoke")
def revoke(call: Administration, session: UnitOfWork, mandate_id: UUID) -> MandateState:
    """Take a mandate back; the very next question is answered without it."""
    revoked = revoke_mandate(session, mandate_id, by=call.token.client_id, at=call.at)
    return MandateState.model_validate(revoked)


@router.get("/legal-bases")
def legal_bases(_call: Administration, session: UnitOfWork) -> LegalBasisList:
    """List the legal bases."""
    found = list_legal_bases(session)
    return LegalBasisList(legal_bases=[LegalBasisState.model_validate(each) for each in found])


@router.post("/legal-bases", status_code=201)
def set_legal_basis(
    call: Administration, session: UnitOfWork, asked: LegalBasisState
) -> LegalBasisState:
    """Enter a legal basis, or its new words; the code stays for ever."""
    add_legal_basis(session, LegalBasis(**asked.model_dump()), call.at)
    return asked
