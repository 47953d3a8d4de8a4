"""The grant management endpoint: a client asks about a grant of its own, or gives it up.

The client comes with an access token of its own, from the client credentials grant, and manages
whatever grant it has; or with one that was issued for a grant, and manages that one.

Source:
    Grant Management for OAuth 2.0, 6.
"""

from datetime import datetime
from functools import lru_cache

from sqlalchemy import bindparam, literal, select
from sqlalchemy.types import Text
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from idp.dependencies import provider_of
from idp.errors import InsufficientScope, InvalidGrantId, InvalidResourceProof, InvalidToken
from idp.grant_management import QUERY, REVOKE, parse_grant_id
from idp.model import VerifiedToken
from idp.service import grant_management
from idp.statements import has_row, one_row, spend_proof, token_binds, token_is_revoked
from idp.tables import clients, partners
from idp.token_verification import TokenVerifier, challenge, presented_in
from kernel.db import HotStatement, unit_of_work_of
from kernel.errors import InvalidRequest, NotFound
from kernel.ids import GrantId
from kernel.web import NO_STORE, json_response

PATH = "/grants"


@lru_cache
def _admit(*, has_proof: bool) -> HotStatement:
    """Spend the proof; look whether the token and the client are still good."""
    proof = spend_proof() if has_proof else None
    client = (
        select(clients.c.client_id)
        .join(partners, partners.c.partner_id == clients.c.partner_id)
        .where(
            clients.c.client_id == bindparam("client_id", type_=Text),
            clients.c.disabled_at.is_(None),
            partners.c.disabled_at.is_(None),
        )
        .cte("live_client")
    )
    return HotStatement(
        one_row(
            {
                "is_proof_fresh": literal(value=True) if proof is None else has_row(proof),
                "is_live": has_row(client),
                "is_revoked": token_is_revoked(),
            }
        )
    )


async def manage_grant(request: Request) -> Response:
    """Query a grant, or revoke it."""
    return await (_revoke(request) if request.method == "DELETE" else _query(request))


async def name_a_grant(_request: Request) -> Response:
    """Tell a client that took the published address as it is what to add to it.

    Raises:
        InvalidRequest: 400.
    """
    raise InvalidRequest("Add the grant_id to the address: /grants/{grant_id}.")


async def _query(request: Request) -> Response:
    """Answer with what a grant of the client allows.

    Raises:
        InvalidToken: 401. Not an access token of a client for us, expired, or revoked.
        InsufficientScope: 403. Without `grant_management_query`.
        NotFound: 404. Unknown, ended, or another client's.
    """
    token, at = await _admitted(request, QUERY)
    grant_id = _grant_id(request, token)

    def query() -> dict[str, object]:
        with unit_of_work_of(request.app.state.sessions) as session:
            return grant_management.query(session, token.client_id, grant_id, at=at)

    return json_response(await run_in_threadpool(query))


async def _revoke(request: Request) -> Response:
    """End a grant of the client, its tokens and its consents.

    Raises:
        InvalidToken: 401. Not an access token of a client for us, expired, or revoked.
        InsufficientScope: 403. Without `grant_management_revoke`.
        NotFound: 404. Unknown, ended, or another client's.
    """
    token, at = await _admitted(request, REVOKE)
    grant_id = _grant_id(request, token)

    def revoke() -> None:
        with unit_of_work_of(request.app.state.sessions) as session:
            grant_management.revoke(session, token.client_id, grant_id, at=at)

    await run_in_threadpool(revoke)
    return Response(status_code=204, headers=dict(NO_STORE))


async def _admitted(request: Request, scope: str) -> tuple[VerifiedToken, datetime]:
    at: datetime = request.app.state.clock.now()
    uri = provider_of(request).issuer + request.scope["path"]
    token = _verifier(request).verify(presented_in(request, uri=uri), at=at)
    scheme = "bearer" if token.jkt is None else "dpop"
    # Who acts for the client was handed its reads, not its grants (RFC 8693).
    if scope not in token.scope or token.actor is not None:
        raise InsufficientScope(headers=challenge(scheme, "insufficient_scope"), reason="scope")
    row = await _admit(has_proof=token.proof_digest is not None).fetchrow(
        request.app.state.hot_pool, client_id=token.client_id, **token_binds(token, at=at)
    )
    assert row is not None  # the statement always returns one
    if not row["is_proof_fresh"]:
        raise InvalidResourceProof(
            "The DPoP proof was used before.", headers=challenge("dpop", "invalid_dpop_proof")
        )
    if row["is_revoked"] or not row["is_live"]:
        raise InvalidToken(headers=challenge(scheme, "invalid_token"), reason="revoked")
    return token, at


def _grant_id(request: Request, token: VerifiedToken) -> GrantId:
    try:
        grant_id = parse_grant_id(request.path_params["grant_id"])
    except InvalidGrantId as error:
        raise NotFound from error
    if token.grant_id not in {None, grant_id}:
        raise NotFound(reason="the token is of another grant")
    return grant_id


def _verifier(request: Request) -> TokenVerifier:
    state = request.app.state
    verifier: TokenVerifier | None = getattr(state, "grants_verifier", None)
    if verifier is None:
        provider = provider_of(request)
        verifier = state.grants_verifier = TokenVerifier(provider, resources=[provider.issuer])
    return verifier
