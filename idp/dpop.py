"""Demonstrating Proof of Possession (RFC 9449). No I/O.

`verify_proof` does everything of RFC 9449, 4.3 but one: that a proof is used once is a row
(`spent_dpop_proofs`), inserted in the statement that does what the proof is for.
"""

import hmac
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import msgspec
import orjson

from idp.errors import InvalidDPoPProof, UseDPoPNonce
from idp.jose import (
    FAPI2_ALGORITHMS,
    NotVerified,
    PublicKey,
    check_signature,
    choose_keys,
    header_of,
    parse_compact,
    parse_public_jwk,
)
from idp.policy import Policy
from kernel.errors import InvalidRequest
from kernel.secret import b64url, b64url_decode, equal, sha256

ALGORITHMS = FAPI2_ALGORITHMS
"""`dpop_signing_alg_values_supported`."""

LONGEST_JTI = 256  # characters

_THUMBPRINT_MEMBERS = {  # RFC 7638, 3.2; RFC 8037, 2
    "EC": ("crv", "kty", "x", "y"),
    "OKP": ("crv", "kty", "x"),
    "RSA": ("e", "kty", "n"),
}


class DPoPProof(msgspec.Struct, frozen=True, kw_only=True):
    """A verified proof: the key, and what names the proof itself.

    Attributes:
        jkt: SHA-256 thumbprint of the key (RFC 7638), base64url.
        digest: Names the proof; spent by whoever acts on it.
        made_at: Its `iat`.
    """

    jkt: str
    digest: bytes
    made_at: datetime


class _Claims(msgspec.Struct):
    """What a proof says (RFC 9449, 4.2), as whoever made it wrote it.

    Attributes:
        ath: Anything, where nobody asks for it; so is `nonce`.
    """

    jti: str
    htm: str
    htu: str
    iat: int | float
    ath: object = None
    nonce: object = None


_decode_claims = msgspec.json.Decoder(_Claims).decode


class _Prover(msgspec.Struct, frozen=True):
    """What the header of a proof says, when nothing is wrong with it.

    Attributes:
        alg: Acceptable, and of the key's own.
        keys: The one key.
        jkt: Its thumbprint.
    """

    alg: str
    keys: Sequence[PublicKey]
    jkt: str


def verify_proof(
    proof: str,
    *,
    method: str,
    uris: Collection[str],
    at: datetime,
    policy: Policy,
    ath: str | None = None,
    nonce_key: bytes | None = None,
) -> DPoPProof:
    """Verify a DPoP proof for one request.

    The steps are those of RFC 9449, 4.3:

    1. there is one proof (the caller's), and 2. it is a well-formed JWT;
    3. all claims are there; 4. `typ` is `dpop+jwt`; 5. `alg` is asymmetric and acceptable;
    6. the signature verifies with the key in `jwk`, 7. which is public;
    8. `htm` is the method, 9. `htu` the address without query and fragment;
    10. the nonce is ours; 11. `iat` is recent; 12. `ath` is the access token's digest.

    Args:
        proof: The header's value.
        method: Of the request.
        uris: Of the endpoint, as we publish them: its address, and its alias for certificates.
        at: Now.
        policy: How old a proof may be, and whether it must carry our nonce.
        ath: Digest of the access token that came with it, base64url; None where there is none.
        nonce_key: Key of our nonces; None where they are not looked at.

    Raises:
        InvalidDPoPProof: 400. Any step failed; the caller cannot tell which.
        UseDPoPNonce: 400. Our nonce is missing or old.
    """
    try:
        jws = parse_compact(proof)  # 2
        prover = _prover_in(jws.head)  # 4, 5, 7
        check_signature(jws, prover.alg, prover.keys)  # 6
        claims = _decode_claims(jws.payload)  # 3
    except (NotVerified, ValueError, RecursionError) as error:  # msgspec's own are ValueErrors
        raise InvalidDPoPProof(reason=str(error)) from error
    if not 0 < len(claims.jti) <= LONGEST_JTI:  # 3
        raise InvalidDPoPProof(reason="jti")
    if claims.htm != method:  # 8
        raise InvalidDPoPProof(reason="htm")
    if claims.htu not in uris and not _is_one_of(claims.htu, uris):  # 9
        raise InvalidDPoPProof(reason="htu")
    _check_nonce(claims.nonce, nonce_key=nonce_key, policy=policy, at=at)  # 10
    now = at.timestamp()
    oldest = now - policy.dpop_proof_age.total_seconds()
    latest = now + policy.clock_skew.total_seconds()
    if not oldest <= claims.iat <= latest:  # 11
        raise InvalidDPoPProof(reason="iat", iat=claims.iat)
    if ath is not None and claims.ath != ath:  # 12
        raise InvalidDPoPProof(reason="ath")
    return DPoPProof(
        jkt=prover.jkt,
        digest=sha256(b"dpop\0%b\0%b" % (prover.jkt.encode(), claims.jti.encode())),
        made_at=datetime.fromtimestamp(claims.iat, UTC),
    )


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """Return the SHA-256 thumbprint of a public key (RFC 7638), base64url.

    Raises:
        NotVerified: Not a key of a type that we use.
    """
    return _key_of(_canonical(jwk))[1]


