"""Queries about agencies' clients and questions, one function each."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from kernel.ids import AgencyId, ClientId
from partner_api.agencies.browsing import Alarm, Counts, Pattern
from partner_api.tables import agency_alarms, agency_clients, agency_question_counts

# Clients


@dataclass(frozen=True, slots=True)
class Binding:
    """Whom a client speaks for; None: it administers mandates."""

    client_id: ClientId
    agency_id: AgencyId | None


def insert_binding(session: Session, binding: Binding, at: datetime) -> None:
    """Bind a client that was just registered."""
    session.execute(
        insert(agency_clients).values(
            client_id=binding.client_id, agency_id=binding.agency_id, bound_at=at
        )
    )


def find_binding(session: Session, client_id: ClientId) -> Binding | None:
    """Return whom a client speaks for; None if it was never bound."""
    c = agency_clients.c
    row = session.execute(
        select(c.client_id, c.agency_id).where(c.client_id == client_id)
    ).one_or_none()
    return None if row is None else _binding(row.client_id, row.agency_id)


def list_bindings(session: Session, agency_id: AgencyId | None = None) -> list[Binding]:
    """Return the clients of an agency, or of all and the administration, in order."""
    c = agency_clients.c
    statement = select(c.client_id, c.agency_id).order_by(c.agency_id, c.bound_at, c.client_id)
    if agency_id is not None:
        statement = statement.where(c.agency_id == agency_id)
    return [_binding(row.client_id, row.agency_id) for row in session.execute(statement)]


def _binding(client_id: str, agency_id: str | None) -> Binding:
    return Binding(ClientId(client_id), None if agency_id is None else AgencyId(agency_id))


# Counts and alarms


def add_counts(
    session: Session, agency_id: AgencyId, official: str, hour: datetime, counts: Counts
) -> Counts:
    """Add to an official's counts of an hour; return what they are now."""
    t = agency_question_counts.c
    names = ("by_name", "by_name_matched", "by_number", "by_number_matched")
    adding = insert(agency_question_counts).values(
        agency_id=agency_id,
        official=official,
        hour=hour,
        **{name: getattr(counts, name) for name in names},
    )
    row = session.execute(
        adding.on_conflict_do_update(
            index_elements=[t.agency_id, t.official, t.hour],
            set_={name: t[name] + adding.excluded[name] for name in names},
        ).returning(*(t[name] for name in names))
    ).one()
    return Counts(**row._asdict())


def insert_alarm(
    session: Session,
    agency_id: AgencyId,
    official: str,
    hour: datetime,
    alarm: Alarm,
    *,
    at: datetime,
) -> bool:
    """Keep an alarm; tell whether it is the first of its pattern in this hour."""
    made = session.execute(
        insert(agency_alarms)
        .values(
            agency_id=agency_id,
            official=official,
            hour=hour,
            pattern=alarm.pattern.value,
            raised_at=at,
            asked=alarm.asked,
            matched=alarm.matched,
        )
        .on_conflict_do_nothing()
        .returning(agency_alarms.c.pattern)
    )
    return made.one_or_none() is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class RaisedAlarm:
    """An alarm, whose it is, and when it was raised."""

    agency_id: AgencyId
    official: str
    hour: datetime
    raised_at: datetime
    alarm: Alarm


def list_alarms(session: Session, *, limit: int = 200) -> list[RaisedAlarm]:
    """Return alarms, latest first."""
    rows = session.execute(
        select(agency_alarms).order_by(agency_alarms.c.raised_at.desc()).limit(limit)
    )
    return [
        RaisedAlarm(
            agency_id=AgencyId(row.agency_id),
            official=row.official,
            hour=row.hour,
            raised_at=row.raised_at,
            alarm=Alarm(pattern=Pattern(row.pattern), asked=row.asked, matched=row.matched),
        )
        for row in rows
    ]


def delete_old_counts(session: Session, *, before: datetime) -> int:
    """Delete counts of hours that began before an instant; alarms stay."""
    t = agency_question_counts.c
    deleted = session.execute(
        delete(agency_question_counts).where(t.hour < before).returning(t.hour)
    )
    return len(deleted.all())
