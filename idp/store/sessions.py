"""Queries: sign-in sessions and their cookies."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, exists, insert, select, update
from sqlalchemy.orm import Session

from idp.assurance import AssuranceLevel
from idp.model import SignInSession
from idp.tables import accounts, session_cookies, sign_in_sessions
from kernel.ids import AccountId, PersonId, SessionId

MOST_LISTED = 100

_t = sign_in_sessions.c


def _session_of(row: Row[Any]) -> SignInSession:
    return SignInSession(
        session_id=SessionId(row.session_id),
        person_id=PersonId(row.person_id),
        account_id=AccountId(row.account_id),
        level=AssuranceLevel(row.level),
        amr=tuple(row.amr),
        auth_time=row.auth_time,
        started_at=row.started_at,
        last_used_at=row.last_used_at,
        expires_at=row.expires_at,
    )


def _is_live(*, idle: timedelta, at: datetime) -> ColumnElement[bool]:
    return and_(_t.ended_at.is_(None), _t.expires_at > at, _t.last_used_at > at - idle)


def insert_session(session: Session, opened: SignInSession, *, cookie_digest: bytes) -> None:
    """Store a session and the digest of its cookie."""
    session.execute(
        insert(sign_in_sessions).values(
            person_id=opened.person_id,
            session_id=opened.session_id,
            account_id=opened.account_id,
            level=opened.level.value,
            amr=list(opened.amr),
            auth_time=opened.auth_time,
            started_at=opened.started_at,
            last_used_at=opened.last_used_at,
            expires_at=opened.expires_at,
        )
    )
    session.execute(
        insert(session_cookies).values(
            cookie_digest=cookie_digest,
            person_id=opened.person_id,
            session_id=opened.session_id,
            expires_at=opened.expires_at,
        )
    )


def find_by_cookie(
    session: Session, cookie_digest: bytes, *, idle: timedelta, at: datetime
) -> SignInSession | None:
    """Return the live session that the cookie carries."""
    row = session.execute(
        select(sign_in_sessions)
        .join(
            session_cookies,
            (session_cookies.c.person_id == _t.person_id)
            & (session_cookies.c.session_id == _t.session_id),
        )
        .where(
            session_cookies.c.cookie_digest == cookie_digest,
            _is_live(idle=idle, at=at),
            # An account that was disabled is signed out everywhere at once.
            ~exists().where(
                accounts.c.person_id == _t.person_id,
                accounts.c.account_id == _t.account_id,
                accounts.c.disabled_at.is_not(None),
            ),
        )
    ).one_or_none()
    return None if row is None else _session_of(row)


def touch(session: Session, used: SignInSession, *, at: datetime) -> None:
    """Note that a session was used; skipped when somebody else is noting it just now."""
    mine = and_(_t.person_id == used.person_id, _t.session_id == used.session_id)
    free = select(_t.session_id).where(mine).with_for_update(skip_locked=True)
    session.execute(
        update(sign_in_sessions)
        .where(mine, _t.session_id.in_(free.scalar_subquery()))
        .values(last_used_at=at)
    )


def list_live(
    session: Session, person_id: PersonId, *, idle: timedelta, at: datetime
) -> Sequence[SignInSession]:
    """Return a person's live sessions, the one used last first."""
    rows = session.execute(
        select(sign_in_sessions)
        .where(_t.person_id == person_id, _is_live(idle=idle, at=at))
        .order_by(_t.last_used_at.desc(), _t.session_id.desc())
        .limit(MOST_LISTED)
    )
    return [_session_of(row) for row in rows]


def find_open(session: Session, person_id: PersonId) -> Sequence[SessionId]:
    """Return every session of a person that nobody has ended."""
    rows = session.scalars(
        select(_t.session_id)
        .where(_t.person_id == person_id, _t.ended_at.is_(None))
        .order_by(_t.session_id)
    )
    return [SessionId(session_id) for session_id in rows]


def end(session: Session, person_id: PersonId, session_id: SessionId, *, at: datetime) -> bool:
    """End a session; tell whether it was this call that ended it."""
    ended = session.execute(
        update(sign_in_sessions)
        .where(_t.person_id == person_id, _t.session_id == session_id, _t.ended_at.is_(None))
        .values(ended_at=at)
        .returning(_t.session_id)
    ).one_or_none()
    session.execute(
        delete(session_cookies).where(
            session_cookies.c.person_id == person_id, session_cookies.c.session_id == session_id
        )
    )
    return ended is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedSession:
    """A session that was ended a moment ago."""

    person_id: PersonId
    session_id: SessionId


def end_by_cookie(session: Session, cookie_digest: bytes, *, at: datetime) -> EndedSession | None:
    """End the session that a cookie carries; return it if it was this call that ended it."""
    row = session.execute(
        delete(session_cookies)
        .where(session_cookies.c.cookie_digest == cookie_digest)
        .returning(session_cookies.c.person_id, session_cookies.c.session_id)
    ).one_or_none()
    if row is None:
        return None
    ended = session.execute(
        update(sign_in_sessions)
        .where(
            _t.person_id == row.person_id,
            _t.session_id == row.session_id,
            _t.ended_at.is_(None),
        )
        .values(ended_at=at)
        .returning(_t.person_id, _t.session_id)
    ).one_or_none()
    if ended is None:
        return None
    return EndedSession(person_id=PersonId(ended.person_id), session_id=SessionId(ended.session_id))
