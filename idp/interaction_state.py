"""What an authorization request still needs of the person. No I/O.

Source:
    OpenID Connect Core, 3.1.2.3 and 3.1.2.4.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from idp.errors import ConsentRequired, InteractionRequired, LoginRequired, OAuthError
from idp.model import AuthorizationRequest, SignInSession


def is_acceptable(
    session: SignInSession,
    request: AuthorizationRequest,
    *,
    sub: str,
    expected_sub: str | None,
    requested_at: datetime,
) -> bool:
    """Tell whether a browser's session will do for a request.

    It is held against the moment of the request, not against now: whoever signs in for a request
    with `max_age=1` must not be asked again after reading the consent page.

    Args:
        session: Who is signed in.
        request: What the client asks for.
        sub: Under which the client knows that person.
        expected_sub: Whom the client asks for; None for anybody.
        requested_at: When the request arrived.
    """
    if expected_sub is not None and sub != expected_sub:
        return False
    if request.prompt & {"login", "select_account"} and session.auth_time < requested_at:
        return False
    return request.max_age is None or (
        session.auth_time >= requested_at - timedelta(seconds=request.max_age)
    )


def expected_sub(request: AuthorizationRequest, *, read_hint: Callable[[str], str]) -> str | None:
    """Return whom the client asks for, by `id_token_hint` or by the `sub` claim; None for anybody.

    Args:
        request: What the client asks for.
        read_hint: Verifies an ID token and returns its `sub`.
    """
    if request.id_token_hint is not None:
        return read_hint(request.id_token_hint)
    return request.claims.sub


def silent_refusal(
    *, is_signed_in: bool, asks_consent: bool, is_first_visit: bool
) -> OAuthError | None:
    """Return why `prompt=none` can't be answered with a code; None when it can.

    Source:
        OpenID Connect Core, 3.1.2.6.
    """
    if not is_signed_in:
        return LoginRequired()
    if asks_consent:
        return ConsentRequired()
    if is_first_visit:
        return InteractionRequired()
    return None
