"""What we sign for partners: a person's data as a JWT that stands on its own.

Every value carries its source and the day of which it speaks. The signature is ES256 by the key of
use `partner`, whose public part is in the issuer's JWK Set.
"""

from collections.abc import Mapping
from datetime import date, datetime
from uuid import UUID

import msgspec

from kernel.key_pairs import SigningKey
from kernel.secret import Unprinted, b64url

PERSON_TYPE = "civitas-person+jwt"
KEY_USE = "partner"
MEDIA_TYPE = "application/jwt"  # RFC 7519, 10.3.1


class SignedValue(Unprinted, frozen=True, kw_only=True):
    """One value as a partner receives it: what, says who, as of which day."""

    value: object
    source: str
    as_of: date


class PersonClaims(msgspec.Struct, frozen=True, kw_only=True):
    """The claims of a signed person read.

    `consent_id` is what the person sees in the account; `entry_id` is the entry of this very read
    in the access log, whose inclusion the person can prove.
    """

    iss: str
    aud: str
    iat: int
    sub: str
    purpose: str
    consent_id: UUID
    entry_id: UUID
    attributes: Mapping[str, SignedValue]


_encode = msgspec.json.Encoder().encode


class PersonSigner:
    """Signs person reads; keeps the encoded header of each key."""

    __slots__ = ("_heads",)

    def __init__(self) -> None:
        # One entry per signing key of this process's lifetime: a handful.
        self._heads: dict[str, bytes] = {}

    def sign(self, key: SigningKey, claims: PersonClaims) -> bytes:
        """Return the compact JWS of the claims (RFC 7515, 3.1)."""
        head = self._heads.get(key.kid)
        if head is None:
            header = {"alg": key.alg, "kid": key.kid, "typ": PERSON_TYPE}
            head = self._heads[key.kid] = b64url(_encode(header)).encode()
        signed = b"%b.%b" % (head, b64url(_encode(claims)).encode())
        return b"%b.%b" % (signed, b64url(key.sign(signed)).encode())


def seconds(at: datetime) -> int:
    """Write an instant as a NumericDate (RFC 7519, 2)."""
    return int(at.timestamp())
