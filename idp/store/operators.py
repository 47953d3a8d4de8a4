"""Queries: officials and their sessions at the desk."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from idp.operators import Operator, OperatorRole
from idp.store.second_factors import end_sign_ins
from idp.tables import operator_sessions, operators


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredOperator:
    """An official as the sign-in needs them."""

    operator: Operator
    password_hash_sealed: bytes


def insert_operator(session: Session, operator: Operator, *, password_hash_sealed: bytes) -> bool:
    """Store an official; tell whether the identifier was free: it is never given twice."""
    stored = session.execute(
        upsert(operators)
        .values(
            operator_id=operator.operator_id,
            name=operator.name,
            roles=sorted(operator.roles),
            password_hash_sealed=password_hash_sealed,
            password_changed_at=operator.created_at,
            created_at=operator.created_at,
        )
        .on_conflict_do_nothing()
        .returning(operators.c.operator_id)
    )
    return stored.one_or_none() is not None


def find_operator(session: Session, operator_id: str) -> StoredOperator | None:
    """Return an official, disabled or not."""
    row = session.execute(
        select(operators).where(operators.c.operator_id == operator_id)
    ).one_or_none()
    if row is None:
        return None
    return StoredOperator(operator=_operator(row), password_hash_sealed=row.password_hash_sealed)


def list_operators(session: Session) -> Sequence[Operator]:
    """Return all officials, by identifier."""
    rows = session.execute(select(operators).order_by(operators.c.operator_id))
    return [_operator(row) for row in rows]


def disable_operator(session: Session, operator_id: str, *, at: datetime) -> bool:
    """Let an official do nothing any more, and end their sessions; tell whether they could."""
    disabled = session.execute(
        update(operators)
        .where(operators.c.operator_id == operator_id, operators.c.disabled_at.is_(None))
        .values(disabled_at=at)
        .returning(operators.c.operator_id)
    ).one_or_none()
    if disabled is not None:
        end_sessions(session, operator_id)
    return disabled is not None


def replace_password(
    session: Session, operator_id: str, *, password_hash_sealed: bytes, at: datetime
) -> None:
    """Store another password, and end the sessions.

    Transaction:
        The password first: who signs in with the old one at once waits, and is refused; or was
        first, and their session ends.
    """
    session.execute(
        update(operators)
        .where(operators.c.operator_id == operator_id)
        .values(password_hash_sealed=password_hash_sealed, password_changed_at=at)
    )
    end_sessions(session, operator_id)


def replace_hash(session: Session, operator_id: str, *, password_hash_sealed: bytes) -> None:
    """Store the same password hashed anew; the caller holds the row (`lock_verified`)."""
    session.execute(
        update(operators)
        .where(operators.c.operator_id == operator_id)
        .values(password_hash_sealed=password_hash_sealed)
    )


def lock_verified(session: Session, verified: StoredOperator) -> bool:
    """Keep an official as they are until the transaction ends; tell whether they still are.

    They are not if they were given another password meanwhile, or disabled.
    """
    found = session.execute(
        select(operators.c.operator_id)
        .where(
            operators.c.operator_id == verified.operator.operator_id,
            operators.c.password_hash_sealed == verified.password_hash_sealed,
            operators.c.disabled_at.is_(None),
        )
        .with_for_update()
    )
    return found.one_or_none() is not None


def _operator(row: Row[Any]) -> Operator:
    return Operator(
        operator_id=row.operator_id,
        name=row.name,
        roles=frozenset(map(OperatorRole, row.roles)),
        created_at=row.created_at,
        disabled_at=row.disabled_at,
    )


# Sessions


def insert_session(
    session: Session,
    operator_id: str,
    *,
    cookie_digest: bytes,
    at: datetime,
    expires_at: datetime,
) -> None:
    """Store a session."""
    session.execute(
        insert(operator_sessions).values(
            cookie_digest=cookie_digest,
            operator_id=operator_id,
            started_at=at,
            last_used_at=at,
            expires_at=expires_at,
        )
    )


def use_session(
    session: Session, cookie_digest: bytes, *, at: datetime, used_since: datetime
) -> Operator | None:
    """Return whose live session a cookie carries, and note that it was used.

    Args:
        session: The transaction.
        cookie_digest: Of the cookie.
        at: Now.
        used_since: A session that was not used since then has ended.
    """
    t = operator_sessions.c
    row = session.execute(
        update(operator_sessions)
        .where(
            t.cookie_digest == cookie_digest,
            t.expires_at > at,
            t.last_used_at > used_since,
            operators.c.operator_id == t.operator_id,
            operators.c.disabled_at.is_(None),
        )
        .values(last_used_at=at)
        .returning(operators)
    ).one_or_none()
    return None if row is None else _operator(row)


def end_session(session: Session, cookie_digest: bytes) -> None:
    """End the session that a cookie carries."""
    session.execute(
        delete(operator_sessions).where(operator_sessions.c.cookie_digest == cookie_digest)
    )


def end_sessions(session: Session, operator_id: str) -> None:
    """End all sessions of an official, and let no sign-in be completed that waits for its code.

    Transaction:
        What waits first: one that is being completed is waited for, and its session ends too.
    """
    end_sign_ins(session, operator_id)
    session.execute(delete(operator_sessions).where(operator_sessions.c.operator_id == operator_id))


def delete_expired(session: Session, operator_id: str, *, at: datetime) -> None:
    """Forget the sessions of an official that are over."""
    t = operator_sessions.c
    session.execute(
        delete(operator_sessions).where(t.operator_id == operator_id, t.expires_at <= at)
    )
