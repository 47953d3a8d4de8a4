"""What a client registers (RFC 7591; OpenID Connect Registration), read and written. No I/O.

Authlib's metadata classes check the form of each field; the rules of our own come after them:
what we offer, what FAPI 2.0 demands, which redirect URIs can't be used against the person.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from authlib.oauth2.rfc7591 import ClientMetadataClaims as OAuthClaims
from authlib.oauth2.rfc9101.registration import ClientMetadataClaims as RequestObjectClaims
from authlib.oidc.registration import ClientMetadataClaims as OIDCClaims
from authlib.oidc.rpinitiated import ClientMetadataClaims as LogoutClaims
from joserfc.errors import JoseError

from idp import grant_management, jwe, mtls
from idp.assurance import ACR_VALUES
from idp.claims import CLAIMS_OF_SCOPE
from idp.client_authentication import FAPI2_METHODS, METHODS
from idp.errors import InvalidClientMetadata, InvalidRedirectUri
from idp.jose import ALGORITHMS, FAPI2_ALGORITHMS, NotVerified, parse_jwks
from idp.model import (
    NO_AUTHENTICATION,
    PING,
    POLL,
    PRIVATE_KEY_JWT,
    PUSH,
    ClientMetadata,
    ClientProfile,
    JSONObject,
)
from idp.policy import Policy
from idp.tokens import ID_TOKEN_ALGORITHMS

# RFC 8693, 2.1
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105  # a grant type
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"  # RFC 8628, 3.4
CIBA_GRANT = "urn:openid:params:grant-type:ciba"  # CIBA, 10.1
GRANT_TYPES = (
    "authorization_code", "refresh_token", "client_credentials", TOKEN_EXCHANGE, DEVICE_GRANT,
    CIBA_GRANT,
)  # fmt: skip
DELIVERY_MODES = (POLL, PING, PUSH)
FAPI2_DELIVERY_MODES = (POLL, PING)  # FAPI-CIBA, 5.2.2, 3: no push
RESPONSE_TYPES = ("code",)
OFFERED_SCOPES = {*CLAIMS_OF_SCOPE, *grant_management.SCOPES}
MOST_REDIRECT_URIS = 32
LONGEST_FIELD = 2048  # characters
LONGEST_REDIRECT_URI = 1024  # characters
LONGEST_NAME = 100  # characters, as shown to people

_TYPED = {field.name for field in fields(ClientMetadata)} - {"descriptive"}
_LISTS = {
    "redirect_uris", "grant_types", "response_types", "default_acr_values",
    "post_logout_redirect_uris", "authorization_details_types",
}  # fmt: skip
_KEPT = {
    "contacts", "software_id", "software_version", "application_type", "subject_type",
}  # fmt: skip
_SWITCHES = (
    "backchannel_user_code_parameter",
    "require_pushed_authorization_requests", "dpop_bound_access_tokens", "require_auth_time",
    "require_signed_request_object", "backchannel_logout_session_required",
    "frontchannel_logout_session_required", "tls_client_certificate_bound_access_tokens",
)  # fmt: skip
ENCRYPTION_FIELDS = tuple(
    f"{kind}_encrypted_response_{part}" for kind in jwe.KINDS for part in ("alg", "enc")
)
_LOCALISED = ("client_name#", "client_uri#", "logo_uri#", "policy_uri#", "tos_uri#")
_ADDRESSES = (
    "client_uri", "logo_uri", "policy_uri", "tos_uri", "jwks_uri", "initiate_login_uri",
    "backchannel_logout_uri", "frontchannel_logout_uri",
    "backchannel_client_notification_endpoint",
)  # fmt: skip
_TEXTS = (
    "backchannel_token_delivery_mode", "backchannel_authentication_request_signing_alg",
    "client_name", "scope", "sector_identifier_uri", "token_endpoint_auth_method",
    "token_endpoint_auth_signing_alg", "id_token_signed_response_alg",
    "request_object_signing_alg", "authorization_signed_response_alg",
    "introspection_signed_response_alg",
    "userinfo_signed_response_alg", "subject_type", "application_type", *_ADDRESSES,
    *mtls.SUBJECT_FIELDS, *ENCRYPTION_FIELDS,
)  # fmt: skip
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_DANGEROUS_SCHEMES = {"javascript", "data", "vbscript", "file", "about", "blob", "ftp", "ws", "wss"}


def metadata_of(stored: JSONObject) -> ClientMetadata:
    """Return the metadata as it was stored by `as_json`."""
    values: dict[str, Any] = {
        name: tuple(value) if name in _LISTS else value
        for name, value in stored.items()
        if name in _TYPED
    }
    return ClientMetadata(
        **values, descriptive={name: v for name, v in stored.items() if name not in _TYPED}
    )


def as_json(metadata: ClientMetadata) -> dict[str, object]:
    """Return the metadata under its registered names, without what is not set."""
    values: dict[str, object] = {}
    for name in sorted(_TYPED):
        value = getattr(metadata, name)
        if value in (None, (), ""):
            continue
        values[name] = list(value) if isinstance(value, tuple) else value
    return {**metadata.descriptive, **values}


def register(
    asked: JSONObject, *, profile: ClientProfile, policy: Policy, server: JSONObject
) -> ClientMetadata:
    """Check the metadata that a client wants to register, and fill in the defaults.

    Args:
        asked: As received; fields that we don't know are left out (RFC 7591, 2).
        profile: What the client will be held to.
        policy: Whether `http` is allowed.
        server: Our own metadata: what can be chosen from.

    Raises:
        InvalidRedirectUri: 400. Missing, with a fragment, or of a scheme that can't be trusted.
        InvalidClientMetadata: 400. Another field is not acceptable; the text names it.
    """
    _check_types(asked)
    _check_form(asked, server)
    values: dict[str, Any] = {
        name: tuple(value) if name in _LISTS else value
        for name, value in asked.items()
        if name in _TYPED and value is not None
    }
    descriptive = {
        name: value for name, value in asked.items() if name in _KEPT or name.startswith(_LOCALISED)
    }
    if profile is ClientProfile.FAPI2:
        values.setdefault("id_token_signed_response_alg", "ES256")
        values.setdefault("token_endpoint_auth_method", "private_key_jwt")
        values.setdefault("authorization_signed_response_alg", "ES256")
        values.setdefault("introspection_signed_response_alg", "ES256")
        values["require_pushed_authorization_requests"] = True
        # FAPI 2.0, 5.3.2.1: every token is bound, to a certificate or to a key.
        if values.get("tls_client_certificate_bound_access_tokens") is not True:
            values["dpop_bound_access_tokens"] = True
    metadata = ClientMetadata(**values, descriptive=descriptive)
    _check_offered(metadata, profile)
    _check_keys(metadata, profile)
    _check_certificates(metadata, server)
    _check_encryption(metadata)
    _check_addresses(metadata, policy)
    _check_logout(metadata)
    for uri in metadata.redirect_uris:
        _check_redirect_uri(uri, policy, profile)
    for uri in metadata.post_logout_redirect_uris:
        _check_redirect_uri(uri, policy, profile)
    return metadata


def _check_types(asked: JSONObject) -> None:
    """Hold each field against its JSON type."""
    for name, value in asked.items():
        if isinstance(value, str) and len(value) > LONGEST_FIELD:
            raise InvalidClientMetadata(f"{name[:40]} is too long.")
        if name in _LISTS and not (
            isinstance(value, list) and all(isinstance(member, str) for member in value)
        ):
            raise InvalidClientMetadata(f"{name} is a list of texts.")
    if "jwks" in asked and not isinstance(asked["jwks"], Mapping):
        raise InvalidClientMetadata("jwks is a JWK Set.")
    for name in _TEXTS:
        if asked.get(name) is not None and not isinstance(asked[name], str):
            raise InvalidClientMetadata(f"{name} is a text.")


def _check_form(asked: JSONObject, server: JSONObject) -> None:
    """Let Authlib check the form of each registered field."""
    if "jwks" in asked and "jwks_uri" in asked:
        raise InvalidClientMetadata("jwks and jwks_uri exclude each other.")  # RFC 7591, 2
    for claims_class in (OAuthClaims, OIDCClaims, RequestObjectClaims, LogoutClaims):
        # Those that have none check the form alone.
        options_of = getattr(claims_class, "get_claims_options", None)
        options = {} if options_of is None else options_of(server)
        claims = claims_class(_for_authlib(asked), {}, options, dict(server))
        try:
            claims.validate()
        except JoseError as error:
            field = getattr(error, "claim", None) or "a field"
            raise InvalidClientMetadata(f"{field} is not acceptable.") from error
        except (TypeError, ValueError, AttributeError) as error:
            # Authlib expects the right JSON type in every field.
            raise InvalidClientMetadata("A field has the wrong type.") from error


def _for_authlib(asked: JSONObject) -> dict[str, Any]:
    """Return what Authlib can judge: it knows no private-use schemes, and breaks on odd keys."""
    judged = {name: value for name, value in asked.items() if name != "jwks"}
    for name in ("redirect_uris", "post_logout_redirect_uris"):
        uris = judged.get(name)
        if isinstance(uris, list):
            judged[name] = [uri for uri in uris if uri.startswith(("http:", "https:"))]
    return judged


class _Offer(NamedTuple):
    """A rule about what may be chosen, and what is said when it is broken."""

    holds: Callable[[ClientMetadata, bool], bool]
    said: str


# Metadata and whether it is of a FAPI 2.0 client, in the order in which they are checked.
_OFFERS: tuple[_Offer, ...] = (
    _Offer(
        lambda m, fapi2: m.token_endpoint_auth_method in (FAPI2_METHODS if fapi2 else METHODS),
        "token_endpoint_auth_method is not offered.",
    ),
    _Offer(
        lambda m, _: bool(m.grant_types) and set(m.grant_types) <= set(GRANT_TYPES),
        "A grant type is not offered.",
    ),
    _Offer(
        lambda m, _: (
            (CIBA_GRANT in m.grant_types) == (m.backchannel_token_delivery_mode is not None)
        ),
        "The CIBA grant and backchannel_token_delivery_mode go together.",
    ),
    _Offer(
        lambda m, fapi2: (
            m.backchannel_token_delivery_mode
            in {None, *(FAPI2_DELIVERY_MODES if fapi2 else DELIVERY_MODES)}
        ),
        "backchannel_token_delivery_mode is not offered.",
    ),
    _Offer(
        lambda m, _: (
            (m.backchannel_token_delivery_mode in {PING, PUSH})
            == (m.backchannel_client_notification_endpoint is not None)
        ),
        "backchannel_client_notification_endpoint is for ping and push.",
    ),
    _Offer(
        # Nobody proves a key where tokens are pushed.
        lambda m, _: (
            m.backchannel_token_delivery_mode != PUSH
            or not (m.dpop_bound_access_tokens or m.tls_client_certificate_bound_access_tokens)
        ),
        "Tokens that are bound to a key can't be pushed.",
    ),
    _Offer(
        lambda m, _: (
            CIBA_GRANT not in m.grant_types or m.token_endpoint_auth_method != NO_AUTHENTICATION
        ),  # CIBA, 7.1
        "CIBA is for clients that authenticate.",
    ),
    _Offer(
        lambda m, fapi2: (
            m.backchannel_authentication_request_signing_alg
            in {None, *(FAPI2_ALGORITHMS if fapi2 else ALGORITHMS)}
        ),
        "backchannel_authentication_request_signing_alg is not offered.",
    ),
    _Offer(
        lambda m, _: not m.backchannel_user_code_parameter,
        "backchannel_user_code_parameter is not offered.",
    ),
    _Offer(
        # Nothing ties a device to the browser in which a person allows it.
        lambda m, fapi2: not (fapi2 and DEVICE_GRANT in m.grant_types),
        "The device grant is no part of FAPI 2.0.",
    ),
    _Offer(
        lambda m, _: set(m.response_types) <= set(RESPONSE_TYPES),
        "Only response_type code is offered.",
    ),
    _Offer(
        lambda m, _: (
            not {"client_credentials", TOKEN_EXCHANGE} & set(m.grant_types)
            or m.token_endpoint_auth_method != NO_AUTHENTICATION
        ),  # RFC 6749, 4.4; RFC 8693, 5
        "client_credentials and token exchange are for clients that authenticate.",
    ),
    _Offer(
        lambda m, fapi2: m.id_token_signed_response_alg in _id_token_algorithms(fapi2=fapi2),
        "id_token_signed_response_alg is not offered.",
    ),
    _Offer(
        lambda m, fapi2: (
            m.userinfo_signed_response_alg in {None, *_id_token_algorithms(fapi2=fapi2)}
        ),
        "userinfo_signed_response_alg is not offered.",
    ),
    _Offer(
        lambda m, fapi2: (
            m.token_endpoint_auth_signing_alg
            in {None, *(FAPI2_ALGORITHMS if fapi2 else ALGORITHMS)}
        ),
        "token_endpoint_auth_signing_alg is not offered.",
    ),
    _Offer(
        lambda m, fapi2: m.authorization_signed_response_alg in _id_token_algorithms(fapi2=fapi2),
        "authorization_signed_response_alg is not offered.",
    ),
    _Offer(
        lambda m, fapi2: m.introspection_signed_response_alg in _id_token_algorithms(fapi2=fapi2),
        "introspection_signed_response_alg is not offered.",
    ),
    _Offer(
        lambda m, fapi2: (
            m.request_object_signing_alg in {None, *(FAPI2_ALGORITHMS if fapi2 else ALGORITHMS)}
        ),
        "request_object_signing_alg is not offered.",
    ),
    _Offer(
        lambda m, _: set(m.default_acr_values) <= set(ACR_VALUES),
        "A value of default_acr_values is not ours.",
    ),
    _Offer(
        lambda m, _: set(m.authorization_details_types) <= {"civitas_disclosure"},
        "A type of authorization_details is not ours.",
    ),
    _Offer(
        lambda m, _: m.scope is None or bool(set(m.scope.split()) & OFFERED_SCOPES),
        "scope names nothing that we offer.",
    ),
    _Offer(
        lambda m, _: len(m.client_name) <= LONGEST_NAME and m.client_name.isprintable(),
        "client_name is too long or can't be shown.",
    ),
    _Offer(
        lambda m, _: m.descriptive.get("subject_type", "pairwise") == "pairwise",
        "subject_type is pairwise.",
    ),
    _Offer(
        lambda m, _: all(isinstance(getattr(m, name), bool) for name in _SWITCHES),
        "A switch is neither true nor false.",
    ),
    _Offer(
        lambda m, _: (
            m.default_max_age is None
            or (type(m.default_max_age) is int and 0 <= m.default_max_age < 1 << 31)
        ),
        "default_max_age is a whole number of seconds.",
    ),
)


def _check_offered(metadata: ClientMetadata, profile: ClientProfile) -> None:
    """Hold what is chosen against what we offer."""
    for offer in _OFFERS:
        if not offer.holds(metadata, profile is ClientProfile.FAPI2):
            raise InvalidClientMetadata(offer.said)
    if "authorization_code" in metadata.grant_types and not metadata.redirect_uris:
        raise InvalidRedirectUri("At least one redirect URI is needed.")
    if len(metadata.redirect_uris) > MOST_REDIRECT_URIS:
        raise InvalidRedirectUri(f"At most {MOST_REDIRECT_URIS} redirect URIs.")


def _id_token_algorithms(*, fapi2: bool) -> tuple[str, ...]:
    return FAPI2_ALGORITHMS if fapi2 else ID_TOKEN_ALGORITHMS  # FAPI 2.0, 5.4


def _check_keys(metadata: ClientMetadata, profile: ClientProfile) -> None:
    """Hold the keys against their use: public, strong, and there if they are needed."""
    if metadata.jwks is not None:
        try:
            keys = parse_jwks(metadata.jwks)
        except NotVerified as error:
            raise InvalidClientMetadata(f"jwks is not acceptable: {error}.") from error
        accepted = FAPI2_ALGORITHMS if profile is ClientProfile.FAPI2 else ALGORITHMS
        usable = any(set(key.algorithms) & set(accepted) for key in keys)
    else:
        usable = metadata.jwks_uri is not None
    if metadata.token_endpoint_auth_method == PRIVATE_KEY_JWT and not usable:
        raise InvalidClientMetadata("private_key_jwt needs jwks or jwks_uri with a usable key.")


def _check_encryption(metadata: ClientMetadata) -> None:
    """Hold what is to be encrypted against what we offer, and against the client's keys.

    Source:
        OpenID Connect Registration, 2; JARM, 3; RFC 9701, 6.
    """
    if metadata.id_token_encrypted_response_alg and (
        metadata.backchannel_token_delivery_mode == PUSH
    ):
        raise InvalidClientMetadata("ID tokens that are pushed are not encrypted.")
    for kind in jwe.KINDS:
        field = f"{kind}_encrypted_response_alg"
        wanted = jwe.encryption_of(metadata, kind)
        if wanted is None:
            if getattr(metadata, f"{kind}_encrypted_response_enc") is not None:
                raise InvalidClientMetadata(f"{field} is missing.")
            continue
        if wanted.alg not in jwe.ALGORITHMS or wanted.enc not in jwe.ENCODINGS:
            raise InvalidClientMetadata(f"{field} or its enc is not offered.")
        if metadata.jwks_uri is None:
            if not jwe.has_key(metadata.jwks or {}, wanted.alg):
                raise InvalidClientMetadata(f"{field} needs a key of use enc in jwks.")
        elif kind == "authorization":
            # An answer through the browser does not wait for somebody else's server.
            raise InvalidClientMetadata(f"{field} needs the key in jwks, not at jwks_uri.")


def _check_certificates(metadata: ClientMetadata, server: JSONObject) -> None:
    """Hold what is said about certificates against what we offer (RFC 8705, 2.1.2, 2.2 and 3.4)."""
    method = metadata.token_endpoint_auth_method
    is_bound = metadata.tls_client_certificate_bound_access_tokens
    if method in mtls.METHODS and method not in server["token_endpoint_auth_methods_supported"]:
        raise InvalidClientMetadata("token_endpoint_auth_method is not offered.")
    if is_bound and not server.get("tls_client_certificate_bound_access_tokens"):
        raise InvalidClientMetadata("Tokens are not bound to certificates here.")
    if is_bound and method == NO_AUTHENTICATION:
        # Its refresh token would have to be bound too: RFC 8705, 4 leaves that to us.
        raise InvalidClientMetadata("A public client binds its tokens by DPoP.")
    if (wrong := mtls.check_subject_fields(metadata)) is not None:
        raise InvalidClientMetadata(wrong)
    if (
        method == mtls.SELF_SIGNED_TLS_CLIENT_AUTH
        and metadata.jwks_uri is None
        and not mtls.certificates_of(metadata.jwks)
    ):
        raise InvalidClientMetadata("self_signed_tls_client_auth needs a key with x5c.")


def _check_addresses(metadata: ClientMetadata, policy: Policy) -> None:
    for name in _ADDRESSES:
        value = getattr(metadata, name)
        if value is None:
            continue
        parts = _split(value)
        is_allowed = parts is not None and (
            parts.scheme == "https"
            # A sign-in that starts over http can be turned to somebody else's.
            or (parts.scheme == "http" and policy.allows_http and name != "initiate_login_uri")
        )
        if not is_allowed:
            raise InvalidClientMetadata(f"{name} has to be an https address.")


def _check_logout(metadata: ClientMetadata) -> None:
    """Hold the addresses of sign-out against what may be called and what may be framed.

    Source:
        OpenID Connect Back-Channel Logout, 2.2; Front-Channel Logout, 2.
    """
    for name in ("backchannel_logout_uri", "frontchannel_logout_uri"):
        uri = getattr(metadata, name)
        if uri is None:
            if getattr(metadata, f"{name.removesuffix('uri')}session_required"):
                raise InvalidClientMetadata(f"{name} is missing.")
        elif "#" in uri or not uri.isascii() or "@" in urlsplit(uri).netloc:
            raise InvalidClientMetadata(f"{name} is not acceptable.")
    framed = metadata.frontchannel_logout_uri
    if framed is not None and _origin(framed) not in {
        _origin(uri) for uri in metadata.redirect_uris
    }:
        raise InvalidClientMetadata("frontchannel_logout_uri has the origin of no redirect URI.")


def _origin(uri: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(uri)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def _check_redirect_uri(uri: str, policy: Policy, profile: ClientProfile) -> None:
    """Hold a redirect URI against what can be trusted with a code.

    Source:
        RFC 6749, 3.1.2; RFC 8252, 7; RFC 9700, 4.1 and 4.11; FAPI 2.0 Security Profile, 5.3.2.2.
    """
    parts = _split(uri)
    if parts is None or parts.fragment or "#" in uri or "*" in parts.netloc:
        raise InvalidRedirectUri(reason="form")
    if len(uri) > LONGEST_REDIRECT_URI:
        raise InvalidRedirectUri(reason="form")
    if not uri.isascii() or not uri.isprintable() or " " in uri or "\\" in uri:
        raise InvalidRedirectUri(reason="characters")
    if "@" in parts.netloc:
        raise InvalidRedirectUri(reason="userinfo")
    if any(segment in {".", ".."} for segment in parts.path.lower().replace("%2e", ".").split("/")):
        raise InvalidRedirectUri(reason="dot segments")
    _check_redirect_scheme(parts, policy, profile)


def _check_redirect_scheme(parts: SplitResult, policy: Policy, profile: ClientProfile) -> None:
    match parts.scheme:
        case "https":
            if not parts.hostname:
                raise InvalidRedirectUri(reason="host")
        case "http":
            if not parts.hostname or not (policy.allows_http or parts.hostname in _LOOPBACK):
                raise InvalidRedirectUri("A redirect URI has to be https.", reason="http")
        case scheme:
            # A private-use scheme is a domain turned around: RFC 8252, 7.1.
            if profile is ClientProfile.FAPI2 or "." not in scheme or scheme in _DANGEROUS_SCHEMES:
                raise InvalidRedirectUri(reason="scheme")


def _split(uri: str) -> SplitResult | None:
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return None
    return parts if parts.scheme else None
