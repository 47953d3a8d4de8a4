"""Token introspection: RFC 7662, signed: RFC 9701."""

from functools import lru_cache

import orjson
from sqlalchemy import bindparam, select
from sqlalchemy.types import LargeBinary, SmallInteger, Text, Uuid
from starlette.requests import Request
from starlette.responses import Response

from idp import tokens
from idp.buckets import REVOKED_ACCESS_TOKENS
from idp.errors import InvalidClient
from idp.hot.clients import Caller, ClientChangedError, as_client
from idp.hot.encryption import encrypter_for
from idp.hot.token import check_spent
from idp.hot.token_states import Asked, token_states_of
from idp.jose import NotVerified
from idp.ring_tokens import REFRESH_TOKEN
from idp.statements import (
    AT,
    admit,
    one_row,
    token_is_revoked,
)
from idp.tables import grants, refresh_tokens
from idp.tokens import AccessToken
from kernel.db import HotStatement
from kernel.errors import InvalidRequest
from kernel.secret import MalformedToken, Secret
from kernel.web import NO_STORE, json_response, read_form

JWT_TYPE = "token-introspection+jwt"  # RFC 9701, 5
_INACTIVE: dict[str, object] = {"active": False}


@lru_cache
def _look(kind: str, *, has_assertion: bool) -> HotStatement:
    admission = admit(has_assertion=has_assertion, has_proof=False)
    facts = {
        **admission.facts,
    }
    g, t = grants.c, refresh_tokens.c
    live = (
        select(g.grant_id, g.sub, g.scope, g.authorization_details, g.acr, g.auth_time)
        .where(g.revoked_at.is_(None), g.expires_at > AT)
    )  # fmt: skip
    match kind:
        case "access_token":
            facts["is_revoked"] = token_is_revoked()
            granted = live.where(g.grant_id == bindparam("grant_id", type_=Uuid)).cte("granted")
            return HotStatement(one_row(facts, beside=(granted,)))
        case "refresh_token":
            granted = (
                live.join(refresh_tokens, t.grant_id == g.grant_id)
                .add_columns(t.issued_at, t.expires_at)
                .where(
                    t.slot == bindparam("token_slot", type_=SmallInteger),
                    t.token_digest == bindparam("token_digest", type_=LargeBinary),
                    t.client_id == bindparam("client_id", type_=Text),
                    t.rotated_at.is_(None),
                    t.expires_at > AT,
                )
                .cte("granted")
            )
            return HotStatement(one_row(facts, beside=(granted,)))
        case _:
            return HotStatement(one_row(facts))


async def introspect(request: Request) -> Response:
    """Tell a client about a token of its own; about any other, only that it is not active.

    Source:
        RFC 7662, 2; RFC 9396, 9.2; RFC 9449, 6.2.
    """
    form = await read_form(request)

    async def act(caller: Caller) -> Response:
        if caller.client.is_public:
            raise InvalidClient("A public client can't introspect.", reason="public")
        token = form.get("token")
        if token is None:
            raise InvalidRequest("token is required.")
        return await _respond(request, caller, await _answer(request, caller, Secret(token)))

    return await as_client(request, form, endpoint="/introspect", takes_proof=False, act=act)


async def _respond(request: Request, caller: Caller, answer: dict[str, object]) -> Response:
    """Answer in JSON, or signed if the client asks for that (RFC 9701, 4 and 5).

    Signed is also encrypted, where the client registered for it.

    `aud` is the client that asked: an answer shown to somebody else is evidence of nothing.
    """
    if not _accepts_jwt(request.headers.get("accept", "")):
        return json_response(answer)
    signed = tokens.sign(
        caller.provider.signing,
        {
            "iss": caller.provider.issuer,
            "aud": caller.client.client_id,
            "iat": int(caller.at.timestamp()),
            "token_introspection": answer,
        },
        typ=JWT_TYPE,
        alg=caller.client.metadata.introspection_signed_response_alg,
    )
    encrypt = await encrypter_for(
        request, caller.provider, caller.client, "introspection", at=caller.at
    )
    return Response(encrypt(signed), headers=dict(NO_STORE), media_type=f"application/{JWT_TYPE}")


def _accepts_jwt(accept: str) -> bool:
    return any(
        media_type.partition(";")[0].strip().lower() == f"application/{JWT_TYPE}"
        for media_type in accept.split(",")
    )


async def _answer(request: Request, caller: Caller, token: Secret[str]) -> dict[str, object]:
    access, kind, binds = _named(token, caller)
    if access is not None and not caller.has_assertion:
        return await _answer_together(request, caller, access)
    row = await _look(kind, has_assertion=caller.has_assertion).fetchrow(
        request.app.state.hot_pool, **caller.binds, **binds, idp_at=caller.at
    )
    assert row is not None  # the statement always returns one
    check_spent(row, caller)
    if access is not None:
        needs_grant = access.grant_id is not None
        if row["is_revoked"] or (needs_grant and row["grant_id"] is None):
            return _INACTIVE
        return _active(access)
    if kind != "refresh_token" or row["grant_id"] is None:
        return _INACTIVE
    answer: dict[str, object] = {
        "active": True,
        "iss": caller.provider.issuer,
        "client_id": caller.client.client_id,
        "sub": row["sub"],
        "scope": " ".join(row["scope"]),
        "iat": int(row["issued_at"].timestamp()),
        "exp": int(row["expires_at"].timestamp()),
        "acr": row["acr"],
        "auth_time": int(row["auth_time"].timestamp()),
    }
    details = orjson.loads(row["authorization_details"])
    if details:
        answer["authorization_details"] = details
    return answer


async def _answer_together(
    request: Request, caller: Caller, access: AccessToken
) -> dict[str, object]:
    """Answer about an access token where nothing is spent: looked up with whatever else is."""
    client = caller.client
    state = await token_states_of(request).ask(
        request.app.state.hot_pool,
        Asked(
            client_id=client.client_id,
            revision=client.revision,
            grant_id=access.grant_id,
            slot=REVOKED_ACCESS_TOKENS.slot(access.expires_at),
            digest=access.digest,
            at=caller.at,
        ),
    )
    if not state.is_unchanged:
        raise ClientChangedError
    return _active(access) if state.is_live else _INACTIVE


def _active(access: AccessToken) -> dict[str, object]:
    kind = "Bearer" if access.jkt is None else "DPoP"
    return {"active": True, **access.claims, "token_type": kind}


def _named(token: Secret[str], caller: Caller) -> tuple[AccessToken | None, str, dict[str, object]]:
    """Return what the token is, whatever `token_type_hint` says, and where it lies."""
    try:
        refresh = REFRESH_TOKEN.parse(token.reveal())
    except MalformedToken:
        pass
    else:
        binds = {"token_slot": refresh.slot, "token_digest": refresh.digest}
        return None, "refresh_token", binds
    try:
        access = caller.provider.access_tokens.read(token, at=caller.at)
    except NotVerified:
        return None, "nothing", {}
    if not access.is_held_by(caller.client.client_id):
        return None, "nothing", {}
    return (
        access,
        "access_token",
        {
            "grant_id": access.grant_id,
            "idp_token_slot": REVOKED_ACCESS_TOKENS.slot(access.expires_at),
            "idp_token_digest": access.digest,
        },
    )
