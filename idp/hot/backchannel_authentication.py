"""The backchannel authentication endpoint: CIBA, 7."""

from functools import lru_cache

import orjson
from sqlalchemy import bindparam, exists, func, literal, or_, select
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.types import Boolean, Integer, LargeBinary, SmallInteger, Text, Uuid
from starlette.requests import Request
from starlette.responses import Response

from idp import checks, ciba
from idp.ciba import Hint
from idp.errors import UnauthorizedClient, UnknownUserId
from idp.grant_types import CIBA_GRANT
from idp.hot.clients import Caller, as_client
from idp.hot.token import check_spent
from idp.model import PUSH
from idp.resource_indicators import PARAMETER as RESOURCE
from idp.ring_tokens import AUTH_REQ_ID
from idp.service.accounts import username_digest
from idp.service.backchannel import seal_notification
from idp.service.received_requests import signed_request, stored_request, submission_of
from idp.statements import AT, admit, has_row, one_row
from idp.tables import accounts, approved_clients, deferred_requests, sign_in_names
from idp.tokens import our_keys
from kernel.db import HotStatement, Instant
from kernel.errors import TooManyRequests
from kernel.ids import PersonId
from kernel.web import json_response, read_form

MOST_WAITING = 5
"""Requests of one client that wait for one person. More would wear the person down until they allow
one, and would push those of others off the page."""

_a = approved_clients.c

_BY_SUB = HotStatement(
    select(_a.person_id)
    .join(accounts, accounts.c.person_id == _a.person_id)
    .where(
        _a.client_id == bindparam("client_id", type_=Text),
        _a.sub == bindparam("sub", type_=Text),
        accounts.c.disabled_at.is_(None),
    )
    .limit(literal(1))
)

# A partner that an operator has verified may ask anybody. One that registered itself may ask those
# who have been there: to it, a stranger and nobody look the same.
_BY_USERNAME = HotStatement(
    select(accounts.c.person_id)
    .join(
        sign_in_names,
        (sign_in_names.c.person_id == accounts.c.person_id)
        & (sign_in_names.c.account_id == accounts.c.account_id),
    )
    .where(
        sign_in_names.c.username_digest == bindparam("username_digest", type_=LargeBinary),
        accounts.c.disabled_at.is_(None),
        or_(
            bindparam("is_verified", type_=Boolean),
            exists(
                select(literal(1)).where(
                    _a.person_id == accounts.c.person_id,
                    _a.client_id == bindparam("client_id", type_=Text),
                )
            ),
        ),
    )
)


@lru_cache
def _store(*, has_assertion: bool) -> HotStatement:
    admission = admit(has_assertion=has_assertion, has_proof=False)
    t = deferred_requests
    waiting = (
        select(func.count())
        .select_from(t)
        .where(
            t.c.person_id == bindparam("ciba_person_id", type_=Uuid),
            t.c.client_id == bindparam("client_id", type_=Text),
            t.c.decided_at.is_(None),
            t.c.expires_at > AT,
        )
        .scalar_subquery()
    )
    stored = (
        insert(t)
        .from_select(
            ["slot", "request_digest", "kind", "client_id", "person_id", "request",
             "notification_sealed", "interval_seconds", "created_at", "expires_at"],
            select(
                bindparam("ciba_slot", type_=SmallInteger),
                bindparam("ciba_digest", type_=LargeBinary),
                bindparam("ciba_kind", type_=Text),
                bindparam("client_id", type_=Text),
                bindparam("ciba_person_id", type_=Uuid),
                bindparam("request", type_=JSONB),
                bindparam("notification_sealed", type_=LargeBinary),
                bindparam("interval_seconds", type_=Integer),
                AT,
                bindparam("ciba_expires_at", type_=Instant),
            ).where(*admission.conditions, waiting < literal(MOST_WAITING, Integer)),
        )
        .returning(t.c.slot)
        .cte("stored")
    )  # fmt: skip
    return HotStatement(one_row({**admission.facts, "is_stored": has_row(stored)}))


