"""Sign-in sessions of browsers: open, find, list, end."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from idp.model import OpenedSession, SessionClient, SignedIn, SignInSession
from idp.policy import Policy
from idp.service.logout_notices import announce
from idp.store import session_clients
from idp.store import sessions as store
from kernel.ids import PersonId, SessionId, new_id
from kernel.secret import MalformedToken, mint_token, parse_token

COOKIE_PREFIX = "cvs"

_NOTED_EVERY = timedelta(minutes=1)
"""How exactly we know when a session was used last: a write a minute, not a write a page."""


def open_session(
    session: Session, signed_in: SignedIn, *, policy: Policy, replaces: str | None, at: datetime
) -> OpenedSession:
    """Open a session for a person who has just signed in.

    Args:
        session: The open transaction.
        signed_in: From `accounts.sign_in`, in this transaction.
        policy: How long the session lives.
        replaces: The cookie that the browser sent along with the sign-in, if any: that session
            ends, so that nobody who planted it shares the new one (session fixation). If it was
            the same person's, its clients go over to the new one; if not, they are told.
        at: Now.

    Returns:
        The session under a fresh identifier and a fresh cookie.
    """
    replaced = None if replaces is None else _end_by_cookie(session, replaces, at=at)
    cookie = mint_token(COOKIE_PREFIX)
    opened = SignInSession(
        session_id=SessionId(new_id(at)),
        person_id=signed_in.person_id,
        account_id=signed_in.account_id,
        level=signed_in.level,
        amr=signed_in.amr,
        auth_time=signed_in.auth_time,
        started_at=at,
        last_used_at=at,
        expires_at=at + policy.session,
    )
    store.insert_session(session, opened, cookie_digest=cookie.digest)
    if replaced is not None and replaced.person_id == opened.person_id:
        session_clients.hand_over(
            session,
            opened.person_id,
            ended=replaced.session_id,
            to=opened.session_id,
            until=opened.expires_at,
        )
    elif replaced is not None:
        announce(session, replaced.person_id, replaced.session_id)
    return OpenedSession(session=opened, cookie=cookie.token)


def find_session(
    session: Session, cookie: str | None, *, policy: Policy, at: datetime
) -> SignInSession | None:
    """Return the live session of a browser, and note that it was used; None if there is none."""
    if cookie is None:
        return None
    try:
        digest = parse_token(cookie, COOKIE_PREFIX)
    except MalformedToken:
        return None
    found = store.find_by_cookie(session, digest, idle=policy.session_idle, at=at)
    if found is not None and found.last_used_at <= at - _NOTED_EVERY:
        store.touch(session, found, at=at)
    return found


def list_sessions(
    session: Session, person_id: PersonId, *, policy: Policy, at: datetime
) -> Sequence[SignInSession]:
    """Return a person's live sessions, the one used last first."""
    return store.list_live(session, person_id, idle=policy.session_idle, at=at)


def end_session(
    session: Session, person_id: PersonId, session_id: SessionId, *, at: datetime
) -> Sequence[SessionClient]:
    """End a session of this person, and let the clients that know it learn of that.

    Returns:
        Those clients. None if the session had ended, or is somebody else's.

    Transaction:
        Of many that end one session at once, one tells the clients.
    """
    if not store.end(session, person_id, session_id, at=at):
        return ()
    return announce(session, person_id, session_id)


def _end_by_cookie(session: Session, cookie: str, *, at: datetime) -> store.EndedSession | None:
    try:
        digest = parse_token(cookie, COOKIE_PREFIX)
    except MalformedToken:
        return None
    return store.end_by_cookie(session, digest, at=at)
