"""Values of idp. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, NewType, Protocol, TypeAlias
from urllib.parse import urlencode, urlsplit, urlunsplit

from idp.assurance import AssuranceLevel
from idp.ring_tokens import RingToken
from kernel.ids import AccountId, ClientId, GrantId, PartnerId, PersonId, SessionId
from kernel.secret import Secret

InteractionId = NewType("InteractionId", str)
"""What stands in the address of the sign-in and consent pages; unguessable, and useless in another
browser than the one that made the authorization request."""

JSONObject: TypeAlias = Mapping[str, Any]

ResponseMode: TypeAlias = Literal["query", "form_post", "jwt", "query.jwt", "form_post.jwt"]
Transport: TypeAlias = Literal["query", "form_post"]
Prompt: TypeAlias = Literal["none", "login", "consent", "select_account"]


class Disclosure(Protocol):
    """What consent calls a disclosure: one purpose, and what is asked for it.

    Said again here, so that what decides in idp knows the shape without reaching the database that
    stands behind `consent.api`.
    """

    @property
    def purpose(self) -> str:
        """Code of the purpose."""
        ...

    @property
    def items(self) -> tuple[str, ...]:
        """Attributes, predicates and `document:` kinds."""
        ...

    @property
    def expires_in(self) -> timedelta:
        """How long the consent shall last."""
        ...

    @property
    def retention(self) -> timedelta:
        """How long the client will keep what it reads."""
        ...

    @property
    def max_uses(self) -> int | None:
        """How many reads; None for any number."""
        ...

    def as_authorization_details(self) -> dict[str, object]:
        """Return the member of `authorization_details` that says the same (RFC 9396, 2)."""
        ...


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimsRequest:
    """The `claims` parameter (OpenID Connect Core, 5.5): names we know, nothing else.

    Attributes:
        userinfo: Claims asked for from the UserInfo endpoint.
        id_token: Claims asked for in the ID token.
        essential_acr: Values of `acr` of which one must be reached; empty when none is essential.
        acr_values: Values of `acr` that are preferred.
        sub: The only `sub` the client accepts.
    """

    userinfo: tuple[str, ...] = ()
    id_token: tuple[str, ...] = ()
    essential_acr: tuple[str, ...] = ()
    acr_values: tuple[str, ...] = ()
    sub: str | None = None
    wants_auth_time: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantChange:
    """What an authorization request does to a grant that there is.

    Attributes:
        adds: Whether what was allowed before stays (`merge`); otherwise the request replaces it.

    Source:
        Grant Management for OAuth 2.0, 5.2.
    """

    grant_id: GrantId
    adds: bool


class AccessRequest(Protocol):
    """What a person is asked to allow, whichever way the client asks."""

    @property
    def scope(self) -> tuple[str, ...]:
        """Values that we know."""
        ...

    @property
    def acr_values(self) -> tuple[str, ...]:
        """Values of `acr` that are preferred."""
        ...

    @property
    def claims(self) -> ClaimsRequest:
        """The `claims` parameter."""
        ...

    @property
    def resources(self) -> tuple[str, ...]:
        """Resource indicators."""
        ...

    @property
    def authorization_details(self) -> tuple[Disclosure, ...]:
        """What is asked for under a purpose."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """An authorization request that passed every check.

    Attributes:
        scope: Values that we know, in the order of the request; others were ignored.
        authorization_details: What is asked for under a purpose (RFC 9396), one each.
        sign_in: What scopes and claims ask for, under the purpose of signing in; None if nothing.
        resources: Resource indicators (RFC 8707); empty for the issuer's own.
        dpop_jkt: Thumbprint to which the code is bound (RFC 9449, 10).
        grant_change: Which grant is to be changed, and how; None for a new one.
    """

    client_id: ClientId
    redirect_uri: str
    response_mode: ResponseMode
    scope: tuple[str, ...]
    state: str | None
    nonce: str | None
    code_challenge: str | None
    prompt: frozenset[Prompt] = frozenset()
    max_age: int | None = None
    acr_values: tuple[str, ...] = ()
    claims: ClaimsRequest = field(default_factory=ClaimsRequest)
    login_hint: str | None = None
    id_token_hint: str | None = None
    ui_locales: str = ""
    display: str = "page"
    resources: tuple[str, ...] = ()
    authorization_details: tuple[Disclosure, ...] = ()
    sign_in: Disclosure | None = None
    dpop_jkt: str | None = None
    grant_change: GrantChange | None = None

    @property
    def disclosures(self) -> tuple[Disclosure, ...]:
        """Everything that is asked for."""
        return (*self.authorization_details, *([self.sign_in] if self.sign_in else []))

    @property
    def is_openid(self) -> bool:
        """Whether it is an OpenID Connect request (OpenID Connect Core, 3.1.2.1)."""
        return "openid" in self.scope


@dataclass(frozen=True, slots=True, kw_only=True)
class DeferredRequest:
    """What a client asks of a person who is not in a browser that it sent: RFC 8628, CIBA.

    Attributes:
        scope: Values that we know, in the order of the request.
        sign_in: What scopes and claims ask for, under the purpose of signing in; None if nothing.
    """

    client_id: ClientId
    scope: tuple[str, ...]
    acr_values: tuple[str, ...] = ()
    claims: ClaimsRequest = field(default_factory=ClaimsRequest)
    resources: tuple[str, ...] = ()
    authorization_details: tuple[Disclosure, ...] = ()
    sign_in: Disclosure | None = None

    @property
    def disclosures(self) -> tuple[Disclosure, ...]:
        """Everything that is asked for."""
        return (*self.authorization_details, *([self.sign_in] if self.sign_in else []))


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationResponse:
    """What goes back to the client through the browser: a code, or a refusal.

    Attributes:
        parameters: In order; `state` and `iss` among them.
    """

    redirect_uri: str
    response_mode: Transport
    parameters: tuple[tuple[str, str], ...]

    @property
    def url(self) -> str:
        """The address to send the browser to, for `query` (RFC 6749, 4.1.2)."""
        parts = urlsplit(self.redirect_uri)
        query = urlencode(self.parameters)
        # The registered query is kept: RFC 6749, 3.1.2.
        return urlunsplit(parts._replace(query=f"{parts.query}&{query}" if parts.query else query))


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A person's ability to sign in."""

    account_id: AccountId
    person_id: PersonId
    level: AssuranceLevel
    created_at: datetime
    disabled_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A person who has just authenticated; `sessions.open_session` makes a session of it.

    Attributes:
        amr: How, as Authentication Method Reference values (RFC 8176).
    """

    account_id: AccountId
    person_id: PersonId
    level: AssuranceLevel
    amr: tuple[str, ...]
    auth_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInSession:
    """A browser in which a person is signed in."""

    session_id: SessionId
    person_id: PersonId
    account_id: AccountId
    level: AssuranceLevel
    amr: tuple[str, ...]
    auth_time: datetime
    started_at: datetime
    last_used_at: datetime
    expires_at: datetime

    @property
    def acr(self) -> str:
        """The session's Authentication Context Class Reference."""
        return self.level.acr


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionClient:
    """A client that knows a session.

    Attributes:
        session_id: Whose `sid` it has: the session's own, or that of one which it followed.
    """

    client_id: ClientId
    session_id: SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedSession:
    """A new session, and the value of the cookie that carries it; only its digest is stored."""

    session: SignInSession
    cookie: Secret[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """An authorization request that waits for a person, and what is still missing.

    Attributes:
        interaction_id: Stands in the address of the pages.
        session: Who is signed in in this browser and acceptable for this request; None when the
            person has to sign in first: nobody is, not recently enough, or it is somebody else
            than the client asks for.
        asked: What the person still has to agree to: the request's disclosures that no live
            consent covers; all of them when the client asks to be shown them again.
        needs_consent: Whether the consent page must be shown: something is asked, or the person
            has not been to this client before.
        expires_at: After this the person has to start again at the client.
        request_uri: The pushed request behind it, used up together with it (RFC 9126, 7.3).
    """

    interaction_id: InteractionId
    client: Client
    request: AuthorizationRequest
    session: SignInSession | None
    asked: tuple[Disclosure, ...]
    needs_consent: bool
    created_at: datetime
    expires_at: datetime
    request_uri: RingToken | None = None

    @property
    def needs_sign_in(self) -> bool:
        """Whether the person has to sign in first."""
        return self.session is None

    @property
    def is_ready(self) -> bool:
        """Whether nothing has to be asked: `allow` may be called without a page."""
        return not self.needs_sign_in and not self.needs_consent


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionStarted:
    """An authorization request was stored; the browser goes on to the pages.

    Attributes:
        binding: Value of the cookie that ties the interaction to this browser.
    """

    interaction_id: InteractionId
    binding: Secret[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedToken:
    """What a verified access token says. Whether it was revoked, it can't say.

    Attributes:
        audience: The resources it is for.
        sub: Pairwise; the client's own identifier for a token without a person.
        claims: What the UserInfo endpoint returns for it.
        grant_id: None for a token without a person.
        disclosures: Its `authorization_details`.
        jkt: Thumbprint of the key it is bound to; None for a bearer token.
        x5t: Thumbprint of the certificate it is bound to (RFC 8705, 3.1); None for none.
        actor: The client that acts in place of `client_id` (RFC 8693, 4.1); None for none.
        acr: How sure we were of the person who signed in (RFC 9470, 6.1).
        auth_time: When they did.
        token_digest: Names the token itself, to be looked up among those revoked.
        proof_digest: Names the DPoP proof of this very request, to be spent; None for bearer.
        proof_made_at: When the proof says it was made.
    """

    client_id: ClientId
    partner_id: PartnerId
    sub: str
    audience: tuple[str, ...]
    scope: tuple[str, ...]
    claims: tuple[str, ...]
    grant_id: GrantId | None
    disclosures: tuple[Disclosure, ...]
    jkt: str | None
    token_digest: bytes
    issued_at: datetime
    expires_at: datetime
    proof_digest: bytes | None = None
    proof_made_at: datetime | None = None
    x5t: str | None = None
    actor: ClientId | None = None
    acr: str | None = None
    auth_time: datetime | None = None

    @property
    def is_sender_constrained(self) -> bool:
        """Whether only its owner can use it."""
        return self.jkt is not None or self.x5t is not None
