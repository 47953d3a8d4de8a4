"""Queries: what became of grants and tokens."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, text, update
from sqlalchemy.orm import Session

from idp.buckets import Ring, partition
from idp.ring_tokens import RingToken
from idp.tables import (
    grants,
    initial_access_tokens,
    refresh_tokens,
    session_clients,
    session_cookies,
    sign_in_failures,
    sign_in_sessions,
)
from kernel.ids import ClientId, GrantId, PersonId

_EXPIRING: tuple[tuple[Any, Any, tuple[Any, ...]], ...] = (
    (grants, grants.c.expires_at, (grants.c.grant_id,)),
    (session_cookies, session_cookies.c.expires_at, (session_cookies.c.cookie_digest,)),
    (
        sign_in_sessions,
        sign_in_sessions.c.expires_at,
        (sign_in_sessions.c.person_id, sign_in_sessions.c.session_id),
    ),
    (
        session_clients,
        session_clients.c.expires_at,
        tuple(session_clients.primary_key.columns),
    ),
    (
        initial_access_tokens,
        initial_access_tokens.c.expires_at,
        (initial_access_tokens.c.token_digest,),
    ),
    (sign_in_failures, sign_in_failures.c.last_failed_at, (sign_in_failures.c.key_digest,)),
)


def find_person_of_grant(session: Session, grant_id: GrantId) -> PersonId | None:
    """Return whose grant it is, live or not."""
    person_id = session.scalar(select(grants.c.person_id).where(grants.c.grant_id == grant_id))
    return None if person_id is None else PersonId(person_id)


def find_live_grant(session: Session, grant_id: GrantId, *, at: datetime) -> Row[Any] | None:
    """Return a grant that is neither revoked nor over."""
    return session.execute(
        select(grants).where(
            grants.c.grant_id == grant_id, grants.c.revoked_at.is_(None), grants.c.expires_at > at
        )
    ).one_or_none()


def insert_refresh_token(
    session: Session,
    token: RingToken,
    *,
    grant_id: GrantId | None,
    client_id: ClientId,
    at: datetime,
    expires_at: datetime,
) -> None:
    """Store a refresh token that is bound to its client alone."""
    session.execute(
        insert(refresh_tokens).values(
            slot=token.slot,
            token_digest=token.digest,
            grant_id=grant_id,
            client_id=client_id,
            issued_at=at,
            expires_at=expires_at,
        )
    )


def revoke_grants_of_person(
    session: Session, person_id: PersonId, *, reason: str, at: datetime
) -> int:
    """Revoke everything that a person allowed; return how many grants."""
    rows = session.execute(
        update(grants)
        .where(grants.c.person_id == person_id, grants.c.revoked_at.is_(None))
        .values(revoked_at=at, revocation_reason=reason)
        .returning(grants.c.grant_id)
    ).all()
    return len(rows)


def empty_partition(session: Session, ring: Ring, slot: int) -> None:
    """Empty one partition of a ring; costs the same however many rows there are.

    Raises:
        OperationalError: Somebody is using the table; the next run tries again.

    Transaction:
        Waits a second at most, so that nobody waits for us for longer.
    """
    session.execute(text("SET LOCAL lock_timeout = '1s'"))
    session.execute(text(f"TRUNCATE {partition(ring, slot)}"))  # names of ours, no values


def size_of(session: Session, ring: Ring, slot: int) -> int:
    """Return the bytes that a partition takes with its indexes; 0 if it has no rows."""
    name = partition(ring, slot)
    found = session.scalar(text(f"SELECT 1 FROM {name} LIMIT 1"))  # noqa: S608  # a name of ours
    if found is None:
        return 0
    return int(session.scalar(select(func.pg_total_relation_size(name))) or 0)


def delete_expired(session: Session, *, before: datetime, limit: int) -> Sequence[tuple[str, int]]:
    """Delete rows that expired before an instant, up to `limit` of each table.

    Transaction:
        Skips rows that somebody holds: any number of workers may run.
    """
    deleted = []
    for table, expires_at, key in _EXPIRING:
        expired = (
            select(*key)
            .where(expires_at < before)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("expired")
        )
        matches = [column == expired.c[column.name] for column in key]
        rows = session.execute(delete(table).where(*matches).returning(key[0])).all()
        deleted.append((table.name, len(rows)))
    return deleted
