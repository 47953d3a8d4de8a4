"""Queries: grants that a client manages (Grant Management for OAuth 2.0)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, null, select, update
from sqlalchemy.orm import Session

from idp.model import JSONObject
from idp.store.authorization import NewGrant
from idp.tables import grants, refresh_tokens
from kernel.ids import ClientId, GrantId, PersonId

_g = grants.c
_SEEN = (
    _g.grant_id, _g.person_id, _g.sub, _g.scope, _g.authorization_details, _g.claims, _g.resources,
    _g.is_refreshable, _g.expires_at, _g.verified_claims,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedGrant:
    """What a person allowed a client, as it is now."""

    grant_id: GrantId
    person_id: PersonId
    sub: str
    scope: tuple[str, ...]
    authorization_details: Sequence[JSONObject]
    claims: tuple[str, ...]
    resources: tuple[str, ...]
    is_refreshable: bool
    expires_at: datetime
    verified_claims: JSONObject | None


def find_grant(
    session: Session, grant_id: GrantId, client_id: ClientId, *, at: datetime, locked: bool = False
) -> ManagedGrant | None:
    """Return a live grant of a client; None if it has none of this name.

    Args:
        session: The open transaction.
        grant_id: Which.
        client_id: Whose it must be.
        at: Now.
        locked: Whether nobody may change it until the transaction ends.
    """
    query = select(*_SEEN).where(
        _g.grant_id == grant_id,
        _g.client_id == client_id,
        _g.revoked_at.is_(None),
        _g.expires_at > at,
    )
    row = session.execute(query.with_for_update() if locked else query).one_or_none()
    return None if row is None else _grant_of(row)


def _grant_of(row: Any) -> ManagedGrant:  # noqa: ANN401  # a row of `_SEEN`
    return ManagedGrant(
        grant_id=GrantId(row.grant_id),
        person_id=PersonId(row.person_id),
        sub=row.sub,
        scope=tuple(row.scope),
        authorization_details=row.authorization_details,
        claims=tuple(row.claims),
        resources=tuple(row.resources),
        is_refreshable=row.is_refreshable,
        expires_at=row.expires_at,
        verified_claims=row.verified_claims,
    )


def list_other_grants(
    session: Session, grant: ManagedGrant, client_id: ClientId, *, at: datetime
) -> Sequence[ManagedGrant]:
    """Return the person's other live grants to the client."""
    rows = session.execute(
        select(*_SEEN).where(
            _g.person_id == grant.person_id,
            _g.client_id == client_id,
            _g.grant_id != grant.grant_id,
            _g.revoked_at.is_(None),
            _g.expires_at > at,
        )
    )
    return [_grant_of(row) for row in rows]


def change_grant(session: Session, new: NewGrant) -> None:
    """Write what a grant allows from now on.

    Its refresh tokens end: they were issued for what it allowed before (Grant Management, 5.2).
    """
    session.execute(delete(refresh_tokens).where(refresh_tokens.c.grant_id == new.grant_id))
    session.execute(
        update(grants)
        .where(_g.grant_id == new.grant_id)
        .values(
            scope=list(new.scope),
            authorization_details=new.authorization_details,
            claims=new.claims,
            verified_claims=null() if new.verified_claims is None else new.verified_claims,
            resources=list(new.resources),
            is_refreshable=new.is_refreshable,
            session_id=new.session_id,
            acr=new.acr,
            amr=list(new.amr),
            auth_time=new.auth_time,
            expires_at=new.expires_at,
        )
    )


def revoke_grant(session: Session, grant_id: GrantId, *, reason: str, at: datetime) -> bool:
    """Revoke one grant; tell whether it was live until now."""
    row = session.execute(
        update(grants)
        .where(_g.grant_id == grant_id, _g.revoked_at.is_(None))
        .values(revoked_at=at, revocation_reason=reason)
        .returning(_g.grant_id)
    ).one_or_none()
    return row is not None
