"""Polling for what a person decides elsewhere: the device grant and the CIBA grant.

One statement spends the request if the person has allowed it, notes the poll if they have not
decided, and says what there was to see in any case.
"""

from collections.abc import Awaitable, Callable
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import and_, bindparam, case, cast, func, select, update
from sqlalchemy.types import Integer, Interval, LargeBinary, SmallInteger, Text
from starlette.requests import Request

from idp.claims import parse_claims_parameter
from idp.errors import (
    AccessDenied,
    AuthorizationPending,
    ExpiredToken,
    InvalidGrant,
    SlowDown,
    UnauthorizedClient,
)
from idp.hot.claims_reading import claims_of_id_token
from idp.hot.clients import Caller
from idp.hot.granting import granted_by, refresh_binds, refresh_token_for
from idp.hot.token import Issue, check_spent, subject_of
from idp.hot.verified_reading import verified_claims_of_id_token
from idp.model import PUSH
from idp.resource_indicators import PARAMETER as RESOURCE
from idp.resource_indicators import audience_for
from idp.ring_tokens import AUTH_REQ_ID, DEVICE_CODE, RingToken, RingTokenKind
from idp.statements import AT, admit, has_row, one_row
from idp.tables import deferred_requests, grants
from kernel.db import HotStatement
from kernel.errors import InvalidRequest
from kernel.secret import MalformedToken

SLOWER_BY_SECONDS = 5  # RFC 8628, 3.5; CIBA, 11
TOLERANCE_SECONDS = 1
"""A poll that comes early by less is on time: the network is not the client's clock."""

_t = deferred_requests.c


_MINE = and_(
    _t.slot == bindparam("code_slot", type_=SmallInteger),
    _t.request_digest == bindparam("code_digest", type_=LargeBinary),
    _t.kind == bindparam("kind", type_=Text),
    _t.client_id == bindparam("client_id", type_=Text),
)

_RESOURCES = HotStatement(
    select(grants.c.resources)
    .join(deferred_requests, _t.grant_id == grants.c.grant_id)
    .where(_MINE)
)


@lru_cache
def _poll(*, has_assertion: bool, has_proof: bool) -> HotStatement:
    admission = admit(has_assertion=has_assertion, has_proof=has_proof)
    seen = (
        select(
            _t.expires_at,
            _t.decided_at,
            _t.grant_id.label("decided_grant_id"),
            _t.spent_at,
            _t.last_polled_at,
            _t.interval_seconds,
        )
        .where(_MINE, *admission.conditions)
        .cte("seen")
    )
    spent = (
        update(deferred_requests)
        .where(
            _MINE,
            _t.grant_id.is_not(None),
            _t.spent_at.is_(None),
            _t.expires_at > AT,
            *admission.conditions,
        )
        .values(spent_at=AT)
        .returning(
            _t.grant_id.label("code_grant_id"),
            _t.request["parameters"]["claims"].astext.label("asked_claims"),
        )
        .cte("spent")
    )
    wait = func.make_interval(
        0, 0, 0, 0, 0, 0, cast(_t.interval_seconds - TOLERANCE_SECONDS, Integer), type_=Interval
    )
    polled = (
        update(deferred_requests)
        .where(_MINE, _t.decided_at.is_(None), _t.expires_at > AT, *admission.conditions)
        .values(
            last_polled_at=AT,
            interval_seconds=_t.interval_seconds
            + case((_t.last_polled_at + wait > AT, SLOWER_BY_SECONDS), else_=0),
        )
        .returning(_t.slot)
        .cte("polled")
    )
    granted = granted_by(spent)
    refresh = refresh_token_for(granted)
    return HotStatement(
        one_row(
            {
                **admission.facts,
                "has_refresh": has_row(refresh),
                # Not so when the person decides at this very moment: the next poll will see it.
                "is_polled": has_row(polled),
                "is_mine": has_row(seen),
            },
            beside=(seen, spent, granted),
        )
    )


def poll_for(
    kind: str, *, parameter: str, tokens: RingTokenKind
) -> Callable[[Request, Caller], Awaitable[Issue]]:
    """Return the handler of a grant type by which a client polls.

    Args:
        kind: `device` or `ciba`.
        parameter: Which parameter carries the token.
        tokens: What it looks like.
    """
    return partial(poll, kind=kind, parameter=parameter, tokens=tokens)


