"""The OpenAPI description of what FastAPI does not see of agencies' addresses."""

from collections.abc import Mapping
from typing import Any

_TOKEN = {
    "name": "Authorization",
    "in": "header",
    "required": True,
    "description": "`DPoP` and an access token of the agency's own client (client_credentials).",
    "schema": {"type": "string"},
}
_PROOF = {
    "name": "DPoP",
    "in": "header",
    "description": "A fresh proof for this request, with `ath` of the access token (RFC 9449); "
    "not with a token that is bound to a certificate (RFC 8705).",
    "schema": {"type": "string"},
}
_OFFICIAL = {
    "name": "Civitas-Official",
    "in": "header",
    "required": True,
    "description": "A JWT, `typ` civitas-official+jwt, signed by a registered key of the agency: "
    "`iss` the agency, `aud` this API, `sub` the official, `iat`, `exp` at most five minutes "
    "later, `jti` used once.",
    "schema": {"type": "string"},
}
_ACCEPT = {
    "name": "Accept",
    "in": "header",
    "description": "`application/jwt` for an answer that is signed, ES256, `typ` "
    "civitas-resolve+jwt, by a key of /agency/v1/jwks.",
    "schema": {"type": "string"},
}

_PERSON: Mapping[str, Any] = {
    "identifiers": {
        "type": "object",
        "description": "By kind: snils, inn, enp, passport, foreign_passport, birth_certificate.",
        "additionalProperties": {"type": "string"},
    },
    "attributes": {
        "type": "object",
        "description": "family_name, given_name, middle_name, birthdate, gender, birthplace, "
        "registration_address.",
    },
    "pseudonym": {"type": "string", "description": "From an answer before; alone."},
}
_GROUND: Mapping[str, Any] = {
    "legal_basis": {"type": "string"},
    "purpose": {"type": "string", "maxLength": 100},
}
_ANSWER: Mapping[str, Any] = {
    "type": "object",
    "required": ["outcome"],
    "properties": {
        "outcome": {"type": "string", "enum": ["match", "possible", "none"]},
        "pseudonym": {"type": "string"},
        "fields": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["value", "source", "as_of"],
                "properties": {
                    "value": {},
                    "source": {"type": "string"},
                    "as_of": {"type": "string", "format": "date"},
                },
            },
        },
        "entry_id": {"type": "string", "format": "uuid"},
        "how_many": {"type": "integer", "minimum": 1},
    },
}


def _body(properties: Mapping[str, Any], required: list[str]) -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _answered(description: str, schema: Mapping[str, Any] = _ANSWER) -> dict[str, Any]:
    return {
        "200": {
            "description": description,
            "content": {
                "application/json": {"schema": schema},
                "application/jwt": {"schema": {"type": "string"}},
            },
        }
    }


def _query(name: str, description: str, *, required: bool) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": required,
        "description": description,
        "schema": {"type": "string"},
    }


_LINES = {"application/x-ndjson": {"schema": {"type": "string"}}}

_ITEM_ID = {
    "name": "item_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "format": "uuid"},
}
_FEED_ID = {
    "name": "feed_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "format": "uuid"},
}


