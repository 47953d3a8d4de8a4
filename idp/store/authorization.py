"""Queries: pushed requests, interactions, grants, codes, approved clients."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import exists, func, insert, null, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from idp.model import JSONObject
from idp.ring_tokens import RingToken
from idp.tables import (
    approved_clients,
    authorization_codes,
    grants,
    interactions,
    pushed_requests,
)
from kernel.ids import ClientId, GrantId, PartnerId, PersonId, SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredInteraction:
    """An open interaction as it lies in the table."""

    client_id: ClientId
    request: JSONObject
    request_uri: RingToken | None
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewGrant:
    """What a person allowed a client, about to be stored.

    Attributes:
        claims: Names of the claims that the UserInfo endpoint returns.
        verified_claims: From `verified_claims.as_granted`; None when none were asked for.
    """

    grant_id: GrantId
    person_id: PersonId
    client_id: ClientId
    partner_id: PartnerId
    sub: str
    scope: tuple[str, ...]
    authorization_details: list[dict[str, object]]
    claims: list[str]
    resources: tuple[str, ...]
    is_refreshable: bool
    session_id: SessionId | None
    acr: str
    amr: tuple[str, ...]
    auth_time: datetime
    created_at: datetime
    expires_at: datetime
    verified_claims: JSONObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCode:
    """An authorization code, about to be stored."""

    token: RingToken
    grant_id: GrantId
    client_id: ClientId
    redirect_uri: str
    code_challenge: str | None
    dpop_jkt: str | None
    nonce: str | None
    id_token_claims: JSONObject = field(repr=False)
    expires_at: datetime


def find_pushed(
    session: Session, token: RingToken, *, client_id: str, at: datetime
) -> JSONObject | None:
    """Return a pushed request of this client that is neither used nor expired."""
    t = pushed_requests.c
    request: JSONObject | None = session.scalar(
        select(t.request).where(
            t.slot == token.slot,
            t.request_uri_digest == token.digest,
            t.client_id == client_id,
            t.used_at.is_(None),
            t.expires_at > at,
        )
    )
    return request


def use_pushed(session: Session, token: RingToken, *, at: datetime) -> bool:
    """Use a pushed request up; tell whether it was this call that did.

    It is used up when the person has decided, not when the browser arrives: a page that is loaded
    again works (FAPI 2.0 Security Profile, 5.3.2.2, note 3). So its expiry, which the arrival was
    held against, does not count here: the interaction's does.

    Transaction:
        One UPDATE … RETURNING.
    """
    t = pushed_requests.c
    row = session.execute(
        update(pushed_requests)
        .where(t.slot == token.slot, t.request_uri_digest == token.digest, t.used_at.is_(None))
        .values(used_at=at)
        .returning(t.slot)
    ).one_or_none()
    return row is not None


def insert_interaction(
    session: Session, token: RingToken, stored: StoredInteraction, *, binding_digest: bytes
) -> None:
    """Store an authorization request until the person has decided."""
    session.execute(
        insert(interactions).values(
            slot=token.slot,
            interaction_digest=token.digest,
            binding_digest=binding_digest,
            client_id=stored.client_id,
            request=dict(stored.request),
            request_uri_slot=stored.request_uri.slot if stored.request_uri else None,
            request_uri_digest=stored.request_uri.digest if stored.request_uri else None,
            created_at=stored.created_at,
            expires_at=stored.expires_at,
        )
    )


def find_interaction(
    session: Session, token: RingToken, *, binding_digest: bytes, at: datetime
) -> StoredInteraction | None:
    """Return an open interaction of this browser."""
    t = interactions.c
    row = session.execute(
        select(interactions).where(
            t.slot == token.slot,
            t.interaction_digest == token.digest,
            t.binding_digest == binding_digest,
            t.answered_at.is_(None),
            t.expires_at > at,
        )
    ).one_or_none()
    if row is None:
        return None
    return StoredInteraction(
        client_id=ClientId(row.client_id),
        request=row.request,
        request_uri=None
        if row.request_uri_digest is None
        else RingToken(slot=row.request_uri_slot, digest=row.request_uri_digest),
        created_at=row.created_at,
        expires_at=row.expires_at,
    )


def answer_interaction(session: Session, token: RingToken, *, at: datetime) -> bool:
    """Answer an interaction; tell whether it was this call that did.

    Transaction:
        One UPDATE … RETURNING: of two tabs, one decides.
    """
    t = interactions.c
    row = session.execute(
        update(interactions)
        .where(
            t.slot == token.slot,
            t.interaction_digest == token.digest,
            t.answered_at.is_(None),
            t.expires_at > at,
        )
        .values(answered_at=at)
        .returning(t.slot)
    ).one_or_none()
    return row is not None


def has_approved(session: Session, person_id: PersonId, client_id: ClientId) -> bool:
    """Tell whether a person has confirmed a sign-in at this client before."""
    t = approved_clients.c
    found = session.scalar(
        select(exists().where(t.person_id == person_id, t.client_id == client_id))
    )
    return bool(found)


def approve(
    session: Session, person_id: PersonId, client_id: ClientId, *, sub: str, at: datetime
) -> None:
    """Remember that a person signed in at this client."""
    t = approved_clients
    session.execute(
        upsert(t)
        .values(
            person_id=person_id,
            client_id=client_id,
            sub=sub,
            first_approved_at=at,
            last_approved_at=at,
        )
        .on_conflict_do_update(
            index_elements=[t.c.person_id, t.c.client_id],
            set_={"sub": sub, "last_approved_at": func.greatest(t.c.last_approved_at, at)},
        )
    )


def insert_grant(session: Session, grant: NewGrant) -> None:
    """Store what a person allowed a client."""
    session.execute(
        insert(grants).values(
            grant_id=grant.grant_id,
            person_id=grant.person_id,
            client_id=grant.client_id,
            partner_id=grant.partner_id,
            sub=grant.sub,
            scope=list(grant.scope),
            authorization_details=grant.authorization_details,
            claims=grant.claims,
            verified_claims=null() if grant.verified_claims is None else grant.verified_claims,
            resources=list(grant.resources),
            is_refreshable=grant.is_refreshable,
            session_id=grant.session_id,
            acr=grant.acr,
            amr=list(grant.amr),
            auth_time=grant.auth_time,
            created_at=grant.created_at,
            expires_at=grant.expires_at,
        )
    )


def insert_code(session: Session, code: NewCode) -> None:
    """Store an authorization code."""
    session.execute(
        insert(authorization_codes).values(
            slot=code.token.slot,
            code_digest=code.token.digest,
            grant_id=code.grant_id,
            client_id=code.client_id,
            redirect_uri=code.redirect_uri,
            code_challenge=code.code_challenge,
            dpop_jkt=code.dpop_jkt,
            nonce=code.nonce,
            id_token_claims=dict(code.id_token_claims),
            expires_at=code.expires_at,
        )
    )


def revoke_grants_of_client(
    session: Session, client_id: ClientId, *, reason: str, at: datetime
) -> int:
    """Revoke everything that people allowed a client; return how much."""
    rows = session.execute(
        update(grants)
        .where(grants.c.client_id == client_id, grants.c.revoked_at.is_(None))
        .values(revoked_at=at, revocation_reason=reason)
        .returning(grants.c.grant_id)
    ).all()
    return len(rows)
