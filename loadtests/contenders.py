"""What ours and npm `oidc-provider` are asked, and by whom: the same clients, the same requests.

All authenticate clients the same way, issue tokens of the same format, and refuse a used assertion,
code or refresh token. Ours keeps its state in durable PostgreSQL (`our_contender.py`); so does the
peer, over as many connections; and there is the peer once more that keeps it in its memory and
loses it (`peer_contender.py`). What is used once is made before the clock runs.
"""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from idp.client_authentication import ASSERTION_TYPE
from kernel.ids import PartnerId
from kernel.secret import b64url, random_b64url, sha256
from loadtests.machine import Machine, Running, http_request

PARTNER = PartnerId("bench")
REDIRECT_URI = "https://bank.example/callback"
VERIFIER = "benchmark-" * 5
CHALLENGE = b64url(sha256(VERIFIER.encode()))
MOST_RATE = 4_000
"""Requests a second that are prepared of what is used once; a round ends early without."""

ASSERTION_LIVES = timedelta(minutes=50)

Way: TypeAlias = Literal["secret", "assertion"]
Format: TypeAlias = Literal["jwt", "opaque"]
CLIENTS: Mapping[str, tuple[Format, Way]] = {
    "jwt-assertion": ("jwt", "assertion"),
    "jwt-secret": ("jwt", "secret"),
    "opaque-assertion": ("opaque", "assertion"),
    "opaque-secret": ("opaque", "secret"),
}
CODE_CLIENT, READING_CLIENT = "jwt-assertion", "opaque-secret"


class Signer:
    """A client's ES256 key, or the peer's."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        numbers = self._key.private_numbers()
        point = numbers.public_numbers
        self.public_jwk = {
            "kty": "EC",
            "crv": "P-256",
            "x": b64url(point.x.to_bytes(32, "big")),
            "y": b64url(point.y.to_bytes(32, "big")),
            "alg": "ES256",
            "use": "sig",
        }
        self.private_jwk = self.public_jwk | {
            "d": b64url(numbers.private_value.to_bytes(32, "big"))
        }
        self._head = b64url(b'{"alg":"ES256"}')

    def jwt(self, claims: Mapping[str, object]) -> str:
        """Sign claims."""
        signed = f"{self._head}.{b64url(json.dumps(claims).encode())}"
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(SHA256())))
        return f"{signed}.{b64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """Where a contender has what."""

    par: str
    introspection: str
    userinfo: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One of them, as its clients see it.

    Attributes:
        secrets: Of the clients that have one.
        access_tokens: Opaque, of `READING_CLIENT`, good for userinfo.
    """

    server: Running
    issuer: str
    paths: Paths
    signer: Signer
    secrets: Mapping[str, str]
    codes: Sequence[str]
    refresh_tokens: Sequence[str]
    access_tokens: Sequence[str]

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> bytes:
        """Return a GET."""
        return http_request("GET", path, host=self.host, headers=headers)

    def post(
        self, path: str, client: str, parameters: Mapping[str, str], *, secret: str | None = None
    ) -> bytes:
        """Return a POST by a client that shows who it is: by `secret`, or its own way."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        form = dict(parameters)
        secret = secret or self.secrets.get(client)
        if secret is not None and CLIENTS.get(client, ("", "secret"))[1] == "secret":
            credentials = f"{client}:{secret}".encode()
            headers["Authorization"] = f"Basic {b64encode(credentials).decode()}"
        else:
            form |= {
                "client_id": client,
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": self._assertion(client),
            }
        body = urlencode(form).encode()
        return http_request("POST", path, host=self.host, headers=headers, body=body)

    @property
    def host(self) -> str:
        """What requests name."""
        return self.issuer.removeprefix("http://")

    def _assertion(self, client: str) -> str:
        now = datetime.now(UTC)
        return self.signer.jwt(
            {
                "iss": client,
                "sub": client,
                "aud": self.issuer,
                "iat": int(now.timestamp()),
                "exp": int((now + ASSERTION_LIVES).timestamp()),
                "jti": random_b64url(16),
            }
        )


def count_of(machine: Machine) -> int:
    """Return how many requests are prepared for all rounds of a contender."""
    return int(MOST_RATE * machine.seconds) * (machine.rounds + 1)


def client_metadata(client: str, signer: Signer) -> dict[str, object]:
    """Return what a client registers with all (RFC 7591, 2)."""
    _, way = CLIENTS[client]
    return {
        "client_name": "Benchmark",
        "redirect_uris": [REDIRECT_URI],
        "grant_types": ["authorization_code", "client_credentials", "refresh_token"],
        "response_types": ["code"],
        "id_token_signed_response_alg": "ES256",
        **(
            {"token_endpoint_auth_method": "client_secret_basic"}
            if way == "secret"
            else {
                "token_endpoint_auth_method": "private_key_jwt",
                "token_endpoint_auth_signing_alg": "ES256",
                "jwks": {"keys": [signer.public_jwk]},
            }
        ),
    }
