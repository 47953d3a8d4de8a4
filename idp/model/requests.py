"""What a client asks of a person, and how it is answered."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, Protocol, TypeAlias
from urllib.parse import urlencode, urlsplit, urlunsplit

from idp.model.clients import JSONObject
from kernel.ids import ClientId, GrantId

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimsRequest:
    """The `claims` parameter (OpenID Connect Core, 5.5): names we know, nothing else.

    Attributes:
        userinfo: Claims asked for from the UserInfo endpoint.
        id_token: Claims asked for in the ID token.
        essential_acr: Values of `acr` of which one must be reached; empty when none is essential.
        acr_values: Values of `acr` that are preferred.
        sub: The only `sub` the client accepts.
        verified: The `verified_claims` member (`idp.verified_claims`), as received, by where the
            claims are wanted: `userinfo`, `id_token`.
    """

    userinfo: tuple[str, ...] = ()
    id_token: tuple[str, ...] = ()
    essential_acr: tuple[str, ...] = ()
    acr_values: tuple[str, ...] = ()
    sub: str | None = None
    verified: JSONObject = field(default_factory=dict)


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
        verified: What verified claims ask for, under a purpose of their own; None if nothing.
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
    id_token_hint: str | None = field(default=None, repr=False)
    ui_locales: str = ""
    display: str = "page"
    resources: tuple[str, ...] = ()
    authorization_details: tuple[Disclosure, ...] = ()
    sign_in: Disclosure | None = None
    verified: Disclosure | None = None
    dpop_jkt: str | None = None
    grant_change: GrantChange | None = None

    @property
    def disclosures(self) -> tuple[Disclosure, ...]:
        """Everything that is asked for."""
        asked = (*self.authorization_details, self.sign_in, self.verified)
        return tuple(disclosure for disclosure in asked if disclosure is not None)

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
        verified: What verified claims ask for, under a purpose of their own; None if nothing.
    """

    client_id: ClientId
    scope: tuple[str, ...]
    acr_values: tuple[str, ...] = ()
    claims: ClaimsRequest = field(default_factory=ClaimsRequest)
    resources: tuple[str, ...] = ()
    authorization_details: tuple[Disclosure, ...] = ()
    sign_in: Disclosure | None = None
    verified: Disclosure | None = None

    @property
    def disclosures(self) -> tuple[Disclosure, ...]:
        """Everything that is asked for."""
        asked = (*self.authorization_details, self.sign_in, self.verified)
        return tuple(disclosure for disclosure in asked if disclosure is not None)


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
