"""The backchannel authentication endpoint: CIBA, 7."""

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any
from uuid import UUID
from zlib import crc32

import orjson
from sqlalchemy import bindparam, exists, func, literal, or_, select
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.types import Boolean, Integer, LargeBinary, SmallInteger, Text, Uuid
from starlette.concurrency import run_in_threadpool
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
from kernel.db import AdvisoryLock, HotStatement, Instant, lock, unit_of_work_of
from kernel.errors import TooManyRequests
from kernel.ids import PersonId
from kernel.web import json_response, read_form

_HALF_OF_KEYS = 1 << 31  # the key of a lock is signed

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

# A partner that an operator has verified may ask anybody, and nobody too: it is not told. One that
# registered itself may ask those who have been there: to it, a stranger and nobody look the same.
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
    return await as_client(
        request,
        form,
        endpoint="/backchannel_authentication",
        takes_proof=False,
        act=partial(_begin, request),
    )


async def _begin(request: Request, caller: Caller) -> Response:
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
    row = await run_in_threadpool(
        _store_in_turn,
        request.app.state.sessions,
        has_assertion=caller.has_assertion,
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


def _store_in_turn(
    sessions: sessionmaker[Session], *, has_assertion: bool, **values: object
) -> Mapping[str, Any]:
    """Store a request, unless as many wait as may; tell what the statement tells.

    Transaction:
        Requests of one client about one person take turns, by a lock that comes before the
        statement: each counts what those before it have stored.
    """
    place = f"{values['client_id']} {values['ciba_person_id']}".encode()
    with unit_of_work_of(sessions) as session:
        lock(session, AdvisoryLock.WAITING_REQUESTS, crc32(place) - _HALF_OF_KEYS)
        row = _store(has_assertion=has_assertion).fetchrow_in(session, **values)
    assert row is not None  # the statement always returns one
    return row


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

    A name that nobody has is nobody's name in the table, too: the request of a verified partner
    waits for them like any other, counts like any other, and expires.

    Raises:
        UnknownUserId: 400. An identifier that the client was not given; or it may only ask those
            who have been there, and this is nobody or none of them: it can't tell.

    Source:
        docs/decisions/0045-ciba-tells-nobody-who-has-an-account.md
    """
    pool, client = request.app.state.hot_pool, caller.client
    if hint.kind == "sub":
        row = await _BY_SUB.fetchrow(pool, client_id=client.client_id, sub=hint.value)
    else:
        digest = username_digest(caller.provider.keyring, hint.value)
        row = await _BY_USERNAME.fetchrow(
            pool,
            client_id=client.client_id,
            username_digest=digest,
            is_verified=client.partner_is_verified,
        )
        if row is None and client.partner_is_verified:
            return _nobody(digest)
    if row is None:
        raise UnknownUserId
    return PersonId(row["person_id"])


def _nobody(digest: bytes) -> PersonId:
    """Return whom a name that nobody has stands for: the same each time, and no person's.

    Ours are of version 7, this is one of version 8 (RFC 9562, 5.8).
    """
    octets = bytearray(digest[:16])
    octets[6] = octets[6] & 0x0F | 0x80
    octets[8] = octets[8] & 0x3F | 0x80
    return PersonId(UUID(bytes=bytes(octets)))
