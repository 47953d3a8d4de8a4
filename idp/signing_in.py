"""The browser's part of signing in: with a password, and the session that it holds afterwards."""

from fastapi import Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from idp import cookies
from idp.dependencies import password_hasher_of, provider_of
from idp.model import SignedIn
from idp.service import accounts, sessions
from kernel.secret import Secret


def sign_in_by_password(
    request: Request, session: Session, username: str, password: Secret[str]
) -> SignedIn:
    """Authenticate a person by the password that this request brings.

    Raises:
        SignInFailed: 401. One answer for every reason; the attempt is counted (writes kept).
        TooManyRequests: 429. More sign-ins are waiting than this process verifies.
    """
    return accounts.sign_in(
        session,
        provider_of(request).keyring,
        password_hasher_of(request),
        username=username,
        password=password,
        address=request.client.host if request.client else "",
        browser=cookies.known_browser(request),
        at=request.app.state.clock.now(),
    )


def begin_session(
    request: Request, session: Session, signed_in: SignedIn, response: Response
) -> None:
    """Open a session in place of the browser's old one, and send its cookie along."""
    provider = provider_of(request)
    opened = sessions.open_session(
        session,
        signed_in,
        policy=provider.policy,
        replaces=cookies.session_cookie(request),
        at=request.app.state.clock.now(),
    )
    cookies.set_session_cookie(
        request, response, opened, provider.browser_state(opened.session.session_id)
    )
