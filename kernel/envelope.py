"""The sealed-value format. Deciding code: bytes in, bytes out.

Layout, version 1:

    suite        1 byte    0x01 = AES-256-GCM, 96-bit random nonce, 128-bit tag
    key_version  4 bytes   unsigned, big endian: which version of the key sealed it
    nonce       12 bytes   random
    ciphertext   n bytes
    tag         16 bytes

The header (suite and key version) is authenticated together with the caller's associated data,
which names the table, the column and the row: a sealed value moved elsewhere does not open.

Stored values carry this layout for as long as they exist. A change is a new suite byte that is
read beside the old one; an old suite byte is never given a new meaning.
"""

from functools import lru_cache
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kernel.errors import Undecryptable
from kernel.secret import random_bytes

SUITE_AES_256_GCM = 0x01
KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
_HEADER_BYTES = 5
_BODY = _HEADER_BYTES + NONCE_BYTES
OVERHEAD_BYTES = _HEADER_BYTES + NONCE_BYTES + TAG_BYTES


def associated_data(table: str, column: str, *row: UUID | str | int | bytes) -> bytes:
    """Name the place of a sealed value: table, column, and the parts of the row's key.

    Every part is preceded by its length, so that two different places never give the same bytes.
    """
    place = _column_place(table, column)
    for part in row:
        if isinstance(part, UUID):
            place += b"\x00\x00\x00\x10" + part.bytes
        else:
            said = part if isinstance(part, bytes) else str(part).encode()
            place += len(said).to_bytes(4, "big") + said
    return place


@lru_cache(256)
def _column_place(table: str, column: str) -> bytes:
    return b"".join(
        len(part).to_bytes(4, "big") + part for part in (table.encode(), column.encode())
    )


@lru_cache(64)
def _header(key_version: int) -> bytes:
    return bytes([SUITE_AES_256_GCM]) + key_version.to_bytes(4, "big")


def cipher_of(key: bytes) -> AESGCM:
    """Return a key made ready, for whoever seals or opens several values under it."""
    return AESGCM(key)


def seal(
    key: bytes | AESGCM, plaintext: bytes, *, key_version: int, associated_data: bytes
) -> bytes:
    """Seal `plaintext` under `key` for one place.

    Args:
        key: 32 bytes, or what `cipher_of` made of them. At most 2**32 values are sealed under one
            key (NIST SP 800-38D, 8.3).
        plaintext: Any length up to 2**36 - 32 bytes.
        key_version: Which version of the key this is; readable in the result.
        associated_data: Where the value will lie; see `associated_data`.

    Returns:
        The envelope, 33 bytes longer than the plaintext.
    """
    header = _header(key_version)
    nonce = random_bytes(NONCE_BYTES)
    cipher = AESGCM(key) if isinstance(key, bytes) else key
    return header + nonce + cipher.encrypt(nonce, plaintext, header + associated_data)


def key_version_of(envelope: bytes) -> int:
    """Return the key version an envelope names.

    Raises:
        Undecryptable: The value is not an envelope.
    """
    if len(envelope) < OVERHEAD_BYTES or envelope[0] != SUITE_AES_256_GCM:
        raise Undecryptable(reason="not an envelope", length=len(envelope))
    return int.from_bytes(envelope[1:_HEADER_BYTES], "big")


def unseal(key: bytes | AESGCM, envelope: bytes, *, associated_data: bytes) -> bytes:
    """Open an envelope.

    Args:
        key: 32 bytes; or the cipher made of them, where one key opens many envelopes.
        envelope: As `seal` returned it.
        associated_data: Where the value lies.

    Raises:
        Undecryptable: Wrong key, wrong place, changed or truncated; the caller cannot tell which.
    """
    if len(envelope) < OVERHEAD_BYTES or envelope[0] != SUITE_AES_256_GCM:
        raise Undecryptable(reason="not an envelope", length=len(envelope))
    cipher = AESGCM(key) if isinstance(key, bytes) else key
    try:
        return cipher.decrypt(
            envelope[_HEADER_BYTES:_BODY],
            envelope[_BODY:],
            envelope[:_HEADER_BYTES] + associated_data,
        )
    except InvalidTag as error:
        raise Undecryptable(reason="tag") from error
