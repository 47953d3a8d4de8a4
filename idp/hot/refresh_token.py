"""The refresh token grant: RFC 6749, 6; rotation and reuse detection: RFC 9700, 4.14.2.

A client that FAPI 2.0 holds keeps its refresh token (FAPI 2.0 Security Profile, 5.3.2.1: no
rotation); it is bound to the client by its authentication. Everybody else's is rotated: the
successor is a keyed digest of the one presented, so that it can be told again, and is stored
nowhere. It is told again for a few seconds, to whoever proves the key that the rotation was proven
with: a response was lost. Any other second use revokes the grant.
"""

from functools import lru_cache
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.types import LargeBinary, SmallInteger, Text, Uuid
from starlette.requests import Request

from idp.errors import InvalidGrant, InvalidScope, RefreshTokenReused
from idp.hot.clients import Caller
from idp.hot.token import Issue, check_spent, subject_of
from idp.resource_indicators import PARAMETER as RESOURCE
from idp.resource_indicators import audience_for
from idp.ring_tokens import REFRESH_TOKEN, MintedRingToken, RingToken
from idp.statements import AT, admit, has_row, one_row
from idp.tables import grants, refresh_tokens
from kernel.db import HotStatement
from kernel.errors import InvalidRequest
from kernel.secret import MalformedToken, Secret

_t = refresh_tokens.c
_g = grants.c

_THIS = (
    _t.slot == bindparam("token_slot", type_=SmallInteger),
    _t.token_digest == bindparam("token_digest", type_=LargeBinary),
)

_FIND = HotStatement(
    select(
        _t.grant_id, _t.dpop_jkt, _t.expires_at.label("token_expires_at"), _t.rotated_at,
        _t.rotated_jkt, _g.person_id, _g.sub, _g.scope, _g.authorization_details, _g.resources,
        _g.session_id, _g.acr, _g.amr, _g.auth_time, _g.claims,
    )
    .join(grants, _g.grant_id == _t.grant_id)
    .where(
        *_THIS,
        _t.client_id == bindparam("client_id", type_=Text),
        _g.revoked_at.is_(None),
        _g.expires_at > AT,
    )
)  # fmt: skip

_SUCCESSOR_IS_UNUSED = HotStatement(select(_t.grant_id).where(*_THIS, _t.rotated_at.is_(None)))

_REVOKE = HotStatement(
    update(grants)
    .where(_g.grant_id == bindparam("grant_id", type_=Uuid), _g.revoked_at.is_(None))
    .values(revoked_at=AT, revocation_reason="refresh token reused")
    .returning(_g.grant_id)
)


@lru_cache
def _spend(*, has_assertion: bool, has_proof: bool, rotates: bool) -> HotStatement:
    """Spend the assertion and the proof; rotate the token, if it rotates."""
    admission = admit(has_assertion=has_assertion, has_proof=has_proof)
    facts = {
        **admission.facts,
    }
    if not rotates:
        return HotStatement(one_row(facts))
    rotated = (
        update(refresh_tokens)
        .where(
            *_THIS,
            _t.client_id == bindparam("client_id", type_=Text),
            _t.rotated_at.is_(None),
            _t.expires_at > AT,
            # A revocation that committed a moment ago is obeyed here, not where we read.
            _t.grant_id.in_(
                select(_g.grant_id).where(_g.grant_id == _t.grant_id, _g.revoked_at.is_(None))
            ),
            *admission.conditions,
        )
        .values(rotated_at=AT, rotated_jkt=bindparam("proven_jkt", type_=Text))
        .returning(_t.slot, _t.grant_id, _t.client_id, _t.dpop_jkt, _t.expires_at)
        .cte("rotated")
    )
    successor = (
        insert(refresh_tokens)
        .from_select(
            [
                "slot", "token_digest", "grant_id", "client_id", "dpop_jkt", "issued_at",
                "expires_at",
            ],
            select(
                rotated.c.slot,
                bindparam("successor_digest", type_=LargeBinary),
                rotated.c.grant_id,
                rotated.c.client_id,
                rotated.c.dpop_jkt,
                AT,
                rotated.c.expires_at,
            ),
        )
        .returning(_t.grant_id)
        .cte("successor")
    )  # fmt: skip
    return HotStatement(one_row({**facts, "is_rotated": has_row(successor)}))


