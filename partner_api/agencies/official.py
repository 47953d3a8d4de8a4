"""Which official asks: an assertion that the agency signs for each request. No I/O.

The agency's own systems know who sits at the desk; we take the agency's word for it, signed, once.
That an assertion is used once is a row, inserted in the statement that answers the question.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from idp.api import FAPI2_ALGORITHMS, NotVerified, PublicKey, parse_public_jwk, verify_jws
from kernel.ids import AgencyId
from kernel.secret import sha256
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Official:
    """An official of an agency, as the agency signed.

    Attributes:
        official_id: The agency's own staff identifier; stands in the access log.
        name: For the agency's own evidence; it stays out of our log.
        digest: Names the assertion, which is spent with the question.
    """

    official_id: str
    name: str = field(repr=False)
    digest: bytes
    expires_at: datetime


def parse_official_keys(jwks: Iterable[Mapping[str, Any]]) -> tuple[PublicKey, ...]:
    """Return keys that were registered for an agency."""
    return tuple(parse_public_jwk(jwk) for jwk in jwks)


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


def verify_official(
    assertion: str | None,
    *,
    agency_id: AgencyId,
    keys: Sequence[PublicKey],
    audience: str,
    at: datetime,
) -> Official:
    """Verify an official's assertion.

    1. It is there, of our type, and signed by a key of this agency. 2. It is the agency's, and for
    us. 3. It names an official. 4. It was made now, lives five minutes at most, and has not
    expired. 5. It can be told from every other.

    Args:
        assertion: The header's value.
        agency_id: Whose client asks.
        keys: The agency's, those that still sign.
        audience: Our address as a resource.
        at: Now.

    Raises:
        OfficialUnproven: 403. Any step failed; the caller cannot tell which.
    """
    if assertion is None:
        raise OfficialUnproven(reason="missing")
    try:
        verified = verify_jws(assertion, keys, algorithms=FAPI2_ALGORITHMS)  # 1
    except NotVerified as error:
        raise OfficialUnproven(reason=str(error)) from error
    if verified.header.get("typ") != ASSERTION_TYPE:
        raise OfficialUnproven(reason="typ")
    claims = verified.claims
    if claims.get("iss") != agency_id or claims.get("aud") not in (audience, [audience]):  # 2
        raise OfficialUnproven(reason="iss or aud")
    official_id, name = claims.get("sub"), claims.get("name", "")
    if not isinstance(official_id, str) or not _OFFICIAL_ID.fullmatch(official_id):  # 3
        raise OfficialUnproven(reason="sub")
    if not isinstance(name, str) or len(name) > LONGEST_NAME:
        raise OfficialUnproven(reason="name")
    issued_at, expires_at = _instant(claims.get("iat")), _instant(claims.get("exp"))
    if issued_at is None or expires_at is None:  # 4
        raise OfficialUnproven(reason="iat or exp")
    if not at < expires_at <= issued_at + LONGEST_LIFE or issued_at > at + CLOCK_SKEW:
        raise OfficialUnproven(reason="expired")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= LONGEST_JTI:  # 5
        raise OfficialUnproven(reason="jti")
    return Official(
        official_id=official_id,
        name=name,
        digest=sha256(b"official\0" + agency_id.encode() + b"\0" + jti.encode()),
        expires_at=expires_at,
    )


_LATEST: Final = 1 << 33  # seconds; beyond it lies the year 2242


def _instant(value: object) -> datetime | None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _LATEST:
        return None
    return datetime.fromtimestamp(value, UTC)
