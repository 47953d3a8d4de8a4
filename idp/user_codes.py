"""The code that a person types from the screen of a device: RFC 8628, 6.1. No I/O.

Eight consonants, shown as `WDJB-MJHT`: no vowels, so no words; no case; no digits that look like
letters. Its first letter says in which partition the request lies. A guess hits one waiting request
with a chance of one in six billion, and tries are counted (RFC 8628, 5.1).
"""

from collections.abc import Callable
from dataclasses import dataclass

from idp.buckets import DEFERRED_REQUESTS

ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"  # RFC 8628, 6.1: the base-20 set
LENGTH = 8
_HALF = LENGTH // 2
_PER_SLOT = len(ALPHABET) // DEFERRED_REQUESTS.slots

RandomBytes = Callable[[int], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class UserCode:
    """A user code.

    Attributes:
        letters: Without the hyphen.
        slot: Where its request lies.
    """

    letters: str
    slot: int

    @property
    def shown(self) -> str:
        """As a device shows it."""
        return f"{self.letters[:_HALF]}-{self.letters[_HALF:]}"

    @property
    def in_address(self) -> str:
        """As it stands in an address of ours."""
        return self.shown.lower()


class MalformedUserCode(Exception):  # never leaves idp
    """It can't be a user code."""


def mint_user_code(slot: int, random_bytes: RandomBytes) -> UserCode:
    """Make a code, every one as likely as any other.

    Args:
        slot: Where its request lies.
        random_bytes: Of the operating system.
    """
    first = ALPHABET[slot * _PER_SLOT + _draw(_PER_SLOT, random_bytes)]
    rest = "".join(ALPHABET[_draw(len(ALPHABET), random_bytes)] for _ in range(LENGTH - 1))
    return UserCode(letters=first + rest, slot=slot)


def parse_user_code(typed: str) -> UserCode:
    """Read a code as a person types it: any case, with hyphens, spaces or other marks.

    Raises:
        MalformedUserCode: It can't be one.

    Source:
        RFC 8628, 6.1: punctuation and case are not held against the person.
    """
    letters = "".join(c for c in typed.upper() if c.isalnum())
    if len(letters) != LENGTH or not set(letters) <= set(ALPHABET):
        raise MalformedUserCode
    return UserCode(letters=letters, slot=ALPHABET.index(letters[0]) // _PER_SLOT)


def _draw(among: int, random_bytes: RandomBytes) -> int:
    """Return a number below `among`: a byte past the last whole multiple is drawn again."""
    fair = 256 - 256 % among
    while True:
        (drawn,) = random_bytes(1)
        if drawn < fair:
            return int(drawn % among)
