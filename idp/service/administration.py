"""Partners and clients: added by an operator, or registered by themselves."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from idp.client_metadata import register
from idp.errors import InvalidClientMetadata, InvalidToken
from idp.metadata import provider_metadata
from idp.model import Client, ClientMetadata, ClientProfile, JSONObject, Partner
from idp.provider import Provider
from idp.registration import WITH_SECRET, Registered, sector_of
from idp.store import authorization
from idp.store import clients as store
from idp.token_verification import challenge
from kernel.errors import Conflict, InvalidRequest, NotFound
from kernel.ids import ClientId, PartnerId, PersonId
from kernel.keyring import Keyring
from kernel.secret import (
    MalformedToken,
    MintedToken,
    Secret,
    mint_token,
    parse_token,
    random_bytes,
)

SECRET_PREFIX = "cvk"  # noqa: S105  # what a client secret begins with
REGISTRATION_PREFIX = "cvg"
INITIAL_ACCESS_PREFIX = "cvn"

SELF_REGISTERED = "self-"
"""What the identifier of a partner that registered itself begins with; none of ours does."""

INITIAL_ACCESS_LIFETIME = timedelta(days=7)
_CLIENT_ID_BYTES = 16
_LONGEST_NAME = 200  # characters
_LONGEST_ID = 64  # characters


def add_partner(session: Session, *, partner_id: str, name: str, at: datetime) -> Partner:
    """Enter an organisation that an operator has verified.

    Raises:
        InvalidRequest: 400. The identifier or the name can't be used.
        Conflict: 409. The identifier is taken.
    """
    is_plain = partner_id.isascii() and partner_id.replace("-", "").replace("_", "").isalnum()
    if not is_plain or len(partner_id) > _LONGEST_ID or partner_id.startswith(SELF_REGISTERED):
        raise InvalidRequest("A partner's identifier is letters, digits, hyphens and underscores.")
    name = name.strip()
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise InvalidRequest("A partner has a name that can be shown.")
    partner = Partner(partner_id=PartnerId(partner_id), name=name, is_verified=True, created_at=at)
    if not store.insert_partner(session, partner):
        raise Conflict("A partner with this identifier exists.")
    return partner


def list_partners(session: Session) -> Sequence[Partner]:
    """Return every partner, in the order in which they came."""
    return store.list_partners(session)


def add_client(
    session: Session,
    provider: Provider,
    *,
    partner_id: str,
    profile: ClientProfile,
    asked: JSONObject,
    at: datetime,
    client_id: str | None = None,
) -> Registered:
    """Register a client of a partner, on an operator's word.

    Args:
        session: The open transaction.
        provider: Ourselves.
        partner_id: Whose client.
        profile: What it is held to.
        asked: Client metadata (RFC 7591, 2).
        at: Now.
        client_id: A chosen identifier; a random one when None.

    Returns:
        The client; its secret is in it once, and never again.

    Raises:
        NotFound: 404. There is no such partner.
        InvalidRedirectUri: 400. As `client_metadata.register`.
        InvalidClientMetadata: 400. As `client_metadata.register`.
        Conflict: 409. The identifier is taken.
    """
    partner = store.find_partner(session, partner_id)
    if partner is None or partner.disabled_at is not None:
        raise NotFound("There is no such partner.")
    if client_id is not None and store.client_exists(session, client_id):
        raise Conflict("A client with this identifier exists.")
    return _store_client(
        session,
        provider,
        partner,
        client_id=ClientId(client_id) if client_id else _new_client_id(),
        profile=profile,
        asked=asked,
        is_self_managed=False,
        at=at,
    )


def list_clients(session: Session, partner_id: str | None = None) -> Sequence[JSONObject]:
    """Return every client, disabled ones too, in the order in which they came."""
    return store.list_clients(session, None if partner_id is None else PartnerId(partner_id))


def tell_subjects(session: Session, keyring: Keyring) -> Callable[[ClientId, PersonId], str]:
    """Return what tells by which `sub` a client knows a person, for the access log's verification.

    The sectors are read once, here. A client that there is not knows nobody: the empty text.
    """
    sectors = store.list_sectors(session)

    def sub(client_id: ClientId, person_id: PersonId) -> str:
        sector = sectors.get(client_id)
        return "" if sector is None else keyring.pseudonym(f"client:{sector}", person_id)

    return sub


def disable_client(session: Session, client_id: str, *, at: datetime) -> None:
    """Let a client do nothing any more, and revoke everything that people allowed it.

    Raises:
        NotFound: 404. There is no such client, or it was disabled before.
    """
    if not store.disable_client(session, ClientId(client_id), at=at):
        raise NotFound("There is no such client that is not disabled.")
    authorization.revoke_grants_of_client(
        session, ClientId(client_id), reason="client disabled", at=at
    )


def issue_initial_access_token(
    session: Session,
    *,
    partner_id: str,
    profile: ClientProfile = ClientProfile.OIDC,
    at: datetime,
) -> Secret[str]:
    """Return a token with which a partner may register one client by itself.

    Args:
        session: The open transaction.
        partner_id: Whose client it will be.
        profile: What the client will be held to.
        at: Now; the token is good for `INITIAL_ACCESS_LIFETIME`.

    Raises:
        NotFound: 404. There is no such partner.

    Source:
        RFC 7591, 3.
    """
    partner = store.find_partner(session, partner_id)
    if partner is None or partner.disabled_at is not None:
        raise NotFound("There is no such partner.")
    minted = mint_token(INITIAL_ACCESS_PREFIX)
    store.insert_initial_access_token(
        session,
        token_digest=minted.digest,
        partner_id=partner.partner_id,
        profile=profile,
        at=at,
        expires_at=at + INITIAL_ACCESS_LIFETIME,
    )
    return minted.token


# Dynamic registration


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
    client_id = _new_client_id()
    partner, profile = _registering_partner(
        session, provider, asked, authorization_header, client_id=client_id, at=at
    )
    return _store_client(
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
    metadata = _accept(provider, asked, client.profile)
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
        name=name[:_LONGEST_NAME] if isinstance(name, str) and name else client_id,
        is_verified=False,
        created_at=at,
    )
    store.insert_partner(session, partner)
    return partner, ClientProfile.OIDC


def _store_client(
    session: Session,
    provider: Provider,
    partner: Partner,
    *,
    client_id: ClientId,
    profile: ClientProfile,
    asked: JSONObject,
    is_self_managed: bool,
    at: datetime,
) -> Registered:
    metadata = _accept(provider, asked, profile)
    has_secret = metadata.token_endpoint_auth_method in WITH_SECRET
    secret = mint_token(SECRET_PREFIX) if has_secret else None
    registration = mint_token(REGISTRATION_PREFIX) if is_self_managed else None
    sector = sector_of(partner.partner_id, metadata)
    store.insert_client(
        session,
        client_id=client_id,
        partner_id=partner.partner_id,
        profile=profile,
        metadata=metadata,
        sector=sector,
        secret_digest=None if secret is None else secret.digest,
        registration_token_digest=None if registration is None else registration.digest,
        at=at,
    )
    return Registered(
        client=Client(
            client_id=client_id,
            partner_id=partner.partner_id,
            partner_name=partner.name,
            partner_is_verified=partner.is_verified,
            profile=profile,
            metadata=metadata,
            sector=sector,
            revision=1,
            secret_digest=None if secret is None else secret.digest,
        ),
        created_at=at,
        client_secret=None if secret is None else secret.token,
        registration_access_token=None if registration is None else registration.token,
    )


def _accept(provider: Provider, asked: JSONObject, profile: ClientProfile) -> ClientMetadata:
    return register(
        asked,
        profile=profile,
        policy=provider.policy,
        server=provider_metadata(
            provider.issuer,
            mtls_url=provider.mtls_url,
            has_authorities=provider.authorities is not None,
        ),
    )


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


def _new_client_id() -> ClientId:
    """Mint an identifier in hexadecimal: base64url may begin with `-`, as an option does."""
    return ClientId(random_bytes(_CLIENT_ID_BYTES).hex())
