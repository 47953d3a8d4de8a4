"""What we publish about ourselves: RFC 8414, OpenID Connect Discovery. No I/O."""

from authlib.oidc.discovery import OpenIDProviderMetadata

from idp import checks, dpop, grant_management, jose, jwe, mtls, pkce, verified_claims
from idp.assurance import ACR_VALUES
from idp.claims import CLAIMS_OF_SCOPE, ITEMS_OF_CLAIM
from idp.client_authentication import METHODS
from idp.client_offers import DELIVERY_MODES
from idp.grant_types import GRANT_TYPES
from idp.session_state import CHECK_SESSION_PATH
from idp.tokens import ID_TOKEN_ALGORITHMS

AUTHORIZATION_DETAILS_TYPES = ("civitas_disclosure",)
UI_LOCALES = ("ru", "en")


MTLS_ENDPOINTS = (
    "token_endpoint", "userinfo_endpoint", "pushed_authorization_request_endpoint",
    "introspection_endpoint", "revocation_endpoint", "device_authorization_endpoint",
    "backchannel_authentication_endpoint", "grant_management_endpoint",
)  # fmt: skip
"""What a client may call by its certificate: RFC 8705, 5."""


def provider_metadata(
    issuer: str,
    *,
    has_registration: bool = True,
    mtls_url: str | None = None,
    has_authorities: bool = False,
) -> dict[str, object]:
    """Return the metadata document, checked by Authlib's own rules.

    Args:
        issuer: Our issuer identifier.
        has_registration: Whether the registration endpoint is published.
        mtls_url: Where certificates are asked for; None if mutual TLS is not offered.
        has_authorities: Whether there are authorities whose certificates authenticate clients.

    Raises:
        ValueError: It breaks a rule of OpenID Connect Discovery or RFC 8414: a defect of ours.
    """
    methods = _methods(has_mtls=mtls_url is not None, has_authorities=has_authorities)
    authenticated = [method for method in methods if method != "none"]
    document: dict[str, object] = {
        "issuer": issuer,
        **_endpoints(issuer),
        **_abilities(),
        "token_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": authenticated,
        "revocation_endpoint_auth_methods_supported": methods,
    }
    if has_registration:
        document["registration_endpoint"] = f"{issuer}/register"
    for kind in jwe.KINDS:
        document[f"{kind}_encryption_alg_values_supported"] = list(jwe.ALGORITHMS)
        document[f"{kind}_encryption_enc_values_supported"] = list(jwe.ENCODINGS)
    if mtls_url is not None:
        document["tls_client_certificate_bound_access_tokens"] = True
        document["mtls_endpoint_aliases"] = {
            name: f"{mtls_url}{str(document[name]).removeprefix(issuer)}"
            for name in MTLS_ENDPOINTS
            if name in document
        }
    check_provider_metadata(document)
    return document


def _endpoints(issuer: str) -> dict[str, object]:
    return {
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "jwks_uri": f"{issuer}/jwks",
        "pushed_authorization_request_endpoint": f"{issuer}/par",
        "device_authorization_endpoint": f"{issuer}/device_authorization",
        "introspection_endpoint": f"{issuer}/introspect",
        "revocation_endpoint": f"{issuer}/revoke",
        "end_session_endpoint": f"{issuer}/end-session",
        "check_session_iframe": f"{issuer}{CHECK_SESSION_PATH}",
        "grant_management_endpoint": f"{issuer}/grants",
        "backchannel_authentication_endpoint": f"{issuer}/backchannel_authentication",
    }


def _abilities() -> dict[str, object]:
    """Return what is supported, whatever is configured."""
    return {
        "scopes_supported": [*CLAIMS_OF_SCOPE, *grant_management.SCOPES],
        "response_types_supported": list(checks.RESPONSE_TYPES),
        "response_modes_supported": list(checks.RESPONSE_MODES),
        "grant_types_supported": list(GRANT_TYPES),
        "subject_types_supported": ["pairwise"],
        "acr_values_supported": list(ACR_VALUES),
        "prompt_values_supported": list(checks.PROMPTS),
        "display_values_supported": ["page"],
        "claim_types_supported": ["normal"],
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid",
            *ITEMS_OF_CLAIM, verified_claims.VERIFIED_CLAIMS,
        ],
        "ui_locales_supported": list(UI_LOCALES),
        "claims_parameter_supported": True,
        "verified_claims_supported": True,
        "trust_frameworks_supported": [verified_claims.TRUST_FRAMEWORK],
        "evidence_supported": list(verified_claims.EVIDENCE),
        "documents_supported": list(verified_claims.ITEM_OF_DOCUMENT),
        "documents_check_methods_supported": [verified_claims.CHECK_METHOD],
        "electronic_records_supported": [verified_claims.ELECTRONIC_RECORD_TYPE],
        "claims_in_verified_claims_supported": list(verified_claims.ITEMS_OF_VERIFIED_CLAIM),
        "request_parameter_supported": True,
        "request_object_signing_alg_values_supported": list(jose.ALGORITHMS),
        "require_signed_request_object": False,
        "request_uri_parameter_supported": True,
        "require_request_uri_registration": True,
        "require_pushed_authorization_requests": False,
        "authorization_response_iss_parameter_supported": True,
        "id_token_signing_alg_values_supported": list(ID_TOKEN_ALGORITHMS),
        "introspection_signing_alg_values_supported": list(ID_TOKEN_ALGORITHMS),
        "authorization_signing_alg_values_supported": list(ID_TOKEN_ALGORITHMS),
        "userinfo_signing_alg_values_supported": list(ID_TOKEN_ALGORITHMS),
        "token_endpoint_auth_signing_alg_values_supported": list(jose.ALGORITHMS),
        "introspection_endpoint_auth_signing_alg_values_supported": list(jose.ALGORITHMS),
        "revocation_endpoint_auth_signing_alg_values_supported": list(jose.ALGORITHMS),
        "code_challenge_methods_supported": list(pkce.METHODS),
        "dpop_signing_alg_values_supported": list(dpop.ALGORITHMS),
        "grant_management_actions_supported": list(grant_management.SUPPORTED),
        "grant_management_action_required": False,
        "authorization_details_types_supported": list(AUTHORIZATION_DETAILS_TYPES),
        "backchannel_token_delivery_modes_supported": list(DELIVERY_MODES),
        "backchannel_authentication_request_signing_alg_values_supported": list(jose.ALGORITHMS),
        "backchannel_user_code_parameter_supported": False,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "frontchannel_logout_supported": True,
        "frontchannel_logout_session_supported": True,
    }  # fmt: skip


def _methods(*, has_mtls: bool, has_authorities: bool) -> list[str]:
    """Return the methods of client authentication that work here."""
    offered: list[str] = []
    for method in METHODS:
        needs_authorities = method == mtls.TLS_CLIENT_AUTH
        if method in mtls.METHODS and not (has_mtls and (has_authorities or not needs_authorities)):
            continue
        offered.append(method)
    return offered


def check_provider_metadata(document: dict[str, object]) -> None:
    """Hold the document against Authlib's reading of the specifications.

    An issuer on loopback is checked as if it were reached over https: it is a demonstration.

    Raises:
        ValueError: It breaks a rule.
    """
    checked = {
        name: f"https://{value.removeprefix('http://')}"
        if isinstance(value, str) and value.startswith("http://")
        else value
        for name, value in document.items()
    }
    OpenIDProviderMetadata(checked).validate()
