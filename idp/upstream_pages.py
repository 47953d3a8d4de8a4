"""Addresses of the sign-in through regional systems: there, back, and what has to be confirmed."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from idp import cookies
from idp.dependencies import current_person, current_session, interaction_of, policy_of, provider_of
from idp.errors import UpstreamDenied, UpstreamNotVerified, UpstreamUnavailable
from idp.model import InteractionId
from idp.own_addresses import parse_own_address
from idp.service import upstream_requests as requests
from idp.service import upstreams as service
from idp.service.upstream_requests import Kept
from idp.service.upstreams import MustConfirm, Settled
from idp.signing_in import begin_session
from idp.upstream import (
    Asserted,
    Upstream,
    UpstreamRequest,
    asserted_by,
    check_response_issuer,
    verify_id_token,
)
from idp.upstream_client import Tokens, UpstreamClient
from idp.upstream_confirm_pages import CONFIRM
from idp.upstream_refusals import LINKS
from kernel.db import unit_of_work_of
from kernel.pages import language_of, see_other

router = APIRouter(include_in_schema=False)

_DENIED = frozenset({"access_denied", "login_required", "interaction_required", "consent_required"})


def upstream_client_of(request: Request) -> UpstreamClient:
    """Return what speaks to upstream providers in this process."""
    state = request.app.state
    client: UpstreamClient | None = getattr(state, "upstream_client", None)
    if client is None:
        policy = policy_of(state.settings)
        client = state.upstream_client = UpstreamClient(
            allows_http=policy.allows_http, ca_file=policy.outbound_ca_file
        )
    return client


@router.get("/upstream/{upstream_id}/start")
def start(
    request: Request, upstream_id: str, interaction: str = "", then: str = "", again: str = ""
) -> Response:
    """Send a person upstream, to sign in for a client or to their own account."""
    provider = provider_of(request)
    at = request.app.state.clock.now()
    return_to = f"/interaction/{interaction}" if interaction else parse_own_address(then)
    request.state.upstream_return = return_to
    with unit_of_work_of(request.app.state.sessions) as session:
        waiting = interaction_of(request, session, interaction) if interaction else None
        upstream, _credential = service.get_upstream(session, provider, upstream_id)
    longest = int(provider.policy.session.total_seconds())
    asked = None if waiting is None else waiting.request.max_age
    prompt = frozenset() if waiting is None else waiting.request.prompt
    begun = requests.new_request(
        return_to=return_to,
        max_age=longest if asked is None else min(asked, longest),
        is_renewed=bool(again) or bool(prompt & {"login", "select_account"}),
        at=at,
    )
    return _send(request, upstream, begun)


@router.get("/upstream/{upstream_id}/connect")
def connect(request: Request, upstream_id: str) -> Response:
    """Send somebody who is signed in upstream, to connect the account that they have there."""
    provider = provider_of(request)
    at = request.app.state.clock.now()
    request.state.upstream_return = LINKS
    with unit_of_work_of(request.app.state.sessions) as session:
        person = current_person(request, session)
        upstream, _credential = service.get_upstream(session, provider, upstream_id)
    if not service.is_fresh(person, at=at):
        return see_other(f"/sign-in?{urlencode({'next': LINKS, 'again': 'yes'})}")
    # Whoever sits there proves it is theirs: that they were signed in there is not enough.
    begun = requests.new_request(return_to=LINKS, max_age=0, is_renewed=True, link_to=person, at=at)
    return _send(request, upstream, begun)


@router.get("/upstream/{upstream_id}/callback")
def callback(  # noqa: PLR0917  # parameters of the response, by their own names
    request: Request,
    upstream_id: str,
    state: str = "",
    code: str | None = None,
    iss: str | None = None,
    error: str | None = None,
) -> Response:
    """Take the answer of an upstream provider (OpenID Connect Core, 3.1.2.5 and 3.1.2.6)."""
    provider = provider_of(request)
    at = request.app.state.clock.now()
    # Committed before the provider is asked: the same answer, sent again, finds it spent.
    with unit_of_work_of(request.app.state.sessions) as session:
        upstream, credential = service.get_upstream(session, provider, upstream_id)
        begun = requests.take_up(
            session,
            provider,
            upstream_id,
            state=state,
            binding=cookies.interaction_binding(request, state),
            at=at,
        )
    request.state.upstream_return = begun.return_to
    client = upstream_client_of(request)
    names_itself = client.metadata(upstream, at=at).names_itself
    check_response_issuer(iss, upstream, is_required=names_itself)
    if error is not None:
        refusal = UpstreamDenied if error in _DENIED else UpstreamUnavailable
        raise refusal(reason=f"error: {error[:80]}")
    if code is None:
        raise UpstreamUnavailable(reason="no code")
    tokens = client.exchange(
        upstream,
        credential,
        begun,
        code=code,
        redirect_uri=redirect_uri(provider.issuer, upstream_id),
        at=at,
    )
    asserted = _asserted(request, upstream, begun, tokens)
    with unit_of_work_of(request.app.state.sessions) as session:
        settled = service.settle(
            session,
            provider,
            upstream,
            begun,
            asserted,
            sign_in=current_session(request, session),
            at=at,
        )
        response = _settled(request, session, settled)
    cookies.clear_interaction_binding(request, response, InteractionId(state))
    return response


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A button of the sign-in page."""

    name: str
    href: str


