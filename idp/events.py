"""What happened to a person's ways to sign in, as the access log names it."""

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
