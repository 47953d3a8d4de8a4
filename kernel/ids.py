"""Identifiers: typed, time-ordered, minted here only.

They are UUIDs of version 7 (RFC 9562, 5.7): the first 48 bits are the instant in milliseconds, so
that rows inserted together lie together in an index. They are unique, not secret: whatever must be
unguessable is a token (`kernel.secret`).
"""

import os
from datetime import datetime
from functools import lru_cache
from typing import NewType
from uuid import UUID

from msgspec import convert

AccountId = NewType("AccountId", UUID)
ConsentId = NewType("ConsentId", UUID)
DocumentId = NewType("DocumentId", UUID)
EntryId = NewType("EntryId", UUID)
GrantId = NewType("GrantId", UUID)
PersonId = NewType("PersonId", UUID)
SessionId = NewType("SessionId", UUID)

AgencyId = NewType("AgencyId", str)
ClientId = NewType("ClientId", str)
PartnerId = NewType("PartnerId", str)

_VERSION_7 = 0x7 << 76
_VARIANT_RFC9562 = 0b10 << 62
_RANDOM_BITS = (0xFFF << 64) | ((1 << 62) - 1)


def new_id(at: datetime) -> UUID:
    """Mint the identifier of something that comes to be at the instant `at`.

    Args:
        at: Timezone-aware instant; its milliseconds are readable in the result.

    Returns:
        A UUIDv7 with 74 random bits.

    Source:
        RFC 9562, 5.7.
    """
    random_part = int.from_bytes(os.urandom(10), "big") & _RANDOM_BITS
    return uuid_of((_fixed_part(at) | random_part).to_bytes(16, "big"))


def uuid_of(data: bytes) -> UUID:
    """Return the UUID of sixteen bytes: `UUID(bytes=data)` in a sixth of the time."""
    return convert(data, UUID)


@lru_cache(64)  # what comes to be together is minted together
def _fixed_part(at: datetime) -> int:
    milliseconds = int(at.timestamp() * 1000) & ((1 << 48) - 1)
    return (milliseconds << 80) | _VERSION_7 | _VARIANT_RFC9562


def random_uuid() -> str:
    """Return 122 random bits as the text of a UUIDv4, for what is named and never kept.

    Source:
        RFC 9562, 5.4.
    """
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
