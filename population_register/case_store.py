"""Queries of cases of the review desk: who holds one, and what waits for a second official.

A case is named by its two persons, the older first.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, delete, exists, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from kernel.ids import PersonId
from population_register.tables import (
    case_locks,
    match_pairs,
    match_rulings,
    merge_proposals,
    person_merges,
)

Closing: TypeAlias = Literal["approved", "rejected"]
HELD_FOR: Final = timedelta(minutes=15)
"""How long a case stays with the clerk who took it, or looked at it last."""


class CaseKey(NamedTuple):
    """The two persons of a case, the older first."""

    one: PersonId
    other: PersonId


def case_key(one: PersonId, other: PersonId) -> CaseKey:
    """Name the case of two persons, given in either order."""
    return CaseKey(min(one, other), max(one, other))


# Who holds a case


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseLock:
    """Who works on a case, and until when nobody else may."""

    held_by: str
    held_until: datetime


def take_case(session: Session, case: CaseKey, official: str, *, at: datetime) -> bool:
    """Let an official work on a case; tell whether nobody else does.

    Transaction:
        One upsert: of many who want it at once, one gets it.
    """
    table = case_locks.c
    taken = session.execute(
        upsert(case_locks)
        .values(
            person_id=case.one,
            other_person_id=case.other,
            held_by=official,
            held_until=at + HELD_FOR,
        )
        .on_conflict_do_update(
            index_elements=["person_id", "other_person_id"],
            set_={"held_by": official, "held_until": at + HELD_FOR},
            where=or_(table.held_by == official, table.held_until <= at),
        )
        .returning(table.held_by)
    )
    return taken.one_or_none() is not None


def keep_case(session: Session, case: CaseKey, official: str, *, at: datetime) -> bool:
    """Let an official work on a case for longer; tell whether it is theirs.

    Transaction:
        Locks the row: who decides the same case twice at once, decides it once.
    """
    kept = session.execute(
        update(case_locks)
        .where(_is(case), case_locks.c.held_by == official, case_locks.c.held_until > at)
        .values(held_until=at + HELD_FOR)
        .returning(case_locks.c.held_by)
    )
    return kept.one_or_none() is not None


def release_case(session: Session, case: CaseKey, official: str) -> None:
    """Let others work on a case that an official holds."""
    session.execute(delete(case_locks).where(_is(case), case_locks.c.held_by == official))


def find_lock(session: Session, case: CaseKey, *, at: datetime) -> CaseLock | None:
    """Return who works on a case."""
    row = session.execute(
        select(case_locks.c.held_by, case_locks.c.held_until).where(
            _is(case), case_locks.c.held_until > at
        )
    ).one_or_none()
    return None if row is None else CaseLock(held_by=row.held_by, held_until=row.held_until)


def _is(case: CaseKey) -> ColumnElement[bool]:
    return and_(case_locks.c.person_id == case.one, case_locks.c.other_person_id == case.other)


# What waits for a second official


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A merge that one official decided, and another has to confirm.

    Attributes:
        closed_as: What the other one said.
    """

    proposal_id: UUID
    case: CaseKey
    proposed_at: datetime
    proposed_by: str
    reason: str
    closed_at: datetime | None = None
    closed_by: str | None = None
    closed_as: Closing | None = None
    closed_reason: str | None = None


def insert_proposal(session: Session, proposal: Proposal) -> bool:
    """Store a proposal; tell whether the case had none that is open.

    Transaction:
        By a unique index: of two at once, one is stored.
    """
    stored = session.execute(
        upsert(merge_proposals)
        .values(
            person_id=proposal.case.one,
            proposal_id=proposal.proposal_id,
            other_person_id=proposal.case.other,
            proposed_at=proposal.proposed_at,
            proposed_by=proposal.proposed_by,
            reason=proposal.reason,
        )
        .on_conflict_do_nothing()
        .returning(merge_proposals.c.proposal_id)
    )
    return stored.one_or_none() is not None


def close_proposal(
    session: Session,
    case: CaseKey,
    proposal_id: UUID,
    *,
    by: str,
    how: Closing,
    reason: str,
    at: datetime,
) -> Proposal | None:
    """Confirm or reject what somebody else proposed; return it, or None if that is not possible.

    Transaction:
        One statement: the second official is another than the first, and of two one decides.
    """
    table = merge_proposals.c
    row = session.execute(
        update(merge_proposals)
        .where(
            table.person_id == case.one,
            table.other_person_id == case.other,
            table.proposal_id == proposal_id,
            table.closed_at.is_(None),
            table.proposed_by != by,
        )
        .values(closed_at=at, closed_by=by, closed_as=how, closed_reason=reason)
        .returning(merge_proposals)
    ).one_or_none()
    return None if row is None else _proposal(row)


def list_proposals(session: Session, case: CaseKey) -> list[Proposal]:
    """Return what was ever proposed about a case, in order of time."""
    table = merge_proposals.c
    rows = session.execute(
        select(merge_proposals)
        .where(table.person_id == case.one, table.other_person_id == case.other)
        .order_by(table.proposal_id)
    )
    return [_proposal(row) for row in rows]


def _proposal(row: Row[Any]) -> Proposal:
    return Proposal(
        proposal_id=row.proposal_id,
        case=CaseKey(PersonId(row.person_id), PersonId(row.other_person_id)),
        proposed_at=row.proposed_at,
        proposed_by=row.proposed_by,
        reason=row.reason,
        closed_at=row.closed_at,
        closed_by=row.closed_by,
        closed_as=row.closed_as,
        closed_reason=row.closed_reason,
    )


def is_case(session: Session, case: CaseKey) -> bool:
    """Tell whether there is, or ever was, a question about two persons."""
    found = session.scalar(
        select(
            or_(
                *(
                    exists().where(
                        table.c.person_id == case.one, table.c.other_person_id == case.other
                    )
                    for table in (match_pairs, person_merges, match_rulings, merge_proposals)
                )
            )
        )
    )
    return bool(found)
