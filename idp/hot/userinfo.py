"""The UserInfo endpoint: OpenID Connect Core, 5.3.

A read like any other: consent is evaluated, the proof is spent and the access entry appended in the
statement that fetches the sealed record.
"""

from datetime import datetime
from functools import lru_cache

from sqlalchemy import bindparam, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from audit.api import Actor, NewEntry, append_entry, entry_binds, recorded
from consent.api import SIGN_IN, covering_consent, spend_use
from idp import tokens
from idp.claims import claims_from, items_of_claims
from idp.dependencies import provider_of
from idp.errors import InsufficientScope, InvalidToken
from idp.hot.clients import known_clients_of
from idp.model import VerifiedToken
from idp.provider import Provider
from idp.service.userinfo import READ_ACTION, refuse_read
from idp.statements import AT, has_row, live_grant, one_row, spend_proof, token_binds
from idp.token_verification import PresentedToken, TokenVerifier, challenge
from kernel.db import HotStatement
from kernel.errors import InvalidRequest
from kernel.ids import EntryId, PersonId, new_id
from kernel.web import FORM_TYPE, NO_STORE, json_response, read_form
from population_register.api import current_record, evaluate, open_record


@lru_cache
def _sub_only(*, has_proof: bool) -> HotStatement:
    """Look whether the grant is live; nothing about the person is read."""
    live = live_grant()
    proof = spend_proof() if has_proof else None
    facts = {
        "is_proof_fresh": literal(value=True) if proof is None else has_row(proof),
        "is_live": has_row(live),
    }
    return HotStatement(one_row(facts))


@lru_cache
def _read(*, has_proof: bool) -> HotStatement:
    """Read the record, if the grant is live, the proof fresh, and a consent covers it."""
    live = live_grant()
    proof = spend_proof() if has_proof else None
    person_id = select(live.c.person_id).scalar_subquery()
    consent = covering_consent(
        person_id=person_id,
        client_id=bindparam("client_id", type_=Text),
        purpose=literal(SIGN_IN, Text),
        items=bindparam("items", type_=ARRAY(Text)),
        at=AT,
    )
    record = current_record(person_id)
    use = (
        select(consent.c.person_id, consent.c.consent_id, consent.c.max_uses)
        .select_from(consent.join(record, record.c.person_id == consent.c.person_id))
        .where(literal(value=True) if proof is None else has_row(proof))
        .cte("use")
    )
    used = spend_use(use, at=AT)
    allowed = (
        select(use.c.person_id)
        .select_from(use.join(used, used.c.consent_id == use.c.consent_id))
        .cte("allowed")
    )
    entry = append_entry(allowed.c.person_id, source=allowed)
    return HotStatement(
        one_row(
            {
                "is_proof_fresh": literal(value=True) if proof is None else has_row(proof),
                "is_live": has_row(live),
                "entry_person_id": select(entry.c.person_id).scalar_subquery(),
                "sealed_record": select(record.c.sealed_record).scalar_subquery(),
                "wrapped_key": select(record.c.wrapped_key).scalar_subquery(),
            }
        )
    )


async def userinfo(request: Request) -> Response:
    """Answer with claims about the person who signed in.

    Raises:
        InvalidToken: 401. Not an access token for this endpoint, expired, or revoked.
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
    items = items_of_claims(token.claims)
    if items:
        claims |= await _read_claims(request, provider, token, items, at=at)
    else:
        await _check_live(request, token, at=at)
    return await _respond(request, provider, token, claims, at=at)


async def _read_claims(
    request: Request,
    provider: Provider,
    token: VerifiedToken,
    items: tuple[str, ...],
    *,
    at: datetime,
) -> dict[str, object]:
    state = request.app.state
    entry = NewEntry(
        entry_id=EntryId(new_id(at)),
        action=READ_ACTION,
        outcome="allowed",
        actor=Actor(kind="partner", id=token.partner_id),
        subject=token.sub,
        occurred_at=at,
        purpose=SIGN_IN,
        items=items,
        client_id=token.client_id,
        request_id=getattr(request.state, "request_id", None),
    )
    row = await _read(has_proof=token.proof_digest is not None).fetchrow(
        state.hot_pool,
        **token_binds(token, at=at),
        **entry_binds(entry),
        client_id=token.client_id,
        items=list(items),
    )
    assert row is not None  # the statement always returns one
    if row["entry_person_id"] is None:
        await run_in_threadpool(
            refuse_read,
            state.sessions,
            token,
            entry,
            is_proof_fresh=row["is_proof_fresh"],
            is_live=row["is_live"],
            at=at,
        )
    accounted = recorded(entry, PersonId(row["entry_person_id"]))
    record = open_record(
        provider.keyring,
        accounted,
        sealed_record=row["sealed_record"],
        wrapped_key=row["wrapped_key"],
    )
    values = {item: evaluate(record, item, at) for item in items}
    return claims_from(
        {item: value.value for item, value in values.items() if value is not None}, token.claims
    )


async def _check_live(request: Request, token: VerifiedToken, *, at: datetime) -> None:
    row = await _sub_only(has_proof=token.proof_digest is not None).fetchrow(
        request.app.state.hot_pool, **token_binds(token, at=at)
    )
    assert row is not None  # the statement always returns one
    if not row["is_proof_fresh"] or not row["is_live"]:
        raise InvalidToken(
            headers=challenge(_scheme(token), "invalid_token"), reason="revoked or replayed"
        )


async def _respond(
    request: Request,
    provider: Provider,
    token: VerifiedToken,
    claims: dict[str, object],
    *,
    at: datetime,
) -> Response:
    """Answer in JSON, or signed if the client registered for that (OpenID Connect Core, 5.3.2)."""
    known = await known_clients_of(request).get(
        request.app.state.hot_pool, token.client_id, fresh=False
    )
    alg = None if known is None else known.client.metadata.userinfo_signed_response_alg
    if alg is None:
        return json_response(claims)
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
    return Response(signed, headers=dict(NO_STORE), media_type="application/jwt")


async def _presented(request: Request, provider: Provider) -> PresentedToken:
    """Read the token from the header, or from a form (RFC 6750, 2.1 and 2.2)."""
    authorization = request.headers.get("authorization")
    if request.method == "POST" and request.headers.get("content-type", "").startswith(FORM_TYPE):
        in_body = (await read_form(request)).get("access_token")
        if in_body is not None:
            if authorization is not None:
                raise InvalidRequest("The access token is sent twice.")
            authorization = f"Bearer {in_body}"
    return PresentedToken(
        authorization=authorization,
        proofs=request.headers.getlist("dpop"),
        method=request.method,
        uri=f"{provider.issuer}/userinfo",
    )


def _verifier(request: Request) -> TokenVerifier:
    state = request.app.state
    verifier: TokenVerifier | None = getattr(state, "userinfo_verifier", None)
    if verifier is None:
        provider = provider_of(request)
        verifier = state.userinfo_verifier = TokenVerifier(provider, resources=[provider.issuer])
    return verifier


def _scheme(token: VerifiedToken) -> str:
    return "bearer" if token.jkt is None else "dpop"
