"""The token endpoint beside npm `oidc-provider`: see `loadtests.contenders`.

`code` spends a code (PKCE S256) and issues an ES256 JWT access token and an ES256 ID token;
`refresh` rotates a refresh token; both with `private_key_jwt`. `client_credentials_*` issues an
ES256 JWT or an opaque access token to a client that shows a secret or an assertion.
"""

import json
from collections.abc import Callable
from itertools import islice

from kernel.secret import b64url_decode
from loadtests.comparison import Row, compare
from loadtests.contenders import CLIENTS, CODE_CLIENT, REDIRECT_URI, VERIFIER, Contender
from loadtests.figures import Figure
from loadtests.machine import Machine

REPEATED = 300


def run(machine: Machine, _earlier: dict[str, Figure]) -> list[Figure]:
    """Measure every grant."""
    return compare(machine, "token_endpoint", ROWS)


def _code(contender: Contender, count: int) -> list[bytes]:
    return [
        contender.post(
            "/token",
            CODE_CLIENT,
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": REDIRECT_URI,
                "code_verifier": VERIFIER,
            },
        )
        for code in islice(contender.codes, count)
    ]


def _refresh(contender: Contender, count: int) -> list[bytes]:
    return [
        contender.post(
            "/token", CODE_CLIENT, {"grant_type": "refresh_token", "refresh_token": token}
        )
        for token in islice(contender.refresh_tokens, count)
    ]


def _client_credentials(client: str) -> Callable[[Contender, int], list[bytes]]:
    def make(contender: Contender, count: int) -> list[bytes]:
        number = count if CLIENTS[client][1] == "assertion" else REPEATED
        parameters = {"grant_type": "client_credentials"}
        return [contender.post("/token", client, parameters) for _ in range(number + 1)]

    return make


def _is_jwt(answer: bytes) -> bool:
    head = json.loads(b64url_decode(json.loads(answer)["access_token"].partition(".")[0]))
    return bool(head["alg"] == "ES256" and head["typ"] == "at+jwt")


def _is_opaque(answer: bytes) -> bool:
    return "." not in json.loads(answer)["access_token"]


def _has_id_token(answer: bytes) -> bool:
    head = json.loads(b64url_decode(json.loads(answer)["id_token"].partition(".")[0]))
    return bool(head["alg"] == "ES256") and _is_jwt(answer)


def _has_successor(answer: bytes) -> bool:
    return "refresh_token" in json.loads(answer) and _is_jwt(answer)


ROWS = (
    Row(name="code", make=_code, check=_has_id_token),
    Row(name="refresh", make=_refresh, check=_has_successor),
    *(
        Row(
            name=f"client_credentials_{form}_{way}",
            make=_client_credentials(client),
            check=_is_jwt if form == "jwt" else _is_opaque,
            repeats=way == "secret",
        )
        for client, (form, way) in CLIENTS.items()
    ),
)
