"""Parts of a token statement: what a spent code leads to, and the refresh token that it buys."""

from sqlalchemy import CTE, bindparam, insert, select
from sqlalchemy.types import Boolean, LargeBinary, SmallInteger, Text

from idp.hot.clients import Caller
from idp.ring_tokens import REFRESH_TOKEN
from idp.statements import AT
from idp.tables import grants, refresh_tokens
from kernel.db import Instant
from kernel.secret import Secret


def granted_by(spent: CTE) -> CTE:
    """Return the live grant of what was spent.

    Args:
        spent: At most one row; its `code_grant_id` names the grant.
    """
    g = grants.c
    return (
        select(
            g.grant_id, g.person_id, g.sub, g.scope, g.authorization_details, g.resources,
            g.session_id, g.acr, g.amr, g.auth_time, g.claims, g.is_refreshable,
            g.verified_claims,
        )
        .join(spent, spent.c.code_grant_id == g.grant_id)
        .where(g.revoked_at.is_(None), g.expires_at > AT)
        .cte("granted")
    )  # fmt: skip


def refresh_token_for(granted: CTE) -> CTE:
    """Store a refresh token, if one is issued at all; a row if it was.

    Binds `client_id`, and what `refresh_binds` returns.
    """
    return (
        insert(refresh_tokens)
        .from_select(
            [
                "slot", "token_digest", "grant_id", "client_id", "dpop_jkt", "issued_at",
                "expires_at",
            ],
            select(
                bindparam("refresh_slot", type_=SmallInteger),
                bindparam("refresh_digest", type_=LargeBinary),
                granted.c.grant_id,
                bindparam("client_id", type_=Text),
                bindparam("refresh_jkt", type_=Text),
                AT,
                bindparam("refresh_expires_at", type_=Instant),
            ).where(granted.c.is_refreshable, bindparam("may_refresh", type_=Boolean)),
        )
        .returning(refresh_tokens.c.grant_id)
        .cte("refresh")
    )  # fmt: skip


def refresh_binds(caller: Caller) -> tuple[Secret[str], dict[str, object]]:
    """Mint a refresh token; return it with what `refresh_token_for` binds.

    Source:
        RFC 9449, 5: a public client's refresh token is bound to its key, others' to the client.
    """
    client, proof = caller.client, caller.proof
    expires_at = caller.at + caller.provider.policy.refresh_token
    refresh = REFRESH_TOKEN.mint(expires_at)
    return refresh.token, {
        "refresh_slot": refresh.stored.slot,
        "refresh_digest": refresh.stored.digest,
        "refresh_jkt": proof.jkt if proof is not None and client.is_public else None,
        "refresh_expires_at": expires_at,
        "may_refresh": "refresh_token" in client.metadata.grant_types,
    }
