"""Who is told of life events: subscribe, and read one's sequence from a position on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy.orm import Session

from audit.api import Actor, NewEntry, RecordedEntry, record_accesses
from kernel.errors import Conflict, NotFound
from kernel.ids import AgencyId, ClientId, EntryId, PersonId, new_id
from kernel.keyring import Keyring
from population_register import mandate_store, subscription_store
from population_register.errors import MandateRefused, UnknownAgency
from population_register.events import LifeEventTold
from population_register.life_events import LifeEventKind
from population_register.sector_pseudonyms import sector_pseudonym
from population_register.service.agencies import get_agency
from population_register.service.life import EventBody, event_place

MOST_EVENTS = 500

_body = msgspec.json.Decoder(EventBody)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldEvent:
    """A life event as a subscriber learns it.

    Attributes:
        position: In the subscriber's sequence, from 1; there are gaps where data was destroyed.
        pseudonym: The person's, in the subscriber's sector.
        relative: The pseudonym of the other person of the event, such as the child that was born.
        occurred_on: The day, month or year on which it happened.
        happened_at: When the register learned it.
    """

    position: int
    event_id: UUID
    kind: LifeEventKind
    occurred_on: str
    happened_at: datetime
    pseudonym: str
    relative: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldPage:
    """A part of a sequence; whoever goes on from `position` misses nothing."""

    events: Sequence[ToldEvent]
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """That there is an event, for a webhook: enough to recognise it, nothing about the person."""

    position: int
    event_id: UUID
    kind: LifeEventKind
    pseudonym: str


def subscribe(
    session: Session,
    agency_id: AgencyId,
    kind: LifeEventKind,
    *,
    legal_basis: str,
    at: datetime,
) -> None:
    """Let an agency be told of a kind of events from now on.

    Raises:
        UnknownAgency: 404. Not registered, or closed.
        MandateRefused: 400. No such legal basis.
        Conflict: 409. It is told of them already.
    """
    get_agency(session, agency_id)
    if not mandate_store.has_legal_basis(session, legal_basis):
        raise MandateRefused("There is no such legal basis; enter it first.")
    subscription = subscription_store.Subscription(
        agency_id=agency_id, kind=kind, legal_basis=legal_basis, created_at=at, ended_at=None
    )
    if not subscription_store.insert_subscription(session, subscription):
        raise Conflict("The agency is told of these events already.")


def unsubscribe(
    session: Session, agency_id: AgencyId, kind: LifeEventKind, *, at: datetime
) -> None:
    """Tell an agency no more of a kind of events; what it was told it may still fetch.

    Raises:
        NotFound: 404. It was not told of them.
    """
    if not subscription_store.end_subscription(session, agency_id, kind, at=at):
        raise NotFound("The agency is not told of these events.")


def list_subscriptions(session: Session) -> Sequence[subscription_store.Subscription]:
    """Return all subscriptions, those that ended too."""
    return subscription_store.list_subscriptions(session)


def read_events(
    session: Session,
    keyring: Keyring,
    agency_id: AgencyId,
    *,
    after: int,
    limit: int,
    client_id: ClientId | None,
    request_id: str | None,
    at: datetime,
) -> ToldPage:
    """Read a subscriber's sequence after a position, each event with its access entry.

    Of a person whose data was destroyed nothing is told; the positions are passed over.

    Args:
        session: The transaction; the access entries are in it.
        keyring: Opens events, makes pseudonyms.
        agency_id: Whose sequence.
        after: The last position that is known; 0 for the beginning.
        limit: At most this many, and never more than `MOST_EVENTS`.
        client_id: Of the call, for the log.
        request_id: Of the call, for the log.
        at: Now.
    """
    sector = get_agency(session, agency_id).pseudonym_sector
    bases = {
        one.kind: one.legal_basis
        for one in subscription_store.list_subscriptions(session)
        if one.agency_id == agency_id
    }
    rows = subscription_store.list_deliveries(
        session, agency_id, after=after, limit=max(1, min(limit, MOST_EVENTS))
    )
    readable = [row for row in rows if row.wrapped_key is not None]
    entries = record_accesses(
        session,
        [
            (
                NewEntry(
                    entry_id=EntryId(new_id(at)),
                    action=LifeEventTold.action,
                    outcome="allowed",
                    actor=Actor(kind="agency", id=agency_id),
                    subject=sector_pseudonym(keyring, sector, row.person_id),
                    purpose=bases.get(LifeEventKind(row.kind)),
                    items=(f"event:{row.kind}",),
                    client_id=client_id,
                    request_id=request_id,
                    occurred_at=at,
                ),
                row.person_id,
            )
            for row in readable
        ],
    )
    told = [
        _told(keyring, sector, row, because=entry)
        for row, entry in zip(readable, entries, strict=True)
    ]
    return ToldPage(events=told, position=rows[-1].position if rows else after)


def _told(
    keyring: Keyring, sector: str, row: subscription_store.Delivery, *, because: RecordedEntry
) -> ToldEvent:
    assert row.wrapped_key is not None
    key = keyring.person_key(row.person_id, row.wrapped_key, because=because)
    place = event_place(row.person_id, row.event_id)
    body = _body.decode(key.unseal(row.body_sealed, associated_data=place))
    relative = None if body.relative is None else PersonId(body.relative)
    return ToldEvent(
        position=row.position,
        event_id=row.event_id,
        kind=body.kind,
        occurred_on=body.occurred_on,
        happened_at=row.happened_at,
        pseudonym=sector_pseudonym(keyring, sector, row.person_id),
        relative=None if relative is None else sector_pseudonym(keyring, sector, relative),
    )


def list_notices(
    session: Session, keyring: Keyring, agency_id: AgencyId, *, after: int, limit: int
) -> Sequence[Notice]:
    """Return what a subscriber is to be told of by webhook after a position. Nothing is opened.

    An agency that was closed is told of nothing until it is open again.
    """
    try:
        sector = get_agency(session, agency_id).pseudonym_sector
    except UnknownAgency:
        return ()
    return [
        Notice(
            position=position,
            event_id=event_id,
            kind=LifeEventKind(kind),
            pseudonym=sector_pseudonym(keyring, sector, person_id),
        )
        for position, kind, event_id, person_id in subscription_store.told_since(
            session, agency_id, after=after, limit=limit
        )
    ]
