"""Queries of the partner API."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    Integer,
    Text,
    bindparam,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from kernel.db import HotStatement, Instant
from kernel.ids import AgencyId, PartnerId
from partner_api.quota import DEFAULT_REQUESTS_PER_MINUTE, SHARES_PER_MINUTE
from partner_api.tables import (
    agency_notices,
    partner_limits,
    partner_quotas,
    webhook_deliveries,
    webhook_endpoints,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a partner's webhooks go. Secrets are sealed."""

    partner_id: PartnerId
    uri: str
    secret_sealed: bytes
    previous_secret_sealed: bytes | None
    rotated_at: datetime | None
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One webhook and how far it got."""

    webhook_id: UUID
    partner_id: PartnerId
    event_type: str
    event_key: str
    body: bytes = field(repr=False)
    created_at: datetime
    attempts: int = 0
    last_attempt_at: datetime | None = None
    last_status: int | None = None
    delivered_at: datetime | None = None
    abandoned_at: datetime | None = None
    order_key: str | None = None
    order_place: int | None = None


# Webhooks


def save_endpoint(
    session: Session, partner_id: PartnerId, *, uri: str, secret_sealed: bytes, at: datetime
) -> None:
    """Register a partner's endpoint; the secret of one that was there signs too, for a while."""
    e = webhook_endpoints.c
    statement = insert(webhook_endpoints).values(
        partner_id=partner_id, uri=uri, secret_sealed=secret_sealed, created_at=at
    )
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[e.partner_id],
            set_={
                "uri": statement.excluded.uri,
                "secret_sealed": statement.excluded.secret_sealed,
                "previous_secret_sealed": e.secret_sealed,
                "rotated_at": at,
                "disabled_at": None,
            },
        )
    )


def find_endpoint(session: Session, partner_id: PartnerId) -> Endpoint | None:
    """Return where a partner's webhooks go, unless there is nowhere or it is disabled."""
    e = webhook_endpoints.c
    row = session.execute(
        select(
            e.partner_id,
            e.uri,
            e.secret_sealed,
            e.previous_secret_sealed,
            e.rotated_at,
            e.disabled_at,
        ).where(e.partner_id == partner_id, e.disabled_at.is_(None))
    ).one_or_none()
    return None if row is None else Endpoint(**row._asdict())


def disable_endpoint(session: Session, partner_id: PartnerId, *, uri: str, at: datetime) -> None:
    """Stop sending to `uri`; nothing happens if the partner has moved to another address."""
    e = webhook_endpoints.c
    session.execute(
        update(webhook_endpoints)
        .where(e.partner_id == partner_id, e.uri == uri, e.disabled_at.is_(None))
        .values(disabled_at=at)
    )


def insert_delivery(session: Session, delivery: Delivery) -> bool:
    """Store a webhook; tell whether it is new.

    Transaction:
        Of two jobs for one event, one makes the webhook.
    """
    made = session.execute(
        insert(webhook_deliveries)
        .values(
            webhook_id=delivery.webhook_id,
            partner_id=delivery.partner_id,
            event_type=delivery.event_type,
            event_key=delivery.event_key,
            body=delivery.body,
            created_at=delivery.created_at,
            order_key=delivery.order_key,
            order_place=delivery.order_place,
        )
        .on_conflict_do_nothing(
            index_elements=["partner_id", "event_type", "event_key"],
        )
        .returning(webhook_deliveries.c.webhook_id)
    ).one_or_none()
    return made is not None


def begin_attempt(session: Session, webhook_id: UUID, *, at: datetime) -> Delivery | None:
    """Count an attempt and return the webhook; None if there is nothing to do.

    It was delivered or given up, or one that comes before it is still to be delivered.

    Transaction:
        One UPDATE … RETURNING, committed before anything is sent: an attempt that dies with its
        process is counted.
    """
    d = webhook_deliveries.c
    before = webhook_deliveries.alias("before")
    row = session.execute(
        update(webhook_deliveries)
        .where(
            d.webhook_id == webhook_id,
            d.delivered_at.is_(None),
            d.abandoned_at.is_(None),
            ~exists().where(
                before.c.partner_id == d.partner_id,
                before.c.order_key == d.order_key,
                before.c.order_place < d.order_place,
                before.c.delivered_at.is_(None),
                before.c.abandoned_at.is_(None),
            ),
        )
        .values(attempts=d.attempts + 1, last_attempt_at=at, last_status=None)
        .returning(*d)
    ).one_or_none()
    return None if row is None else Delivery(**row._asdict())


def record_attempt(
    session: Session,
    webhook_id: UUID,
    *,
    status: int | None,
    delivered_at: datetime | None = None,
    abandoned_at: datetime | None = None,
) -> None:
    """Write down what an attempt came to."""
    session.execute(
        update(webhook_deliveries)
        .where(webhook_deliveries.c.webhook_id == webhook_id)
        .values(last_status=status, delivered_at=delivered_at, abandoned_at=abandoned_at)
    )


