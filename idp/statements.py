"""Parts of the hot lane's statements: what must be true and what is spent, as CTEs.

They are composed into one statement per request, so that what is checked and what is written are
one act. Names of binds are the parameters' own; each part says which it needs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Select,
    and_,
    bindparam,
    exists,
    literal_column,
    not_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.types import Integer, LargeBinary, SmallInteger, Text, Uuid

from idp.buckets import CLIENT_ASSERTIONS, DPOP_PROOFS, REVOKED_ACCESS_TOKENS
from idp.model import VerifiedToken
from idp.tables import (
    clients,
    grants,
    partners,
    revoked_access_tokens,
    spent_client_assertions,
    spent_dpop_proofs,
)
from kernel.db import Instant
from kernel.ids import GrantId
from kernel.secret import random_bytes

_PROOF_DIGEST_BYTES = 32  # SHA-256

_ONE: ColumnElement[int] = literal_column("1")
"""For EXISTS: no value, which would be sent with each run."""

AT: ColumnElement[Any] = bindparam("idp_at", type_=Instant)
"""Now, in every part."""


def unchanged_client() -> CTE:
    """Tell whether a client still is what this process knows of it, and may act.

    Binds `client_id`, `client_revision`. A row, or none.
    """
    return (
        select(clients.c.client_id, clients.c.partner_id)
        .join(partners, partners.c.partner_id == clients.c.partner_id)
        .where(
            *_is_unchanged(
                bindparam("client_id", type_=Text), bindparam("client_revision", type_=Integer)
            )
        )
        .cte("unchanged_client")
    )


def is_unchanged_client(
    client_id: ColumnElement[Any], revision: ColumnElement[Any]
) -> ColumnElement[bool]:
    """Tell whether a client still is what this process knows of it, and may act."""
    return exists(
        select(_ONE)
        .select_from(clients)
        .join(partners, partners.c.partner_id == clients.c.partner_id)
        .where(*_is_unchanged(client_id, revision))
    )


def _is_unchanged(
    client_id: ColumnElement[Any], revision: ColumnElement[Any]
) -> tuple[ColumnElement[bool], ...]:
    return (
        clients.c.client_id == client_id,
        clients.c.revision == revision,
        clients.c.disabled_at.is_(None),
        partners.c.disabled_at.is_(None),
    )


def spend_assertion(when: FromClause) -> CTE:
    """Spend a client assertion; a row if it had not been spent.

    Binds `assertion_slot`, `assertion_digest`.

    Args:
        when: Nothing is spent unless it has a row.
    """
    t = spent_client_assertions
    return (
        insert(t)
        .from_select(
            ["slot", "assertion_digest"],
            select(
                bindparam("assertion_slot", type_=SmallInteger),
                bindparam("assertion_digest", type_=LargeBinary),
            ).where(exists(select(_ONE).select_from(when))),
        )
        .on_conflict_do_nothing()
        .returning(t.c.slot)
        .cte("spent_assertion")
    )


def spend_proof(when: FromClause | None = None) -> CTE:
    """Spend a DPoP proof; a row if it had not been spent (RFC 9449, 11.1).

    Binds `idp_proof_slot`, `idp_proof_digest`.

    Args:
        when: Nothing is spent unless it has a row; None to spend in any case.
    """
    t = spent_dpop_proofs
    values = select(
        bindparam("idp_proof_slot", type_=SmallInteger),
        bindparam("idp_proof_digest", type_=LargeBinary),
    )
    if when is not None:
        values = values.where(exists(select(_ONE).select_from(when)))
    return (
        insert(t)
        .from_select(["slot", "proof_digest"], values)
        .on_conflict_do_nothing()
        .returning(t.c.slot)
        .cte("spent_proof")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What must be so before an endpoint does anything: who calls, with what for the first time.

    Attributes:
        client: `unchanged_client`.
        assertion: `spend_assertion`; None where there is none.
        proof: `spend_proof`; None where there is none.
    """

    client: CTE
    assertion: CTE | None
    proof: CTE | None

    @property
    def conditions(self) -> tuple[ColumnElement[bool], ...]:
        """What everything else in the statement depends on."""
        parts = (self.client, self.assertion, self.proof)
        return tuple(has_row(part) for part in parts if part is not None)

    @property
    def facts(self) -> dict[str, ColumnElement[Any]]:
        """Columns by which the endpoint tells what was not so."""
        return {
            "is_unchanged": has_row(self.client),
            "is_assertion_fresh": _is_fresh(self.assertion),
            "is_proof_fresh": _is_fresh(self.proof),
        }


def admit(*, has_assertion: bool, has_proof: bool) -> Admission:
    """Return the parts that admit a client, each depending on the one before."""
    client = unchanged_client()
    assertion = spend_assertion(client) if has_assertion else None
    proof = spend_proof(client if assertion is None else assertion) if has_proof else None
    return Admission(client=client, assertion=assertion, proof=proof)


def _is_fresh(spent: CTE | None) -> ColumnElement[Any]:
    return true() if spent is None else has_row(spent)


