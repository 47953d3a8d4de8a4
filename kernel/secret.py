"""Randomness, tokens, and values that cannot be printed.

A token looks like `cva_kJ3…43 characters…Qs_1a2b3c`: a fixed prefix that tells what it is, 32
random bytes as base64url, and eight hex digits of CRC-32 over both. The prefix and the checksum
let scanners find a leaked token, and let us refuse a mistyped one without asking the database.
Only the SHA-256 digest of a token is ever stored.
"""

import hashlib
import hmac
import os
import zlib
from binascii import a2b_base64, b2a_base64
from dataclasses import dataclass
from typing import Generic, TypeVar, final

import msgspec
from typing_extensions import override

from kernel.errors import InvalidRequest

T_co = TypeVar("T_co", covariant=True)

TOKEN_BYTES = 32  # 256 bits; RFC 6749, 10.10 asks for at least 128
_CHECKSUM_LENGTH = 8
_ENCODED_LENGTH = 43

# The standard library's own functions for base64url are three calls deep for these two.
_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_+/=", b"+/\0\0\0")  # what is not of this alphabet is of none
# By how many characters stand in the last group: what is missing of it, and which may end it, so
# that no bit is set that says nothing.
_ENDINGS = {2: (b"==", b"AQgw"), 3: (b"=", b"AEIMQUYcgkosw048")}


@final
class Secret(Generic[T_co]):
    """A value that does not show in a log, a traceback or a `repr`; `reveal()` is greppable."""

    __slots__ = ("_value",)

    def __init__(self, value: T_co) -> None:
        self._value = value

    def reveal(self) -> T_co:
        """Return the value itself."""
        return self._value

    @override
    def __repr__(self) -> str:
        return "Secret(…)"

    @override
    def __str__(self) -> str:
        return "Secret(…)"

    @override
    def __format__(self, _spec: str) -> str:
        return "Secret(…)"

    @override
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return equal(repr_bytes(self._value), repr_bytes(other.reveal()))

    @override
    def __hash__(self) -> int:
        return hash(("Secret", self._value))

    @override
    def __reduce__(self) -> str:
        raise TypeError("a Secret is not pickled")


def repr_bytes(value: object) -> bytes:
    """Return `value` as bytes for a constant-time comparison; text as UTF-8."""
    if isinstance(value, bytes):
        return value
    return str(value).encode()


class Unprinted(msgspec.Struct, frozen=True):
    """A structure whose `repr` tells what it is and nothing of what it holds."""

    @override
    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class MalformedToken(InvalidRequest):
    """A presented token has another prefix, another length, or a wrong checksum."""

    code = "malformed_token"
    title = "The token is not one of ours."


@dataclass(frozen=True, slots=True)
class MintedToken:
    """A fresh token, shown once, and what is stored of it."""

    token: Secret[str]
    digest: bytes


def random_bytes(length: int) -> bytes:
    """Return `length` bytes from the operating system's generator."""
    return os.urandom(length)


def random_b64url(length: int) -> str:
    """Return `length` random bytes as unpadded base64url."""
    return b64url(os.urandom(length))


def b64url(data: bytes) -> str:
    """Encode as base64url without padding (RFC 7515, 2)."""
    return b64url_bytes(data).decode("ascii")


def b64url_bytes(data: bytes) -> bytes:
    """Encode as base64url without padding, for what is put together of bytes."""
    return b2a_base64(data, newline=False).rstrip(b"=").translate(_TO_URL)


def b64url_decode(text: str) -> bytes:
    """Decode unpadded base64url; strict.

    Raises:
        InvalidRequest: 400. A character outside of the alphabet, padding, or trailing bits set.
    """
    try:
        encoded = text.encode("ascii").translate(_FROM_URL)
        if length := len(encoded) % 4:
            padding, last = _ENDINGS[length]
            if encoded[-1] not in last:
                raise InvalidRequest("A value is not base64url: bits at its end say nothing.")
            encoded += padding
        return a2b_base64(encoded, strict_mode=True)
    except (ValueError, KeyError) as error:  # UnicodeEncodeError and binascii.Error are ValueErrors
        raise InvalidRequest("A value is not base64url.") from error


def sha256(data: bytes) -> bytes:
    """Return the 32 bytes of SHA-256 over `data`."""
    return hashlib.sha256(data).digest()


def equal(left: bytes, right: bytes) -> bool:
    """Compare in constant time for equal lengths."""
    return hmac.compare_digest(left, right)


def mint_token(prefix: str) -> MintedToken:
    """Make a token of 256 random bits under `prefix` and return it with its digest.

    Args:
        prefix: Lower-case letters that tell what the token is, without the underscore: `cva`.
    """
    return token_of(prefix, os.urandom(TOKEN_BYTES))


def token_of(prefix: str, content: bytes) -> MintedToken:
    """Write 256 secret bits as a token; the same bits give the same token.

    Args:
        prefix: As for `mint_token`.
        content: 32 bytes that nobody can guess: random, or the output of a keyed digest.
    """
    body = f"{prefix}_{b64url(content)}"
    text = f"{body}_{zlib.crc32(body.encode()):08x}"
    return MintedToken(Secret(text), sha256(text.encode()))


def parse_token(presented: str, prefix: str) -> bytes:
    """Return the digest of a presented token, to be looked up.

    Raises:
        MalformedToken: 400. Other prefix, other length, or wrong checksum; not looked up at all.
    """
    body, separator, checksum = presented.rpartition("_")
    expected_length = len(prefix) + 1 + _ENCODED_LENGTH
    if (
        not separator
        or len(checksum) != _CHECKSUM_LENGTH
        or len(body) != expected_length
        or not body.startswith(prefix + "_")
        or not presented.isascii()
        or f"{zlib.crc32(body.encode()):08x}" != checksum
    ):
        raise MalformedToken
    return sha256(presented.encode())
