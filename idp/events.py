"""What happened to ways to sign in: a person's as the access log names it, an official's."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamLinked:
    """An account in a regional system opens the person's account from now on."""

    action: ClassVar[str] = "idp.upstream.linked"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamUnlinked:
    """An account in a regional system does not open the person's account any more."""

    action: ClassVar[str] = "idp.upstream.unlinked"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondFactorEnrolled:
    """An official has a second factor from now on; logged, and kept in its row."""

    operator: str

    action: ClassVar[str] = "idp.operator.second_factor_enrolled"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondFactorReset:
    """An official's second factor was destroyed by command; logged, and kept in its row."""

    operator: str

    action: ClassVar[str] = "idp.operator.second_factor_reset"
