"""Queries of what the review desk lists: cases that wait, and what officials decided."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from sqlalchemy import Exists, Subquery, and_, exists, func, literal, select, tuple_, union_all
from sqlalchemy.orm import Session

from kernel.ids import AgencyId, PersonId
from population_register.case_store import CaseKey
from population_register.store import has_data
from population_register.tables import (
    case_locks,
    match_pairs,
    match_rulings,
    merge_proposals,
    person_merges,
    persons,
    record_links,
    work_items,
)

CaseState: TypeAlias = Literal["open", "asked", "waiting"]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedCase:
    """A case in the queue; nothing of it is opened.

    Attributes:
        bits: The highest score of two of its records.
        pairs: How many pairs of records are doubtful.
        found_at: When the first of these was found.
        agencies: Whose records they are.
        state: Open; or an agency was asked; or a second official has to confirm.
        held_by: Who works on it.
    """

    case: CaseKey
    bits: float
    pairs: int
    found_at: datetime
    agencies: tuple[AgencyId, ...]
    state: CaseState
    held_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFilter:
    """Which cases are listed; everything when nothing is said.

    Attributes:
        found_before: Not those that are newer.
        agency_id: Those with a record of this agency.
    """

    state: CaseState | None = None
    found_before: datetime | None = None
    agency_id: AgencyId | None = None


QueuePosition: TypeAlias = tuple[datetime, PersonId, PersonId]


def list_queue(
    session: Session,
    wanted: QueueFilter,
    *,
    after: QueuePosition | None,
    limit: int,
    at: datetime,
) -> list[QueuedCase]:
    """Return a part of the queue, the oldest first."""
    cases = _doubtful_cases()
    c = cases.c
    asked, waiting = _is_asked(cases), _is_waiting(cases)
    held = and_(
        case_locks.c.person_id == c.person_id,
        case_locks.c.other_person_id == c.other_person_id,
        case_locks.c.held_until > at,
    )
    statement = (
        select(cases, asked.label("asked"), waiting.label("waiting"), case_locks.c.held_by)
        .select_from(cases.outerjoin(case_locks, held))
        .order_by(c.found_at, c.person_id, c.other_person_id)
        .limit(limit)
    )
    match wanted.state:
        case "waiting":
            statement = statement.where(waiting)
        case "asked":
            statement = statement.where(asked, ~waiting)
        case "open":
            statement = statement.where(~asked, ~waiting)
        case None:
            pass
    if wanted.found_before is not None:
        statement = statement.where(c.found_at <= wanted.found_before)
    if wanted.agency_id is not None:
        statement = statement.where(_has_record_of(cases, wanted.agency_id))
    if after is not None:
        statement = statement.where(
            tuple_(c.found_at, c.person_id, c.other_person_id) > tuple_(*map(literal, after))
        )
    rows = session.execute(statement).all()
    agencies = _agencies_of(session, [(row.person_id, row.other_person_id) for row in rows])
    return [
        QueuedCase(
            case=CaseKey(PersonId(row.person_id), PersonId(row.other_person_id)),
            bits=row.bits,
            pairs=row.pairs,
            found_at=row.found_at,
            agencies=agencies.get((row.person_id, row.other_person_id), ()),
            state="waiting" if row.waiting else "asked" if row.asked else "open",
            held_by=row.held_by,
        )
        for row in rows
    ]


def _doubtful_cases() -> Subquery:
    """Select two persons with doubtful pairs of records, who are not one person and may be.

    Where the data of one was destroyed there is nothing to decide.
    """
    pairs, ruled = match_pairs.c, match_rulings.c
    one, other = persons.alias("one"), persons.alias("other")
    return (
        select(
            pairs.person_id,
            pairs.other_person_id,
            func.max(pairs.bits).label("bits"),
            func.count().label("pairs"),
            func.min(pairs.found_at).label("found_at"),
        )
        .join(one, one.c.person_id == pairs.person_id)
        .join(other, other.c.person_id == pairs.other_person_id)
        .where(
            pairs.person_id < pairs.other_person_id,
            func.coalesce(one.c.group_id, one.c.person_id)
            != func.coalesce(other.c.group_id, other.c.person_id),
            has_data(one.c.person_id),
            has_data(other.c.person_id),
            ~exists()
            .where(
                ruled.person_id == pairs.person_id,
                ruled.other_person_id == pairs.other_person_id,
                ruled.undone_at.is_(None),
                ruled.verdict == "different",
            )
            .correlate(match_pairs),
        )
        .group_by(pairs.person_id, pairs.other_person_id)
        .subquery("cases")
    )


def _is_asked(cases: Subquery) -> Exists:
    """An agency was asked about the case, and has not answered."""
    ruled = match_rulings.c
    return exists().where(
        ruled.person_id == cases.c.person_id,
        ruled.other_person_id == cases.c.other_person_id,
        ruled.undone_at.is_(None),
        ruled.verdict == "asked",
        ~exists()
        .where(
            work_items.c.agency_id == ruled.agency_id,
            work_items.c.finding_id == ruled.ruling_id,
            work_items.c.answered_at.is_not(None),
        )
        .correlate(match_rulings),
    )


def _is_waiting(cases: Subquery) -> Exists:
    """One official decided on a merge, and another has to confirm it."""
    return exists().where(
        merge_proposals.c.person_id == cases.c.person_id,
        merge_proposals.c.other_person_id == cases.c.other_person_id,
        merge_proposals.c.closed_at.is_(None),
    )


def _has_record_of(cases: Subquery, agency_id: AgencyId) -> Exists:
    of_case = match_pairs.alias("of_case")
    return exists().where(
        of_case.c.person_id == cases.c.person_id,
        of_case.c.other_person_id == cases.c.other_person_id,
        record_links.c.agency_id == agency_id,
        record_links.c.record_digest.in_([of_case.c.record_digest, of_case.c.other_digest]),
    )


def _agencies_of(
    session: Session, cases: Collection[tuple[UUID, UUID]]
) -> dict[tuple[UUID, UUID], tuple[AgencyId, ...]]:
    pairs = match_pairs.c
    if not cases:
        return {}
    rows = session.execute(
        select(
            pairs.person_id,
            pairs.other_person_id,
            func.array_agg(record_links.c.agency_id.distinct()),
        )
        .join(
            record_links,
            record_links.c.record_digest.in_([pairs.record_digest, pairs.other_digest]),
        )
        .where(tuple_(pairs.person_id, pairs.other_person_id).in_(list(cases)))
        .group_by(pairs.person_id, pairs.other_person_id)
    )
    return {(one, other): tuple(sorted(agencies)) for one, other, agencies in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One decision of officials, as the list of all of them shows it.

    Attributes:
        kind: `merged`, `different`, `asked`, `proposed`.
        confirmed_by: The second official, of a merge.
        undone_at: Since when it does not count any more.
    """

    decision_id: UUID
    case: CaseKey
    kind: str
    decided_at: datetime
    decided_by: str
    confirmed_by: str | None
    reason: str
    undone_at: datetime | None


