"""Sign-out that a client asks for: OpenID Connect RP-Initiated Logout."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode, urlsplit, urlunsplit

from sqlalchemy.orm import Session

from idp.errors import InvalidLogoutRequest
from idp.jose import NotVerified
from idp.model import Client, SessionClient, SignInSession
from idp.provider import Provider
from idp.service.sessions import end_session
from idp.store.clients import find_client
from idp.tokens import our_keys, verify_id_token_hint
from kernel.web import Form


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutRequest:
    """A sign-out as a client asks for it.

    Attributes:
        client: Who asks, if the request says so credibly.
        needs_confirmation: Whether the person must be asked: nothing shows that it is they who
            want it, or that it is about the session of this browser.
        return_to: Where to send the browser afterwards; registered by the client.
    """

    client: Client | None
    needs_confirmation: bool
    return_to: str | None


def read_logout_request(
    session: Session, provider: Provider, form: Form, *, sign_in: SignInSession | None
) -> LogoutRequest:
    """Read a sign-out request.

    Raises:
        InvalidLogoutRequest: 400. The hint is not an ID token of ours, or the address to return to
            is not registered by the client that the hint names: shown as a page, never redirected.

    Source:
        OpenID Connect RP-Initiated Logout, 2 to 4.
    """
    hint = form.get("id_token_hint")
    client_id = form.get("client_id")
    named: str | None = None
    sub: str | None = None
    if hint is not None:
        try:
            claims = verify_id_token_hint(
                hint, our_keys(provider.signing), issuer=provider.issuer, client_id=None
            )
        except NotVerified as error:
            raise InvalidLogoutRequest("id_token_hint is not an ID token of ours.") from error
        named, sub = claims["aud"], claims["sub"]
        if client_id is not None and client_id != named:
            raise InvalidLogoutRequest("client_id is not the audience of id_token_hint.")
    client = find_client(session, named or client_id or "")
    is_about_this_session = (
        client is not None
        and sign_in is not None
        and sub == provider.sub(client, sign_in.person_id)
    )
    return_to = form.get("post_logout_redirect_uri")
    if return_to is not None:
        # Without a hint anyone could name anyone's client: RP-Initiated Logout, 3.
        if hint is None or client is None:
            raise InvalidLogoutRequest("post_logout_redirect_uri needs an id_token_hint.")
        if return_to not in client.metadata.post_logout_redirect_uris:
            raise InvalidLogoutRequest("post_logout_redirect_uri is not registered.")
    return LogoutRequest(
        client=client,
        needs_confirmation=sign_in is not None and not is_about_this_session,
        return_to=None if return_to is None else _with_state(return_to, form.get("state")),
    )


def sign_out(
    session: Session, sign_in: SignInSession | None, *, at: datetime
) -> Sequence[SessionClient]:
    """End the session of this browser, if there is one; return the clients that know it."""
    if sign_in is None:
        return ()
    return end_session(session, sign_in.person_id, sign_in.session_id, at=at)


def _with_state(return_to: str, state: str | None) -> str:
    if state is None:
        return return_to
    parts = urlsplit(return_to)
    query = urlencode({"state": state})
    return urlunsplit(parts._replace(query=f"{parts.query}&{query}" if parts.query else query))
