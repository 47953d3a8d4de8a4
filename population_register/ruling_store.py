"""Queries of rulings and of the review queue, one function each."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeAlias
from uuid import UUID

from sqlalchemy import and_, exists, func, select, update
from sqlalchemy.orm import Session

from kernel.ids import AgencyId, PersonId
from population_register.bulk import any_id_of, copy_rows
from population_register.standings import Ref
from population_register.store import has_data
from population_register.tables import match_pairs, match_rulings, persons

Verdict: TypeAlias = Literal["different", "asked"]
_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What a human said of records of two persons.

    Attributes:
        ruling_id: Names it.
        persons: Whose the records were, or became by it.
        records: The records of either side.
        verdict: Two people, or a question to an agency.
        agency_id: Who was asked.
        undone_at: Since when it does not count any more.
    """

    ruling_id: UUID
    persons: tuple[PersonId, PersonId]
    records: tuple[frozenset[Ref], frozenset[Ref]]
    verdict: Verdict
    agency_id: AgencyId | None
    decided_at: datetime
    decided_by: str
    reason: str
    undone_at: datetime | None = None
    undone_by: str | None = None
    undone_reason: str | None = None


def insert_ruling(session: Session, ruling: Ruling) -> None:
    """Store a ruling, from both sides."""
    copy_rows(
        session,
        match_rulings,
        (
            (
                ruling.persons[side], ruling.ruling_id, ruling.persons[1 - side], ruling.verdict,
                ruling.agency_id, b"".join(sorted(ruling.records[side])), ruling.decided_at,
                ruling.decided_by, ruling.reason, ruling.undone_at, ruling.undone_by,
                ruling.undone_reason,
            )
            for side in (0, 1)
        ),
    )  # fmt: skip


def find_ruling(session: Session, ruling_id: UUID) -> Ruling | None:
    """Return a ruling, undone or not."""
    found = _rulings(
        session.execute(select(match_rulings).where(match_rulings.c.ruling_id == ruling_id))
    )
    return found[0] if found else None


def find_rulings(session: Session, person_ids: Iterable[PersonId]) -> list[Ruling]:
    """Return every ruling about persons, the undone ones too, in order of time."""
    table = match_rulings.c
    ids = select(table.ruling_id).where(table.person_id == any_id_of(person_ids))
    return _rulings(session.execute(select(match_rulings).where(table.ruling_id.in_(ids))))


def _rulings(rows: Iterable[Any]) -> list[Ruling]:
    sides: dict[UUID, list[Any]] = {}
    for row in rows:
        sides.setdefault(row.ruling_id, []).append(row)
    found: list[Ruling] = []
    for ruling_id in sorted(sides):
        one, other = sorted(sides[ruling_id], key=lambda row: row.person_id)
        found.append(
            Ruling(
                ruling_id=ruling_id,
                persons=(PersonId(one.person_id), PersonId(other.person_id)),
                records=(_refs(one.records), _refs(other.records)),
                verdict=one.verdict,
                agency_id=one.agency_id,
                decided_at=one.decided_at,
                decided_by=one.decided_by,
                reason=one.reason,
                undone_at=one.undone_at,
                undone_by=one.undone_by,
                undone_reason=one.undone_reason,
            )
        )
    return found


def _refs(stored: bytes) -> frozenset[Ref]:
    return frozenset(stored[at : at + _DIGEST_BYTES] for at in range(0, len(stored), _DIGEST_BYTES))


def undo_ruling(session: Session, ruling: Ruling, *, at: datetime, by: str, reason: str) -> bool:
    """Let a ruling count no more; tell whether it counted until now."""
    done = session.execute(
        update(match_rulings)
        .where(
            match_rulings.c.person_id == any_id_of(ruling.persons),
            match_rulings.c.ruling_id == ruling.ruling_id,
            match_rulings.c.undone_at.is_(None),
        )
        .values(undone_at=at, undone_by=by, undone_reason=reason)
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]


class Case(NamedTuple):
    """Two persons who may be one: a question for a human.

    Attributes:
        bits: The highest score of two of their records.
        pairs: How many pairs of records are doubtful.
        found_at: When the first of these was found.
        asked_agency: Who was asked about it and has not answered.
    """

    person_id: PersonId
    other_person_id: PersonId
    bits: float
    pairs: int
    found_at: datetime
    asked_agency: AgencyId | None


def list_cases(session: Session, *, limit: int, person_id: PersonId | None = None) -> list[Case]:
    """Return what is to be decided, the likeliest first."""
    pairs = match_pairs.c
    one, other = persons.alias("one"), persons.alias("other")
    rulings = match_rulings.c
    about = and_(
        rulings.person_id == pairs.person_id,
        rulings.other_person_id == pairs.other_person_id,
        rulings.undone_at.is_(None),
    )
    asked = (
        select(func.max(rulings.agency_id))
        .where(about, rulings.verdict == "asked")
        .correlate(match_pairs)
        .scalar_subquery()
    )
    statement = (
        select(
            pairs.person_id,
            pairs.other_person_id,
            func.max(pairs.bits).label("bits"),
            func.count(),
            func.min(pairs.found_at),
            asked,
        )
        .join(one, one.c.person_id == pairs.person_id)
        .join(other, other.c.person_id == pairs.other_person_id)
        .where(
            func.coalesce(one.c.group_id, one.c.person_id)
            != func.coalesce(other.c.group_id, other.c.person_id),
            has_data(one.c.person_id),
            has_data(other.c.person_id),
            ~exists().where(about, rulings.verdict == "different").correlate(match_pairs),
        )
        .group_by(pairs.person_id, pairs.other_person_id)
        .order_by(func.max(pairs.bits).desc(), pairs.person_id, pairs.other_person_id)
        .limit(limit)
    )
    if person_id is None:
        statement = statement.where(pairs.person_id < pairs.other_person_id)
    else:
        statement = statement.where(pairs.person_id == person_id)
    return [Case(*row) for row in session.execute(statement)]