def _state(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/FeedState"}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


OPERATIONS: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("/agency/v1/resolve", "post"): {
        "tags": ["agency"],
        "parameters": [_TOKEN, _PROOF, _OFFICIAL, _ACCEPT],
        "requestBody": _body(
            {
                **_GROUND,
                "fields": {"type": "array", "items": {"type": "string"}, "maxItems": 64},
                **_PERSON,
            },
            ["legal_basis", "purpose"],
        ),
        "responses": _answered("Match, possible with how many, or none."),
    },
    ("/agency/v1/resolve/batch", "post"): {
        "tags": ["agency"],
        "parameters": [
            _TOKEN,
            _PROOF,
            _OFFICIAL,
            _query("legal_basis", "Of all questions.", required=True),
            _query("purpose", "Of all questions.", required=True),
            _query("fields", "Comma-separated; all that are mandated if left out.", required=False),
        ],
        "requestBody": {"required": True, "content": _LINES},
        "responses": {
            "200": {
                "description": "A line for each question, in order: its `id`, and an answer or "
                "`error`, `detail` and `errors`.",
                "content": _LINES,
            }
        },
    },
    ("/agency/v1/pseudonyms/convert", "post"): {
        "tags": ["agency"],
        "parameters": [_TOKEN, _PROOF, _OFFICIAL, _ACCEPT],
        "requestBody": _body(
            {**_GROUND, "pseudonym": {"type": "string"}, "to_sector": {"type": "string"}},
            ["legal_basis", "purpose", "pseudonym", "to_sector"],
        ),
        "responses": _answered(
            "Match with the pseudonym of the other sector, or none.",
            {
                "type": "object",
                "required": ["outcome"],
                "properties": {
                    "outcome": {"type": "string", "enum": ["match", "none"]},
                    "pseudonym": {"type": "string"},
                    "sector": {"type": "string"},
                    "entry_id": {"type": "string", "format": "uuid"},
                },
            },
        ),
    },
    ("/agency/v1/feeds", "post"): {
        "tags": ["agency"],
        "parameters": [
            _TOKEN,
            _PROOF,
            {
                "name": "Content-Digest",
                "in": "header",
                "description": "`sha-256=:…:` of the file (RFC 9530).",
                "schema": {"type": "string"},
            },
        ],
        "requestBody": {
            "required": True,
            "content": {**_LINES, "text/csv": {"schema": {"type": "string"}}},
        },
        "responses": {
            "200": _state("Loaded before; nothing is done again."),
            "202": _state("Taken; `Location` tells how far it is."),
        },
    },
    ("/agency/v1/feeds", "get"): {"parameters": [_TOKEN, _PROOF]},
    ("/agency/v1/feeds/{feed_id}", "get"): {"parameters": [_FEED_ID, _TOKEN, _PROOF]},
    ("/agency/v1/feeds/{feed_id}/rejections", "get"): {
        "parameters": [_FEED_ID, _TOKEN, _PROOF],
        "responses": {
            "200": {
                "description": "A line for each problem: line, field, reason, advice.",
                "content": {**_LINES, "text/csv": {"schema": {"type": "string"}}},
            }
        },
    },
    **{
        (f"/agency/v1/administration/{path}", method): {"parameters": [*parameters, _TOKEN, _PROOF]}
        for path, method, parameters in (
            (
                "mandates",
                "get",
                [
                    _query("agency", "Only this agency's.", required=False),
                    {
                        "name": "history",
                        "in": "query",
                        "description": "Those that are over, too.",
                        "schema": {"type": "boolean"},
                    },
                ],
            ),
            ("mandates", "post", []),
            (
                "mandates/{mandate_id}/revoke",
                "post",
                [
                    {
                        "name": "mandate_id",
                        "in": "path",
                        "required": True,
                        "schema": {"type": "string", "format": "uuid"},
                    }
                ],
            ),
            ("legal-bases", "get", []),
            ("legal-bases", "post", []),
        )
    },
    ("/agency/v1/events", "get"): {"parameters": [_TOKEN, _PROOF]},
    ("/agency/v1/worklist", "get"): {
        "parameters": [
            _query("status", "open, overdue, answered, corrected; with commas.", required=False),
            {
                **_query("after", "`next` of the part before.", required=False),
                "schema": {"type": "string", "format": "uuid"},
            },
            _TOKEN,
            _PROOF,
            _OFFICIAL,
        ]
    },
    ("/agency/v1/worklist/{item_id}/answer", "post"): {
        "parameters": [_ITEM_ID, _TOKEN, _PROOF, _OFFICIAL],
        "requestBody": _body(
            {
                "answer": {"type": "string", "enum": ["corrected", "refused"]},
                "explanation": {"type": "string", "maxLength": 1000},
            },
            ["answer"],
        ),
    },
    ("/agency/v1/records", "post"): {
        "parameters": [_TOKEN, _PROOF],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "description": "A row as in NDJSON feeds, under the agency's own names.",
                    }
                }
            },
        },
    },
}
"""By path and method: what is added to the operation, member by member."""
