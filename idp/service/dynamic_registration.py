"""Clients that register and manage themselves.

Source:
    RFC 7591; RFC 7592; OpenID Connect Registration.
"""

from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from idp.errors import InvalidClientMetadata, InvalidToken
from idp.model import Client, ClientProfile, JSONObject, Partner
from idp.provider import Provider
from idp.registration import WITH_SECRET, Registered, sector_of
from idp.service.administration import (
    INITIAL_ACCESS_PREFIX,
    LONGEST_NAME,
    REGISTRATION_PREFIX,
    SECRET_PREFIX,
    SELF_REGISTERED,
    accept,
    disable_client,
    new_client_id,
    store_client,
)
from idp.software_statements import STATEMENT
from idp.store import clients as store
from idp.token_verification import challenge
from kernel.ids import ClientId, PartnerId
from kernel.secret import (
    MalformedToken,
    MintedToken,
    Secret,
    equal,
    mint_token,
    parse_token,
)


def register_client(
    session: Session,
    provider: Provider,
    asked: JSONObject,
    *,
    authorization_header: str | None,
    at: datetime,
) -> Registered:
    """Register a client that asks for it itself.

    Args:
        session: The open transaction.
        provider: Ourselves; its policy says whether anyone may.
        asked: Client metadata as received.
        authorization_header: An initial access token, or None.
        at: Now.

    Raises:
        InvalidToken: 401. An initial access token is needed, or this one is not good.
        InvalidRedirectUri: 400. As `client_metadata.register`.
        InvalidClientMetadata: 400. As `client_metadata.register`.

    Source:
        RFC 7591, 3; OpenID Connect Registration, 3.
    """
    client_id = new_client_id()
    partner, profile = _registering_partner(
        session, provider, asked, authorization_header, client_id=client_id, at=at
    )
    return store_client(
        session,
        provider,
        partner,
        client_id=client_id,
        profile=profile,
        asked=asked,
        is_self_managed=True,
        at=at,
    )


def read_registration(
    session: Session, client_id: str, *, authorization_header: str | None
) -> Registered:
    """Return a client's registration to whoever manages it (RFC 7592, 2.1).

    Raises:
        InvalidToken: 401. Another token, or there is no such client: the two look the same.
    """
    token, client, created_at = _managed(session, client_id, authorization_header)
    return Registered(client=client, created_at=created_at, registration_access_token=Secret(token))


def replace_registration(
    session: Session,
    provider: Provider,
    client_id: str,
    asked: JSONObject,
    *,
    authorization_header: str | None,
    at: datetime,
) -> Registered:
    """Replace a client's registration as a whole (RFC 7592, 2.2).

    Raises:
        InvalidToken: 401. Another token, or there is no such client.
        InvalidRedirectUri: 400. As `client_metadata.register`.
        InvalidClientMetadata: 400. As `client_metadata.register`, or another `client_id`.
    """
    token, client, created_at = _managed(session, client_id, authorization_header)
    if asked.get("client_id") != client.client_id:
        raise InvalidClientMetadata("client_id is missing or another.")
    forbidden = {
        "registration_access_token", "registration_client_uri", "client_secret_expires_at",
        "client_id_issued_at",
    }  # fmt: skip
    if forbidden & asked.keys():
        raise InvalidClientMetadata("A field of the response is not part of a request.")
    if "client_secret" in asked and not _is_secret_of(client, asked["client_secret"]):
        raise InvalidClientMetadata("client_secret is another.")
    if STATEMENT in client.metadata.descriptive and STATEMENT not in asked:
        # Whoever was vouched for stays that, or begins anew.
        raise InvalidClientMetadata("software_statement is missing.")
    metadata = accept(provider, asked, client.profile, at=at)
    secret: MintedToken | None = None
    digest = client.secret_digest
    if metadata.token_endpoint_auth_method not in WITH_SECRET:
        digest = None
    elif digest is None:
        secret = mint_token(SECRET_PREFIX)
        digest = secret.digest
    sector = sector_of(client.partner_id, metadata)
    store.replace_client(
        session,
        client.client_id,
        metadata=metadata,
        sector=sector,
        secret_digest=digest,
    )
    return Registered(
        client=replace(client, metadata=metadata, sector=sector, secret_digest=digest),
        created_at=created_at,
        client_secret=None if secret is None else secret.token,
        registration_access_token=Secret(token),
    )


def _is_secret_of(client: Client, presented: object) -> bool:
    """Tell whether a client names its own secret; it can't choose one (RFC 7592, 2.2)."""
    try:
        digest = parse_token(str(presented), SECRET_PREFIX)
    except MalformedToken:
        return False
    return client.secret_digest is not None and equal(digest, client.secret_digest)


def delete_registration(
    session: Session, client_id: str, *, authorization_header: str | None, at: datetime
) -> None:
    """End a client at its own wish (RFC 7592, 2.3).

    Raises:
        InvalidToken: 401. Another token, or there is no such client.
    """
    _, client, _ = _managed(session, client_id, authorization_header)
    disable_client(session, client.client_id, at=at)


def _registering_partner(
    session: Session,
    provider: Provider,
    asked: JSONObject,
    authorization_header: str | None,
    *,
    client_id: ClientId,
    at: datetime,
) -> tuple[Partner, ClientProfile]:
    """Return the partner that an initial access token names, or a new one that nobody verified."""
    if authorization_header is not None:
        try:
            digest = parse_token(_bearer(authorization_header), INITIAL_ACCESS_PREFIX)
        except MalformedToken as error:
            raise InvalidToken(headers=challenge("bearer", "invalid_token")) from error
        spent = store.spend_initial_access_token(session, digest, at=at)
        owner = None if spent is None else store.find_partner(session, spent[0])
        if spent is None or owner is None or owner.disabled_at is not None:
            raise InvalidToken(headers=challenge("bearer", "invalid_token"))
        return owner, spent[1]
    if not provider.policy.allows_open_registration:
        raise InvalidToken("An initial access token is needed.", headers=challenge("bearer"))
    name = asked.get("client_name")
    partner = Partner(
        partner_id=PartnerId(SELF_REGISTERED + client_id),
        name=name[:LONGEST_NAME] if isinstance(name, str) and name else client_id,
        is_verified=False,
        created_at=at,
    )
    store.insert_partner(session, partner)
    return partner, ClientProfile.OIDC


def _managed(
    session: Session, client_id: str, authorization_header: str | None
) -> tuple[str, Client, datetime]:
    if authorization_header is None:
        raise InvalidToken(headers=challenge("bearer"))
    token = _bearer(authorization_header)
    try:
        digest = parse_token(token, REGISTRATION_PREFIX)
    except MalformedToken as error:
        raise InvalidToken(headers=challenge("bearer", "invalid_token")) from error
    found = store.find_registered(session, client_id, registration_token_digest=digest)
    if found is None:
        raise InvalidToken(headers=challenge("bearer", "invalid_token"))
    return token, *found


def _bearer(authorization_header: str) -> str:
    scheme, _, token = authorization_header.partition(" ")
    if scheme.lower() != "bearer":
        raise InvalidToken(headers=challenge("bearer"), reason="scheme")
    return token.strip()
