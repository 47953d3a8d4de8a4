"""Queries of subscriptions to life events, and of what each subscriber is told."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import (
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from kernel.ids import AgencyId, PersonId
from kernel.tables import person_keys
from population_register.life_events import LifeEventKind
from population_register.tables import (
    life_deliveries,
    life_events,
    life_subscribers,
    life_subscriptions,
)


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
