"""Which official asks: an assertion that the agency signs for each request. No I/O.

The agency's own systems know who sits at the desk; we take the agency's word for it, signed, once.
That an assertion is used once is a row, inserted in the statement that answers the question.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from typing_extensions import override

from idp.api import FAPI2_ALGORITHMS, NotVerified, TrustedKeys, parse_public_jwk
from kernel.ids import AgencyId
from kernel.secret import Unprinted, sha256
from partner_api.agencies.errors import OfficialUnproven, UnacceptableOfficialKey

HEADER: Final = "Civitas-Official"
ASSERTION_TYPE: Final = "civitas-official+jwt"

LONGEST_LIFE: Final = timedelta(minutes=5)
"""From `iat` to `exp`: a question is asked by somebody who sits there now."""

CLOCK_SKEW: Final = timedelta(seconds=10)
"""How far an agency's clock may be ahead of ours."""

LONGEST_JTI: Final = 256  # characters
LONGEST_NAME: Final = 200  # characters
_OFFICIAL_ID: Final = re.compile(r"[A-Za-z0-9._@-]{1,64}")


class Official(msgspec.Struct, frozen=True, kw_only=True):
    """An official of an agency, as the agency signed.

    Attributes:
        official_id: The agency's own staff identifier; stands in the access log.
        name: For the agency's own evidence; it stays out of our log.
        digest: Names the assertion, which is spent with the question.
    """

    official_id: str
    name: str
    digest: bytes
    expires_at: datetime

    @override
    def __repr__(self) -> str:
        """Say everything but the name."""
        return f"Official({self.official_id}, expires_at={self.expires_at})"


class _Claims(Unprinted, frozen=True):
    """What an assertion says, as whoever made it wrote it."""

    iss: str
    aud: str | tuple[str, ...]
    sub: str
    iat: int
    exp: int
    jti: str
    name: str = ""


_decode_claims = msgspec.json.Decoder(_Claims).decode


def check_official_key(jwk: Mapping[str, Any]) -> str:
    """Hold a key that is to be registered against what we verify with; return its `kid`.

    Raises:
        UnacceptableOfficialKey: 400. No `kid`, private, too small, or of another type.
    """
    kid = jwk.get("kid")
    if not isinstance(kid, str) or not 0 < len(kid) <= LONGEST_NAME or not kid.isprintable():
        raise UnacceptableOfficialKey(reason="kid")
    try:
        key = parse_public_jwk(jwk)
    except NotVerified as error:
        raise UnacceptableOfficialKey(reason=str(error)) from error
    if not set(key.algorithms) & set(FAPI2_ALGORITHMS):
        raise UnacceptableOfficialKey(reason="algorithm")
    return kid


class Officials:
    """Verifies which official of one agency asks, by the keys that the agency has registered."""

    __slots__ = ("_agency_id", "_keys", "_prefix")

    def __init__(self, agency_id: AgencyId, jwks: Iterable[Mapping[str, Any]]) -> None:
        """Trust an agency's keys.

        Args:
            agency_id: Whose officials.
            jwks: Its keys, those that still sign.
        """
        self._agency_id = agency_id
        self._keys = TrustedKeys(
            map(parse_public_jwk, jwks), algorithms=FAPI2_ALGORITHMS, typ=ASSERTION_TYPE
        )
        self._prefix = b"official\0" + agency_id.encode() + b"\0"

    def verify(self, assertion: str | None, *, audience: str, at: datetime) -> Official:
        """Verify an official's assertion.

        1. It is there, of our type, and signed by a key of this agency. 2. It is the agency's, and
        for us. 3. It names an official. 4. It was made now, lives five minutes at most, and has not
        expired. 5. It can be told from every other.

        Args:
            assertion: The header's value.
            audience: Our address as a resource.
            at: Now.

        Raises:
            OfficialUnproven: 403. Any step failed. Why a signature says nothing is not told; what
                else is wrong is, to whoever can sign for the agency.
        """
        if assertion is None:
            raise OfficialUnproven(
                f"Say which official asks: the header {HEADER} is missing.", reason="missing"
            )
        try:
            claims = _decode_claims(self._keys.verify(assertion))  # 1
        except (NotVerified, ValueError, RecursionError) as error:  # msgspec's are ValueErrors
            raise OfficialUnproven(reason=str(error)) from error
        if claims.iss != self._agency_id or claims.aud not in (audience, (audience,)):  # 2
            raise OfficialUnproven(
                f"iss of the assertion is the agency's identifier, and aud is {audience}.",
                reason="iss or aud",
            )
        if not _OFFICIAL_ID.fullmatch(claims.sub):  # 3
            raise OfficialUnproven(
                "sub of the assertion is a staff identifier: 1 to 64 of A-Z a-z 0-9 . _ @ -",
                reason="sub",
            )
        if len(claims.name) > LONGEST_NAME:
            raise OfficialUnproven(
                f"name of the assertion has at most {LONGEST_NAME} characters.", reason="name"
            )
        issued_at, expires_at = _instant(claims.iat), _instant(claims.exp)  # 4
        if not at < expires_at <= issued_at + LONGEST_LIFE or issued_at > at + CLOCK_SKEW:
            raise OfficialUnproven(
                "The assertion has expired, is of the future, or lives longer than five minutes.",
                reason="expired",
            )
        if not 0 < len(claims.jti) <= LONGEST_JTI:  # 5
            raise OfficialUnproven(
                f"jti of the assertion has 1 to {LONGEST_JTI} characters.", reason="jti"
            )
        return Official(
            official_id=claims.sub,
            name=claims.name,
            digest=sha256(self._prefix + claims.jti.encode()),
            expires_at=expires_at,
        )


_LATEST: Final = 1 << 33  # seconds; beyond it lies the year 2242


def _instant(seconds: int) -> datetime:
    if not 0 <= seconds < _LATEST:
        raise OfficialUnproven(reason="iat or exp")
    return datetime.fromtimestamp(seconds, UTC)