async def backchannel_authentication(request: Request) -> Response:
    """Take a request about a person who is not in a browser that the client sent.

    Raises:
        UnauthorizedClient: 400. The client is not registered for CIBA.
        InvalidAuthorizationRequest: 400. As `idp.ciba`.
        UnknownUserId: 400. The hint names nobody whom this client may ask.
        InvalidBindingMessage: 400. As `idp.ciba`.
        TooManyRequests: 429. The person has not decided yet what the client asked before.

    Source:
        CIBA, 7.1 to 7.4.
    """
    form = await read_form(request, repeatable=(RESOURCE,))

    async def begin(caller: Caller) -> Response:
        if CIBA_GRANT not in caller.client.metadata.grant_types:
            raise UnauthorizedClient("The client is not registered for CIBA.")
        provider, client, policy = caller.provider, caller.client, caller.provider.policy
        stored = _received(caller)
        parameters = stored["parameters"]
        assert isinstance(parameters, dict)
        wishes = ciba.check_wishes(client, parameters, policy)
        checks.check_deferred(submission_of(provider, client, stored))
        hint = ciba.read_hint(
            client,
            parameters,
            caller.keys,
            our_keys(provider.signing),
            issuer=provider.issuer,
            at=caller.at,
        )
        person_id = await _find_person(request, caller, hint)
        # Hints name people: what is stored says whom they meant, and no more.
        for name in (*ciba.HINTS, "client_notification_token"):
            parameters.pop(name, None)
        auth_req_id = AUTH_REQ_ID.mint(caller.at)
        row = await _store(has_assertion=caller.has_assertion).fetchrow(
            request.app.state.hot_pool,
            **caller.binds,
            idp_at=caller.at,
            ciba_slot=auth_req_id.stored.slot,
            ciba_digest=auth_req_id.stored.digest,
            ciba_kind="ciba",
            ciba_person_id=person_id,
            request=orjson.dumps(stored).decode(),
            notification_sealed=seal_notification(provider, auth_req_id, wishes.notification_token),
            interval_seconds=int(policy.poll_interval.total_seconds()),
            ciba_expires_at=caller.at + wishes.expires_in,
        )
        assert row is not None  # the statement always returns one
        check_spent(row, caller)
        if not row["is_stored"]:
            raise TooManyRequests("The person has not decided yet what you asked before.")
        answer: dict[str, object] = {
            "auth_req_id": auth_req_id.token.reveal(),
            "expires_in": int(wishes.expires_in.total_seconds()),
        }
        if client.metadata.backchannel_token_delivery_mode != PUSH:
            answer["interval"] = int(policy.poll_interval.total_seconds())
        return json_response(answer)

    return await as_client(
        request, form, endpoint="/backchannel_authentication", takes_proof=False, act=begin
    )


def _received(caller: Caller) -> dict[str, object]:
    """Return the request as it is stored: what was signed, or what was sent."""
    stored = stored_request(caller.form, channel="pushed", proof_jkt=None)
    compact = caller.form.get("request")
    if compact is None:
        ciba.check_must_sign(caller.client)
        return stored
    opened = ciba.open_signed_request(
        caller.client,
        compact,
        caller.form,
        caller.keys,
        issuer=caller.provider.issuer,
        policy=caller.provider.policy,
        at=caller.at,
    )
    return signed_request(stored, opened)


async def _find_person(request: Request, caller: Caller, hint: Hint) -> PersonId:
    """Return whom the client means, if it may ask them.

    Raises:
        UnknownUserId: 400. Nobody, or nobody whom this client may ask: it can't tell.
    """
    pool, client = request.app.state.hot_pool, caller.client
    if hint.kind == "sub":
        row = await _BY_SUB.fetchrow(pool, client_id=client.client_id, sub=hint.value)
    else:
        row = await _BY_USERNAME.fetchrow(
            pool,
            client_id=client.client_id,
            username_digest=username_digest(caller.provider.keyring, hint.value),
            is_verified=client.partner_is_verified,
        )
    if row is None:
        raise UnknownUserId
    return PersonId(row["person_id"])
