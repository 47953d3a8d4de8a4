"""Queries of findings, and of the people whom the check looks through."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from sqlalchemy import Row, Select, func, or_, select, union, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session, aliased

from kernel.ids import PersonId
from kernel.tables import person_keys
from population_register.bulk import any_id_of
from population_register.tables import findings, kinships, persons

Closing: TypeAlias = Literal["corrected", "answered"]


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
    found = select(findings.c.person_id).where(findings.c.closed_at.is_(None))
    # Two statements in one, each by its own index: with OR, all that is open would be read.
    own = found.where(findings.c.person_id == ids)
    children = found.join(kinships, kinships.c.person_id == findings.c.person_id).where(
        kinships.c.parent_id == ids
    )
    return sorted(map(PersonId, session.scalars(union(own, children))))


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
