"""Key pairs that sign: made here, published as JWK, used as JOSE wants it.

No I/O. What signs may also be somewhere else; then only its public key is seen here.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, assert_never, cast

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from kernel.secret import b64url, sha256

PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
PublicKey: TypeAlias = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey

RSA_BITS = 2048  # RFC 7518, 3.3: at least

_ES256 = ec.ECDSA(SHA256())
_ES256_PART = 32


class Signer(Protocol):
    """A private key that is somewhere else."""

    def sign(self, payload: bytes) -> bytes:
        """Sign and return the signature as JOSE wants it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A private key that signs now, and what verifiers know of it."""

    kid: str
    use: str
    alg: str
    private_key: PrivateKey | Signer = field(repr=False)
    public_jwk: Mapping[str, str]

    def sign(self, payload: bytes) -> bytes:
        """Sign and return the signature as JOSE wants it (RFC 7518, 3.3 and 3.4; RFC 8037, 3.1)."""
        match self.private_key:
            case ec.EllipticCurvePrivateKey() as key:
                r, s = decode_dss_signature(key.sign(payload, _ES256))
                return r.to_bytes(_ES256_PART, "big") + s.to_bytes(_ES256_PART, "big")
            case rsa.RSAPrivateKey() as key if self.alg == "PS256":
                salt = padding.PSS(padding.MGF1(SHA256()), padding.PSS.DIGEST_LENGTH)
                return key.sign(payload, salt, SHA256())  # RFC 7518, 3.5
            case rsa.RSAPrivateKey() as key:
                return key.sign(payload, padding.PKCS1v15(), SHA256())
            case key:  # Ed25519, or in a module
                return key.sign(payload)


def generate(alg: str) -> PrivateKey:
    """Make a key.

    Raises:
        ValueError: No keys are made for `alg`: a defect of ours.
    """
    match alg:
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case "RS256" | "PS256":
            return rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
        case "EdDSA":
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            raise ValueError(f"no signing keys are made for {alg}")


def dump(private_key: PrivateKey) -> bytes:
    """Return a private key as PKCS #8 (DER), to be sealed at once."""
    return private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def load(content: bytes) -> PrivateKey:
    """Return what `dump` wrote.

    Args:
        content: Sealed by us when we had made it: that it is a key need not be proven again.
    """
    key = load_der_private_key(content, None, unsafe_skip_rsa_key_validation=True)
    return cast("PrivateKey", key)


def public_jwk(public_key: PublicKey, alg: str) -> dict[str, str]:
    """Return the public JWK with its thumbprint as `kid` (RFC 7638, 3)."""
    match public_key:
        case ec.EllipticCurvePublicKey():
            point = public_key.public_numbers()
            members = {
                "crv": "P-256",
                "kty": "EC",
                "x": b64url(point.x.to_bytes(_ES256_PART, "big")),
                "y": b64url(point.y.to_bytes(_ES256_PART, "big")),
            }
        case rsa.RSAPublicKey():
            public = public_key.public_numbers()
            members = {
                "e": b64url(public.e.to_bytes((public.e.bit_length() + 7) // 8, "big")),
                "kty": "RSA",
                "n": b64url(public.n.to_bytes((public.n.bit_length() + 7) // 8, "big")),
            }
        case ed25519.Ed25519PublicKey():
            raw = public_key.public_bytes(Encoding.Raw, PublicFormat.Raw)
            members = {"crv": "Ed25519", "kty": "OKP", "x": b64url(raw)}
        case _:
            assert_never(public_key)
    return {**members, "use": "sig", "alg": alg, "kid": thumbprint(members)}


def thumbprint(jwk: Mapping[str, str]) -> str:
    """Return the thumbprint of a public JWK (RFC 7638, 3)."""
    members = {name: jwk[name] for name in ("crv", "e", "kty", "n", "x", "y") if name in jwk}
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    return b64url(sha256(canonical))
