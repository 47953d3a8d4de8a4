"""Pushed authorization requests: RFC 9126."""

from functools import lru_cache

import orjson
from sqlalchemy import bindparam, insert, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import LargeBinary, SmallInteger, Text
from starlette.requests import Request
from starlette.responses import Response

from idp import checks
from idp.errors import InvalidAuthorizationRequest, InvalidRequestObject, UnregisteredRedirectUri
from idp.hot.clients import Caller, as_client
from idp.hot.token import check_spent
from idp.request_objects import open_request_object
from idp.resource_indicators import PARAMETER as RESOURCE
from idp.ring_tokens import REQUEST_URI, REQUEST_URI_PREFIX
from idp.service.received_requests import signed_request, stored_request, submission_of
from idp.statements import admit, has_row, one_row
from idp.tables import pushed_requests
from kernel.db import HotStatement, Instant
from kernel.web import json_response, read_form


@lru_cache
def _push(*, has_assertion: bool, has_proof: bool) -> HotStatement:
    admission = admit(has_assertion=has_assertion, has_proof=has_proof)
    pushed = (
        insert(pushed_requests)
        .from_select(
            ["slot", "request_uri_digest", "client_id", "request", "expires_at"],
            select(
                bindparam("request_uri_slot", type_=SmallInteger),
                bindparam("request_uri_digest", type_=LargeBinary),
                bindparam("client_id", type_=Text),
                bindparam("request", type_=JSONB),
                bindparam("request_expires_at", type_=Instant),
            ).where(*admission.conditions),
        )
        .returning(pushed_requests.c.slot)
        .cte("pushed")
    )
    return HotStatement(
        one_row(
            {
                **admission.facts,
                "is_pushed": has_row(pushed),
            }
        )
    )


async def par(request: Request) -> Response:
    """Take an authorization request from its client, and give it a name.

    It passes the same rules as one that comes through the browser, so that the client learns of a
    mistake before it sends a person on their way.

    Source:
        RFC 9126, 2 and 3.
    """
    form = await read_form(request, repeatable=(RESOURCE,))

    async def push(caller: Caller) -> Response:
        stored = stored_request(
            form, channel="pushed", proof_jkt=None if caller.proof is None else caller.proof.jkt
        )
        if (compact := form.get("request")) is not None:
            if "request_uri" in form:  # RFC 9126, 2.1
                raise InvalidRequestObject("request_uri can't be pushed.")
            opened = open_request_object(
                caller.client,
                compact,
                caller.keys,
                issuer=caller.provider.issuer,
                policy=caller.provider.policy,
                at=caller.at,
            )
            stored = signed_request(stored, opened)
        submission = submission_of(caller.provider, caller.client, stored)
        try:
            established = checks.check_unredirected(submission)
        except UnregisteredRedirectUri as refusal:
            # Ours for a page; a client gets the registered code (RFC 9126, 2.3).
            raise InvalidAuthorizationRequest(
                "redirect_uri is missing, or not one that this client registered."
            ) from refusal
        checks.check_redirected(submission, established)
        minted = REQUEST_URI.mint(caller.at)
        lifetime = caller.provider.policy.pushed_request
        statement = _push(has_assertion=caller.has_assertion, has_proof=caller.proof is not None)
        row = await statement.fetchrow(
            request.app.state.hot_pool,
            **caller.binds,
            **caller.proof_binds,
            request_uri_slot=minted.stored.slot,
            request_uri_digest=minted.stored.digest,
            request=orjson.dumps(stored).decode(),
            request_expires_at=caller.at + lifetime,
        )
        assert row is not None  # the statement always returns one
        check_spent(row, caller)
        return json_response(
            {
                "request_uri": REQUEST_URI_PREFIX + minted.token.reveal(),
                "expires_in": int(lifetime.total_seconds()),
            },
            status=201,
        )

    return await as_client(request, form, endpoint="/par", takes_proof=True, act=push)
