"""The OpenAPI description of what FastAPI does not see: the hot route, and streamed documents."""

from collections.abc import Mapping
from typing import Any

from partner_api.signatures import MEDIA_TYPE

_PROOF = {
    "name": "DPoP",
    "in": "header",
    "required": True,
    "description": "A fresh proof for this request, with `ath` of the access token (RFC 9449).",
    "schema": {"type": "string"},
}
_TOKEN = {
    "name": "Authorization",
    "in": "header",
    "required": True,
    "description": "`DPoP` and the access token.",
    "schema": {"type": "string"},
}
_PURPOSE = {
    "name": "purpose",
    "in": "query",
    "description": "Which of the token's purposes; needed only if it has several.",
    "schema": {"type": "string"},
}
_ITEMS = {
    "name": "items",
    "in": "query",
    "description": "Only these items, comma-separated; all of the token's otherwise.",
    "schema": {"type": "string"},
}
_RANGE = {
    "name": "Range",
    "in": "header",
    "description": "One range of bytes (RFC 9110, 14.2).",
    "schema": {"type": "string", "examples": ["bytes=0-1023"]},
}
_BYTES = {"*/*": {"schema": {"type": "string", "format": "binary"}}}

OPERATIONS: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("/partner/v1/person", "get"): {
        "tags": ["partner"],
        "parameters": [_TOKEN, _PROOF, _ITEMS, _PURPOSE],
        "responses": {
            "200": {
                "description": "A JWT, ES256, `typ` civitas-person+jwt. Claims: `iss`, `aud`, "
                "`iat`, `sub`, `purpose`, `consent_id`, `entry_id`, and `attributes`: by name an "
                "object of `value`, `source` and `as_of`.",
                "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
            }
        },
    },
    ("/partner/v1/documents", "get"): {"parameters": [_TOKEN, _PROOF, _ITEMS, _PURPOSE]},
    ("/partner/v1/documents/{document_id}", "get"): {
        "parameters": [
            {
                "name": "document_id",
                "in": "path",
                "required": True,
                "description": "As the list told it; yours alone.",
                "schema": {"type": "string", "format": "uuid"},
            },
            _TOKEN,
            _PROOF,
            _PURPOSE,
            _RANGE,
        ],
        "responses": {
            "200": {"description": "The document.", "content": _BYTES},
            "206": {"description": "The part that was asked for.", "content": _BYTES},
        },
    },
}
"""By path and method: what is added to the operation, member by member."""
