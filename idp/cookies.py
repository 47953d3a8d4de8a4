"""The cookies of idp: the browser's session, and what ties an interaction to a browser."""

from starlette.requests import Request
from starlette.responses import Response

from idp.model import InteractionId, OpenedSession
from idp.policy import Policy
from idp.session_state import CHECK_SESSION_PATH
from kernel.secret import Secret

SESSION_COOKIE = "civitas_session"
BINDING_COOKIE_PREFIX = "civitas_interaction_"
BROWSER_STATE_COOKIE = "civitas_browser_state"
"""What the frame at `CHECK_SESSION_PATH` reads: a keyed digest of the session, of use to nothing
else. Another site frames it, so it is `SameSite=None`, which browsers take with `Secure` only; on
loopback they take that over http too."""

KNOWN_BROWSER_COOKIE = "civitas_known_browser"
KNOWN_DESK_BROWSER_COOKIE = "civitas_known_desk_browser"
_KNOWN_FOR_SECONDS = 365 * 24 * 3600

_IN_NAME = slice(5, 17)
"""Twelve random characters of the interaction's identifier, in the cookie's name: enough to tell a
browser's few interactions apart, too few to find one."""


def _binding_name(interaction_id: str) -> str:
    return BINDING_COOKIE_PREFIX + interaction_id[_IN_NAME]


def _session_name(request: Request) -> str:
    """Return the cookie's name; one with `__Host-` can't be set by a neighbouring host."""
    is_https = request.app.state.settings.is_https
    return f"__Host-{SESSION_COOKIE}" if is_https else SESSION_COOKIE


def _browser_state_name(request: Request) -> str:
    is_https = request.app.state.settings.is_https
    return f"__Secure-{BROWSER_STATE_COOKIE}" if is_https else BROWSER_STATE_COOKIE


def session_cookie(request: Request) -> str | None:
    """Return the session cookie as received; a claim until `sessions.find_session` knows it."""
    return request.cookies.get(_session_name(request))


def set_session_cookie(
    request: Request, response: Response, opened: OpenedSession, browser_state: str
) -> None:
    """Give the browser its session. Without `Max-Age`: it ends with the browser, or before.

    Args:
        request: The request to answer.
        response: The answer.
        opened: The session.
        browser_state: `Provider.browser_state` of it.
    """
    response.set_cookie(
        _session_name(request),
        opened.cookie.reveal(),
        path="/",
        secure=request.app.state.settings.is_https,
        httponly=True,
        samesite="lax",
    )
    response.set_cookie(
        _browser_state_name(request),
        browser_state,
        path=CHECK_SESSION_PATH,
        secure=True,
        httponly=False,
        samesite="none",
    )


def clear_session_cookie(request: Request, response: Response) -> None:
    """Let the browser forget its session."""
    response.delete_cookie(
        _session_name(request),
        path="/",
        secure=request.app.state.settings.is_https,
        httponly=True,
        samesite="lax",
    )
    response.delete_cookie(
        _browser_state_name(request),
        path=CHECK_SESSION_PATH,
        secure=True,
        httponly=False,
        samesite="none",
    )


def _known_browser_name(request: Request, *, is_desk: bool) -> str:
    name = KNOWN_DESK_BROWSER_COOKIE if is_desk else KNOWN_BROWSER_COOKIE
    return f"__Host-{name}" if request.app.state.settings.is_https else name


def known_browser(request: Request, *, is_desk: bool = False) -> str | None:
    """Return what the browser keeps since somebody signed in from it, as received.

    Args:
        request: The request.
        is_desk: Whether officials are meant, who sign in to the desk.
    """
    return request.cookies.get(_known_browser_name(request, is_desk=is_desk))


def set_known_browser(
    request: Request, response: Response, kept: str, *, is_desk: bool = False
) -> None:
    """Let the browser keep that somebody signed in from it; see `idp.known_browsers`."""
    response.set_cookie(
        _known_browser_name(request, is_desk=is_desk),
        kept,
        max_age=_KNOWN_FOR_SECONDS,
        path="/",
        secure=request.app.state.settings.is_https,
        httponly=True,
        samesite="strict" if is_desk else "lax",
    )


def interaction_binding(request: Request, interaction_id: str) -> str | None:
    """Return what ties this browser to the interaction, as received."""
    return request.cookies.get(_binding_name(interaction_id))


def set_interaction_binding(
    request: Request,
    response: Response,
    interaction_id: InteractionId,
    binding: Secret[str],
    policy: Policy,
) -> None:
    """Tie the interaction to this browser."""
    response.set_cookie(
        _binding_name(interaction_id),
        binding.reveal(),
        max_age=int(policy.interaction.total_seconds()),
        path="/",
        secure=request.app.state.settings.is_https,
        httponly=True,
        samesite="lax",
    )


def clear_interaction_binding(
    request: Request, response: Response, interaction_id: InteractionId
) -> None:
    """Let the browser forget an interaction that was answered."""
    response.delete_cookie(
        _binding_name(interaction_id),
        path="/",
        secure=request.app.state.settings.is_https,
        httponly=True,
        samesite="lax",
    )
