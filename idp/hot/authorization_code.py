"""The authorization code grant: RFC 6749, 4.1.3."""

from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import bindparam, select, update
from sqlalchemy.types import LargeBinary, SmallInteger, Text
from starlette.requests import Request

from idp import pkce
from idp.errors import CodeMisused, InvalidGrant
from idp.hot.claims_reading import claims_of_id_token
from idp.hot.clients import Caller
from idp.hot.granting import granted_by, refresh_binds, refresh_token_for
from idp.hot.token import Issue, check_spent, subject_of
from idp.hot.verified_reading import verified_claims_of_id_token
from idp.resource_indicators import PARAMETER as RESOURCE
from idp.resource_indicators import audience_for
from idp.ring_tokens import AUTHORIZATION_CODE, RingToken
from idp.statements import AT, admit, has_row, one_row
from idp.tables import authorization_codes, grants
from kernel.db import HotStatement
from kernel.errors import InvalidRequest
from kernel.secret import MalformedToken


@lru_cache
def _redeem(*, has_assertion: bool, has_proof: bool) -> HotStatement:
    """Spend the code, and store the refresh token that it may buy.

    The refresh token is stored before the verifier is checked: when it turns out wrong, the grant
    is revoked, and the token, which nobody was told, with it.
    """
    admission = admit(has_assertion=has_assertion, has_proof=has_proof)
    t = authorization_codes
    code = (
        update(t)
        .where(
            t.c.slot == bindparam("code_slot", type_=SmallInteger),
            t.c.code_digest == bindparam("code_digest", type_=LargeBinary),
            t.c.client_id == bindparam("client_id", type_=Text),
            t.c.spent_at.is_(None),
            t.c.expires_at > AT,
            *admission.conditions,
        )
        .values(spent_at=AT)
        .returning(
            t.c.grant_id.label("code_grant_id"),
            t.c.redirect_uri,
            t.c.code_challenge,
            t.c.dpop_jkt,
            t.c.nonce,
            t.c.id_token_claims,
        )
        .cte("code")
    )
    granted = granted_by(code)
    refresh = refresh_token_for(granted)
    return HotStatement(
        one_row(
            {
                **admission.facts,
                "has_refresh": has_row(refresh),
            },
            beside=(code, granted),
        )
    )


def _revoke_where(*conditions: Any) -> HotStatement:  # noqa: ANN401  # column expressions
    return HotStatement(
        update(grants)
        .where(
            grants.c.grant_id == authorization_codes.c.grant_id,
            grants.c.revoked_at.is_(None),
            authorization_codes.c.slot == bindparam("code_slot", type_=SmallInteger),
            authorization_codes.c.code_digest == bindparam("code_digest", type_=LargeBinary),
            authorization_codes.c.client_id == bindparam("client_id", type_=Text),
            *conditions,
        )
        .values(
            revoked_at=AT,
            revocation_reason=bindparam("revocation_reason", type_=Text),
        )
        .returning(grants.c.grant_id)
    )


_RESOURCES_OF_CODE = HotStatement(
    select(grants.c.resources)
    .join(authorization_codes, authorization_codes.c.grant_id == grants.c.grant_id)
    .where(
        authorization_codes.c.slot == bindparam("code_slot", type_=SmallInteger),
        authorization_codes.c.code_digest == bindparam("code_digest", type_=LargeBinary),
        authorization_codes.c.client_id == bindparam("client_id", type_=Text),
    )
)

_REVOKE_BY_SPENT_CODE = _revoke_where(authorization_codes.c.spent_at.is_not(None))


