"""Queries: requests that wait for a person who is somewhere else."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.orm import Session

from idp.model import JSONObject
from idp.ring_tokens import RingToken
from idp.tables import clients, deferred_requests, partners
from kernel.ids import ClientId, GrantId, PersonId

MOST_LISTED = 50
MOST_OF_ONE_PARTNER = 10

_t = deferred_requests.c


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDeferred:
    """A request that waits, as it lies in the table.

    Attributes:
        person_id: Whom the partner named; None where a device shows a code to anybody.
        notification_sealed: How the client is told; None where it polls.
    """

    token: RingToken
    kind: str
    client_id: ClientId
    person_id: PersonId | None
    request: JSONObject
    notification_sealed: bytes | None
    created_at: datetime
    expires_at: datetime


def find_by_user_code(
    session: Session, slot: int, user_code_digest: bytes, *, at: datetime
) -> StoredDeferred | None:
    """Return the request of a device that waits with this code."""
    row = session.execute(
        select(deferred_requests).where(
            _t.slot == slot,
            _t.user_code_digest == user_code_digest,
            _t.decided_at.is_(None),
            _t.expires_at > at,
        )
    ).one_or_none()
    return None if row is None else _stored(row)


def list_waiting(
    session: Session, person_id: PersonId, *, at: datetime
) -> Sequence[StoredDeferred]:
    """Return what partners wait for a person to decide, the oldest first.

    The newest of each partner that may still ask: who asks again and again hides nobody else.
    """
    of_the_partner = func.row_number().over(
        partition_by=clients.c.partner_id, order_by=(_t.created_at.desc(), _t.request_digest)
    )
    found = (
        select(deferred_requests, of_the_partner.label("of_the_partner"))
        .join(clients, clients.c.client_id == _t.client_id)
        .join(partners, partners.c.partner_id == clients.c.partner_id)
        .where(
            _t.person_id == person_id,
            _t.decided_at.is_(None),
            _t.expires_at > at,
            clients.c.disabled_at.is_(None),
            partners.c.disabled_at.is_(None),
        )
        .subquery()
    )
    rows = session.execute(
        select(found)
        .where(found.c.of_the_partner <= MOST_OF_ONE_PARTNER)
        .order_by(found.c.created_at.desc(), found.c.request_digest)
        .limit(MOST_LISTED)
    )
    return [_stored(row) for row in reversed(rows.all())]


def decide(session: Session, token: RingToken, *, grant_id: GrantId | None, at: datetime) -> bool:
    """Store what the person decided; tell whether it was this call that did.

    Args:
        session: The open transaction.
        token: Which request.
        grant_id: What was allowed; None when it was refused.
        at: Now.

    Transaction:
        One UPDATE … RETURNING: of two browsers, one decides.
    """
    row = session.execute(
        update(deferred_requests)
        .where(
            _t.slot == token.slot,
            _t.request_digest == token.digest,
            _t.decided_at.is_(None),
            _t.expires_at > at,
        )
        .values(decided_at=at, grant_id=grant_id)
        .returning(_t.slot)
    ).one_or_none()
    return row is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A request that the person has decided.

    Attributes:
        grant_id: What was allowed; None when it was refused.
    """

    stored: StoredDeferred
    grant_id: GrantId | None


def find_decided(session: Session, token: RingToken, *, at: datetime) -> Decided | None:
    """Return a decided request that has not expired."""
    row = session.execute(
        select(deferred_requests).where(
            _t.slot == token.slot,
            _t.request_digest == token.digest,
            _t.decided_at.is_not(None),
            _t.expires_at > at,
        )
    ).one_or_none()
    if row is None:
        return None
    grant_id = None if row.grant_id is None else GrantId(row.grant_id)
    return Decided(stored=_stored(row), grant_id=grant_id)


def mark_spent(session: Session, token: RingToken, *, at: datetime) -> None:
    """Note that tokens were made for a request; a push that is tried again makes new ones."""
    session.execute(
        update(deferred_requests)
        .where(_t.slot == token.slot, _t.request_digest == token.digest, _t.spent_at.is_(None))
        .values(spent_at=at)
    )


def _stored(row: Row[Any]) -> StoredDeferred:
    return StoredDeferred(
        token=RingToken(slot=row.slot, digest=row.request_digest),
        kind=row.kind,
        client_id=ClientId(row.client_id),
        person_id=None if row.person_id is None else PersonId(row.person_id),
        request=row.request,
        notification_sealed=row.notification_sealed,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
