"""What other contexts may call."""

from idp.assurance import AssuranceLevel
from idp.dependencies import (
    CurrentPerson,
    CurrentSession,
    current_person,
    password_hasher_of,
    provider_of,
)
from idp.errors import InsufficientScope, InvalidDPoPProof, InvalidToken, NotSignedIn
from idp.model import Account, Client, Partner, SignInSession, VerifiedToken
from idp.service.accounts import create_account
from idp.service.sessions import end_session, list_sessions

__all__ = [
    "Account",
    "AssuranceLevel",
    "Client",
    "CurrentPerson",
    "CurrentSession",
    "InsufficientScope",
    "InvalidDPoPProof",
    "InvalidToken",
    "NotSignedIn",
    "Partner",
    "SignInSession",
    "VerifiedToken",
    "create_account",
    "current_person",
    "end_session",
    "list_sessions",
    "password_hasher_of",
    "provider_of",
]