async def redeem(request: Request, caller: Caller) -> Issue:
    """Spend an authorization code and return what it was issued for.

    The row is marked, not deleted, so that a second attempt can be recognised. It is marked
    before the verifier is checked: a wrong guess spends the code too.

    Raises:
        InvalidGrant: 400. Unknown, expired, another client's.
        CodeMisused: 400 `invalid_grant`. Second use, another redirect URI, another key, or a wrong
            verifier: every token of its grant is revoked. The caller cannot tell which.
        InvalidRequest: 400. `code` is missing. Nothing was spent.
        InvalidTarget: 400. A resource is not ours, or was not granted. Nothing was spent.

    Transaction:
        One statement; safe under concurrent redemption.

    Source:
        RFC 6749, 4.1.2 and 4.1.3; RFC 7636, 4.6; RFC 9700, 2.1.1; RFC 9449, 10.
    """
    pool = request.app.state.hot_pool
    token = _parse_code(caller.form.get("code"))
    await _check_resources(pool, caller, token)
    refresh_token, of_refresh_token = refresh_binds(caller)
    statement = _redeem(has_assertion=caller.has_assertion, has_proof=caller.proof is not None)
    row = await statement.fetchrow(
        pool,
        **caller.binds,
        **caller.proof_binds,
        idp_at=caller.at,
        code_slot=token.slot,
        code_digest=token.digest,
        **of_refresh_token,
    )
    assert row is not None  # the statement always returns one
    check_spent(row, caller)
    if row["code_grant_id"] is None:
        await _refuse_unspendable(pool, caller, token)
    try:
        _check_code(row, caller)
    except InvalidGrant as refusal:
        await _revoke(pool, caller, token, "code misused")
        raise CodeMisused(reason=refusal.context.get("reason")) from refusal
    if row["grant_id"] is None:
        raise InvalidGrant(reason="grant revoked")
    subject = subject_of(row, caller)
    return Issue(
        subject=subject,
        granted_resources=tuple(row["resources"]),
        refresh_token=refresh_token if row["has_refresh"] else None,
        has_id_token="openid" in row["scope"],
        nonce=row["nonce"],
        id_token_extra={
            **await claims_of_id_token(
                request, caller, subject, orjson.loads(row["id_token_claims"])["claims"]
            ),
            **await verified_claims_of_id_token(request, caller, subject, row["verified_claims"]),
        },
    )


async def _check_resources(pool: Any, caller: Caller, token: RingToken) -> None:  # noqa: ANN401
    """Refuse a resource that was not granted, before anything is spent.

    What a grant was asked for never changes, so it may be read ahead; only who names resources
    pays for it.

    Raises:
        InvalidTarget: 400. A resource is not ours, or was not granted.
    """
    asked = caller.form.every(RESOURCE)
    if not asked:
        return
    row = await _RESOURCES_OF_CODE.fetchrow(
        pool,
        code_slot=token.slot,
        code_digest=token.digest,
        client_id=caller.client.client_id,
    )
    granted = () if row is None else tuple(row["resources"])
    audience_for(asked, granted=granted, issuer=caller.provider.issuer)


def _parse_code(code: str | None) -> RingToken:
    if code is None:
        raise InvalidRequest("code is required.")
    try:
        return AUTHORIZATION_CODE.parse(code)
    except MalformedToken as error:
        raise InvalidGrant(reason="malformed") from error


def _check_code(row: Any, caller: Caller) -> None:  # noqa: ANN401  # asyncpg.Record
    """Hold a spent code against who redeems it.

    Raises:
        InvalidGrant: 400. Any of it is wrong.
    """
    form = caller.form
    if form.get("redirect_uri") != row["redirect_uri"]:  # RFC 6749, 4.1.3
        raise InvalidGrant(reason="redirect_uri")
    pkce.verify_code_verifier(row["code_challenge"], form.get("code_verifier"))
    bound_to = row["dpop_jkt"]
    if bound_to is not None and (caller.proof is None or caller.proof.jkt != bound_to):
        raise InvalidGrant(reason="dpop_jkt")  # RFC 9449, 10


async def _refuse_unspendable(pool: Any, caller: Caller, token: RingToken) -> None:  # noqa: ANN401
    """Revoke what a code bought if it comes a second time; refuse in any case."""
    if await _revoke(pool, caller, token, "code reused"):
        raise CodeMisused(reason="reused")
    raise InvalidGrant(reason="unknown, expired, another client's, or reused before")


async def _revoke(pool: Any, caller: Caller, token: RingToken, reason: str) -> bool:  # noqa: ANN401
    row = await _REVOKE_BY_SPENT_CODE.fetchrow(
        pool,
        idp_at=caller.at,
        code_slot=token.slot,
        code_digest=token.digest,
        client_id=caller.client.client_id,
        revocation_reason=reason,
    )
    return row is not None
