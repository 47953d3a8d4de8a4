"""What a person agrees to: consents and a grant, whichever way the client asked.

The one path from a person's yes to a grant: the authorization endpoint, devices and CIBA end here.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from consent.api import (
    ConsentRequest,
    Covered,
    GivenBy,
    ItemName,
    PurposeCode,
    Relation,
    decide_disclosure,
    give,
)
from idp import assurance
from idp.errors import LoginRequired
from idp.model import AccessRequest, Client, Disclosure, GrantChange, SignInSession
from idp.provider import Provider
from idp.service import grant_management
from idp.store import authorization as store
from idp.store import session_clients
from idp.verified_claims import USERINFO, VERIFIED_CLAIMS, as_granted
from kernel.ids import GrantId, PersonId, new_id


def uncovered(
    session: Session,
    person_id: PersonId,
    client: Client,
    disclosures: Sequence[Disclosure],
    *,
    at: datetime,
) -> tuple[Disclosure, ...]:
    """Return the disclosures that no live consent of the person covers, in their order."""
    return tuple(
        disclosure
        for disclosure in disclosures
        if not isinstance(
            decide_disclosure(
                session,
                person_id,
                client_id=client.client_id,
                purpose=PurposeCode(disclosure.purpose),
                items=frozenset(ItemName(item) for item in disclosure.items),
                at=at,
            ),
            Covered,
        )
    )


def agree(
    session: Session,
    provider: Provider,
    client: Client,
    request: AccessRequest,
    person: SignInSession,
    *,
    asked: Sequence[Disclosure],
    change: GrantChange | None = None,
    binds_session: bool,
    redeemable_for: timedelta,
    language: str,
    at: datetime,
) -> GrantId:
    """Store what a person agreed to, and return the grant.

    Args:
        session: The open transaction.
        provider: Ourselves.
        client: Who asked.
        request: What it asked for.
        person: Who agreed, in the browser in which they did.
        asked: What the person was shown and no consent covered.
        change: Which grant it goes into; None for a new one.
        binds_session: Whether the client signs the person in in this very browser: it learns of
            the session, and of its end.
        redeemable_for: How long the client may take to fetch its tokens.
        language: In which the person was asked: `ru` or `en`.
        at: Now.

    Raises:
        UnmetAuthenticationRequirements: 400. The person's assurance is not the essential one.
        LoginRequired: 400. The session ended a moment ago.
        InvalidGrantId: 400. The grant to be changed has ended, or is another person's.

    Transaction:
        The caller's: nothing is stored unless everything is.
    """
    assurance.check_essential_acr(person.level, request.claims.essential_acr)
    is_live = (
        session_clients.remember(session, person, client.client_id, at=at)
        if binds_session
        else session_clients.hold(session, person, at=at)
    )
    if not is_live:
        raise LoginRequired
    changed = (
        None
        if change is None
        else grant_management.begin_change(session, client, change, person.person_id, at=at)
    )
    sub = provider.sub(client, person.person_id)
    for disclosure in asked:
        give(
            session,
            provider.signing,
            _consent(client, disclosure, person, sub=sub, language=language, at=at),
            at=at,
        )
    store.approve(session, person.person_id, client.client_id, sub=sub, at=at)
    new = _new_grant(
        provider,
        client,
        request,
        person,
        sub=sub,
        binds_session=binds_session,
        redeemable_for=redeemable_for,
        at=at,
    )
    if changed is not None and change is not None:
        return grant_management.finish_change(session, changed, change, new)
    store.insert_grant(session, new)
    return new.grant_id


def _new_grant(
    provider: Provider,
    client: Client,
    request: AccessRequest,
    person: SignInSession,
    *,
    sub: str,
    binds_session: bool,
    redeemable_for: timedelta,
    at: datetime,
) -> store.NewGrant:
    policy = provider.policy
    verified = as_granted(request.claims.verified, person.level)
    is_refreshable = may_refresh(client, request.scope)
    return store.NewGrant(
        grant_id=GrantId(new_id(at)),
        person_id=person.person_id,
        client_id=client.client_id,
        partner_id=client.partner_id,
        sub=sub,
        scope=request.scope,
        authorization_details=[
            disclosure.as_authorization_details() for disclosure in request.authorization_details
        ],
        claims=[
            *request.claims.userinfo,
            *([VERIFIED_CLAIMS] if verified is not None and USERINFO in verified else []),
        ],
        verified_claims=verified,
        resources=request.resources,
        is_refreshable=is_refreshable,
        session_id=person.session_id if binds_session else None,
        acr=assurance.acr_for(person.level, (*request.claims.acr_values, *request.acr_values)),
        amr=person.amr,
        auth_time=person.auth_time,
        created_at=at,
        expires_at=at
        + redeemable_for
        + (policy.refresh_token if is_refreshable else policy.access_token),
    )


def may_refresh(client: Client, scope: Sequence[str]) -> bool:
    """Tell whether a refresh token is issued.

    The client registered for it, and an OpenID Connect request asked for it by `offline_access`
    (OpenID Connect Core, 11).
    """
    return "refresh_token" in client.metadata.grant_types and (
        "offline_access" in scope or "openid" not in scope
    )


def _consent(
    client: Client,
    disclosure: Disclosure,
    person: SignInSession,
    *,
    sub: str,
    language: str,
    at: datetime,
) -> ConsentRequest:
    return ConsentRequest(
        person_id=person.person_id,
        subject=sub,
        client_id=client.client_id,
        partner_id=client.partner_id,
        partner_name=client.partner_name,
        purpose=PurposeCode(disclosure.purpose),
        items=frozenset(ItemName(item) for item in disclosure.items),
        expires_at=at + disclosure.expires_in,
        retention=disclosure.retention,
        given_by=GivenBy(relation=Relation.SELF, person_id=person.person_id),
        acr=person.acr,
        language="ru" if language == "ru" else "en",
        max_uses=disclosure.max_uses,
    )
