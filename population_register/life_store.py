"""Queries of life events, one function each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import (
    Uuid,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from kernel.db import Instant
from kernel.ids import AgencyId, PersonId
from kernel.tables import person_keys
from population_register.bulk import any_id_of, any_of, rows_of
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
        session.execute(
            upsert(changed_persons)
            .from_select(
                ["person_id", "changed_at"], select(named.c.person_id, literal(at, Instant))
            )
            .on_conflict_do_nothing()
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


def next_changed(session: Session, limit: int) -> list[PersonId]:
    """Return persons who changed, the earliest first; nothing is taken yet."""
    table = changed_persons.c
    rows = session.scalars(select(table.person_id).order_by(table.changed_at).limit(limit))
    return [PersonId(person_id) for person_id in rows]


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


class Delivery(NamedTuple):
    """An event in a subscriber's sequence, sealed; the key is None when it was destroyed."""

    position: int
    person_id: PersonId
    event_id: UUID
    kind: str
    happened_at: datetime
    body_sealed: bytes
    wrapped_key: bytes | None


def list_deliveries(
    session: Session, agency_id: AgencyId, *, after: int, limit: int
) -> list[Delivery]:
    """Return what a subscriber is told after a position, in order."""
    d = life_deliveries.c
    rows = session.execute(
        select(
            d.position,
            d.person_id,
            d.event_id,
            d.kind,
            life_events.c.happened_at,
            life_events.c.body_sealed,
            person_keys.c.wrapped_key,
        )
        .join(
            life_events,
            (life_events.c.person_id == d.person_id) & (life_events.c.event_id == d.event_id),
        )
        .join(person_keys, person_keys.c.person_id == d.person_id)
        .where(d.agency_id == agency_id, d.position > after)
        .order_by(d.position)
        .limit(limit)
    )
    return [Delivery(*row) for row in rows]


def told_since(
    session: Session, agency_id: AgencyId, *, after: int, limit: int
) -> list[tuple[int, str, UUID, PersonId]]:
    """Return position, kind, event and person of what a subscriber is told after a position."""
    d = life_deliveries.c
    rows = session.execute(
        select(d.position, d.kind, d.event_id, d.person_id)
        .where(d.agency_id == agency_id, d.position > after)
        .order_by(d.position)
        .limit(limit)
    )
    return [(row.position, row.kind, row.event_id, PersonId(row.person_id)) for row in rows]


# Subscriptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """That an agency is told of a kind of events."""

    agency_id: AgencyId
    kind: LifeEventKind
    legal_basis: str
    created_at: datetime
    ended_at: datetime | None


def insert_subscription(session: Session, subscription: Subscription) -> bool:
    """Store a subscription; return whether there was none alive."""
    session.execute(
        upsert(life_subscribers)
        .values(agency_id=subscription.agency_id, last_position=0)
        .on_conflict_do_nothing()
    )
    table = life_subscriptions
    done = session.execute(
        upsert(table)
        .values(
            agency_id=subscription.agency_id,
            kind=subscription.kind.value,
            created_at=subscription.created_at,
            legal_basis=subscription.legal_basis,
        )
        .on_conflict_do_nothing()
        .returning(table.c.kind)
    )
    return done.one_or_none() is not None


def end_subscription(
    session: Session, agency_id: AgencyId, kind: LifeEventKind, *, at: datetime
) -> bool:
    """End a subscription; return whether there was one."""
    table = life_subscriptions
    done = session.execute(
        update(table)
        .where(
            table.c.agency_id == agency_id,
            table.c.kind == kind.value,
            table.c.ended_at.is_(None),
        )
        .values(ended_at=at)
        .returning(table.c.kind)
    )
    return done.one_or_none() is not None


def list_subscriptions(session: Session) -> list[Subscription]:
    """Return all subscriptions, those that ended too, by agency, kind and time."""
    table = life_subscriptions.c
    rows = session.execute(
        select(life_subscriptions).order_by(table.agency_id, table.kind, table.created_at)
    )
    return [
        Subscription(
            agency_id=AgencyId(row.agency_id),
            kind=LifeEventKind(row.kind),
            legal_basis=row.legal_basis,
            created_at=row.created_at,
            ended_at=row.ended_at,
        )
        for row in rows
    ]


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


def find_parents(session: Session, child_ids: Iterable[PersonId]) -> dict[PersonId, list[PersonId]]:
    """Return the parents of persons whom the register knows, each list sorted."""
    table = kinships.c
    rows = session.execute(
        select(table.person_id, table.parent_id)
        .where(table.person_id == any_id_of(child_ids))
        .order_by(table.person_id, table.parent_id)
    )
    found: dict[PersonId, list[PersonId]] = {}
    for child_id, parent_id in rows:
        found.setdefault(PersonId(child_id), []).append(PersonId(parent_id))
    return found


def list_children(session: Session, parent_ids: Iterable[PersonId]) -> list[PersonId]:
    """Return the children of a person and of whom the person is merged with."""
    table = kinships.c
    rows = session.scalars(
        select(table.person_id)
        .where(table.parent_id == any_id_of(parent_ids))
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


def count_waiting(session: Session) -> int:
    """Return how many persons are yet to be looked at."""
    return session.scalar(select(func.count()).select_from(changed_persons)) or 0
