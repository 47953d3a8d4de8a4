"""Authorization requests: start one, show it to the person, answer the client."""

from collections.abc import Mapping
from datetime import datetime
from typing import TypeAlias

from sqlalchemy.orm import Session

from idp.model import (
    AuthorizationResponse,
    Interaction,
    InteractionId,
    InteractionStarted,
    SignInSession,
)
from idp.provider import Provider

Started: TypeAlias = InteractionStarted | AuthorizationResponse


def start(
    session: Session,
    provider: Provider,
    parameters: Mapping[str, str],
    *,
    sign_in: SignInSession | None,
    at: datetime,
) -> Started:
    """Check an authorization request, and store it until the person has decided."""
    raise NotImplementedError


def get_interaction(
    session: Session,
    provider: Provider,
    interaction_id: InteractionId | str,
    *,
    browser_binding: str | None,
    sign_in: SignInSession | None,
    at: datetime,
) -> Interaction:
    """Return an open interaction of this browser, and what is still missing.

    Args:
        browser_binding: Value of this interaction's cookie (`idp.cookies.interaction_binding`).
        sign_in: The browser's session (`sessions.find_session`).

    Raises:
        InteractionGone: 410. Unknown, expired, answered, or another browser's.
    """
    raise NotImplementedError


def allow(
    session: Session, provider: Provider, interaction: Interaction, *, language: str, at: datetime
) -> AuthorizationResponse:
    """Record what the person agreed to, and answer the client with a code.

    Args:
        interaction: From `get_interaction`, in this transaction; signed in.
        language: In which the person was asked: `ru` or `en`.

    Raises:
        InteractionGone: 410. It was answered a moment ago, in another tab.
        NotSignedIn: 401. Nobody acceptable is signed in.
    """
    raise NotImplementedError


def deny(
    session: Session, provider: Provider, interaction: Interaction, *, at: datetime
) -> AuthorizationResponse:
    """Answer the client that the person did not agree.

    Raises:
        InteractionGone: 410. It was answered a moment ago, in another tab.
    """
    raise NotImplementedError
