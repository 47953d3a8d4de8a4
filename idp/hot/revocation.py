"""Token revocation: RFC 7009."""

from functools import lru_cache

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.types import LargeBinary, SmallInteger, Text
from starlette.requests import Request
from starlette.responses import Response

from idp.buckets import REVOKED_ACCESS_TOKENS
from idp.hot.clients import Caller, as_client
from idp.hot.token import check_spent
from idp.jose import NotVerified
from idp.ring_tokens import REFRESH_TOKEN
from idp.statements import AT, admit, has_row, one_row
from idp.tables import grants, refresh_tokens, revoked_access_tokens
from kernel.db import HotStatement
from kernel.errors import InvalidRequest
from kernel.secret import MalformedToken, Secret
from kernel.web import NO_STORE, read_form


@lru_cache
def _revoke(kind: str, *, has_assertion: bool) -> HotStatement:
    """Spend the assertion; revoke a grant by its refresh token, an access token, or nothing."""
    admission = admit(has_assertion=has_assertion, has_proof=False)
    facts = {
        **admission.facts,
    }
    if kind == "refresh_token":
        revoked = (
            update(grants)
            .where(
                grants.c.grant_id == refresh_tokens.c.grant_id,
                grants.c.revoked_at.is_(None),
                refresh_tokens.c.slot == bindparam("token_slot", type_=SmallInteger),
                refresh_tokens.c.token_digest == bindparam("token_digest", type_=LargeBinary),
                refresh_tokens.c.client_id == bindparam("client_id", type_=Text),
                *admission.conditions,
            )
            .values(revoked_at=AT, revocation_reason="revoked by the client")
            .returning(grants.c.grant_id)
            .cte("revoked")
        )
        facts["is_revoked"] = has_row(revoked)
    elif kind == "access_token":
        t = revoked_access_tokens
        noted = (
            insert(t)
            .from_select(
                ["slot", "token_digest", "revoked_at"],
                select(
                    bindparam("token_slot", type_=SmallInteger),
                    bindparam("token_digest", type_=LargeBinary),
                    AT,
                ).where(*admission.conditions),
            )
            .on_conflict_do_nothing()
            .returning(t.c.slot)
            .cte("noted")
        )
        facts["is_revoked"] = has_row(noted)
    return HotStatement(one_row(facts))


async def revoke(request: Request) -> Response:
    """End a token: a refresh token with everything of its grant, an access token alone.

    A token that is unknown, ended, or somebody else's is answered like one that was revoked.

    Source:
        RFC 7009, 2.1 and 2.2.
    """
    form = await read_form(request)

    async def act(caller: Caller) -> Response:
        token = form.get("token")
        if token is None:
            raise InvalidRequest("token is required.")
        kind, binds = _named(Secret(token), caller)
        row = await _revoke(kind, has_assertion=caller.has_assertion).fetchrow(
            request.app.state.hot_pool, **caller.binds, **binds, idp_at=caller.at
        )
        assert row is not None  # the statement always returns one
        check_spent(row, caller)
        return Response(status_code=200, headers=dict(NO_STORE))

    return await as_client(request, form, endpoint="/revoke", takes_proof=False, act=act)


def _named(token: Secret[str], caller: Caller) -> tuple[str, dict[str, object]]:
    """Return what the token is, whatever `token_type_hint` says, and where it lies."""
    try:
        refresh = REFRESH_TOKEN.parse(token.reveal())
    except MalformedToken:
        pass
    else:
        return "refresh_token", {"token_slot": refresh.slot, "token_digest": refresh.digest}
    try:
        access = caller.provider.access_tokens.read(token, at=caller.at)
    except NotVerified:
        return "nothing", {}
    if not access.is_held_by(caller.client.client_id):
        return "nothing", {}
    return "access_token", {
        "token_slot": REVOKED_ACCESS_TOKENS.slot(access.expires_at),
        "token_digest": access.digest,
    }
