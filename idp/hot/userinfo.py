"""The UserInfo endpoint: OpenID Connect Core, 5.3."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import NoReturn

import orjson
from msgspec.structs import replace
from sqlalchemy import literal
from starlette.requests import Request
from starlette.responses import Response

from idp import tokens
from idp.claims import items_of_claims
from idp.dependencies import provider_of
from idp.errors import InsufficientScope, InvalidResourceProof, InvalidToken
from idp.hot.claims_reading import read_claims
from idp.hot.clients import known_clients_of
from idp.hot.encryption import encrypter_for
from idp.hot.verified_reading import find_verified_claims, read_verified_claims
from idp.item_reading import ItemsRead, ReadRefused
from idp.model import VerifiedToken
from idp.provider import Provider
from idp.statements import has_row, live_grant, one_row, spend_proof, token_binds
from idp.token_verification import PresentedToken, TokenVerifier, challenge, presented_in
from idp.verified_claims import USERINFO, VERIFIED_CLAIMS
from kernel.db import HotStatement
from kernel.errors import InvalidRequest
from kernel.web import FORM_TYPE, NO_STORE, json_response, read_form

_WITHOUT_CONSENT: Mapping[str, str] = {
    "never_given": "The person has not consented to this.",
    "withdrawn": "The person has withdrawn the consent.",
    "expired": "The consent has expired.",
    "used_up": "The consent has been used up.",
    "ended": "The consent has ended.",
    "items_missing": "The consent does not cover everything that is asked for.",
    "record_missing": "There is no record to read.",
}


@lru_cache
def _look(*, has_proof: bool) -> HotStatement:
    """Look whether the grant is live; nothing about the person is read."""
    proof = spend_proof() if has_proof else None
    return HotStatement(
        one_row(
            {
                "is_proof_fresh": literal(value=True) if proof is None else has_row(proof),
                "is_live": has_row(live_grant()),
            }
        )
    )


async def userinfo(request: Request) -> Response:
    """Answer with claims about the person who signed in.

    Raises:
        InvalidToken: 401. Not an access token for this endpoint, expired, or revoked.
        InvalidResourceProof: 401. The proof is missing, not for this request, or used before.
        InsufficientScope: 403. Not of an OpenID Connect sign-in, or the consent has ended.
    """
    provider = provider_of(request)
    at: datetime = request.app.state.clock.now()
    token = _verifier(request).verify(await _presented(request, provider), at=at)
    if "openid" not in token.scope or token.grant_id is None:
        raise InsufficientScope(
            headers=challenge(_scheme(token), "insufficient_scope"), reason="not openid"
        )
    claims: dict[str, object] = {"sub": token.sub}
    if items := items_of_claims(token.claims):
        asked = ItemsRead(
            client_id=token.client_id,
            partner_id=token.partner_id,
            sub=token.sub,
            grant_id=token.grant_id,
            items=items,
            binds=token_binds(token, at=at),
            at=at,
        )
        read = await read_claims(
            request, asked, [name for name in token.claims if name != VERIFIED_CLAIMS]
        )
        if isinstance(read, ReadRefused):
            _refuse(token, read.reason)
        claims |= read
    else:
        await _check_live(request, token, at=at)
    if VERIFIED_CLAIMS in token.claims:
        claims |= await _verified_claims(request, token, at=at)
    return await _respond(request, provider, token, claims, at=at)


async def _verified_claims(
    request: Request, token: VerifiedToken, *, at: datetime
) -> dict[str, object]:
    """Read what comes with how it was verified; the proof was spent a moment ago.

    Raises:
        InvalidToken: 401. The token was revoked in between.
    """
    assert token.grant_id is not None  # an OpenID Connect token without a grant was refused
    granted = await find_verified_claims(request, token.grant_id)
    read = await read_verified_claims(
        request,
        granted,
        USERINFO,
        ItemsRead(
            client_id=token.client_id,
            partner_id=token.partner_id,
            sub=token.sub,
            grant_id=token.grant_id,
            items=(),
            binds={
                name: value
                for name, value in token_binds(token, at=at).items()
                if not name.startswith("idp_proof")
            },
            at=at,
        ),
    )
    if isinstance(read, ReadRefused):
        _refuse(token, read.reason)
    return read


async def _check_live(request: Request, token: VerifiedToken, *, at: datetime) -> None:
    row = await _look(has_proof=token.proof_digest is not None).fetchrow(
        request.app.state.hot_pool, **token_binds(token, at=at)
    )
    assert row is not None  # the statement always returns one
    if not row["is_proof_fresh"]:
        _refuse(token, "proof_replayed")
    if not row["is_live"]:
        _refuse(token, "token_revoked")


def _refuse(token: VerifiedToken, reason: str) -> NoReturn:
    match reason:
        case "proof_replayed":
            raise InvalidResourceProof(
                "The DPoP proof was used before.",
                headers=challenge("dpop", "invalid_dpop_proof"),
                reason=reason,
            )
        case "token_revoked":
            raise InvalidToken(headers=challenge(_scheme(token), "invalid_token"), reason=reason)
        case _:
            raise InsufficientScope(
                _WITHOUT_CONSENT[reason],
                headers=challenge(_scheme(token), "insufficient_scope"),
                reason=reason,
            )


async def _respond(
    request: Request,
    provider: Provider,
    token: VerifiedToken,
    claims: dict[str, object],
    *,
    at: datetime,
) -> Response:
    """Answer in JSON; signed, encrypted or both if the client registered for that.

    Source:
        OpenID Connect Core, 5.3.2.
    """
    known = await known_clients_of(request).get(
        request.app.state.hot_pool, token.client_id, fresh=False
    )
    if known is None:
        return json_response(claims)
    alg = known.client.metadata.userinfo_signed_response_alg
    encrypt = await encrypter_for(request, provider, known.client, "userinfo", at=at)
    if alg is None and not encrypt:
        return json_response(claims)
    if alg is None:
        encrypted = encrypt.encrypt(orjson.dumps(claims))
        return Response(encrypted, headers=dict(NO_STORE), media_type="application/jwt")
    signed = tokens.sign(
        provider.signing,
        {
            **claims,
            "iss": provider.issuer,
            "aud": token.client_id,
            "iat": int(at.timestamp()),
        },
        typ="JWT",
        alg=alg,
    )
    return Response(encrypt(signed), headers=dict(NO_STORE), media_type="application/jwt")


async def _presented(request: Request, provider: Provider) -> PresentedToken:
    """Read the token from the header, or from a form (RFC 6750, 2.1 and 2.2)."""
    presented = presented_in(request, uri=f"{provider.issuer}/userinfo")
    if request.method == "POST" and request.headers.get("content-type", "").startswith(FORM_TYPE):
        in_body = (await read_form(request)).get("access_token")
        if in_body is not None:
            if presented.authorization is not None:
                raise InvalidRequest("The access token is sent twice.")
            presented = replace(presented, authorization=f"Bearer {in_body}")
    return presented


def _verifier(request: Request) -> TokenVerifier:
    state = request.app.state
    verifier: TokenVerifier | None = getattr(state, "userinfo_verifier", None)
    if verifier is None:
        provider = provider_of(request)
        verifier = state.userinfo_verifier = TokenVerifier(provider, resources=[provider.issuer])
    return verifier


def _scheme(token: VerifiedToken) -> str:
    return "bearer" if token.jkt is None else "dpop"
