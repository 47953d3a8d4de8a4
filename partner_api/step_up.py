"""How well a person must have been known, and how lately, for what is read (RFC 9470). No I/O.

A consent says what may be read; it does not make a weak sign-in strong. The more an item can harm,
the surer we have been that the one who agreed was the person.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from consent.api import ITEMS, ItemName, Sensitivity
from idp.api import (
    AssuranceLevel,
    InsufficientUserAuthentication,
    VerifiedToken,
    challenge,
    level_of,
)

MONTH = timedelta(days=30)

_NEVER = datetime.min.replace(tzinfo=UTC)
_ALWAYS = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """What a read needs of the sign-in behind its token.

    Attributes:
        level: The least assurance.
        max_age: How long ago the person may have signed in; None for any time.
    """

    level: AssuranceLevel
    max_age: timedelta | None = None


REQUIREMENTS = {
    Sensitivity.ORDINARY: Requirement(level=AssuranceLevel.SIMPLIFIED),
    Sensitivity.SENSITIVE: Requirement(level=AssuranceLevel.STANDARD),
    Sensitivity.SPECIAL: Requirement(level=AssuranceLevel.CONFIRMED, max_age=MONTH),
}


def requirement_of(items: Iterable[ItemName]) -> Requirement:
    """Return what reading all of these items needs: the most that one of them needs."""
    needed = [REQUIREMENTS[ITEMS[name].sensitivity] for name in items]
    ages = [one.max_age for one in needed if one.max_age is not None]
    return Requirement(
        level=max((one.level for one in needed), default=AssuranceLevel.SIMPLIFIED),
        max_age=min(ages, default=None),
    )


def enough_until(token: VerifiedToken, needed: Requirement) -> datetime:
    """Return until when, inclusively, `check_authentication` passes; long ago if it never does.

    It is a constant of the token: how well the person was known when they signed in, and when.
    """
    level = None if token.acr is None else level_of(token.acr)
    if level is None or level < needed.level:
        return _NEVER
    if needed.max_age is None:
        return _ALWAYS
    return _NEVER if token.auth_time is None else token.auth_time + needed.max_age


def check_authentication(token: VerifiedToken, needed: Requirement, *, at: datetime) -> None:
    """Hold the sign-in behind a token against what a read needs.

    Raises:
        InsufficientUserAuthentication: 401. The client has to let the person sign in again, with
            the `acr_values` and `max_age` of the challenge.

    Source:
        RFC 9470, 3.
    """
    level = None if token.acr is None else level_of(token.acr)
    wanted: dict[str, str] = {}
    if level is None or level < needed.level:
        acceptable = (one for one in AssuranceLevel if one >= needed.level)
        wanted["acr_values"] = " ".join(one.acr for one in acceptable)
    if needed.max_age is not None and (
        token.auth_time is None or at - token.auth_time > needed.max_age
    ):
        wanted["max_age"] = str(int(needed.max_age.total_seconds()))
    if wanted:
        scheme = "bearer" if token.jkt is None else "dpop"
        raise InsufficientUserAuthentication(
            headers=challenge(scheme, InsufficientUserAuthentication.code, wanted),
            **wanted,
        )
