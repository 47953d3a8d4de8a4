"""What clients ask beside tokens, and npm `oidc-provider` the same: see `loadtests.contenders`.

Discovery and keys; pushed authorization requests by `private_key_jwt`; introspection and userinfo
of opaque access tokens, which ours looks up in the same statement as everything that may have ended
them.
"""

import json

from loadtests.comparison import Row, compare
from loadtests.contenders import CHALLENGE, CODE_CLIENT, READING_CLIENT, REDIRECT_URI, Contender
from loadtests.figures import Figure
from loadtests.machine import Machine


def run(machine: Machine, _earlier: dict[str, Figure]) -> list[Figure]:
    """Measure each."""
    return compare(machine, "protocol", ROWS)


def _discovery(contender: Contender, _count: int) -> list[bytes]:
    return [contender.get("/.well-known/openid-configuration")] * 2


def _jwks(contender: Contender, _count: int) -> list[bytes]:
    return [contender.get("/jwks")] * 2


def _par(contender: Contender, count: int) -> list[bytes]:
    asked = {
        "response_type": "code",
        "redirect_uri": REDIRECT_URI,
        "scope": "openid",
        "state": "state",
        "nonce": "nonce",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    return [contender.post(contender.paths.par, CODE_CLIENT, asked) for _ in range(count + 1)]


def _introspection(contender: Contender, _count: int) -> list[bytes]:
    path = contender.paths.introspection
    return [
        contender.post(path, READING_CLIENT, {"token": token}) for token in contender.access_tokens
    ]


def _userinfo(contender: Contender, _count: int) -> list[bytes]:
    path = contender.paths.userinfo
    return [
        contender.get(path, {"Authorization": f"Bearer {token}"})
        for token in contender.access_tokens
    ]


ROWS = (
    Row(name="discovery", make=_discovery, check=lambda a: b"issuer" in a, repeats=True),
    Row(name="jwks", make=_jwks, check=lambda a: b"keys" in a, repeats=True),
    Row(name="par", make=_par, check=lambda a: b"request_uri" in a),
    Row(
        name="introspection",
        make=_introspection,
        check=lambda a: json.loads(a)["active"] is True,
        repeats=True,
        memory_target=0.8,
    ),
    Row(
        name="userinfo",
        make=_userinfo,
        check=lambda a: "sub" in json.loads(a),
        repeats=True,
        memory_target=0.8,
    ),
)
