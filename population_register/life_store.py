"""Queries of life events, one function each."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Uuid,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from kernel.db import Instant
from kernel.ids import AgencyId, PersonId
from kernel.tables import person_keys
from population_register.bulk import any_id_of, any_of, execute_later, rows_of
from population_register.life_events import LifeEventKind
from population_register.tables import (
    changed_persons,
    kinships,
    life_deliveries,
    life_events,
    life_facts,
    life_subscribers,
    life_subscriptions,
    persons,
)

_IDS = ARRAY(Uuid)

# Who is to be looked at


def note_changed(session: Session, person_ids: Iterable[PersonId], at: datetime) -> None:
    """Note that persons changed, in the transaction of the change."""
    wanted = sorted(set(person_ids), key=attrgetter("int"))  # as UUIDs sort, and ten times faster
    if wanted:
        named = rows_of(person_id=(Uuid, wanted))
        execute_later(
            session,
            upsert(changed_persons)
            .from_select(
                ["person_id", "changed_at"], select(named.c.person_id, literal(at, Instant))
            )
            .on_conflict_do_nothing(),
        )


def note_due(session: Session, due_digests: Sequence[bytes], at: datetime) -> int:
    """Note the persons whose day of the calendar has come; return how many."""
    table = life_facts.c
    noted = session.execute(
        upsert(changed_persons)
        .from_select(
            ["person_id", "changed_at"],
            select(table.person_id, literal(at, Instant)).where(
                table.due_digest == any_of(due_digests)
            ),
        )
        .on_conflict_do_nothing()
        .returning(changed_persons.c.person_id)
    )
    return len(noted.all())


def next_changed(session: Session, limit: int, at: datetime) -> list[PersonId]:
    """Return persons who changed, the earliest first; nothing is taken yet."""
    table = changed_persons.c
    rows = session.scalars(
        select(table.person_id)
        .where(table.changed_at <= at)
        .order_by(table.changed_at)
        .limit(limit)
    )
    return [PersonId(person_id) for person_id in rows]


def postpone_changed(session: Session, person_id: PersonId, until: datetime) -> None:
    """Let a person who changed be looked at later; whoever was looked at meanwhile is not again."""
    session.execute(
        update(changed_persons)
        .where(changed_persons.c.person_id == person_id)
        .values(changed_at=until)
    )


class LifeRow(NamedTuple):
    """A person as life events are derived from; the key is None when it was destroyed."""

    person_id: PersonId
    group_id: PersonId | None
    record_sealed: bytes
    wrapped_key: bytes | None


def lock_lives(session: Session, person_ids: Iterable[PersonId]) -> list[LifeRow]:
    """Lock persons and return them; those whom somebody is changing just now are left for later.

    Transaction:
        Locks persons, in ascending order, before the notes that they changed: whoever changes a
        person takes the two in this order.
    """
    rows = session.execute(
        select(
            persons.c.person_id,
            persons.c.group_id,
            persons.c.record_sealed,
            person_keys.c.wrapped_key,
        )
        .join(person_keys, person_keys.c.person_id == persons.c.person_id)
        .where(persons.c.person_id == any_id_of(person_ids))
        .order_by(persons.c.person_id)
        .with_for_update(of=persons, skip_locked=True)
    )
    return [LifeRow(*row) for row in rows]


def take_changed(session: Session, person_ids: Iterable[PersonId]) -> set[PersonId]:
    """Take the notes of persons that were locked; return whose there were.

    Of two workers that look at one person one after the other, the first finds the note.
    """
    table = changed_persons.c
    taken = session.scalars(
        delete(changed_persons)
        .where(table.person_id == any_id_of(person_ids))
        .returning(table.person_id)
    )
    return {PersonId(person_id) for person_id in taken}


def find_facts(session: Session, person_ids: Iterable[PersonId]) -> dict[PersonId, bytes]:
    """Return what is remembered of persons who are locked, sealed."""
    table = life_facts.c
    rows = session.execute(
        select(table.person_id, table.facts_sealed).where(table.person_id == any_id_of(person_ids))
    )
    return {PersonId(row.person_id): row.facts_sealed for row in rows}


def save_facts(session: Session, rows: Sequence[tuple[PersonId, bytes, bytes | None]]) -> None:
    """Remember persons as they were looked at: facts sealed, digest of the next day."""
    for person_id, facts_sealed, due_digest in rows:
        statement = upsert(life_facts).values(
            person_id=person_id, facts_sealed=facts_sealed, due_digest=due_digest
        )
        session.execute(
            statement.on_conflict_do_update(
                index_elements=["person_id"],
                set_={
                    "facts_sealed": statement.excluded.facts_sealed,
                    "due_digest": statement.excluded.due_digest,
                },
            )
        )


# Events and who is told of them


class NewEvent(NamedTuple):
    """An event to be stored."""

    person_id: PersonId
    event_id: UUID
    kind: LifeEventKind
    body_sealed: bytes


def insert_events(session: Session, events: Sequence[NewEvent], at: datetime) -> list[AgencyId]:
    """Store events, and a place in the sequence of everybody who subscribed to them.

    Returns:
        Who is told of some of them.

    Transaction:
        Locks the subscribers' rows, by agency ascending, until the caller commits.
    """
    if not events:
        return []
    session.execute(
        insert(life_events),
        [
            {
                "person_id": event.person_id,
                "event_id": event.event_id,
                "happened_at": at,
                "body_sealed": event.body_sealed,
            }
            for event in events
        ],
    )
    table = life_subscriptions.c
    subscribed = session.execute(
        select(table.agency_id, table.kind)
        .where(table.ended_at.is_(None), table.kind.in_({event.kind.value for event in events}))
        .order_by(table.agency_id)
    )
    wanted: dict[AgencyId, set[str]] = {}
    for agency_id, kind in subscribed:
        wanted.setdefault(AgencyId(agency_id), set()).add(kind)
    for agency_id, kinds in wanted.items():
        told = [event for event in events if event.kind.value in kinds]
        last = session.scalar(
            update(life_subscribers)
            .where(life_subscribers.c.agency_id == agency_id)
            .values(last_position=life_subscribers.c.last_position + len(told))
            .returning(life_subscribers.c.last_position)
        )
        assert last is not None
        session.execute(
            insert(life_deliveries),
            [
                {
                    "agency_id": agency_id,
                    "position": position,
                    "person_id": event.person_id,
                    "event_id": event.event_id,
                    "kind": event.kind.value,
                }
                for position, event in enumerate(told, start=last - len(told) + 1)
            ],
        )
    return list(wanted)


# Subscriptions


# Kinship


def replace_parents(
    session: Session, child_id: PersonId, parents: Mapping[PersonId, str]
) -> set[PersonId]:
    """Store who the parents of a person are; return those who were not before."""
    table = kinships.c
    session.execute(
        delete(kinships).where(
            table.person_id == child_id, table.parent_id != func.all(literal(list(parents), _IDS))
        )
    )
    if not parents:
        return set()
    come = session.scalars(
        upsert(kinships)
        .values(
            [
                {"person_id": child_id, "parent_id": parent_id, "role": role}
                for parent_id, role in sorted(parents.items())
            ]
        )
        .on_conflict_do_nothing()
        .returning(table.parent_id)
    )
    return {PersonId(parent_id) for parent_id in come}


def _told_by() -> ColumnElement[bool]:
    """Tell that a person answers for all whom the person is merged with.

    Kinship of the others is as it was before they were merged: unmerging finds it again.
    """
    return or_(persons.c.group_id.is_(None), persons.c.group_id == persons.c.person_id)


def find_parents(session: Session, child_ids: Iterable[PersonId]) -> dict[PersonId, list[PersonId]]:
    """Return the parents of persons whom the register knows, each list sorted.

    Of persons who are merged, those of the one who answers for all.
    """
    table = kinships.c
    rows = session.execute(
        select(table.person_id, table.parent_id)
        .join(persons, persons.c.person_id == table.person_id)
        .where(table.person_id == any_id_of(child_ids), _told_by())
        .order_by(table.person_id, table.parent_id)
    )
    found: dict[PersonId, list[PersonId]] = {}
    for child_id, parent_id in rows:
        found.setdefault(PersonId(child_id), []).append(PersonId(parent_id))
    return found


def list_children(session: Session, parent_ids: Iterable[PersonId]) -> list[PersonId]:
    """Return the children of a person and of whom the person is merged with.

    Of children who are merged, the one who answers for all; those whose data was destroyed are
    absent.
    """
    table = kinships.c
    rows = session.scalars(
        select(table.person_id)
        .join(persons, persons.c.person_id == table.person_id)
        .join(person_keys, person_keys.c.person_id == table.person_id)
        .where(
            table.parent_id == any_id_of(parent_ids),
            person_keys.c.wrapped_key.is_not(None),
            _told_by(),
        )
        .distinct()
        .order_by(table.person_id)
    )
    return [PersonId(person_id) for person_id in rows]


def wrapped_keys(session: Session, person_ids: Iterable[PersonId]) -> dict[PersonId, bytes]:
    """Return the wrapped keys of persons, without those that were destroyed."""
    rows = session.execute(
        select(person_keys.c.person_id, person_keys.c.wrapped_key).where(
            person_keys.c.person_id == any_id_of(person_ids),
            person_keys.c.wrapped_key.is_not(None),
        )
    )
    return {PersonId(row.person_id): row.wrapped_key for row in rows}
