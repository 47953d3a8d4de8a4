"""Ask Civitas who somebody is, with curl: this makes the keys, and the headers of each request.

    python examples/agency.py keys FOLDER          # once; give client.json and official.json away
    python examples/agency.py --keys FOLDER --issuer https://id.example --agency tax \
        --client CLIENT_ID --official inspector-7 POST /agency/v1/resolve |
    curl --config - --json '{"legal_basis": "tax_code_85", "purpose": "case 12-345",
        "identifiers": {"inn": "500100732259"}}' https://id.example/agency/v1/resolve

Two keys: one by which the agency's system authenticates and binds its tokens (RFC 7523, RFC 9449),
one by which the agency says which official asks. PyJWT and cryptography; the rest is standard.
"""

# ruff: noqa: TID251  # an agency has a clock and randomness of its own; this is a program

import argparse
import base64
import hashlib
import json
import os
import secrets
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import ECAlgorithm

SCOPE = "register.feed register.feed.report register.resolve register.events register.worklist"


@dataclass(frozen=True)
class Key:
    """A P-256 key. Its name is its thumbprint (RFC 7638): the next key has another."""

    private: Any

    @classmethod
    def load(cls, path: Path) -> "Key":
        """Read a key that `make_keys` wrote."""
        return cls(load_pem_private_key(path.read_bytes(), None))

    @property
    def public(self) -> dict[str, str]:
        """The public key and nothing else, in the order of the thumbprint."""
        key = ECAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {name: key[name] for name in ("crv", "kty", "x", "y")}

    @property
    def kid(self) -> str:
        """The name of the key."""
        canonical = json.dumps(self.public, separators=(",", ":")).encode()
        digest = hashlib.sha256(canonical).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    @property
    def jwk(self) -> dict[str, str]:
        """The public key, as Civitas registers it."""
        return {**self.public, "kid": self.kid, "alg": "ES256", "use": "sig"}

    def sign(self, claims: Mapping[str, Any], **header: Any) -> str:  # noqa: ANN401
        """Sign a JWT that is made now and used once."""
        made = {"iat": int(time.time()), "jti": secrets.token_urlsafe(16), **claims}
        return jwt.encode(made, self.private, algorithm="ES256", headers=header)


def make_keys(folder: Path) -> None:
    """Write the two private keys, and what an administrator of Civitas registers of them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("client", "official"):
        private = ec.generate_private_key(ec.SECP256R1())
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with os.fdopen(os.open(folder / f"{name}.pem", os.O_WRONLY | os.O_CREAT, 0o600), "wb") as f:
            f.write(pem)
    client = {"jwks": {"keys": [Key.load(folder / "client.pem").jwk]}, "scope": SCOPE}
    (folder / "client.json").write_text(json.dumps(client, indent=2))
    (folder / "official.json").write_text(json.dumps(Key.load(folder / "official.pem").jwk))


@dataclass(frozen=True)
class Agency:
    """An agency's system as a client of Civitas."""

    issuer: str
    agency_id: str
    client_id: str
    client_key: Key
    official_key: Key

    def token_request(self) -> tuple[str, dict[str, str], dict[str, str]]:
        """Return address, form and headers of the token request (RFC 6749, 4.4)."""
        uri = f"{self.issuer}/token"
        assertion = self.client_key.sign(
            {
                "iss": self.client_id,
                "sub": self.client_id,
                "aud": self.issuer,
                "exp": int(time.time()) + 60,
            },
            kid=self.client_key.kid,
        )
        form = {
            "grant_type": "client_credentials",
            "scope": SCOPE,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": assertion,
        }
        return uri, form, {"DPoP": self.proof("POST", uri)}

    def proof(self, method: str, uri: str, **more: str) -> str:
        """Prove possession of the client's key for one request (RFC 9449, 4.2)."""
        claims = {"htm": method, "htu": uri.partition("?")[0], **more}
        return self.client_key.sign(claims, typ="dpop+jwt", jwk=self.client_key.public)

    def headers(self, method: str, path: str, *, token: str, official: str) -> dict[str, str]:
        """Return the headers of one request to the register; no other can use them again."""
        ath = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=")
        asks = {"iss": self.agency_id, "aud": f"{self.issuer}/agency/v1", "sub": official}
        return {
            "Authorization": f"DPoP {token}",
            "DPoP": self.proof(method, self.issuer + path, ath=ath.decode()),
            "Civitas-Official": self.official_key.sign(
                {**asks, "exp": int(time.time()) + 120},
                typ="civitas-official+jwt",
                kid=self.official_key.kid,
            ),
        }


def main() -> None:
    """Run the command."""
    if sys.argv[1:2] == ["keys"]:
        make_keys(Path(sys.argv[2]))
        return
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--keys", type=Path, required=True)
    for option in ("--issuer", "--agency", "--client", "--official"):
        parser.add_argument(option, required=True)
    parser.add_argument("method")
    parser.add_argument("path")
    given = parser.parse_args()
    keys = (Key.load(given.keys / f"{name}.pem") for name in ("client", "official"))
    agency = Agency(given.issuer, given.agency, given.client, *keys)
    uri, form, headers = agency.token_request()
    data = urllib.parse.urlencode(form).encode()
    request = urllib.request.Request(uri, data, headers)  # noqa: S310  # the issuer's address
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        token = json.load(answer)["access_token"]
    for name, value in agency.headers(
        given.method, given.path, token=token, official=given.official
    ).items():
        print(f'header = "{name}: {value}"')


if __name__ == "__main__":
    main()
