"""Queries of findings and of agencies' work lists, one function each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, false, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session, aliased

from kernel.ids import AgencyId, PersonId
from kernel.tables import person_keys
from population_register.bulk import any_id_of
from population_register.tables import findings, kinships, persons, work_items

Answer: TypeAlias = Literal["corrected", "refused"]
Closing: TypeAlias = Literal["corrected", "answered"]
Status: TypeAlias = Literal["open", "overdue", "answered", "corrected"]


# Persons


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedPerson:
    """A person as it lies: the derived record, the key, and who else is this person."""

    person_id: PersonId
    group_id: PersonId | None
    sealed_record: bytes
    wrapped_key: bytes


def _people() -> Select[tuple[UUID, UUID | None, bytes, bytes | None]]:
    return (
        select(
            persons.c.person_id,
            persons.c.group_id,
            persons.c.record_sealed,
            person_keys.c.wrapped_key,
        )
        .join(person_keys, person_keys.c.person_id == persons.c.person_id)
        .where(person_keys.c.wrapped_key.is_not(None))
    )


def _sealed_person(row: Row[tuple[UUID, UUID | None, bytes, bytes | None]]) -> SealedPerson:
    assert row.wrapped_key is not None
    return SealedPerson(
        person_id=PersonId(row.person_id),
        group_id=None if row.group_id is None else PersonId(row.group_id),
        sealed_record=row.record_sealed,
        wrapped_key=row.wrapped_key,
    )


def next_people(session: Session, after: PersonId | None, limit: int) -> list[SealedPerson]:
    """Return the next people whose data was not destroyed, by identifier.

    Of persons who are merged, the oldest whose data is left stands for all.
    """
    earlier, earlier_key = aliased(persons), aliased(person_keys)
    has_earlier = (
        select(earlier.c.person_id)
        .join(earlier_key, earlier_key.c.person_id == earlier.c.person_id)
        .where(
            earlier.c.group_id == persons.c.group_id,
            earlier.c.person_id < persons.c.person_id,
            earlier_key.c.wrapped_key.is_not(None),
        )
        .exists()
    )
    statement = (
        _people()
        .where(or_(persons.c.group_id.is_(None), ~has_earlier))
        .order_by(persons.c.person_id)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(persons.c.person_id > after)
    return [_sealed_person(row) for row in session.execute(statement)]


def find_people(session: Session, person_ids: Iterable[PersonId]) -> list[SealedPerson]:
    """Return persons, and all who are merged with them, whose data was not destroyed."""
    wanted = any_id_of(person_ids)
    groups = select(persons.c.group_id).where(
        persons.c.person_id == wanted, persons.c.group_id.is_not(None)
    )
    statement = (
        _people()
        .where(or_(persons.c.person_id == wanted, persons.c.group_id.in_(groups)))
        .order_by(persons.c.person_id)
    )
    return [_sealed_person(row) for row in session.execute(statement)]


def lock_person(session: Session, person_id: PersonId) -> None:
    """Let what depends on a person's findings follow one another until the transaction ends."""
    session.execute(
        select(persons.c.person_id).where(persons.c.person_id == person_id).with_for_update()
    )


# Findings


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRow:
    """A stored finding, sealed."""

    person_id: PersonId
    finding_id: UUID
    rule: str
    identity_digest: bytes
    content_sealed: bytes
    opened_at: datetime
    closed_at: datetime | None = None
    closed_as: Closing | None = None


def insert_finding(session: Session, finding: FindingRow) -> bool:
    """Store a finding; tell whether the same thing was not open already.

    Transaction:
        Waits for whoever is inserting the same one.
    """
    made = session.execute(
        upsert(findings)
        .values(
            person_id=finding.person_id,
            finding_id=finding.finding_id,
            rule=finding.rule,
            identity_digest=finding.identity_digest,
            content_sealed=finding.content_sealed,
            opened_at=finding.opened_at,
        )
        .on_conflict_do_nothing()
        .returning(findings.c.finding_id)
    )
    return made.one_or_none() is not None


def open_findings(
    session: Session, person_ids: Iterable[PersonId]
) -> dict[PersonId, list[FindingRow]]:
    """Return what is open about persons; those about whom nothing is are absent."""
    rows = session.execute(
        select(findings).where(
            findings.c.person_id == any_id_of(person_ids), findings.c.closed_at.is_(None)
        )
    )
    found: dict[PersonId, list[FindingRow]] = {}
    for row in rows:
        found.setdefault(PersonId(row.person_id), []).append(FindingRow(**row._asdict()))
    return found


def people_to_look_at_again(session: Session, changed: Iterable[PersonId]) -> list[PersonId]:
    """Return those of whom something is open, among persons who have changed and their children.

    A child is held against what is known of the parents: what did not fit may be right now.
    """
    wanted = list(changed)
    if not wanted:
        return []
    ids = any_id_of(wanted)
    children = select(kinships.c.person_id).where(kinships.c.parent_id == ids)
    rows = session.scalars(
        select(findings.c.person_id)
        .where(
            or_(findings.c.person_id == ids, findings.c.person_id.in_(children)),
            findings.c.closed_at.is_(None),
        )
        .distinct()
    )
    return sorted(map(PersonId, rows))


def update_content(
    session: Session, person_id: PersonId, finding_id: UUID, content_sealed: bytes
) -> None:
    """Replace the content of a finding."""
    session.execute(
        update(findings)
        .where(findings.c.person_id == person_id, findings.c.finding_id == finding_id)
        .values(content_sealed=content_sealed)
    )


def close_finding(
    session: Session, person_id: PersonId, finding_id: UUID, *, at: datetime, how: Closing
) -> bool:
    """Close a finding; tell whether it was open."""
    closed = session.execute(
        update(findings)
        .where(
            findings.c.person_id == person_id,
            findings.c.finding_id == finding_id,
            findings.c.closed_at.is_(None),
        )
        .values(closed_at=at, closed_as=how)
        .returning(findings.c.finding_id)
    )
    return closed.one_or_none() is not None


def count_opened(session: Session, person_id: PersonId, rule: str, *, since: datetime) -> int:
    """Return how many findings of a rule were opened about a person from an instant on."""
    return int(
        session.scalar(
            select(func.count())
            .select_from(findings)
            .where(
                findings.c.person_id == person_id,
                findings.c.rule == rule,
                findings.c.opened_at >= since,
            )
        )
        or 0
    )


# Work items


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
    """Return how many items of each status every agency has, by agency."""
    same = and_(
        findings.c.person_id == work_items.c.person_id,
        findings.c.finding_id == work_items.c.finding_id,
    )
    statuses: tuple[Status, ...] = ("open", "overdue", "answered", "corrected")
    counts = [func.count().filter(_having(status, today)).label(status) for status in statuses]
    rows = session.execute(
        select(work_items.c.agency_id, *counts)
        .join(findings, same)
        .group_by(work_items.c.agency_id)
        .order_by(work_items.c.agency_id)
    )
    return [
        (AgencyId(row.agency_id), {status: getattr(row, status) for status in statuses})
        for row in rows
    ]


def _work_row(row: Row[tuple[object, ...]]) -> WorkRow:
    return WorkRow(**row._asdict())
