"""Count wrong passwords, so that guessing is slow and keeps nobody out of their own browser."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from idp import known_browsers
from idp.store import accounts as store
from idp.throttling import network_of
from kernel.keyring import Keyring

FREE_ATTEMPTS_PER_NAME: Final = 5
"""Wrong passwords for one name before waiting begins (NIST SP 800-63B-4, 3.2.2: at most 100)."""
FREE_ATTEMPTS_PER_ADDRESS: Final = 50
"""From one address: a whole family or an office may be behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where one signs in. What is counted or known at one door is nothing at another.

    Attributes:
        failures: Prefix of the indexes under which wrong passwords are counted.
        browsers: Index of the proofs that browsers keep.
    """

    failures: str
    browsers: str

    def remember_browser(self, keyring: Keyring, browser: str | None, name: str) -> str:
        """Return what a browser is to keep after somebody has signed in from it.

        Args:
            keyring: Makes the proof.
            browser: What it kept so far.
            name: Who has signed in, in the canonical form.
        """
        return known_browsers.remember(keyring, browser, name, index=self.browsers)

    def attempt(
        self, keyring: Keyring, name: str, *, address: str, browser: str | None
    ) -> "Attempt":
        """Return against what an attempt counts: its browser if that is known, else the name.

        Args:
            keyring: Makes the digests.
            name: As whom, in the canonical form.
            address: Of the browser, as a trusted proxy or the socket tells it.
            browser: What it keeps since somebody signed in from it. If that was this name, it is
                counted by itself: neither the name nor the address is locked to it.
        """

        def key(of: str, value: str) -> bytes:
            return keyring.blind_index(f"{self.failures}.{of}", value)

        known = known_browsers.find_browser(keyring, browser, name, index=self.browsers)
        if known is not None:
            return Attempt({key("browser", known): FREE_ATTEMPTS_PER_NAME})
        return Attempt(
            {
                key("name", name): FREE_ATTEMPTS_PER_NAME,
                key("address", network_of(address)): FREE_ATTEMPTS_PER_ADDRESS,
            }
        )


ACCOUNTS: Final = Door(failures="sign_in_failures", browsers=known_browsers.PEOPLE)
DESK: Final = Door(failures="operator_failures", browsers=known_browsers.OFFICIALS)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to sign in.

    Attributes:
        counted: What a failure counts against, and how many of each are free. The first is counted
            from nought again after a success.
    """

    counted: Mapping[bytes, int]

    def must_wait(self, session: Session, *, at: datetime) -> bool:
        """Tell whether it came too soon after others; then nothing is to be verified."""
        return store.is_blocked(session, list(self.counted), at=at)

    def failed(self, session: Session, *, at: datetime) -> None:
        """Count it."""
        for key, free in self.counted.items():
            store.count_failure(session, key, free=free, at=at)

    def may_go_on(self, session: Session, *, at: datetime) -> bool:
        """Tell, after its first half, whether it still may: not if it came among too many others.

        Unlike `succeeded`, it forgives nothing.
        """
        return not store.is_blocked(session, list(self.counted)[:1], at=at, in_turn=True)

    def succeeded(self, session: Session, *, at: datetime) -> bool:
        """Count from nought again; tell whether it may: not if it came among too many others."""
        return store.forgive_failures(session, next(iter(self.counted)), at=at)