def find_next_in_order(session: Session, done: Delivery) -> UUID | None:
    """Return which webhook of the same key waits for the one that was done with; None if none."""
    d = webhook_deliveries.c
    return session.scalar(
        select(d.webhook_id)
        .where(
            d.partner_id == done.partner_id,
            d.order_key == done.order_key,
            d.delivered_at.is_(None),
            d.abandoned_at.is_(None),
        )
        .order_by(d.order_place)
        .limit(1)
    )


def begin_again(session: Session, partner_id: PartnerId, *, since: datetime) -> Sequence[UUID]:
    """Let webhooks that came to their end wait anew, as if none had been attempted.

    Returns:
        Those that were made at `since` or later, in the order in which they were made.

    Transaction:
        One UPDATE … RETURNING: what is on its way is not touched.
    """
    d = webhook_deliveries.c
    rows = session.execute(
        update(webhook_deliveries)
        .where(
            d.partner_id == partner_id,
            d.created_at >= since,
            or_(d.delivered_at.is_not(None), d.abandoned_at.is_not(None)),
        )
        .values(attempts=0, delivered_at=None, abandoned_at=None, last_status=None)
        .returning(d.webhook_id, d.created_at)
    )
    return [row.webhook_id for row in sorted(rows, key=lambda row: (row.created_at, row[0]))]


def find_notice(session: Session, agency_id: AgencyId) -> int:
    """Return up to which position an agency was sent webhooks, and keep others from sending.

    Transaction:
        Locks the agency's row.
    """
    session.execute(
        insert(agency_notices).values(agency_id=agency_id, position=0).on_conflict_do_nothing()
    )
    n = agency_notices.c
    position = session.scalar(select(n.position).where(n.agency_id == agency_id).with_for_update())
    assert position is not None
    return int(position)


def save_notice(session: Session, agency_id: AgencyId, position: int) -> None:
    """Remember up to which position an agency was sent webhooks."""
    session.execute(
        update(agency_notices)
        .where(agency_notices.c.agency_id == agency_id)
        .values(position=position)
    )


def list_deliveries(
    session: Session, partner_id: PartnerId, *, limit: int = 100
) -> Sequence[Delivery]:
    """Return a partner's webhooks, the newest first."""
    d = webhook_deliveries.c
    rows = session.execute(
        select(webhook_deliveries)
        .where(d.partner_id == partner_id)
        .order_by(d.created_at.desc(), d.webhook_id.desc())
        .limit(limit)
    )
    return [Delivery(**row._asdict()) for row in rows]


# Quotas


def save_limit(session: Session, partner_id: PartnerId, *, requests_per_minute: int) -> None:
    """Give a partner a limit of its own."""
    statement = insert(partner_limits).values(
        partner_id=partner_id, requests_per_minute=requests_per_minute
    )
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["partner_id"],
            set_={"requests_per_minute": statement.excluded.requests_per_minute},
        )
    )


def _lease_share() -> HotStatement:
    """Compose the statement that leases a share of a minute.

    It returns `granted`; no row when less than a share is left. The count is looked at again under
    the row's lock, so that all processes together never lease more than the limit.
    """
    partner = bindparam("partner_id", type_=Text)
    own = select(partner_limits.c.requests_per_minute).where(partner_limits.c.partner_id == partner)
    most = func.coalesce(own.scalar_subquery(), literal(DEFAULT_REQUESTS_PER_MINUTE, Integer))
    limit = select(
        most.label("most"),
        func.greatest(most // literal(SHARES_PER_MINUTE, Integer), 1).label("share"),
    ).cte("quota_limit")
    leasing = insert(partner_quotas).from_select(
        ["partner_id", "minute", "leased"],
        select(partner, bindparam("minute", type_=Instant), limit.c.share),
    )
    leased = partner_quotas.c.leased + leasing.excluded.leased
    return HotStatement(
        leasing.on_conflict_do_update(
            index_elements=["partner_id", "minute"],
            set_={"leased": leased},
            where=leased <= select(limit.c.most).scalar_subquery(),
        ).returning(select(limit.c.share).scalar_subquery().label("granted"))
    )


lease_share = _lease_share()


def delete_old_deliveries(session: Session, *, before: datetime, limit: int) -> int:
    """Delete webhooks that came to their end before `before`, up to `limit`; return how many.

    Transaction:
        Skips rows that somebody holds: any number of workers may run.
    """
    t = webhook_deliveries.c
    old = (
        select(t.webhook_id)
        .where(func.coalesce(t.delivered_at, t.abandoned_at) < before)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("old")
    )
    rows = session.execute(
        delete(webhook_deliveries).where(t.webhook_id == old.c.webhook_id).returning(t.webhook_id)
    )
    return len(rows.all())


def delete_old_minutes(session: Session, *, before: datetime) -> int:
    """Delete the counts of minutes that began before `before`."""
    result = session.execute(
        delete(partner_quotas)
        .where(partner_quotas.c.minute < before)
        .returning(partner_quotas.c.partner_id)
    )
    return len(result.all())
