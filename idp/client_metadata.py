"""What a client registers (RFC 7591; OpenID Connect Registration), read and written. No I/O.

Authlib's metadata classes check the form of each field; the rules of our own come after them:
what we offer, what FAPI 2.0 demands, which redirect URIs can't be used against the person.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from authlib.oauth2.rfc7591 import ClientMetadataClaims as OAuthClaims
from authlib.oauth2.rfc9101.registration import ClientMetadataClaims as RequestObjectClaims
from authlib.oidc.registration import ClientMetadataClaims as OIDCClaims
from authlib.oidc.rpinitiated import ClientMetadataClaims as LogoutClaims
from joserfc.errors import JoseError

from idp import jwe, mtls
from idp.client_addresses import ADDRESSES, check_addresses
from idp.client_offers import check_offered
from idp.errors import InvalidClientMetadata
from idp.jose import ALGORITHMS, FAPI2_ALGORITHMS, NotVerified, parse_jwks
from idp.model import (
    NO_AUTHENTICATION,
    PRIVATE_KEY_JWT,
    PUSH,
    ClientMetadata,
    ClientProfile,
    JSONObject,
)
from idp.policy import Policy
from idp.resource_scopes import RESOURCE_SCOPES
from idp.software_statements import LONGEST_STATEMENT, STATEMENT

LONGEST_FIELD = 2048  # characters

_TYPED = {field.name for field in fields(ClientMetadata)} - {"descriptive"}
_WITH_DEFAULTS = {
    field.name
    for field in fields(ClientMetadata)
    if isinstance(field.default, tuple) and field.default
}
"""Lists that mean something else when they are left out than when they are empty."""
_LISTS = {
    "redirect_uris", "grant_types", "response_types", "default_acr_values",
    "post_logout_redirect_uris", "authorization_details_types", "request_uris",
}  # fmt: skip
_KEPT = {
    "contacts", "software_id", "software_version", "application_type", "subject_type", STATEMENT,
}  # fmt: skip
ENCRYPTION_FIELDS = tuple(
    f"{kind}_encrypted_response_{part}" for kind in jwe.KINDS for part in ("alg", "enc")
)
_LOCALISED = ("client_name#", "client_uri#", "logo_uri#", "policy_uri#", "tos_uri#")
_TEXTS = (
    "backchannel_token_delivery_mode", "backchannel_authentication_request_signing_alg",
    "client_name", "scope", "sector_identifier_uri", "token_endpoint_auth_method",
    "token_endpoint_auth_signing_alg", "id_token_signed_response_alg",
    "request_object_signing_alg", "authorization_signed_response_alg",
    "introspection_signed_response_alg", "access_token_format",
    "userinfo_signed_response_alg", "subject_type", "application_type", *ADDRESSES,
    *mtls.SUBJECT_FIELDS, *ENCRYPTION_FIELDS,
)  # fmt: skip


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
        if value in (None, "") or (value == () and name not in _WITH_DEFAULTS):
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
    check_offered(metadata, profile)
    _check_keys(metadata, profile)
    _check_certificates(metadata, server)
    _check_encryption(metadata)
    check_addresses(metadata, policy, profile)
    return metadata


def _check_types(asked: JSONObject) -> None:
    """Hold each field against its JSON type."""
    for name, value in asked.items():
        longest = LONGEST_STATEMENT if name == STATEMENT else LONGEST_FIELD
        if isinstance(value, str) and len(value) > longest:
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
            offered = server.get(f"{field}s_supported")
            choice = f" It is one of: {', '.join(offered)}." if offered else ""
            raise InvalidClientMetadata(f"{field} is not acceptable.{choice}") from error
        except (TypeError, ValueError, AttributeError) as error:
            # Authlib expects the right JSON type in every field.
            raise InvalidClientMetadata("A field has the wrong type.") from error


def _for_authlib(asked: JSONObject) -> dict[str, Any]:
    """Return what Authlib can judge: it knows no private-use schemes, and breaks on odd keys."""
    judged = {name: value for name, value in asked.items() if name != "jwks"}
    if isinstance(scope := judged.get("scope"), str):
        # It knows what we publish; scopes of resources are told to whom they are for.
        judged["scope"] = " ".join(s for s in scope.split() if s not in RESOURCE_SCOPES)
    for name in ("redirect_uris", "post_logout_redirect_uris"):
        uris = judged.get(name)
        if isinstance(uris, list):
            judged[name] = [uri for uri in uris if uri.startswith(("http:", "https:"))]
    return judged


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
