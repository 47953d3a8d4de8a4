"""Grants as clients manage them: change one by an authorization request, query it, revoke it.

What a person agreed to is a consent; a grant only says which tokens carry it. So a grant that ends,
or is replaced, takes its consents with it, unless another live grant of the same client rests on
them.

Source:
    Grant Management for OAuth 2.0 (FAPI working group, draft 03 of May 2023).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from consent.api import SIGN_IN, PurposeCode, withdraw_for
from idp.claims import claims_of_scopes, items_of_claims
from idp.disclosures import read_disclosure
from idp.errors import InvalidGrantId
from idp.grant_management import SCOPES
from idp.model import AuthorizationRequest, Client, Disclosure, GrantChange, JSONObject
from idp.store import managed_grants as store
from idp.store.authorization import NewGrant
from idp.verified_claims import IDENTIFICATION, VERIFIED_CLAIMS, items_of_request, merged
from kernel.errors import NotFound
from kernel.ids import ClientId, GrantId, PersonId


def effective_request(
    session: Session, client: Client, request: AuthorizationRequest, *, at: datetime
) -> AuthorizationRequest:
    """Return what the person is to be asked, given the grant that the request changes.

    Only the grant's own person may answer. A purpose that is asked for again is shown with what it
    had before: a read is covered by one consent, not by two halves. To replace is to be asked anew.

    Raises:
        InvalidGrantId: 400. The client has no such grant.
    """
    change = request.grant_change
    if change is None:
        return request
    grant = store.find_grant(session, change.grant_id, client.client_id, at=at)
    if grant is None:
        raise InvalidGrantId(reason="unknown, ended or another client's")
    claims = replace(request.claims, sub=request.claims.sub or grant.sub)
    if not change.adds:
        return replace(request, claims=claims, prompt=request.prompt | {"consent"})
    scope = _union(grant.scope, request.scope)
    known = [name for name in grant.claims if name != VERIFIED_CLAIMS]
    claims = replace(
        claims,
        userinfo=_union(known, claims.userinfo),
        verified=merged(grant.verified_claims, claims.verified),
    )
    before = {details["purpose"]: details for details in grant.authorization_details}
    is_openid = "openid" in scope
    named = (*claims.userinfo, *claims.id_token) if is_openid else ()
    return replace(
        request,
        scope=scope,
        claims=claims,
        sign_in=_asked_for(SIGN_IN, items_of_claims((*claims_of_scopes(scope), *named))),
        verified=_asked_for(IDENTIFICATION, items_of_request(claims.verified) if is_openid else ()),
        resources=_union(grant.resources, request.resources)
        if grant.resources and request.resources
        else (),
        authorization_details=tuple(
            _joined(disclosure, before.get(disclosure.purpose))
            for disclosure in request.authorization_details
        ),
    )


def begin_change(
    session: Session, client: Client, change: GrantChange, person_id: PersonId, *, at: datetime
) -> store.ManagedGrant:
    """Hold the grant that a person is about to change; what is replaced is withdrawn.

    Raises:
        InvalidGrantId: 400. It has ended a moment ago, or is another person's.

    Transaction:
        Locks the grant: two changes at once are made one after the other.
    """
    grant = store.find_grant(session, change.grant_id, client.client_id, at=at, locked=True)
    if grant is None or grant.person_id != person_id:
        raise InvalidGrantId(reason="ended, or another person's")
    if not change.adds:
        _withdraw(session, grant, client.client_id, by_recipient=False, at=at)
    return grant


def finish_change(
    session: Session, grant: store.ManagedGrant, change: GrantChange, new: NewGrant
) -> GrantId:
    """Write what the person agreed to into the grant."""
    details = new.authorization_details
    if change.adds:
        asked = {member["purpose"] for member in details}
        kept = [dict(m) for m in grant.authorization_details if m["purpose"] not in asked]
        details = [*kept, *details]
    store.change_grant(
        session,
        replace(
            new,
            grant_id=grant.grant_id,
            authorization_details=details,
            is_refreshable=new.is_refreshable or (change.adds and grant.is_refreshable),
            expires_at=max(new.expires_at, grant.expires_at) if change.adds else new.expires_at,
        ),
    )
    return grant.grant_id


def query(
    session: Session, client_id: ClientId, grant_id: GrantId, *, at: datetime
) -> dict[str, object]:
    """Return what a grant allows, in the words of the specification.

    Raises:
        NotFound: 404. Unknown, ended, or another client's.

    Source:
        Grant Management for OAuth 2.0, 6.4.
    """
    grant = store.find_grant(session, grant_id, client_id, at=at)
    if grant is None:
        raise NotFound
    # What it is managed by is no part of what it allows.
    allowed = [value for value in grant.scope if value not in SCOPES]
    scope: dict[str, object] = {"scope": " ".join(allowed)}
    if grant.resources:
        scope["resource"] = list(grant.resources)
    return {
        "scopes": [scope] if allowed else [],
        "claims": list(grant.claims),
        "authorization_details": list(grant.authorization_details),
    }


def revoke(session: Session, client_id: ClientId, grant_id: GrantId, *, at: datetime) -> None:
    """End a grant, every token of it, and the consents that no other grant of the client needs.

    Raises:
        NotFound: 404. Unknown, ended, or another client's.

    Source:
        Grant Management for OAuth 2.0, 6.5.
    """
    grant = store.find_grant(session, grant_id, client_id, at=at, locked=True)
    if grant is None:
        raise NotFound
    store.revoke_grant(session, grant_id, reason="revoked by the client", at=at)
    _withdraw(session, grant, client_id, by_recipient=True, at=at)


def _withdraw(
    session: Session,
    grant: store.ManagedGrant,
    client_id: ClientId,
    *,
    by_recipient: bool,
    at: datetime,
) -> None:
    others: set[PurposeCode] = set()
    for other in store.list_other_grants(session, grant, client_id, at=at):
        others |= _purposes(other)
    withdraw_for(
        session,
        grant.person_id,
        client_id,
        _purposes(grant) - others,
        by_recipient=by_recipient,
        at=at,
    )


def _purposes(grant: store.ManagedGrant) -> set[PurposeCode]:
    purposes = {PurposeCode(member["purpose"]) for member in grant.authorization_details}
    if grant.verified_claims is not None:
        purposes.add(PurposeCode(IDENTIFICATION))
    is_asked = "openid" in grant.scope or claims_of_scopes(grant.scope)
    return purposes | {SIGN_IN} if is_asked else purposes


def _asked_for(purpose: str, items: Sequence[str]) -> Disclosure | None:
    if not items:
        return None
    return read_disclosure({"type": "civitas_disclosure", "purpose": purpose, "items": list(items)})


def _joined(disclosure: Disclosure, before: JSONObject | None) -> Disclosure:
    if before is None:
        return disclosure
    asked = disclosure.as_authorization_details()
    return read_disclosure({**asked, "items": list(_union(before["items"], disclosure.items))})


def _union(first: Sequence[str], second: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second)))
