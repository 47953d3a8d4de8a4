"""What goes back to the client: a code, or a refusal, as its `response_mode` wants it."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from idp import jarm
from idp.errors import InvalidRequestUri, OAuthError, UnregisteredRedirectUri
from idp.model import (
    AuthorizationRequest,
    AuthorizationResponse,
    Client,
    Disclosure,
    ResponseMode,
    SignInSession,
)
from idp.provider import Provider
from idp.ring_tokens import AUTHORIZATION_CODE, RingToken
from idp.service.agreements import agree
from idp.session_state import state_for
from idp.store import authorization as store


def issue_code(
    session: Session,
    provider: Provider,
    client: Client,
    request: AuthorizationRequest,
    person: SignInSession,
    *,
    asked: Sequence[Disclosure],
    request_uri: RingToken | None,
    language: str,
    at: datetime,
) -> AuthorizationResponse:
    """Store the consents, the grant and the code; answer with the code."""
    if request_uri is not None and not store.use_pushed(session, request_uri, at=at):
        raise InvalidRequestUri(reason="used")
    policy = provider.policy
    grant_id = agree(
        session,
        provider,
        client,
        request,
        person,
        asked=asked,
        change=request.grant_change,
        binds_session=True,
        redeemable_for=policy.authorization_code,
        language=language,
        at=at,
    )
    code = AUTHORIZATION_CODE.mint(at)
    store.insert_code(
        session,
        store.NewCode(
            token=code.stored,
            grant_id=grant_id,
            client_id=client.client_id,
            redirect_uri=request.redirect_uri,
            code_challenge=request.code_challenge,
            dpop_jkt=request.dpop_jkt,
            nonce=request.nonce,
            id_token_claims={"claims": list(request.claims.id_token)},
            expires_at=at + policy.authorization_code,
        ),
    )
    parameters = [("code", code.token.reveal())]
    if request.is_openid:
        browser_state = provider.browser_state(person.session_id)
        watched = state_for(client, request.redirect_uri, browser_state)
        parameters += [] if watched is None else [("session_state", watched)]
    return _response(
        provider,
        client,
        request.redirect_uri,
        response_mode=request.response_mode,
        parameters=parameters,
        state=request.state,
        at=at,
    )


def refuse(
    provider: Provider,
    client: Client,
    redirect_uri: str,
    response_mode: ResponseMode,
    state: str | None,
    *,
    refusal: OAuthError,
    at: datetime,
) -> AuthorizationResponse:
    """Return a refusal as the client gets it (RFC 6749, 4.1.2.1)."""
    assert refusal.redirectable
    assert not isinstance(refusal, UnregisteredRedirectUri)
    return _response(
        provider,
        client,
        redirect_uri,
        response_mode=response_mode,
        parameters=(("error", refusal.code), ("error_description", refusal.description)),
        state=state,
        at=at,
    )


def _response(
    provider: Provider,
    client: Client,
    redirect_uri: str,
    *,
    response_mode: ResponseMode,
    parameters: Sequence[tuple[str, str]],
    state: str | None,
    at: datetime,
) -> AuthorizationResponse:
    echoed: tuple[tuple[str, str], ...] = () if state is None else (("state", state),)
    if response_mode not in {"query", "form_post"}:
        return AuthorizationResponse(
            redirect_uri=redirect_uri,
            response_mode=jarm.PLAIN_MODES[response_mode],
            parameters=jarm.sign_response(
                (*parameters, *echoed),
                client=client,
                issuer=provider.issuer,
                signing=provider.signing,
                at=at,
            ),
        )
    return AuthorizationResponse(
        redirect_uri=redirect_uri,
        response_mode="form_post" if response_mode == "form_post" else "query",
        parameters=(*parameters, *echoed, ("iss", provider.issuer)),  # RFC 9207, 2
    )
