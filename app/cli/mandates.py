"""`civitas mandate`: which fields an agency may get, under which condition, on which ground."""

from datetime import date
from typing import BinaryIO
from uuid import UUID

import click

from app.cli.registering import provider_of, read_json_object
from app.cli.session import as_json, resources, show, table
from kernel.db import unit_of_work_of
from kernel.ids import AgencyId
from partner_api.api import add_agency_client
from population_register.api import (
    Condition,
    LegalBasis,
    Mandate,
    add_legal_basis,
    grant_mandate,
    list_legal_bases,
    list_mandates,
    revoke_mandate,
)


@click.group()
def mandate() -> None:
    """Give agencies mandates, take them back, see what they have and had."""


@mandate.command("basis")
@click.argument("code")
@click.option("--title-ru", required=True, help="As the citizen reads it in the log.")
@click.option("--title-en", required=True, help="The same in English.")
@click.option("--reference", required=True, help="Act, article and part.")
@as_json
def set_basis(code: str, title_ru: str, title_en: str, reference: str, *, is_json: bool) -> None:
    """Enter the legal basis CODE, or its new words; the code stays for ever."""
    basis = LegalBasis(code=code, title_ru=title_ru, title_en=title_en, reference=reference)
    with resources() as opened, unit_of_work_of(opened.sessions) as session:
        add_legal_basis(session, basis, opened.clock.now())
    show(is_json, {"legal_basis": code}, lines=[f"{code}: {reference}"])


@mandate.command("bases")
@as_json
def show_bases(*, is_json: bool) -> None:
    """List the legal bases."""
    with resources() as opened, opened.sessions() as session:
        rows = [
            {"code": each.code, "reference": each.reference, "title": each.title_en}
            for each in list_legal_bases(session)
        ]
    columns = {"code": "CODE", "reference": "REFERENCE", "title": "TITLE"}
    show(is_json, rows, lines=table(rows, columns))


@mandate.command("grant")
@click.argument("agency_id")
@click.argument("legal_basis")
@click.argument("fields", nargs=-1, required=True)
@click.option(
    "--condition",
    type=click.Choice([condition.value for condition in Condition]),
    default=Condition.ALWAYS.value,
    show_default=True,
    help="Of whom the fields may be given.",
)
@click.option("--from", "valid_from", type=click.DateTime(["%Y-%m-%d"]), help="First day; today.")
@click.option("--until", "valid_to", type=click.DateTime(["%Y-%m-%d"]), help="Over on this day.")
@as_json
def grant(
    agency_id: str,
    legal_basis: str,
    fields: tuple[str, ...],
    *,
    condition: str,
    valid_from: "date | None",
    valid_to: "date | None",
    is_json: bool,
) -> None:
    """Let AGENCY_ID get FIELDS on the ground of LEGAL_BASIS.

    A field is an attribute or a predicate of the register; `pseudonym`, a match without any value;
    or `pseudonym:SECTOR`, the conversion into that sector's pseudonyms. All of them or none.
    """
    with resources() as opened, unit_of_work_of(opened.sessions) as session:
        at = opened.clock.now()
        granted = [
            grant_mandate(
                session,
                AgencyId(agency_id),
                field=field,
                condition=Condition(condition),
                legal_basis=legal_basis,
                valid_from=None if valid_from is None else _day(valid_from),
                valid_to=None if valid_to is None else _day(valid_to),
                by="command",
                at=at,
            )
            for field in fields
        ]
    show(is_json, [_row(each) for each in granted], lines=_lines(granted))


@mandate.command("revoke")
@click.argument("mandate_id", type=click.UUID)
@as_json
def revoke(mandate_id: UUID, *, is_json: bool) -> None:
    """Take a mandate back; the very next question is answered without it."""
    with resources() as opened, unit_of_work_of(opened.sessions) as session:
        revoked = revoke_mandate(session, mandate_id, by="command", at=opened.clock.now())
    show(is_json, _row(revoked), lines=_lines([revoked]))


@mandate.command("list")
@click.option("--agency", "agency_id", help="Only this agency's.")
@as_json
def list_current(agency_id: str | None, *, is_json: bool) -> None:
    """List the mandates that are in force now."""
    with resources() as opened, opened.sessions() as session:
        now = opened.clock.now()
        found = [each for each in list_mandates(session, _wanted(agency_id)) if each.in_force(now)]
    show(is_json, [_row(each) for each in found], lines=_lines(found))


@mandate.command("history")
@click.option("--agency", "agency_id", help="Only this agency's.")
@as_json
def list_history(agency_id: str | None, *, is_json: bool) -> None:
    """List every mandate that was ever given: who gave it and who took it back, and when."""
    with resources() as opened, opened.sessions() as session:
        found = list_mandates(session, _wanted(agency_id))
    show(is_json, [_row(each) for each in found], lines=_lines(found))


@mandate.command("client")
@click.argument("metadata", type=click.File("rb"))
@click.option("--client-id", help="A chosen identifier; a random one otherwise.")
@as_json
def add_administrator(metadata: BinaryIO, client_id: str | None, *, is_json: bool) -> None:
    """Register a client that administers mandates over HTTP: METADATA as `civitas agency client`.

    Its tokens are of scope register.mandates.
    """
    asked = read_json_object(metadata)
    with resources() as opened, unit_of_work_of(opened.sessions) as session:
        registered = add_agency_client(
            session,
            provider_of(opened),
            None,
            asked,
            client_id=client_id,
            at=opened.clock.now(),
        )
    answer = {"client_id": registered.client_id, "scope": registered.scope}
    show(is_json, answer, lines=[f"Client {registered.client_id} administers mandates."])


def _wanted(agency_id: str | None) -> AgencyId | None:
    return None if agency_id is None else AgencyId(agency_id)


def _day(given: date) -> date:
    return date(given.year, given.month, given.day)


def _row(mandate: Mandate) -> dict[str, object]:
    return {
        "mandate_id": str(mandate.mandate_id),
        "agency": mandate.agency_id,
        "field": mandate.field,
        "condition": mandate.condition.value,
        "legal_basis": mandate.legal_basis,
        "valid_from": mandate.valid_from.isoformat(),
        "valid_to": mandate.valid_to.isoformat() if mandate.valid_to else None,
        "granted_at": mandate.granted_at.isoformat(),
        "granted_by": mandate.granted_by,
        "revoked_at": mandate.revoked_at.isoformat() if mandate.revoked_at else None,
        "revoked_by": mandate.revoked_by,
    }


def _lines(mandates: list[Mandate]) -> list[str]:
    columns = (
        "mandate_id",
        "agency",
        "legal_basis",
        "field",
        "condition",
        "valid_to",
        "revoked_at",
    )
    rows = [{key: value or "" for key, value in _row(each).items()} for each in mandates]
    return table(rows, {key: key.upper().replace("_", " ") for key in columns})