@lru_cache(maxsize=4096)
def _prover_in(head: str) -> _Prover:
    """Read a proof's encoded header.

    A client proves with one key, and so with one header, many times. What is in it, and whether it
    is acceptable, is a constant of its text, so remembering it decides nothing.
    """
    header = header_of(head)
    jwk = header.get("jwk")
    if header.get("typ") != "dpop+jwt" or not isinstance(jwk, dict):
        raise NotVerified("typ or jwk")
    key, jkt = _key_of(_canonical(jwk))
    alg, keys = choose_keys(header, (key,), algorithms=ALGORITHMS)
    return _Prover(alg, keys, jkt)


def _canonical(jwk: Mapping[str, Any]) -> bytes:
    members = _THUMBPRINT_MEMBERS.get(str(jwk.get("kty")))
    if members is None or not all(isinstance(jwk.get(name), str) for name in members):
        raise NotVerified("the key is malformed")
    if {"d", "p", "q", "dp", "dq", "qi", "oth", "k"} & jwk.keys():
        raise NotVerified("the key is private or symmetric")
    return orjson.dumps({name: jwk[name] for name in members})


def _key_of(canonical: bytes) -> tuple[PublicKey, str]:
    """Return the key and its thumbprint."""
    return parse_public_jwk(orjson.loads(canonical)), b64url(sha256(canonical))


@lru_cache(maxsize=256)
def _normal(uri: str) -> str | None:
    """Return an address as RFC 3986, 6.2.2 and 6.2.3 normalise it, without query and fragment."""
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        return None
    default = 443 if parts.scheme == "https" else 80
    host = parts.hostname if port in {None, default} else f"{parts.hostname}:{port}"
    return f"{parts.scheme}://{host}{parts.path or '/'}"


def _is_one_of(uri: str, uris: Collection[str]) -> bool:
    normal = _normal(uri)
    return normal is not None and any(normal == _normal(one) for one in uris)


# Nonces: RFC 9449, 8. They carry the time they were made and a keyed digest of it: nothing is
# stored, and every process knows every other's.

_STAMP_BYTES = 8
_DIGEST_BYTES = 16
_LATEST_STAMP = 1 << 33  # seconds; beyond it lies the year 2242


def mint_nonce(key: bytes, at: datetime) -> str:
    """Return a nonce that is good for `Policy.dpop_nonce`."""
    stamp = int(at.timestamp()).to_bytes(_STAMP_BYTES, "big")
    return b64url(stamp + hmac.digest(key, b"dpop-nonce" + stamp, "sha256")[:_DIGEST_BYTES])


def _check_nonce(nonce: object, *, nonce_key: bytes | None, policy: Policy, at: datetime) -> None:
    if nonce_key is None or not policy.requires_dpop_nonce:
        return
    fresh = {"DPoP-Nonce": mint_nonce(nonce_key, at)}
    if not isinstance(nonce, str):
        raise UseDPoPNonce(headers=fresh)
    made_at = _time_of(nonce)
    expected = None if made_at is None else mint_nonce(nonce_key, made_at)
    if expected is None or made_at is None or not equal(nonce.encode(), expected.encode()):
        raise UseDPoPNonce(headers=fresh)
    if not at - policy.dpop_nonce <= made_at <= at + policy.clock_skew:
        raise UseDPoPNonce(headers=fresh)


def _time_of(nonce: str) -> datetime | None:
    try:
        decoded = b64url_decode(nonce)
    except InvalidRequest:
        return None
    if len(decoded) != _STAMP_BYTES + _DIGEST_BYTES:
        return None
    seconds = int.from_bytes(decoded[:_STAMP_BYTES], "big")
    return datetime.fromtimestamp(seconds, UTC) if seconds < _LATEST_STAMP else None
