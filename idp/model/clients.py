"""Partners and their clients, and what a client registers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

from kernel.ids import ClientId, PartnerId

JSONObject: TypeAlias = Mapping[str, Any]

# Values of `token_endpoint_auth_method` (RFC 7591, 2; OpenID Connect Core, 9).
NO_AUTHENTICATION = "none"
PRIVATE_KEY_JWT = "private_key_jwt"

# Values of `backchannel_token_delivery_mode` (CIBA, 5).
POLL, PING, PUSH = "poll", "ping", "push"


class ClientProfile(StrEnum):
    """What a client is held to."""

    OIDC = "oidc"  # OpenID Connect Core; RFC 9700 where it is stricter
    FAPI2 = "fapi2"  # FAPI 2.0 Security Profile: every MUST


@dataclass(frozen=True, slots=True, kw_only=True)
class Partner:
    """The organisation that owns clients.

    Attributes:
        is_verified: Whether an operator entered it; what registered itself is not verified.
    """

    partner_id: PartnerId
    name: str
    is_verified: bool
    created_at: datetime
    disabled_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientMetadata:
    """What a client registered, with every default filled in.

    Attributes:
        descriptive: Fields that we keep and give back but do not act on.

    Source:
        RFC 7591, 2; OpenID Connect Registration, 2.
    """

    redirect_uris: tuple[str, ...] = ()
    token_endpoint_auth_method: str = "client_secret_basic"  # noqa: S105  # a method's name
    token_endpoint_auth_signing_alg: str | None = None
    grant_types: tuple[str, ...] = ("authorization_code",)
    response_types: tuple[str, ...] = ("code",)
    client_name: str = ""
    client_uri: str | None = None
    logo_uri: str | None = None
    policy_uri: str | None = None
    tos_uri: str | None = None
    scope: str | None = None
    jwks: JSONObject | None = None
    jwks_uri: str | None = None
    sector_identifier_uri: str | None = None
    id_token_signed_response_alg: str = "RS256"  # noqa: S105  # OpenID Connect Registration, 2
    userinfo_signed_response_alg: str | None = None
    request_uris: tuple[str, ...] = ()
    request_object_signing_alg: str | None = None
    require_signed_request_object: bool = False
    authorization_signed_response_alg: str = "RS256"  # JARM, 3
    introspection_signed_response_alg: str = "RS256"  # RFC 9701, 6
    id_token_encrypted_response_alg: str | None = None
    id_token_encrypted_response_enc: str | None = None
    userinfo_encrypted_response_alg: str | None = None
    userinfo_encrypted_response_enc: str | None = None
    authorization_encrypted_response_alg: str | None = None
    authorization_encrypted_response_enc: str | None = None
    introspection_encrypted_response_alg: str | None = None
    introspection_encrypted_response_enc: str | None = None
    default_max_age: int | None = None
    require_auth_time: bool = False
    default_acr_values: tuple[str, ...] = ()
    initiate_login_uri: str | None = None
    post_logout_redirect_uris: tuple[str, ...] = ()
    backchannel_token_delivery_mode: str | None = None  # CIBA, 4
    backchannel_client_notification_endpoint: str | None = None
    backchannel_authentication_request_signing_alg: str | None = None
    backchannel_user_code_parameter: bool = False
    backchannel_logout_uri: str | None = None
    backchannel_logout_session_required: bool = False
    frontchannel_logout_uri: str | None = None
    frontchannel_logout_session_required: bool = False
    require_pushed_authorization_requests: bool = False
    dpop_bound_access_tokens: bool = False
    tls_client_certificate_bound_access_tokens: bool = False  # RFC 8705, 3.4
    tls_client_auth_subject_dn: str | None = None  # RFC 8705, 2.1.2
    tls_client_auth_san_dns: str | None = None
    tls_client_auth_san_uri: str | None = None
    tls_client_auth_san_ip: str | None = None
    tls_client_auth_san_email: str | None = None
    access_token_format: str | None = None  # ours: `idp.access_tokens`; a JWT if not said
    authorization_details_types: tuple[str, ...] = ()
    descriptive: JSONObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A registered client, as it is at the moment of the request.

    Attributes:
        sector: Clients of one sector know a person under one `sub`; others never do.
        revision: Changes whenever the registration does; what was computed from it is keyed by it.
    """

    client_id: ClientId
    partner_id: PartnerId
    partner_name: str
    partner_is_verified: bool
    profile: ClientProfile
    metadata: ClientMetadata
    sector: str
    revision: int
    secret_digest: bytes | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """What the client calls itself; shown to the person."""
        return self.metadata.client_name or self.partner_name

    @property
    def is_public(self) -> bool:
        """Whether the client can't authenticate (RFC 6749, 2.1)."""
        return self.metadata.token_endpoint_auth_method == NO_AUTHENTICATION

    @property
    def is_fapi2(self) -> bool:
        """Whether the client is held to the FAPI 2.0 Security Profile."""
        return self.profile is ClientProfile.FAPI2

    @property
    def must_push(self) -> bool:
        """Whether its authorization requests must be pushed (RFC 9126, 6)."""
        return self.is_fapi2 or self.metadata.require_pushed_authorization_requests

    @property
    def must_prove_possession(self) -> bool:
        """Whether its access tokens must be bound to a key (RFC 9449, 5.2)."""
        if self.metadata.dpop_bound_access_tokens:
            return True
        return self.is_fapi2 and not self.binds_to_certificate

    @property
    def binds_to_certificate(self) -> bool:
        """Whether its access tokens are bound to its certificate (RFC 8705, 3.4)."""
        return self.metadata.tls_client_certificate_bound_access_tokens
