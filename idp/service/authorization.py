"""Authorization requests: start one, show it to the person, answer the client."""

from datetime import datetime
from typing import TypeAlias

from sqlalchemy.orm import Session

from idp import checks
from idp.assurance import check_essential_acr, has_essential_acr
from idp.errors import (
    AccessDenied,
    InteractionGone,
    InvalidRequestObject,
    InvalidRequestUri,
    NotSignedIn,
    OAuthError,
    RequestUriNotSupported,
    UnknownClient,
    UnmetAuthenticationRequirements,
)
from idp.interaction_state import silent_refusal
from idp.model import (
    AuthorizationRequest,
    AuthorizationResponse,
    Client,
    Interaction,
    InteractionId,
    InteractionStarted,
    SignInSession,
)
from idp.provider import Provider
from idp.remote import FetchText, fetch_nothing
from idp.remote_keys import FindRemoteKeys, no_remote_keys
from idp.ring_tokens import INTERACTION, RingToken
from idp.service import grant_management
from idp.service.authorization_answers import issue_code, refuse
from idp.service.authorization_needs import Pending, find_needs
from idp.service.received_requests import receive, stored_request, submission_of
from idp.store import authorization as store
from idp.store.clients import find_client
from kernel.secret import MalformedToken, mint_token, parse_token
from kernel.web import Form

Started: TypeAlias = InteractionStarted | AuthorizationResponse

BINDING_PREFIX = "cvb"


def start(
    session: Session,
    provider: Provider,
    form: Form,
    *,
    sign_in: SignInSession | None,
    remote_keys: FindRemoteKeys = no_remote_keys,
    fetch: FetchText = fetch_nothing,
    at: datetime,
) -> Started:
    """Check an authorization request, and store it until the person has decided.

    Args:
        session: The open transaction.
        provider: Ourselves.
        form: Parameters of the request, from the query or the body.
        sign_in: Who is signed in in this browser.
        remote_keys: Finds the keys of a client that publishes them at an address of its own.
        fetch: Fetches a request object that lies at an address of the client.
        at: Now.

    Returns:
        `InteractionStarted` when a person has to see a page, or might; the answer to the client
        when there is one already: a refusal, or the code of a request with `prompt=none`.

    Raises:
        UnknownClient: 400. Shown as a page.
        UnregisteredRedirectUri: 400. Shown as a page: nothing may be sent there.
        InvalidRequestUri: 400. Shown as a page if nothing says where to answer.
        InvalidRequestObject: 400. Shown as a page if nothing beside it says where to answer.
    """
    client = find_client(session, form.get("client_id", ""))
    if client is None:
        raise UnknownClient
    try:
        stored, request_uri = receive(
            session, provider, client, form, remote_keys=remote_keys, fetch=fetch, at=at
        )
    except (InvalidRequestObject, InvalidRequestUri, RequestUriNotSupported) as refusal:
        if "redirect_uri" not in form:
            raise
        return _refuse_unread(provider, client, form, refusal=refusal, at=at)
    submission = submission_of(provider, client, stored)
    established = checks.check_unredirected(submission)
    try:
        request = checks.check_redirected(submission, established)
        answer = _answer_at_once(
            session, provider, client, request, sign_in=sign_in, request_uri=request_uri, at=at
        )
    except OAuthError as refusal:
        if not refusal.redirectable:
            raise
        mode, state = checks.refusal_fields(submission, refusal)
        return refuse(
            provider, client, established["redirect_uri"], mode, state, refusal=refusal, at=at
        )
    if answer is not None:
        return answer
    interaction = store.StoredInteraction(
        client_id=client.client_id,
        request=stored,
        request_uri=request_uri,
        created_at=at,
        expires_at=at + provider.policy.interaction,
    )
    return _keep(session, interaction)


def _answer_at_once(
    session: Session,
    provider: Provider,
    client: Client,
    request: AuthorizationRequest,
    *,
    sign_in: SignInSession | None,
    request_uri: RingToken | None,
    at: datetime,
) -> AuthorizationResponse | None:
    """Answer a request with `prompt=none`; None when a person has to see a page, or might."""
    request = grant_management.effective_request(session, client, request, at=at)
    pending = find_needs(
        session, provider, client, request, sign_in=sign_in, requested_at=at, at=at
    )
    # Who signs in as somebody else for this request is held against it then.
    if pending.session is not None:
        check_essential_acr(pending.session.level, request.claims.essential_acr)
    if "none" not in request.prompt:
        return None
    return _answer_silently(
        session, provider, client, request, pending=pending, request_uri=request_uri, at=at
    )