async def poll(
    request: Request, caller: Caller, *, kind: str, parameter: str, tokens: RingTokenKind
) -> Issue:
    """Answer with tokens once the person has allowed what was asked.

    Raises:
        AuthorizationPending: 400. The person has not decided.
        SlowDown: 400. The same, and the client came too early.
        AccessDenied: 400. The person refused.
        ExpiredToken: 400. Nobody decided in time, or the client came too late.
        UnauthorizedClient: 400. The tokens are pushed.
        InvalidGrant: 400. Unknown, another client's, fetched before, or revoked.
        InvalidRequest: 400. The parameter is missing.
        InvalidTarget: 400. A resource is not ours. Nothing was spent.

    Transaction:
        One statement; of many polls at once, one gets the tokens.

    Source:
        RFC 8628, 3.4 and 3.5; CIBA, 10.1 and 11.
    """
    if kind == "ciba" and caller.client.metadata.backchannel_token_delivery_mode == PUSH:
        raise UnauthorizedClient("Tokens are pushed to this client.")  # CIBA, 11
    token = _parse(caller.form.get(parameter), parameter, tokens)
    await _check_resources(request, caller, token, kind)
    refresh_token, of_refresh_token = refresh_binds(caller)
    statement = _poll(has_assertion=caller.has_assertion, has_proof=caller.proof is not None)
    row = await statement.fetchrow(
        request.app.state.hot_pool,
        **caller.binds,
        **caller.proof_binds,
        idp_at=caller.at,
        code_slot=token.slot,
        code_digest=token.digest,
        kind=kind,
        **of_refresh_token,
    )
    assert row is not None  # the statement always returns one
    check_spent(row, caller)
    if row["code_grant_id"] is None:
        _refuse(row, caller)
    if row["grant_id"] is None:
        raise InvalidGrant(reason="grant revoked")
    subject = subject_of(row, caller)
    return Issue(
        subject=subject,
        granted_resources=tuple(row["resources"]),
        refresh_token=refresh_token if row["has_refresh"] else None,
        has_id_token="openid" in row["scope"],
        id_token_extra={
            **await claims_of_id_token(
                request, caller, subject, parse_claims_parameter(row["asked_claims"]).id_token
            ),
            **await verified_claims_of_id_token(request, caller, subject, row["verified_claims"]),
        },
    )


async def _check_resources(request: Request, caller: Caller, token: RingToken, kind: str) -> None:
    """Refuse a resource that was not granted, before anything is spent; see `authorization_code`.

    Raises:
        InvalidTarget: 400. A resource is not ours, or was not granted.
    """
    asked = caller.form.every(RESOURCE)
    if not asked:
        return
    row = await _RESOURCES.fetchrow(
        request.app.state.hot_pool,
        code_slot=token.slot,
        code_digest=token.digest,
        kind=kind,
        client_id=caller.client.client_id,
    )
    granted = () if row is None else tuple(row["resources"])
    audience_for(asked, granted=granted, issuer=caller.provider.issuer)


def _refuse(row: Any, caller: Caller) -> None:  # noqa: ANN401  # asyncpg.Record
    """Say why there are no tokens."""
    if not row["is_mine"]:
        raise InvalidGrant(reason="unknown or another client's")
    if row["spent_at"] is not None:
        raise InvalidGrant(reason="fetched before")
    if row["expires_at"] <= caller.at:
        raise ExpiredToken
    if row["decided_at"] is not None and row["decided_grant_id"] is None:
        raise AccessDenied
    if row["decided_at"] is not None:
        raise InvalidGrant(reason="fetched a moment ago")
    last = row["last_polled_at"]
    elapsed = None if last is None else (caller.at - last).total_seconds()
    if elapsed is not None and elapsed < row["interval_seconds"] - TOLERANCE_SECONDS:
        raise SlowDown
    raise AuthorizationPending


def _parse(presented: str | None, parameter: str, tokens: RingTokenKind) -> RingToken:
    if presented is None:
        raise InvalidRequest(f"{parameter} is required.")
    try:
        return tokens.parse(presented)
    except MalformedToken as error:
        raise InvalidGrant(reason="malformed") from error


poll_device = poll_for("device", parameter="device_code", tokens=DEVICE_CODE)
poll_ciba = poll_for("ciba", parameter="auth_req_id", tokens=AUTH_REQ_ID)
