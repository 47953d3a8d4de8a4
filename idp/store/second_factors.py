"""Queries: sign-ins of officials that wait for a code, and what makes the codes."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from idp.tables import operator_second_factors, operator_sign_ins, operators


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFactor:
    """The second factor of an official."""

    operator_id: str
    factor_id: UUID
    secret_sealed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingSignIn:
    """A sign-in of an official whose password was right.

    Attributes:
        offered_sealed: The secret that was offered to who has no second factor yet.
    """

    operator_id: str
    cookie_digest: bytes
    offered_sealed: bytes | None


def find_factor(session: Session, operator_id: str) -> StoredFactor | None:
    """Return the second factor that an official has now."""
    t = operator_second_factors.c
    row = session.execute(
        select(t.factor_id, t.secret_sealed).where(
            t.operator_id == operator_id, t.reset_at.is_(None)
        )
    ).one_or_none()
    if row is None:
        return None
    return StoredFactor(
        operator_id=operator_id, factor_id=row.factor_id, secret_sealed=row.secret_sealed
    )


def insert_factor(session: Session, factor: StoredFactor, *, last_step: int, at: datetime) -> bool:
    """Give an official a second factor; tell whether they had none.

    Transaction:
        By its unique index: of two that enrol at once, one does.
    """
    stored = session.execute(
        upsert(operator_second_factors)
        .values(
            operator_id=factor.operator_id,
            factor_id=factor.factor_id,
            secret_sealed=factor.secret_sealed,
            last_step=last_step,
            enrolled_at=at,
        )
        .on_conflict_do_nothing()
        .returning(operator_second_factors.c.factor_id)
    )
    return stored.one_or_none() is not None


def spend_step(session: Session, factor: StoredFactor, step: int) -> bool:
    """Let no code of this step or of an earlier one count again; tell whether it still did.

    Transaction:
        One UPDATE: of many with the same code at once, one is told so. None is if the factor was
        reset meanwhile.
    """
    t = operator_second_factors.c
    spent = session.execute(
        update(operator_second_factors)
        .where(
            t.operator_id == factor.operator_id,
            t.factor_id == factor.factor_id,
            t.reset_at.is_(None),
            t.last_step < step,
        )
        .values(last_step=step)
        .returning(t.factor_id)
    )
    return spent.one_or_none() is not None


def reset_factor(session: Session, operator_id: str, *, at: datetime) -> bool:
    """Destroy the secret of an official; tell whether there was one. The row stays, as a trace."""
    t = operator_second_factors.c
    reset = session.execute(
        update(operator_second_factors)
        .where(t.operator_id == operator_id, t.reset_at.is_(None))
        .values(reset_at=at, secret_sealed=None)
        .returning(t.factor_id)
    )
    return reset.one_or_none() is not None


def list_enrolled(session: Session) -> dict[str, datetime]:
    """Return since when each official who has a second factor has it."""
    t = operator_second_factors.c
    rows = session.execute(select(t.operator_id, t.enrolled_at).where(t.reset_at.is_(None)))
    return {row.operator_id: row.enrolled_at for row in rows}


# Sign-ins that wait


def insert_sign_in(session: Session, waiting: WaitingSignIn, *, expires_at: datetime) -> None:
    """Store that somebody's password was right."""
    session.execute(
        insert(operator_sign_ins).values(
            cookie_digest=waiting.cookie_digest,
            operator_id=waiting.operator_id,
            offered_sealed=waiting.offered_sealed,
            expires_at=expires_at,
        )
    )


def find_sign_in(session: Session, cookie_digest: bytes, *, at: datetime) -> WaitingSignIn | None:
    """Return the sign-in that a cookie carries; None if it is over, or its official disabled."""
    t = operator_sign_ins.c
    row = session.execute(
        select(t.operator_id, t.offered_sealed)
        .join_from(operator_sign_ins, operators, operators.c.operator_id == t.operator_id)
        .where(
            t.cookie_digest == cookie_digest,
            t.expires_at > at,
            operators.c.disabled_at.is_(None),
        )
    ).one_or_none()
    if row is None:
        return None
    return WaitingSignIn(
        operator_id=row.operator_id,
        cookie_digest=cookie_digest,
        offered_sealed=row.offered_sealed,
    )


def take_sign_in(session: Session, waiting: WaitingSignIn) -> bool:
    """Remove a sign-in that is complete; tell whether it was still there."""
    t = operator_sign_ins.c
    taken = session.execute(
        delete(operator_sign_ins)
        .where(t.cookie_digest == waiting.cookie_digest)
        .returning(t.operator_id)
    )
    return taken.one_or_none() is not None


def end_sign_ins(session: Session, operator_id: str) -> None:
    """Let no sign-in of an official be completed that waits now."""
    session.execute(delete(operator_sign_ins).where(operator_sign_ins.c.operator_id == operator_id))


def delete_expired_sign_ins(session: Session, operator_id: str, *, at: datetime) -> None:
    """Forget the sign-ins of an official that were not completed in time."""
    t = operator_sign_ins.c
    session.execute(
        delete(operator_sign_ins).where(t.operator_id == operator_id, t.expires_at <= at)
    )