def _keep(session: Session, interaction: store.StoredInteraction) -> InteractionStarted:
    minted = INTERACTION.mint(interaction.created_at)
    binding = mint_token(BINDING_PREFIX)
    store.insert_interaction(session, minted.stored, interaction, binding_digest=binding.digest)
    return InteractionStarted(
        interaction_id=InteractionId(minted.token.reveal()), binding=binding.token
    )


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

    The request is checked once more: what changed at the client in between counts.

    Args:
        session: The open transaction.
        provider: Ourselves.
        interaction_id: From the address.
        browser_binding: Value of this interaction's cookie (`idp.cookies.interaction_binding`).
        sign_in: The browser's session (`sessions.find_session`).
        at: Now.

    Raises:
        InteractionGone: 410. Unknown, expired, answered, or another browser's.
    """
    found = _find(session, interaction_id, browser_binding, at=at)
    client = find_client(session, found.client_id)
    if client is None:
        raise InteractionGone(reason="client disabled")
    submission = submission_of(provider, client, found.request)
    try:
        request = checks.check_redirected(submission, checks.check_unredirected(submission))
        request = grant_management.effective_request(session, client, request, at=at)
    except OAuthError as error:
        raise InteractionGone(reason="registration changed") from error
    pending = find_needs(
        session,
        provider,
        client,
        request,
        sign_in=sign_in,
        requested_at=found.created_at,
        at=at,
    )
    return Interaction(
        interaction_id=InteractionId(interaction_id),
        client=client,
        request=request,
        session=pending.session,
        asked=pending.asked,
        is_unmet=pending.session is not None
        and not has_essential_acr(pending.session.level, request.claims.essential_acr),
        needs_consent=pending.needs_consent,
        created_at=found.created_at,
        expires_at=found.expires_at,
        request_uri=found.request_uri,
    )


def allow(
    session: Session, provider: Provider, interaction: Interaction, *, language: str, at: datetime
) -> AuthorizationResponse:
    """Record what the person agreed to, and answer the client with a code.

    Args:
        session: The open transaction.
        provider: Ourselves.
        interaction: From `get_interaction`, in this transaction; signed in.
        language: In which the person was asked: `ru` or `en`.
        at: Now.

    Raises:
        InteractionGone: 410. It was answered a moment ago, in another tab.
        NotSignedIn: 401. Nobody acceptable is signed in.

    Transaction:
        The consents, the grant, the code, and the end of the interaction together.
    """
    if interaction.session is None:
        raise NotSignedIn
    _answer(session, interaction, at=at)
    request = interaction.request
    try:
        return issue_code(
            session,
            provider,
            interaction.client,
            request,
            interaction.session,
            asked=interaction.asked,
            request_uri=interaction.request_uri,
            language=language,
            at=at,
        )
    except OAuthError as refusal:
        return refuse(
            provider,
            interaction.client,
            request.redirect_uri,
            request.response_mode,
            request.state,
            refusal=refusal,
            at=at,
        )


def deny(
    session: Session, provider: Provider, interaction: Interaction, *, at: datetime
) -> AuthorizationResponse:
    """Answer the client that the person did not agree, or that whoever signed in can't do.

    Raises:
        InteractionGone: 410. It was answered a moment ago, in another tab.
    """
    _answer(session, interaction, at=at)
    if interaction.request_uri is not None:
        store.use_pushed(session, interaction.request_uri, at=at)
    request = interaction.request
    return refuse(
        provider,
        interaction.client,
        request.redirect_uri,
        request.response_mode,
        request.state,
        refusal=UnmetAuthenticationRequirements() if interaction.is_unmet else AccessDenied(),
        at=at,
    )


def _refuse_unread(
    provider: Provider, client: Client, form: Form, *, refusal: OAuthError, at: datetime
) -> AuthorizationResponse:
    """Answer a request that can't be read, if what stands beside it says where to.

    Raises:
        UnregisteredRedirectUri: 400. It does not: shown as a page.
    """
    outside = submission_of(
        provider, client, stored_request(form, channel="browser", proof_jkt=None)
    )
    redirect_uri = checks.check_unredirected(outside)["redirect_uri"]
    mode, state = checks.refusal_fields(outside, refusal)
    return refuse(provider, client, redirect_uri, mode, state, refusal=refusal, at=at)


def _answer_silently(
    session: Session,
    provider: Provider,
    client: Client,
    request: AuthorizationRequest,
    *,
    pending: Pending,
    request_uri: RingToken | None,
    at: datetime,
) -> AuthorizationResponse:
    """Answer `prompt=none`: with a code if nothing has to be asked."""
    refusal = silent_refusal(
        is_signed_in=pending.session is not None,
        asks_consent=bool(pending.asked),
        is_first_visit=pending.is_first_visit,
    )
    if refusal is not None:
        raise refusal
    assert pending.session is not None
    return issue_code(
        session,
        provider,
        client,
        request,
        pending.session,
        asked=(),
        request_uri=request_uri,
        language="en",
        at=at,
    )


def _find(
    session: Session, interaction_id: str, browser_binding: str | None, *, at: datetime
) -> store.StoredInteraction:
    try:
        token = INTERACTION.parse(interaction_id)
        binding_digest = parse_token(browser_binding or "", BINDING_PREFIX)
    except MalformedToken as error:
        raise InteractionGone(reason="malformed") from error
    found = store.find_interaction(session, token, binding_digest=binding_digest, at=at)
    if found is None:
        raise InteractionGone(reason="unknown, answered, expired or another browser's")
    return found


def _answer(session: Session, interaction: Interaction, *, at: datetime) -> None:
    token = INTERACTION.parse(interaction.interaction_id)
    if not store.answer_interaction(session, token, at=at):
        raise InteractionGone(reason="answered")
