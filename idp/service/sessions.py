"""Sign-in sessions of browsers: open, find, list, end."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from idp.model import OpenedSession, SignedIn, SignInSession
from idp.policy import Policy
from kernel.ids import PersonId, SessionId


def open_session(
    session: Session, signed_in: SignedIn, *, policy: Policy, replaces: str | None, at: datetime
) -> OpenedSession:
    """Open a session for a person who has just signed in.

    Args:
        replaces: The cookie that the browser sent with the sign-in, if any: that session ends, so
            that nobody who planted it shares the new one (session fixation).
    """
    raise NotImplementedError


def find_session(
    session: Session, cookie: str | None, *, policy: Policy, at: datetime
) -> SignInSession | None:
    """Return the live session of a browser, and note that it was used; None if there is none."""
    raise NotImplementedError


def list_sessions(
    session: Session, person_id: PersonId, *, policy: Policy, at: datetime
) -> Sequence[SignInSession]:
    """Return a person's live sessions, the one used last first."""
    raise NotImplementedError


def end_session(
    session: Session, person_id: PersonId, session_id: SessionId, *, at: datetime
) -> None:
    """End a session of this person; nothing happens if it has ended."""
    raise NotImplementedError
