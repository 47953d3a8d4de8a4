"""What we sign, encrypted for the client that registered for it: a JWS in a JWE. No I/O.

Signed first, then encrypted: whoever opens it can still tell who wrote it.

Source:
    RFC 7516; RFC 7518, 4 and 5; OpenID Connect Core, 10.2; JARM, 2.2; RFC 9701, 5.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from idp.model import ClientMetadata, JSONObject
from kernel.errors import InvalidRequest
from kernel.secret import b64url_decode

Kind: TypeAlias = Literal["id_token", "userinfo", "authorization", "introspection"]

KINDS: tuple[Kind, ...] = ("id_token", "userinfo", "authorization", "introspection")
ALGORITHMS = ("RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A256KW")
ENCODINGS = ("A128CBC-HS256", "A256GCM")
DEFAULT_ENCODING = "A128CBC-HS256"  # OpenID Connect Registration, 2; JARM, 3; RFC 9701, 6

MOST_KEYS = 16
FEWEST_RSA_BITS = 2048  # RFC 7518, 4.3

_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_PUBLIC_MEMBERS = ("kty", "crv", "x", "y", "n", "e")
_CURVES = {"EC": {"P-256", "P-384", "P-521"}, "OKP": {"X25519"}}  # RFC 7518, 4.6; RFC 8037, 3.2

Key: TypeAlias = RSAKey | ECKey | OKPKey


class NoEncryptionKey(Exception):  # translated by each caller into its own refusal
    """The client has no key that its registered algorithm can encrypt to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encryption:
    """How a client wants something encrypted.

    Attributes:
        alg: How the content key is wrapped or agreed on.
        enc: How the content is encrypted.
    """

    alg: str
    enc: str


def encryption_of(metadata: ClientMetadata, kind: Kind) -> Encryption | None:
    """Return how a client wants this encrypted; None if it does not."""
    alg = getattr(metadata, f"{kind}_encrypted_response_alg")
    if alg is None:
        return None
    enc = getattr(metadata, f"{kind}_encrypted_response_enc")
    return Encryption(alg=alg, enc=enc or DEFAULT_ENCODING)


def encrypt(payload: str | bytes, wanted: Encryption, jwks: JSONObject | None) -> str:
    """Encrypt to the client's first key that fits.

    Args:
        payload: A compact JWS, or JSON as bytes where nothing is signed.
        wanted: From `encryption_of`.
        jwks: The client's key set.

    Raises:
        NoEncryptionKey: There is no such key in it.
    """
    key, kid = find_key(jwks, wanted.alg)
    header = {"alg": wanted.alg, "enc": wanted.enc}
    if kid is not None:
        header["kid"] = kid
    if isinstance(payload, str):
        header["cty"] = "JWT"  # RFC 7519, 5.2: a JWT is nested in it
    try:
        return jwe.encrypt_compact(header, payload, key, algorithms=[wanted.alg, wanted.enc])
    except (JoseError, ValueError) as error:
        raise NoEncryptionKey("the key can't be used") from error


def find_key(jwks: JSONObject | None, alg: str) -> tuple[Key, str | None]:
    """Return the first key of a set that `alg` can encrypt to, and its `kid`.

    A key that says what it is for is believed: one for signatures encrypts nothing.

    Raises:
        NoEncryptionKey: There is none.
    """
    keys = (jwks or {}).get("keys")
    if not isinstance(keys, Sequence) or isinstance(keys, str) or len(keys) > MOST_KEYS:
        raise NoEncryptionKey("not a JWK Set")
    for jwk in keys:
        if isinstance(jwk, Mapping) and _fits(jwk, alg):
            try:
                return _import(jwk), jwk.get("kid")
            except (JoseError, InvalidRequest, ValueError, TypeError, KeyError, AttributeError):
                continue  # RFC 7517, 5: a malformed key is as good as none
    raise NoEncryptionKey("no key for this algorithm")


def has_key(jwks: JSONObject, alg: str) -> bool:
    """Tell whether a set has a key that `alg` can encrypt to."""
    try:
        find_key(jwks, alg)
    except NoEncryptionKey:
        return False
    return True


def _fits(jwk: Mapping[str, Any], alg: str) -> bool:
    if (
        jwk.get("use", "enc") != "enc"
        or jwk.get("alg", alg) != alg
        or _PRIVATE_MEMBERS & jwk.keys()
    ):
        return False
    kty = jwk.get("kty")
    if alg.startswith("RSA"):
        return kty == "RSA"
    # A key without a use that can also sign is left to signing.
    return jwk.get("crv") in _CURVES.get(str(kty), ()) and ("use" in jwk or kty == "OKP")


def _import(jwk: Mapping[str, Any]) -> Key:
    members = {
        name: value for name, value in jwk.items() if name in {"kty", "crv", "x", "y", "n", "e"}
    }
    match jwk["kty"]:
        case "RSA":
            if len(b64url_decode(members["n"])) * 8 < FEWEST_RSA_BITS:
                raise ValueError("the RSA key is too small")
            return RSAKey.import_key(members)
        case "EC":
            return ECKey.import_key(members)
        case _:
            return OKPKey.import_key(members)
