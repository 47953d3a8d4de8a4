"""Give agencies mandates, take them back, and tell what they have and had."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy.orm import Session

from kernel.ids import AgencyId, new_id
from population_register import mandate_store
from population_register.errors import MandateRefused, UnknownAgency, UnknownMandate
from population_register.mandate import (
    Condition,
    LegalBasis,
    Mandate,
    check_field,
    check_legal_basis,
)
from population_register.model import civil_date

LONGEST_TITLE = 300  # characters


def add_legal_basis(session: Session, basis: LegalBasis, at: datetime) -> None:
    """Enter a legal basis, or its new words; the code stays.

    Raises:
        MandateRefused: 400. The code is not of its form, or a text is missing or can't be shown.
    """
    check_legal_basis(basis.code)
    for text in (basis.title_ru, basis.title_en, basis.reference):
        if not text.strip() or len(text) > LONGEST_TITLE or not text.isprintable():
            raise MandateRefused("A legal basis has a title in both languages, and a reference.")
    mandate_store.upsert_legal_basis(session, basis, at)


def list_legal_bases(session: Session) -> list[LegalBasis]:
    """Return every legal basis by code."""
    return mandate_store.list_legal_bases(session)


def grant_mandate(
    session: Session,
    agency_id: AgencyId,
    *,
    field: str,
    condition: Condition,
    legal_basis: str,
    valid_from: date | None,
    valid_to: date | None,
    by: str,
    at: datetime,
) -> Mandate:
    """Give an agency one field, under a condition, for a legal basis, from a day on.

    Args:
        session: The transaction.
        agency_id: Whose.
        field: As `mandate.check_field`.
        condition: Of whom it may be given.
        legal_basis: A code that was entered.
        valid_from: First day; None for today.
        valid_to: First day on which it is over; None for an open end.
        by: Who gives it.
        at: Now.

    Raises:
        UnknownAgency: 404. No such agency.
        MandateRefused: 400. No such field or basis, a condition that the field can't have, the
            period has no day, or it stands already.

    Transaction:
        Counts the agency's revision, so that every process asks anew.
    """
    check_field(field, condition)
    valid_from = valid_from or civil_date(at)
    if valid_to is not None and valid_to <= valid_from:
        raise MandateRefused("valid_to is the first day on which the mandate is over.")
    if not mandate_store.has_legal_basis(session, legal_basis):
        raise MandateRefused("There is no such legal basis; enter it first.")
    if mandate_store.next_revision(session, agency_id) is None:
        raise UnknownAgency(agency_id=agency_id)
    mandate = Mandate(
        mandate_id=new_id(at),
        agency_id=agency_id,
        field=field,
        condition=condition,
        legal_basis=legal_basis,
        valid_from=valid_from,
        valid_to=valid_to,
        granted_at=at,
        granted_by=by,
    )
    if not mandate_store.insert_mandate(session, mandate):
        raise MandateRefused("The agency has this mandate already.")
    return mandate


def revoke_mandate(session: Session, mandate_id: UUID, *, by: str, at: datetime) -> Mandate:
    """Take a mandate back; the first question that is decided afterwards does not see it.

    Raises:
        UnknownMandate: 404. No such mandate, or it was revoked before.
    """
    revoked = mandate_store.revoke_mandate(session, mandate_id, by=by, at=at)
    if revoked is None:
        raise UnknownMandate(mandate_id=str(mandate_id))
    mandate_store.next_revision(session, revoked.agency_id)
    return revoked


def list_mandates(session: Session, agency_id: AgencyId | None = None) -> list[Mandate]:
    """Return what an agency has and had, or all have and had, by the time it was granted."""
    return mandate_store.list_mandates(session, agency_id)
