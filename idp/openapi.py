"""The OpenAPI description of the protocol endpoints: which parameters they read. No I/O.

Each is in a specification of its own, which says what it means; here it is named, so that whoever
reads the description, or makes requests from it, knows what there is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from idp import checks, grant_management, pkce
from idp.client_authentication import ASSERTION_TYPE
from idp.grant_types import GRANT_TYPES
from idp.model import ClientMetadata
from kernel.web import FORM_TYPE, JSON_TYPE, LONGEST_VALUE

_CLIENT = ("client_id", "client_secret", "client_assertion_type", "client_assertion")
_ACCESS = ("scope", "acr_values", "claims", "resource", "authorization_details")
_AUTHORIZATION = (
    "client_id", "response_type", "redirect_uri", "response_mode", "state", "nonce",
    "code_challenge", "code_challenge_method", "prompt", "max_age", "display", "ui_locales",
    "login_hint", "id_token_hint", "dpop_jkt", "grant_management_action", "grant_id", "request",
    *_ACCESS,
)  # fmt: skip
_TOKEN = (
    "grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "scope", "resource",
    "device_code", "auth_req_id", "subject_token", "subject_token_type", "requested_token_type",
    "actor_token", "actor_token_type",
)  # fmt: skip
_BACKCHANNEL = (
    "login_hint", "id_token_hint", "login_hint_token", "binding_message", "requested_expiry",
    "client_notification_token", "request", *_ACCESS,
)  # fmt: skip

_VALUES: Mapping[str, Iterable[str]] = {
    "client_assertion_type": (ASSERTION_TYPE,),
    "code_challenge_method": pkce.METHODS,
    "grant_management_action": grant_management.ACTIONS,
    "grant_type": GRANT_TYPES,
    "response_mode": checks.RESPONSE_MODES,
    "response_type": checks.RESPONSE_TYPES,
    "token_type_hint": ("access_token", "refresh_token"),
}
_JSON_TYPES: Mapping[str, Mapping[str, Any]] = {
    "bool": {"type": "boolean"},
    "int | None": {"type": "integer"},
    "JSONObject | None": {"type": "object"},
    "tuple[str, ...]": {"type": "array", "items": {"type": "string"}},
}


def _text(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string", "maxLength": LONGEST_VALUE}
    return {**schema, "enum": list(_VALUES[name])} if name in _VALUES else schema


def _form(*names: str, required: Iterable[str] = ()) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {name: _text(name) for name in dict.fromkeys(names)},
        "required": list(required),
    }
    return {"requestBody": {"required": True, "content": {FORM_TYPE: {"schema": schema}}}}


def _query(*names: str) -> dict[str, Any]:
    return {"parameters": [{"name": n, "in": "query", "schema": _text(n)} for n in names]}


def _header(name: str, description: str, *, required: bool = False) -> dict[str, Any]:
    return {
        "name": name, "in": "header", "required": required, "description": description,
        "schema": {"type": "string"},
    }  # fmt: skip


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


_BEARER = _header("Authorization", "`Bearer` or `DPoP`, and the access token.")
_REGISTRATION = _header("Authorization", "`Bearer` and the registration access token.")
_INITIAL = _header("Authorization", "`Bearer` and an initial access token (RFC 7591, 3).")
_PROOF = _header("DPoP", "A proof for this request (RFC 9449).")
_METADATA = {
    "requestBody": {
        "required": True,
        "content": {
            JSON_TYPE: {
                "schema": {
                    "type": "object",
                    "properties": {
                        field.name: _JSON_TYPES.get(str(field.type), {"type": "string"})
                        for field in fields(ClientMetadata)
                        if field.name != "descriptive"
                    },
                }
            }
        },
    }
}

OPERATIONS: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("/authorize", "get"): _query(*_AUTHORIZATION, "request_uri"),
    ("/authorize", "post"): _form(*_AUTHORIZATION, "request_uri"),
    ("/par", "post"): {**_form(*_AUTHORIZATION, *_CLIENT), "parameters": [_PROOF]},
    ("/token", "post"): {
        **_form(*_TOKEN, *_CLIENT, required=["grant_type"]), "parameters": [_PROOF]
    },
    ("/introspect", "post"): _form("token", "token_type_hint", *_CLIENT, required=["token"]),
    ("/revoke", "post"): _form("token", "token_type_hint", *_CLIENT, required=["token"]),
    ("/device_authorization", "post"): _form(*_ACCESS, *_CLIENT),
    ("/backchannel_authentication", "post"): _form(*_BACKCHANNEL, *_CLIENT),
    ("/userinfo", "get"): {"parameters": [_BEARER, _PROOF]},
    ("/userinfo", "post"): {
        **_form("access_token"), "parameters": [_BEARER, _PROOF]
    },
    ("/grants/{grant_id}", "get"): {"parameters": [_path("grant_id"), _BEARER, _PROOF]},
    ("/grants/{grant_id}", "delete"): {"parameters": [_path("grant_id"), _BEARER, _PROOF]},
    ("/register", "post"): {**_METADATA, "parameters": [_INITIAL]},
    ("/register/{client_id}", "get"): {"parameters": [_path("client_id"), _REGISTRATION]},
    ("/register/{client_id}", "put"): {
        **_METADATA, "parameters": [_path("client_id"), _REGISTRATION]
    },
    ("/register/{client_id}", "delete"): {"parameters": [_path("client_id"), _REGISTRATION]},
}  # fmt: skip
"""By path and method: what is added to the operation, member by member."""
