"""Signatures of others: JWS made by clients, verified against keys that we know (RFC 7515, 7517).

Which algorithms count is decided here, never by the token: a header can only choose among those
that the caller allows, and each algorithm works with its own kind of key alone, so that a public
key can't be taken for an HMAC secret (RFC 8725, 3.1). `jku`, `x5u` and `x5c` are never followed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jwt
import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from jwt.api_jws import PyJWS

from idp.model import JSONObject
from kernel.errors import InvalidRequest
from kernel.secret import Unprinted, b64url_decode
from kernel.strict_json import check_depth

FAPI2_ALGORITHMS: tuple[str, ...] = ("ES256", "PS256", "EdDSA", "Ed25519")
"""FAPI 2.0 Security Profile, 5.4; the last is the name that RFC 9864, 2.2 gives the one before."""
ALGORITHMS: tuple[str, ...] = (*FAPI2_ALGORITHMS, "RS256")
"""What clients may sign with: OpenID Connect Core, 15.1 keeps RS256 alive."""

LONGEST_JWS = 16 * 1024  # characters
MOST_KEYS = 16
FEWEST_RSA_BITS = 2048  # RFC 7518, 3.3
_MOST_HEADERS = 100  # that one party's keys are remembered for

_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})  # RFC 7518, 6
_TYPE_OF = {
    "ES256": ("EC", "P-256"),
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),
    "PS256": ("RSA", None),
    "RS256": ("RSA", None),
}
_NAME_IN_PYJWT = {"Ed25519": "EdDSA"}
_ALGORITHM = {
    alg: PyJWS().get_algorithm_by_name(_NAME_IN_PYJWT.get(alg, alg)) for alg in ALGORITHMS
}
_ES256 = ec.ECDSA(SHA256())
_ES256_PART = 32  # RFC 7518, 3.4


class NotVerified(Exception):  # translated by each caller into its own refusal
    """A JWS is malformed, or no key that we know signed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """One key of a client.

    Attributes:
        algorithms: What it may verify: those of its type, or the one it names.
    """

    kid: str | None
    algorithms: tuple[str, ...]
    key: Any


class CompactJWS(Unprinted, frozen=True):
    """A JWS taken apart. Nothing about it is known to be true.

    Attributes:
        head: The encoded header; `header` is what it says.
    """

    head: str
    payload: bytes
    signed: bytes
    signature: bytes

    @property
    def header(self) -> JSONObject:
        """What the header says; raises like `header_of`."""
        return header_of(self.head)


class VerifiedJWS(Unprinted, frozen=True, kw_only=True):
    """A JWS whose signature was verified, and the JSON object that it carries."""

    header: JSONObject
    claims: JSONObject


def parse_public_jwk(jwk: Mapping[str, Any]) -> PublicKey:
    """Read a public key.

    Raises:
        NotVerified: Symmetric or private, of a type or curve that we don't use, or too small.
    """
    if _PRIVATE_MEMBERS & jwk.keys():
        raise NotVerified("the key is private or symmetric")
    kty = jwk.get("kty")
    algorithms = tuple(
        alg
        for alg, (its_kty, its_crv) in _TYPE_OF.items()
        if its_kty == kty and (its_crv is None or its_crv == jwk.get("crv"))
    )
    named = jwk.get("alg")
    if named is not None:
        algorithms = tuple(alg for alg in algorithms if alg == named)
    if not algorithms:
        raise NotVerified("the key is of no type that we verify with")
    try:
        name = _NAME_IN_PYJWT.get(algorithms[0], algorithms[0])
        key = jwt.PyJWK(dict(jwk), algorithm=name).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
        raise NotVerified("the key is malformed") from error
    if isinstance(key, RSAPublicKey) and key.key_size < FEWEST_RSA_BITS:
        raise NotVerified("the RSA key is too small")
    kid = jwk.get("kid")
    return PublicKey(kid=kid if isinstance(kid, str) else None, algorithms=algorithms, key=key)


def parse_jwks(jwks: JSONObject) -> tuple[PublicKey, ...]:
    """Read the signature keys of a JWK Set; keys that we have no use for are left out.

    Raises:
        NotVerified: Not a JWK Set, too many keys, or a private or symmetric key in it.
    """
    keys = jwks.get("keys")
    if not isinstance(keys, Sequence) or isinstance(keys, str) or len(keys) > MOST_KEYS:
        raise NotVerified("not a JWK Set")
    parsed: list[PublicKey] = []
    for jwk in keys:
        if not isinstance(jwk, Mapping) or _PRIVATE_MEMBERS & jwk.keys():
            raise NotVerified("a key is private or symmetric")
        if jwk.get("use", "sig") != "sig":
            continue
        try:
            parsed.append(parse_public_jwk(jwk))
        except NotVerified:
            continue  # RFC 7517, 5: keys of unknown types are ignored
    return tuple(parsed)


def parse_compact(compact: str) -> CompactJWS:
    """Take a JWS apart (RFC 7515, 5.2, steps 1 to 7).

    PyJWT's own parser looks at each character in Python; here each part is decoded once, strictly.

    Raises:
        NotVerified: Not a compact JWS. What is in its parts is for whoever looks into them.
    """
    parts = compact.split(".", 3) if len(compact) <= LONGEST_JWS else ()
    if len(parts) != 3 or not all(parts):  # noqa: PLR2004  # header, payload, signature
        raise NotVerified("not a compact JWS")
    head, body, signature = parts
    try:
        return CompactJWS(
            head,
            b64url_decode(body),
            compact[: -len(signature) - 1].encode(),
            b64url_decode(signature),
        )
    except InvalidRequest as error:
        raise NotVerified("not base64url") from error


