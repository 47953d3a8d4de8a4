"""Accounts, and the browsers in which people are signed in."""

from dataclasses import dataclass
from datetime import datetime

from idp.assurance import AssuranceLevel
from kernel.ids import AccountId, ClientId, PersonId, SessionId
from kernel.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A person's ability to sign in."""

    account_id: AccountId
    person_id: PersonId
    level: AssuranceLevel
    created_at: datetime
    disabled_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A person who has just authenticated; `sessions.open_session` makes a session of it.

    Attributes:
        amr: How, as Authentication Method Reference values (RFC 8176).
    """

    account_id: AccountId
    person_id: PersonId
    level: AssuranceLevel
    amr: tuple[str, ...]
    auth_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInSession:
    """A browser in which a person is signed in."""

    session_id: SessionId
    person_id: PersonId
    account_id: AccountId
    level: AssuranceLevel
    amr: tuple[str, ...]
    auth_time: datetime
    started_at: datetime
    last_used_at: datetime
    expires_at: datetime

    @property
    def acr(self) -> str:
        """The session's Authentication Context Class Reference."""
        return self.level.acr


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionClient:
    """A client that knows a session.

    Attributes:
        session_id: Whose `sid` it has: the session's own, or that of one which it followed.
    """

    client_id: ClientId
    session_id: SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedSession:
    """A new session, and the value of the cookie that carries it; only its digest is stored."""

    session: SignInSession
    cookie: Secret[str]
