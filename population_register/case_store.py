"""Queries of the review queue: who holds a case, what waits for a second official, the decisions.

A case is named by its two persons, the older first.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple, TypeAlias
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    and_,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from kernel.ids import AgencyId, PersonId
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


# The queue


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
    pairs = match_pairs.c
    one, other = persons.alias("one"), persons.alias("other")
    ruled = match_rulings.c
    cases = (
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
    c = cases.c
    asked = exists().where(
        ruled.person_id == c.person_id,
        ruled.other_person_id == c.other_person_id,
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
    waiting = exists().where(
        merge_proposals.c.person_id == c.person_id,
        merge_proposals.c.other_person_id == c.other_person_id,
        merge_proposals.c.closed_at.is_(None),
    )
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
        of_case = match_pairs.alias("of_case")
        statement = statement.where(
            exists().where(
                of_case.c.person_id == c.person_id,
                of_case.c.other_person_id == c.other_person_id,
                record_links.c.agency_id == wanted.agency_id,
                record_links.c.record_digest.in_([of_case.c.record_digest, of_case.c.other_digest]),
            )
        )
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


# What was decided


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