@lru_cache(maxsize=4096)
def header_of(head: str) -> JSONObject:
    """Read an encoded header, as whoever sent it wrote it; not to be changed.

    A client signs with the same one again and again. It is a constant of its text, so remembering
    it decides nothing.

    Raises:
        NotVerified: Not base64url, or not a JSON object.
    """
    try:
        return _object(b64url_decode(head))
    except InvalidRequest as error:
        raise NotVerified("not base64url") from error


def peek_header(compact: str) -> JSONObject:
    """Return the header of a JWS before anything about it is known to be true.

    Raises:
        NotVerified: Not a compact JWS.
    """
    return parse_compact(compact).header


def peek_claims(compact: str) -> JSONObject:
    """Return the claims of a JWS before anything about it is known to be true.

    Raises:
        NotVerified: Not a compact JWS over a JSON object.
    """
    return _object(parse_compact(compact).payload)


def verify_jws(
    compact: str | CompactJWS, keys: Sequence[PublicKey], *, algorithms: Sequence[str]
) -> VerifiedJWS:
    """Verify a compact JWS against the keys of whoever is said to have made it.

    Args:
        compact: As received, or taken apart already.
        keys: Theirs.
        algorithms: What the caller accepts.

    Raises:
        NotVerified: Malformed, another algorithm, an unknown key, or not signed by it.
    """
    jws = parse_compact(compact) if isinstance(compact, str) else compact
    alg, candidates = choose_keys(jws.header, keys, algorithms=algorithms)
    check_signature(jws, alg, candidates)
    return VerifiedJWS(header=jws.header, claims=_object(jws.payload))


class TrustedKeys:
    """The keys of one party, and what it signs with them.

    A party signs with the same header again and again. Which keys a header chooses is a constant
    of its text and of the keys, so remembering it decides nothing.
    """

    __slots__ = ("_algorithms", "_chosen", "_keys", "_typ")

    def __init__(self, keys: Iterable[PublicKey], *, algorithms: Sequence[str], typ: str) -> None:
        """Trust keys.

        Args:
            keys: All of the party's; for others there is another object.
            algorithms: What is accepted.
            typ: What a header has to say it is.
        """
        self._keys = tuple(keys)
        self._algorithms = algorithms
        self._typ = typ
        self._chosen: dict[str, tuple[str, Sequence[PublicKey]]] = {}

    def verify(self, compact: str) -> bytes:
        """Verify a compact JWS and return what it carries.

        Raises:
            NotVerified: Malformed, of another type, another algorithm, an unknown key, or not
                signed by it.
        """
        jws = parse_compact(compact)
        known = self._chosen.get(jws.head)
        alg, keys = known or self._choose(jws.head)
        check_signature(jws, alg, keys)
        if known is None:
            if len(self._chosen) >= _MOST_HEADERS:
                self._chosen.clear()
            self._chosen[jws.head] = alg, keys
        return jws.payload

    def _choose(self, head: str) -> tuple[str, Sequence[PublicKey]]:
        header = header_of(head)
        if header.get("typ") != self._typ:
            raise NotVerified("typ")
        return choose_keys(header, self._keys, algorithms=self._algorithms)


def choose_keys(
    header: JSONObject, keys: Sequence[PublicKey], *, algorithms: Sequence[str]
) -> tuple[str, Sequence[PublicKey]]:
    """Return the algorithm that a header names, and those of the keys that it may have signed with.

    Raises:
        NotVerified: Another algorithm, or an extension that we don't understand.
    """
    alg = header.get("alg")
    if not isinstance(alg, str) or alg not in algorithms:
        raise NotVerified("the algorithm is not accepted")
    if "crit" in header:  # RFC 7515, 4.1.11: we understand no extensions
        raise NotVerified("a critical header parameter is not understood")
    kid = header.get("kid")
    if kid is not None and not isinstance(kid, str):
        raise NotVerified("kid is not a text")
    candidates = [key for key in keys if alg in key.algorithms and kid in {None, key.kid}]
    if not candidates and kid is not None:
        candidates = [key for key in keys if alg in key.algorithms and key.kid is None]
    return alg, candidates


def check_signature(jws: CompactJWS, alg: str, keys: Sequence[PublicKey]) -> None:
    """Hold a signature against the keys that may have made it.

    Args:
        jws: Taken apart.
        alg: With `keys`, from `choose_keys`, for the header of this very JWS.
        keys: Theirs.

    Raises:
        NotVerified: None of them made it.
    """
    for candidate in keys:
        if _is_signed(jws, alg, candidate.key):
            return
    raise NotVerified("no known key signed it")


def _is_signed(jws: CompactJWS, alg: str, key: Any) -> bool:  # noqa: ANN401  # of `cryptography`
    """Tell whether a key signed it; `check_signature` is what others call, and it raises.

    ES256, which nearly all is signed with, goes to `cryptography` directly: PyJWT takes a sixth of
    the time of the verification itself to get there.
    """
    if alg != "ES256":
        return _ALGORITHM[alg].verify(jws.signed, key, jws.signature)
    signature = jws.signature
    if len(signature) != 2 * _ES256_PART:
        return False
    r = int.from_bytes(signature[:_ES256_PART], "big")
    s = int.from_bytes(signature[_ES256_PART:], "big")
    try:
        key.verify(encode_dss_signature(r, s), jws.signed, _ES256)
    except InvalidSignature:
        return False
    return True


def _object(text: bytes) -> JSONObject:
    try:
        value = orjson.loads(text)
        check_depth(value, text)
    except (ValueError, InvalidRequest) as error:
        raise NotVerified("not JSON, or nested too deeply") from error
    if not isinstance(value, dict):
        raise NotVerified("not a JSON object")
    return value