def offers(request: Request, query: Mapping[str, str], *, ui_locales: str = "") -> list[Offer]:
    """Return the regional systems through which somebody may sign in.

    Args:
        request: Decides the language.
        query: Where the person is to be sent on.
        ui_locales: What the client that sent the person here asked for.
    """
    language = language_of(request, ui_locales)
    with unit_of_work_of(request.app.state.sessions) as session:
        known = service.offered(session)
    return [
        Offer(
            name=upstream.name(language.code),
            href=f"/upstream/{upstream.upstream_id}/start?{urlencode(query)}",
        )
        for upstream in known
    ]


def redirect_uri(issuer: str, upstream_id: str) -> str:
    """Return where an upstream provider sends people back to: each to an address of its own.

    Source:
        RFC 9700, 4.4.2.2.
    """
    return f"{issuer}/upstream/{upstream_id}/callback"


def _send(request: Request, upstream: Upstream, begun: UpstreamRequest) -> Response:
    provider = provider_of(request)
    kept = requests.mint_kept(begun.started_at)
    address = upstream_client_of(request).authorization_url(
        upstream,
        begun,
        state=kept.token,
        redirect_uri=redirect_uri(provider.issuer, upstream.upstream_id),
        language=language_of(request).code,
        at=begun.started_at,
    )
    with unit_of_work_of(request.app.state.sessions) as session:
        requests.keep_request(session, provider, upstream, begun, kept)
    response = see_other(address)
    _bind(request, response, kept)
    return response


def _asserted(
    request: Request, upstream: Upstream, begun: UpstreamRequest, tokens: Tokens
) -> Asserted:
    """Verify what came with the tokens; a key that we don't know may have been added."""
    at = request.app.state.clock.now()
    client, policy = upstream_client_of(request), provider_of(request).policy

    def verified(*, is_renewed: bool) -> Mapping[str, object]:
        return verify_id_token(
            tokens.id_token,
            client.keys(upstream, at=at, is_renewed=is_renewed),
            upstream=upstream,
            request=begun,
            access_token=tokens.access_token,
            skew=policy.clock_skew,
            at=at,
        )

    try:
        claims = verified(is_renewed=False)
    except UpstreamNotVerified as refusal:
        if not str(refusal.context.get("reason", "")).startswith("id_token"):
            raise
        claims = verified(is_renewed=True)
    if upstream.identifies and upstream.snils_claim not in claims:
        told = client.userinfo(upstream, tokens, str(claims["sub"]), at=at)
        claims = {**told, **claims}
    return asserted_by(claims, upstream, begun, at=at)


def _settled(request: Request, session: Session, settled: Settled) -> Response:
    if isinstance(settled, MustConfirm):
        response = see_other(f"{CONFIRM}/{settled.kept.token.reveal()}")
        _bind(request, response, settled.kept)
        return response
    response = see_other(settled.return_to)
    begin_session(request, session, settled.signed_in, response)
    return response


def _bind(request: Request, response: Response, kept: Kept) -> None:
    cookies.set_interaction_binding(
        request,
        response,
        InteractionId(kept.token.reveal()),
        kept.binding,
        provider_of(request).policy,
    )