def list_decided(session: Session, *, before: UUID | None, limit: int) -> list[Decision]:
    """Return what officials decided, the latest first."""
    merged, ruled, proposed = person_merges.c, match_rulings.c, merge_proposals.c
    everything = union_all(
        select(
            merged.merge_id.label("decision_id"), merged.person_id, merged.other_person_id,
            literal("merged").label("kind"), merged.decided_at, merged.decided_by,
            merged.confirmed_by, merged.reason, merged.undone_at,
        ).where(merged.kind == "decided", merged.person_id < merged.other_person_id),
        select(
            ruled.ruling_id, ruled.person_id, ruled.other_person_id, ruled.verdict,
            ruled.decided_at, ruled.decided_by, literal(None), ruled.reason, ruled.undone_at,
        ).where(ruled.person_id < ruled.other_person_id),
        select(
            proposed.proposal_id, proposed.person_id, proposed.other_person_id,
            literal("proposed"), proposed.proposed_at, proposed.proposed_by,
            proposed.closed_by, proposed.reason, literal(None),
        ),
    ).subquery("decided")  # fmt: skip
    statement = select(everything).order_by(everything.c.decision_id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(everything.c.decision_id < before)
    return [
        Decision(
            decision_id=row.decision_id,
            case=CaseKey(PersonId(row.person_id), PersonId(row.other_person_id)),
            kind=row.kind,
            decided_at=row.decided_at,
            decided_by=row.decided_by,
            confirmed_by=row.confirmed_by,
            reason=row.reason,
            undone_at=row.undone_at,
        )
        for row in session.execute(statement)
    ]