def live_grant() -> CTE:
    """Return the grant that an access token names, if it and the token are still good.

    Binds `idp_grant_id`, `idp_actor_id`, `idp_token_slot`, `idp_token_digest`, `idp_at`.

    Returns:
        Columns `grant_id`, `person_id`, `client_id`, `partner_id`, `sub`, `scope`, `claims`,
        `session_id`. No row when the grant was revoked or has expired, the token itself was
        revoked, or the client, its partner, or the client that acts for it was disabled.
    """
    return (
        select(
            grants.c.grant_id,
            grants.c.person_id,
            grants.c.client_id,
            grants.c.partner_id,
            grants.c.sub,
            grants.c.scope,
            grants.c.claims,
            grants.c.session_id,
        )
        .join(clients, clients.c.client_id == grants.c.client_id)
        .join(partners, partners.c.partner_id == clients.c.partner_id)
        .where(
            grants.c.grant_id == bindparam("idp_grant_id", type_=Uuid),
            grants.c.revoked_at.is_(None),
            grants.c.expires_at > AT,
            clients.c.disabled_at.is_(None),
            partners.c.disabled_at.is_(None),
            not_(token_is_revoked()),
            not_(exists(select(_ONE).where(_actor_is_disabled()))),
        )
        .cte("live_grant")
    )


def live_client() -> CTE:
    """Return the client of a token without a person, if it and the token are still good.

    Binds `idp_client_id`, `idp_token_slot`, `idp_token_digest`.

    Returns:
        Columns `client_id`, `partner_id`. No row when the client or its partner was disabled, or
        the token itself was revoked.
    """
    return (
        select(clients.c.client_id, clients.c.partner_id)
        .join(partners, partners.c.partner_id == clients.c.partner_id)
        .where(
            clients.c.client_id == bindparam("idp_client_id", type_=Text),
            clients.c.disabled_at.is_(None),
            partners.c.disabled_at.is_(None),
            not_(token_is_revoked()),
        )
        .cte("live_client")
    )


def _actor_is_disabled() -> ColumnElement[bool]:
    """Tell whether the client that acts in place of another was disabled (RFC 8693)."""
    actors = clients.alias("actors")
    return and_(
        actors.c.client_id == bindparam("idp_actor_id", type_=Text),
        actors.c.disabled_at.is_not(None),
    )


_TOKEN_SLOT: ColumnElement[Any] = bindparam("idp_token_slot", type_=SmallInteger)
_TOKEN_DIGEST: ColumnElement[Any] = bindparam("idp_token_digest", type_=LargeBinary)


def token_is_revoked(
    slot: ColumnElement[Any] = _TOKEN_SLOT, digest: ColumnElement[Any] = _TOKEN_DIGEST
) -> ColumnElement[bool]:
    """Tell whether an access token itself was revoked.

    Binds `idp_token_slot`, `idp_token_digest`, unless they are given.
    """
    t = revoked_access_tokens.c
    return exists(
        select(_ONE)
        .select_from(revoked_access_tokens)
        .where(t.slot == slot, t.token_digest == digest)
    )


def token_binds(token: VerifiedToken, *, at: datetime) -> dict[str, object]:
    """Return the binds of `live_grant`, `live_client` and `spend_proof` for a verified token."""
    return {**lasting_token_binds(token), **request_binds(token, at=at)}


def lasting_token_binds(token: VerifiedToken) -> dict[str, object]:
    """Return those of `token_binds` that are the same in every request with the token."""
    return {
        "idp_grant_id": token.grant_id,
        "idp_actor_id": token.actor,
        "idp_client_id": token.client_id,
        "idp_token_slot": REVOKED_ACCESS_TOKENS.slot(token.expires_at),
        "idp_token_digest": token.token_digest,
    }


def request_binds(token: VerifiedToken, *, at: datetime) -> dict[str, object]:
    """Return those of `token_binds` that are of this request alone: now, and its proof."""
    if token.proof_digest is not None and token.proof_made_at is not None:
        return {
            "idp_at": at,
            "idp_proof_slot": DPOP_PROOFS.slot(token.proof_made_at),
            "idp_proof_digest": token.proof_digest,
        }
    if token.x5t is not None:
        # The certificate is proven by the connection, nothing is there to be replayed: for a
        # statement that always spends something, a name that nobody has spent.
        return {
            "idp_at": at,
            "idp_proof_slot": DPOP_PROOFS.slot(at),
            "idp_proof_digest": random_bytes(_PROOF_DIGEST_BYTES),
        }
    return {"idp_at": at}


def grant_binds(grant_id: GrantId, *, at: datetime) -> Mapping[str, object]:
    """Return the binds of `live_grant` where no access token is involved."""
    return {
        "idp_at": at,
        "idp_grant_id": grant_id,
        "idp_actor_id": None,
        "idp_token_slot": REVOKED_ACCESS_TOKENS.slot(at),
        "idp_token_digest": b"",
    }


def assertion_binds(digest: bytes, expires_at: datetime) -> Mapping[str, object]:
    """Return the binds of `spend_assertion`."""
    return {"assertion_slot": CLIENT_ASSERTIONS.slot(expires_at), "assertion_digest": digest}


def has_row(cte: CTE) -> ColumnElement[bool]:
    """Tell whether a part of the statement returned a row."""
    return exists(select(_ONE).select_from(cte))


def one_row(
    facts: Mapping[str, ColumnElement[Any]], *, beside: Sequence[FromClause] = ()
) -> Select[Any]:
    """Return exactly one row: facts, and the columns of what may be there or not.

    Args:
        facts: Columns by name.
        beside: Parts of at most one row each; their columns are NULL when there is none.
    """
    anchor = select(_ONE.label("anchor")).subquery("anchor")
    joined: FromClause = anchor
    for part in beside:
        joined = joined.outerjoin(part, true())
    columns = [column.label(name) for name, column in facts.items()]
    return select(*columns, *(column for part in beside for column in part.c)).select_from(joined)
