"""Queries of work items: a finding on the work list of an agency, and what it answered."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, false, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from kernel.ids import AgencyId, PersonId
from kernel.tables import person_keys
from population_register.bulk import any_id_of
from population_register.finding_store import Closing
from population_register.store import has_data
from population_register.tables import findings, work_items

Answer: TypeAlias = Literal["corrected", "refused"]

Status: TypeAlias = Literal["open", "overdue", "answered", "corrected"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkRow:
    """An item of a work list with its finding and the person's key, sealed."""

    agency_id: AgencyId
    person_id: PersonId
    finding_id: UUID
    rule: str
    content_sealed: bytes
    opened_at: datetime
    closed_at: datetime | None
    closed_as: Closing | None
    due_on: date
    answered_at: datetime | None
    answer: Answer | None
    answered_by: str | None
    answer_sealed: bytes | None
    wrapped_key: bytes

    def status(self, today: date) -> Status:
        """Return how the item stands on a day."""
        if self.closed_as == "corrected":
            return "corrected"
        if self.answer is not None:
            return "answered"
        return "overdue" if self.due_on < today else "open"


def insert_work_items(
    session: Session,
    agencies: Iterable[AgencyId],
    *,
    person_id: PersonId,
    finding_id: UUID,
    due_on: date,
) -> None:
    """Put a finding on the work lists of agencies that don't have it yet."""
    rows = [
        {
            "agency_id": agency_id,
            "finding_id": finding_id,
            "person_id": person_id,
            "due_on": due_on,
        }
        for agency_id in sorted(agencies)
    ]
    if rows:
        session.execute(upsert(work_items).on_conflict_do_nothing(), rows)


def reopen_work_items(session: Session, findings_of: Mapping[UUID, PersonId], today: date) -> int:
    """Take back answers that something was corrected, of which the time is over; it was not."""
    if not findings_of:
        return 0
    c = work_items.c
    done = session.execute(
        update(work_items)
        .where(
            c.person_id == any_id_of(set(findings_of.values())),
            c.finding_id.in_(list(findings_of)),
            c.answer == "corrected",
            c.due_on < today,
        )
        .values(answered_at=None, answer=None, answered_by=None, answer_sealed=None)
        .returning(c.finding_id)
    )
    return len(done.all())


def agencies_of(session: Session, person_ids: Iterable[PersonId]) -> dict[UUID, set[AgencyId]]:
    """Return whose work lists have the findings of persons, by finding."""
    found: dict[UUID, set[AgencyId]] = {}
    for row in session.execute(
        select(work_items.c.finding_id, work_items.c.agency_id).where(
            work_items.c.person_id == any_id_of(person_ids)
        )
    ):
        found.setdefault(row.finding_id, set()).add(AgencyId(row.agency_id))
    return found


def _work() -> Select[tuple[object, ...]]:
    same = and_(
        findings.c.person_id == work_items.c.person_id,
        findings.c.finding_id == work_items.c.finding_id,
    )
    f, w = findings.c, work_items.c
    return (
        select(
            w.agency_id, w.person_id, w.finding_id, f.rule, f.content_sealed, f.opened_at,
            f.closed_at, f.closed_as, w.due_on, w.answered_at, w.answer, w.answered_by,
            w.answer_sealed, person_keys.c.wrapped_key,
        )
        .join(findings, same)
        .join(person_keys, person_keys.c.person_id == w.person_id)
        .where(person_keys.c.wrapped_key.is_not(None))
    )  # fmt: skip


def _having(status: Status, today: date) -> ColumnElement[bool]:
    f, w = findings.c, work_items.c
    is_corrected = func.coalesce(f.closed_as == "corrected", false())
    waits = and_(~is_corrected, w.answer.is_(None))
    match status:
        case "corrected":
            return is_corrected
        case "answered":
            return and_(~is_corrected, w.answer.is_not(None))
        case "overdue":
            return and_(waits, w.due_on < today)
        case "open":
            return and_(waits, w.due_on >= today)


def list_work(
    session: Session,
    agency_id: AgencyId,
    *,
    statuses: Iterable[Status],
    after: UUID | None,
    limit: int,
    today: date,
) -> list[WorkRow]:
    """Return a part of an agency's work list, the oldest first."""
    wanted = or_(*(_having(status, today) for status in statuses))
    statement = _work().where(work_items.c.agency_id == agency_id, wanted)
    if after is not None:
        statement = statement.where(work_items.c.finding_id > after)
    rows = session.execute(statement.order_by(work_items.c.finding_id).limit(limit))
    return [_work_row(row) for row in rows]


def lock_work(session: Session, agency_id: AgencyId, finding_id: UUID) -> WorkRow | None:
    """Lock an item of an agency's work list with its finding, and return it."""
    row = session.execute(
        _work()
        .where(work_items.c.agency_id == agency_id, work_items.c.finding_id == finding_id)
        .with_for_update(of=(findings, work_items))
    ).one_or_none()
    return None if row is None else _work_row(row)


def work_about(session: Session, person_id: PersonId, rule: str, limit: int) -> list[WorkRow]:
    """Return the items about a person that a rule made, the latest first."""
    rows = session.execute(
        _work()
        .where(work_items.c.person_id == person_id, findings.c.rule == rule)
        .order_by(work_items.c.finding_id.desc())
        .limit(limit)
    )
    return [_work_row(row) for row in rows]


def answer_work(
    session: Session,
    work: WorkRow,
    *,
    answer: Answer,
    answered_by: str,
    answer_sealed: bytes,
    at: datetime,
) -> bool:
    """Store an agency's answer; tell whether there was none."""
    done = session.execute(
        update(work_items)
        .where(
            work_items.c.agency_id == work.agency_id,
            work_items.c.finding_id == work.finding_id,
            work_items.c.answered_at.is_(None),
        )
        .values(answer=answer, answered_by=answered_by, answer_sealed=answer_sealed, answered_at=at)
        .returning(work_items.c.finding_id)
    )
    return done.one_or_none() is not None


def count_work(session: Session, today: date) -> Sequence[tuple[AgencyId, dict[Status, int]]]:
    """Return how many items of each status every agency has, by agency.

    Of people whose data was destroyed none: they are on no list any more.
    """
    same = and_(
        findings.c.person_id == work_items.c.person_id,
        findings.c.finding_id == work_items.c.finding_id,
    )
    statuses: tuple[Status, ...] = ("open", "overdue", "answered", "corrected")
    counts = [func.count().filter(_having(status, today)).label(status) for status in statuses]
    rows = session.execute(
        select(work_items.c.agency_id, *counts)
        .join(findings, same)
        .where(has_data(work_items.c.person_id))
        .group_by(work_items.c.agency_id)
        .order_by(work_items.c.agency_id)
    )
    return [
        (AgencyId(row.agency_id), {status: getattr(row, status) for status in statuses})
        for row in rows
    ]


def _work_row(row: Row[tuple[object, ...]]) -> WorkRow:
    return WorkRow(**row._asdict())
