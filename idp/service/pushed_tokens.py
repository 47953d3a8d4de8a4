"""Tokens that are pushed to a client: CIBA, 10.3.1."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row
from sqlalchemy.orm import Session

from consent.api import PurposeCode
from idp import tokens, verified_answer, verified_claims
from idp.claims import claims_from, items_of_claims
from idp.item_reading import ItemsRead, ReadRefused
from idp.model import ClaimsRequest, Client
from idp.provider import Provider
from idp.resource_indicators import audience_for
from idp.ring_tokens import REFRESH_TOKEN
from idp.service.item_reads import read_items_in
from idp.statements import grant_binds
from idp.store import grants as store
from idp.verified_answer import Grounds
from idp.verified_claims import ID_TOKEN, IDENTIFICATION, VERIFIED_CLAIMS
from kernel.ids import GrantId
from kernel.secret import Secret, random_b64url
from population_register.api import list_agencies

_JTI_BYTES = 16  # 128 random bits
_AUTH_REQ_ID = "urn:openid:params:jwt:claim:auth_req_id"
_RT_HASH = "urn:openid:params:jwt:claim:rt_hash"


def push(
    session: Session,
    provider: Provider,
    client: Client,
    grant_id: GrantId | None,
    auth_req_id: str,
    *,
    claims: ClaimsRequest,
    at: datetime,
) -> dict[str, object] | None:
    """Return what is pushed; None when the grant has been revoked.

    The ID token names the request and the other tokens, so that nobody can swap them on the way,
    and says of the person what was asked for in it and what a consent still covers.

    Args:
        session: The open transaction.
        provider: Ourselves.
        client: Whose tokens; they are bearer tokens.
        grant_id: What the person allowed.
        auth_req_id: Of the request.
        claims: What the request asked for by name.
        at: Now.

    Source:
        CIBA, 10.3.1.
    """
    granted = None if grant_id is None else store.find_live_grant(session, grant_id, at=at)
    if grant_id is None or granted is None:
        return None
    subject = _subject(granted)
    access_token = _access_token(provider, client, subject, granted.resources, at=at)
    answer: dict[str, object] = {
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": int(provider.policy.access_token.total_seconds()),
        "scope": " ".join(subject.scope),
    }
    if subject.authorization_details:
        answer["authorization_details"] = list(subject.authorization_details)
    extra: dict[str, object] = {
        **_claims_of_id_token(session, provider, client, granted, claims, at=at),
        _AUTH_REQ_ID: auth_req_id,
    }
    alg = client.metadata.id_token_signed_response_alg
    if granted.is_refreshable:
        refresh_expires_at = at + provider.policy.refresh_token
        refresh = REFRESH_TOKEN.mint(refresh_expires_at)
        store.insert_refresh_token(
            session,
            refresh.stored,
            grant_id=subject.grant_id,
            client_id=client.client_id,
            at=at,
            expires_at=refresh_expires_at,
        )
        answer["refresh_token"] = refresh.token.reveal()
        extra[_RT_HASH] = tokens.left_half(refresh.token.reveal(), alg)
    claims_of_answer = tokens.id_token_claims(
        subject,
        issuer=provider.issuer,
        client_id=client.client_id,
        nonce=None,
        extra=extra,
        access_token=Secret(access_token),
        alg=alg,
        at=at,
        expires_at=at + provider.policy.id_token,
    )
    answer["id_token"] = tokens.sign(provider.signing, claims_of_answer, typ="JWT", alg=alg)
    return answer


def _subject(granted: Row[Any]) -> tokens.Subject:
    return tokens.Subject(
        sub=granted.sub,
        scope=tuple(granted.scope),
        claims=tuple(granted.claims),
        authorization_details=granted.authorization_details,
        grant_id=GrantId(granted.grant_id),
        acr=granted.acr,
        amr=tuple(granted.amr),
        auth_time=granted.auth_time,
    )


def _access_token(
    provider: Provider,
    client: Client,
    subject: tokens.Subject,
    resources: Iterable[str],
    *,
    at: datetime,
) -> str:
    return provider.access_tokens.issue(
        tokens.access_token_claims(
            subject,
            issuer=provider.issuer,
            client_id=client.client_id,
            partner_id=client.partner_id,
            audience=audience_for((), granted=tuple(resources), issuer=provider.issuer),
            jti=random_b64url(_JTI_BYTES),
            jkt=None,
            at=at,
            expires_at=at + provider.policy.access_token,
        ),
        form=client.metadata.access_token_format,
        at=at,
    )


def _claims_of_id_token(
    session: Session,
    provider: Provider,
    client: Client,
    granted: Row[Any],
    claims: ClaimsRequest,
    *,
    at: datetime,
) -> dict[str, object]:
    """Return what is said of the person in the ID token itself, each under its own consent.

    Source:
        OpenID Connect Core, 5.5; OpenID Connect for Identity Assurance, 5.7.
    """
    grant_id = GrantId(granted.grant_id)
    read = ItemsRead(
        client_id=client.client_id,
        partner_id=client.partner_id,
        sub=granted.sub,
        grant_id=grant_id,
        items=items_of_claims(claims.id_token),
        binds=grant_binds(grant_id, at=at),
        at=at,
    )
    said: dict[str, object] = {}
    if claims.id_token:
        found = read_items_in(session, provider.keyring, read)
        if not isinstance(found, ReadRefused):
            values = {item: value.value for item, value in found.items()}
            said |= claims_from(values, claims.id_token)
    wanted = verified_claims.wanted_of_grant(granted.verified_claims or {}, ID_TOKEN)
    if wanted is None:
        return said
    facts = read_items_in(
        session,
        provider.keyring,
        replace(read, items=wanted.items, purpose=PurposeCode(IDENTIFICATION)),
    )
    if isinstance(facts, ReadRefused):
        return said
    agencies = {str(agency.agency_id): agency.name_ru for agency in list_agencies(session)}
    answer = verified_answer.answer(
        wanted.asked, Grounds(facts=facts, level=wanted.level, agencies=agencies, at=at)
    )
    return said if answer is None else {**said, VERIFIED_CLAIMS: answer}
