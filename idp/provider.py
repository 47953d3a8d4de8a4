"""What every service of idp needs of the process: the issuer, the keys, the policy. No I/O."""

from dataclasses import dataclass

from idp.policy import Policy
from kernel.keyring import Keyring
from kernel.signing import SigningKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """The authorization server as its services see it."""

    issuer: str
    keyring: Keyring
    signing: SigningKeys
    policy: Policy
