"""The device authorization endpoint: RFC 8628, 3.1 and 3.2."""

from functools import lru_cache

import orjson
from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.types import Integer, LargeBinary, SmallInteger, Text
from starlette.requests import Request
from starlette.responses import Response

from idp import checks
from idp.errors import UnauthorizedClient
from idp.grant_types import DEVICE_GRANT
from idp.hot.clients import Caller, as_client
from idp.hot.token import check_spent
from idp.resource_indicators import PARAMETER as RESOURCE
from idp.ring_tokens import DEVICE_CODE, MintedRingToken
from idp.service.devices import user_code_digest
from idp.service.received_requests import stored_request, submission_of
from idp.statements import AT, admit, has_row, one_row
from idp.tables import deferred_requests
from idp.user_codes import UserCode, mint_user_code
from kernel.db import HotStatement, Instant
from kernel.secret import random_bytes
from kernel.web import json_response, read_form


@lru_cache
def _store(*, has_assertion: bool) -> HotStatement:
    admission = admit(has_assertion=has_assertion, has_proof=False)
    t = deferred_requests
    stored = (
        insert(t)
        .from_select(
            ["slot", "request_digest", "kind", "client_id", "user_code_digest", "request",
             "interval_seconds", "created_at", "expires_at"],
            select(
                bindparam("device_slot", type_=SmallInteger),
                bindparam("device_digest", type_=LargeBinary),
                bindparam("device_kind", type_=Text),
                bindparam("client_id", type_=Text),
                bindparam("user_code_digest", type_=LargeBinary),
                bindparam("request", type_=JSONB),
                bindparam("interval_seconds", type_=Integer),
                AT,
                bindparam("device_expires_at", type_=Instant),
            ).where(*admission.conditions),
        )
        # The same code is on another screen at this moment: another is drawn.
        .on_conflict_do_nothing()
        .returning(t.c.slot)
        .cte("stored")
    )  # fmt: skip
    return HotStatement(one_row({**admission.facts, "is_stored": has_row(stored)}))


async def device_authorization(request: Request) -> Response:
    """Give a device a code to show, and one to poll by.

    Raises:
        UnauthorizedClient: 400. The client is not registered for the device grant.
        InvalidScope: 400. As at the authorization endpoint, as everything else that is asked.

    Source:
        RFC 8628, 3.1 and 3.2.
    """
    form = await read_form(request, repeatable=(RESOURCE,))

    async def begin(caller: Caller) -> Response:
        if DEVICE_GRANT not in caller.client.metadata.grant_types:
            raise UnauthorizedClient("The client is not registered for the device grant.")
        stored = stored_request(form, channel="pushed", proof_jkt=None)
        checks.check_deferred(submission_of(caller.provider, caller.client, stored))
        policy, issuer = caller.provider.policy, caller.provider.issuer
        device_code = DEVICE_CODE.mint(caller.at)
        has_assertion = caller.has_assertion
        while True:
            user_code = mint_user_code(device_code.stored.slot, random_bytes)
            row = await _store(has_assertion=has_assertion).fetchrow(
                request.app.state.hot_pool,
                **caller.binds,
                **_binds(caller, device_code, user_code),
                request=orjson.dumps(stored).decode(),
            )
            assert row is not None  # the statement always returns one
            if has_assertion or not caller.has_assertion:
                check_spent(row, caller)
            if row["is_stored"]:
                break
            has_assertion = False  # it is spent
        return json_response(
            {
                "device_code": device_code.token.reveal(),
                "user_code": user_code.shown,
                "verification_uri": f"{issuer}/device",
                "verification_uri_complete": f"{issuer}/device/{user_code.in_address}",
                "expires_in": int(policy.deferred_request.total_seconds()),
                "interval": int(policy.poll_interval.total_seconds()),
            }
        )

    return await as_client(
        request, form, endpoint="/device_authorization", takes_proof=False, act=begin
    )


def _binds(caller: Caller, device_code: MintedRingToken, user_code: UserCode) -> dict[str, object]:
    policy = caller.provider.policy
    return {
        "idp_at": caller.at,
        "device_slot": device_code.stored.slot,
        "device_digest": device_code.stored.digest,
        "device_kind": "device",
        "user_code_digest": user_code_digest(caller.provider, user_code),
        "interval_seconds": int(policy.poll_interval.total_seconds()),
        "device_expires_at": caller.at + policy.deferred_request,
    }
