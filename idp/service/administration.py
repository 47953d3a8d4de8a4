"""Partners and clients, as an operator enters and ends them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from idp.client_metadata import register
from idp.metadata import provider_metadata
from idp.model import Client, ClientMetadata, ClientProfile, JSONObject, Partner
from idp.provider import Provider
from idp.registration import WITH_SECRET, Registered, sector_of
from idp.software_statements import apply_statement
from idp.store import authorization
from idp.store import clients as store
from kernel.errors import Conflict, InvalidRequest, NotFound
from kernel.ids import ClientId, PartnerId, PersonId
from kernel.keyring import Keyring
from kernel.secret import (
    Secret,
    mint_token,
    random_bytes,
)

SECRET_PREFIX = "cvk"  # noqa: S105  # what a client secret begins with
REGISTRATION_PREFIX = "cvg"
INITIAL_ACCESS_PREFIX = "cvn"

SELF_REGISTERED = "self-"
"""What the identifier of a partner that registered itself begins with; none of ours does."""

INITIAL_ACCESS_LIFETIME = timedelta(days=7)
_CLIENT_ID_BYTES = 16
LONGEST_NAME = 200  # characters
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
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise InvalidRequest("A partner has a name that can be shown.")
    partner = Partner(partner_id=PartnerId(partner_id), name=name, is_verified=True, created_at=at)
    if not store.insert_partner(session, partner):
        raise Conflict("A partner with this identifier exists.")
    return partner


def list_partners(session: Session) -> Sequence[Partner]:
    """Return every partner, in the order in which they came."""
    return store.list_partners(session)


def partner_names(session: Session, partner_ids: Collection[str]) -> Mapping[str, str]:
    """Return the names of those partners that exist, disabled or not, by identifier."""
    return store.partner_names(session, partner_ids)


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
    return store_client(
        session,
        provider,
        partner,
        client_id=ClientId(client_id) if client_id else new_client_id(),
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
    uses: int = 1,
    at: datetime,
) -> Secret[str]:
    """Return a token with which a partner may register clients by itself.

    Args:
        session: The open transaction.
        partner_id: Whose client it will be.
        profile: What the clients will be held to.
        uses: How many clients.
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
        uses=uses,
        at=at,
        expires_at=at + INITIAL_ACCESS_LIFETIME,
    )
    return minted.token


def store_client(
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
    """Store a new client, and return what it is told once.

    Args:
        session: The open transaction.
        provider: Ourselves.
        partner: Whose client.
        client_id: Nobody has it yet.
        profile: What it is held to.
        asked: Client metadata (RFC 7591, 2).
        is_self_managed: Whether it gets a token to manage its registration (RFC 7592, 3).
        at: Now.

    Raises:
        InvalidRedirectUri: 400. As `client_metadata.register`.
        InvalidClientMetadata: 400. As `client_metadata.register`.
    """
    metadata = accept(provider, asked, profile, at=at)
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


def accept(
    provider: Provider, asked: JSONObject, profile: ClientProfile, *, at: datetime
) -> ClientMetadata:
    """Check metadata against what we offer; see `client_metadata.register`.

    Raises:
        InvalidSoftwareStatement: 400. As `software_statements.apply_statement`.
        UnapprovedSoftwareStatement: 400. As `software_statements.apply_statement`.
    """
    return register(
        vouched(provider, asked, at=at),
        profile=profile,
        policy=provider.policy,
        server=provider_metadata(
            provider.issuer,
            mtls_url=provider.mtls_url,
            has_authorities=provider.authorities is not None,
        ),
    )


def vouched(provider: Provider, asked: JSONObject, *, at: datetime) -> dict[str, object]:
    """Return what is asked for, with what its software statement says in place of the rest."""
    return apply_statement(
        asked,
        provider.statement_issuers,
        audience=provider.issuer,
        policy=provider.policy,
        at=at,
    )


def new_client_id() -> ClientId:
    """Mint an identifier in hexadecimal: base64url may begin with `-`, as an option does."""
    return ClientId(random_bytes(_CLIENT_ID_BYTES).hex())
