"""ES256 signatures that are made before a measurement, many and fast."""

import json
from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from kernel.secret import b64url


class Signer:
    """Makes JWTs of one key.

    Attributes:
        jwk: The public key.
    """

    def __init__(self, typ: str, *, kid: str | None = None) -> None:
        """Make a key.

        Args:
            typ: Of the JWTs.
            kid: By which the header names the key; None: it brings the key itself.
        """
        self._key = ec.generate_private_key(ec.SECP256R1())
        point = self._key.public_key().public_numbers()
        self.jwk = {
            "crv": "P-256",
            "kty": "EC",
            "x": b64url(point.x.to_bytes(32, "big")),
            "y": b64url(point.y.to_bytes(32, "big")),
        }
        named: dict[str, object] = {"jwk": self.jwk} if kid is None else {"kid": kid}
        header = {"typ": typ, "alg": "ES256", **named}
        self._head = b64url(json.dumps(header).encode()).encode()

    def sign(self, claims: Mapping[str, object]) -> str:
        """Return the compact JWS of the claims."""
        signed = self._head + b"." + b64url(json.dumps(claims).encode()).encode()
        r, s = decode_dss_signature(self._key.sign(signed, ec.ECDSA(SHA256())))
        return f"{signed.decode()}.{b64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"
