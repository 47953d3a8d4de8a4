"""Queries of agencies' history, legal bases and mandates, one function each."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, Select, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from kernel.ids import AgencyId
from population_register.mandate import Condition, LegalBasis, Mandate
from population_register.model import JSONValue
from population_register.tables import (
    agencies,
    agency_changes,
    agency_official_keys,
    legal_bases,
    mandates,
)

# Agencies


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyChange:
    """What an agency was made to be at one of its revisions."""

    revision: int
    document: Mapping[str, JSONValue]
    changed_at: datetime
    changed_by: str


def insert_agency_change(session: Session, agency_id: AgencyId, change: AgencyChange) -> None:
    """Write down a change of an agency."""
    session.execute(
        insert(agency_changes).values(
            agency_id=agency_id,
            revision=change.revision,
            document=dict(change.document),
            changed_at=change.changed_at,
            changed_by=change.changed_by,
        )
    )


def list_agency_changes(session: Session, agency_id: AgencyId) -> list[AgencyChange]:
    """Return the changes of an agency, latest first."""
    c = agency_changes.c
    rows = session.execute(
        select(c.revision, c.document, c.changed_at, c.changed_by)
        .where(c.agency_id == agency_id)
        .order_by(c.revision.desc())
        .limit(1000)
    )
    return [AgencyChange(**row._asdict()) for row in rows]


def next_revision(session: Session, agency_id: AgencyId) -> int | None:
    """Count a change of what belongs to an agency; return the revision, None if there is no such.

    Transaction:
        Locks the agency's row: two changes of one agency follow one another.
    """
    return session.execute(
        update(agencies)
        .where(agencies.c.agency_id == agency_id)
        .values(revision=agencies.c.revision + 1)
        .returning(agencies.c.revision)
    ).scalar_one_or_none()


# Official-signing keys


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficialKey:
    """A key by which an agency signs which of its officials asks."""

    kid: str
    jwk: Mapping[str, JSONValue]
    added_at: datetime
    retired_at: datetime | None = None


def insert_official_key(session: Session, agency_id: AgencyId, key: OfficialKey) -> bool:
    """Store a key; tell whether its `kid` is new."""
    made = session.execute(
        upsert(agency_official_keys)
        .values(agency_id=agency_id, kid=key.kid, jwk=dict(key.jwk), added_at=key.added_at)
        .on_conflict_do_nothing()
        .returning(agency_official_keys.c.kid)
    )
    return made.one_or_none() is not None


def retire_official_key(session: Session, agency_id: AgencyId, kid: str, *, at: datetime) -> bool:
    """Let a key sign no more; tell whether it did until now."""
    c = agency_official_keys.c
    retired = session.execute(
        update(agency_official_keys)
        .where(c.agency_id == agency_id, c.kid == kid, c.retired_at.is_(None))
        .values(retired_at=at)
        .returning(c.kid)
    )
    return retired.one_or_none() is not None


def list_official_keys(session: Session, agency_id: AgencyId) -> list[OfficialKey]:
    """Return the keys of an agency by the time they were added, retired ones too."""
    c = agency_official_keys.c
    rows = session.execute(
        select(c.kid, c.jwk, c.added_at, c.retired_at)
        .where(c.agency_id == agency_id)
        .order_by(c.added_at, c.kid)
        .limit(1000)
    )
    return [OfficialKey(**row._asdict()) for row in rows]


# Legal bases


def upsert_legal_basis(session: Session, basis: LegalBasis, at: datetime) -> None:
    """Store a legal basis, or its new words."""
    words = {
        "title_ru": basis.title_ru,
        "title_en": basis.title_en,
        "reference": basis.reference,
    }
    session.execute(
        upsert(legal_bases)
        .values(code=basis.code, created_at=at, **words)
        .on_conflict_do_update(index_elements=[legal_bases.c.code], set_=words)
    )


def list_legal_bases(session: Session) -> list[LegalBasis]:
    """Return all legal bases by code; they are a few hundred at most."""
    c = legal_bases.c
    rows = session.execute(
        select(c.code, c.title_ru, c.title_en, c.reference).order_by(c.code).limit(10_000)
    )
    return [LegalBasis(**row._asdict()) for row in rows]


def has_legal_basis(session: Session, code: str) -> bool:
    """Tell whether a legal basis was entered."""
    found = session.execute(select(legal_bases.c.code).where(legal_bases.c.code == code))
    return found.one_or_none() is not None


# Mandates


def insert_mandate(session: Session, mandate: Mandate) -> bool:
    """Store a mandate; tell whether it is new, and not one that stands already."""
    made = session.execute(
        upsert(mandates)
        .values(
            mandate_id=mandate.mandate_id,
            agency_id=mandate.agency_id,
            field=mandate.field,
            condition=mandate.condition.value,
            legal_basis=mandate.legal_basis,
            valid_from=mandate.valid_from,
            valid_to=mandate.valid_to,
            granted_at=mandate.granted_at,
            granted_by=mandate.granted_by,
        )
        .on_conflict_do_nothing()
        .returning(mandates.c.mandate_id)
    )
    return made.one_or_none() is not None


def revoke_mandate(session: Session, mandate_id: UUID, *, by: str, at: datetime) -> Mandate | None:
    """Revoke a mandate and return it; None if there is no such, or it was revoked before.

    Transaction:
        One UPDATE … RETURNING: of two who revoke, one does.
    """
    row = session.execute(
        update(mandates)
        .where(mandates.c.mandate_id == mandate_id, mandates.c.revoked_at.is_(None))
        .values(revoked_at=at, revoked_by=by)
        .returning(*mandates.c)
    ).one_or_none()
    return None if row is None else _mandate(row)


def list_mandates(session: Session, agency_id: AgencyId | None = None) -> list[Mandate]:
    """Return mandates, revoked ones too, by the time they were granted.

    Args:
        session: The transaction.
        agency_id: Whose; None for all agencies.
    """
    statement = _all()
    if agency_id is not None:
        statement = statement.where(mandates.c.agency_id == agency_id)
    return [_mandate(row) for row in session.execute(statement)]


def _all() -> Select[tuple[object, ...]]:
    c = mandates.c
    return select(mandates).order_by(c.granted_at, c.field, c.mandate_id).limit(100_000)


def _mandate(row: Row[tuple[object, ...]]) -> Mandate:
    values = row._asdict()
    return Mandate(
        **{
            **values,
            "agency_id": AgencyId(values["agency_id"]),
            "condition": Condition(values["condition"]),
        }
    )