async def refresh(request: Request, caller: Caller) -> Issue:
    """Answer a refresh token with a new access token, and a new refresh token where it rotates.

    Raises:
        InvalidGrant: 400. Unknown, expired, revoked, another client's, another key's.
        InvalidRequest: 400. It is missing, or the proof that it needs is.
        RefreshTokenReused: 400 `invalid_grant`. It was rotated already: the grant is revoked.
        InvalidScope: 400. More than was granted. Nothing was spent.
        InvalidTarget: 400. A resource that was not granted. Nothing was spent.

    Transaction:
        What is read first decides nothing that the second statement does not decide again: of many
        that present one token at once, one rotates it.

    Source:
        RFC 6749, 6; RFC 9700, 4.14.2; RFC 9449, 5.
    """
    pool = request.app.state.hot_pool
    client, form, at = caller.client, caller.form, caller.at
    presented, token = _parse(form.get("refresh_token"))
    found = await _FIND.fetchrow(pool, **_binds(token), client_id=client.client_id, idp_at=at)
    if found is None:
        raise InvalidGrant(reason="unknown, revoked or another client's")
    if found["token_expires_at"] <= at:
        raise InvalidGrant(reason="expired")
    jkt = None if caller.proof is None else caller.proof.jkt
    if found["dpop_jkt"] is not None and found["dpop_jkt"] != jkt:
        if jkt is None:
            raise InvalidRequest("This refresh token is bound to a key: send a DPoP proof.")
        raise InvalidGrant(reason="another key")
    scope = narrowed_scope(form.get("scope"), tuple(found["scope"]))
    audience_for(
        form.every(RESOURCE),
        granted=tuple(found["resources"]),
        issuer=caller.provider.issuer,
    )
    rotates = not client.is_fapi2
    successor = successor_of(caller, presented, token)
    statement = _spend(
        has_assertion=caller.has_assertion, has_proof=caller.proof is not None, rotates=rotates
    )
    row = await statement.fetchrow(
        pool,
        **caller.binds,
        **caller.proof_binds,
        idp_at=at,
        **_binds(token),
        proven_jkt=jkt,
        successor_digest=successor.stored.digest,
    )
    assert row is not None  # the statement always returns one
    check_spent(row, caller)
    if rotates and not row["is_rotated"]:
        await _answer_reuse(pool, caller, token, successor)
    return Issue(
        subject=subject_of({**found, "scope": scope}, caller),
        granted_resources=tuple(found["resources"]),
        refresh_token=successor.token if rotates else presented,
        has_id_token="openid" in scope,
    )


def narrowed_scope(asked: str | None, granted: tuple[str, ...]) -> tuple[str, ...]:
    """Return the scope of the new access token: what was granted, or less.

    Raises:
        InvalidScope: 400. More than was granted (RFC 6749, 6).
    """
    if asked is None:
        return granted
    scope = tuple(dict.fromkeys(asked.split()))
    if not scope or not set(scope) <= set(granted):
        raise InvalidScope
    return scope


def successor_of(caller: Caller, presented: Secret[str], token: RingToken) -> MintedRingToken:
    """Return the successor of a refresh token: always the same, and no guess without our key."""
    return REFRESH_TOKEN.beside(
        token, caller.provider.keyring.blind_index("refresh-token-successor", presented.reveal())
    )


def _binds(token: RingToken) -> dict[str, object]:
    return {"token_slot": token.slot, "token_digest": token.digest}


async def _answer_reuse(
    pool: Any,  # noqa: ANN401  # asyncpg.Pool
    caller: Caller,
    token: RingToken,
    successor: MintedRingToken,
) -> None:
    """Let a lost response be told again; revoke the grant in every other case.

    The row is read again: the rotation that came first may have committed after we looked.

    Raises:
        RefreshTokenReused: 400. The grant is revoked.
        InvalidGrant: 400. It was revoked or has expired a moment ago.
    """
    found = await _FIND.fetchrow(
        pool, **_binds(token), client_id=caller.client.client_id, idp_at=caller.at
    )
    if found is None or found["rotated_at"] is None:
        raise InvalidGrant(reason="revoked or expired a moment ago")
    is_same_sender = caller.proof is not None and caller.proof.jkt == found["rotated_jkt"]
    is_recent = caller.at - found["rotated_at"] <= caller.provider.policy.refresh_retry
    if is_same_sender and is_recent:
        unused = await _SUCCESSOR_IS_UNUSED.fetchrow(pool, **_binds(successor.stored))
        if unused is not None:
            return
    await _REVOKE.fetchrow(pool, grant_id=found["grant_id"], idp_at=caller.at)
    raise RefreshTokenReused(reason="reused")


def _parse(presented: str | None) -> tuple[Secret[str], RingToken]:
    if presented is None:
        raise InvalidRequest("refresh_token is required.")
    try:
        return Secret(presented), REFRESH_TOKEN.parse(presented)
    except MalformedToken as error:
        raise InvalidGrant(reason="malformed") from error
