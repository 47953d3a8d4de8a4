"""Passwords: Argon2id under named profiles, one hash at a time.

That is what keeps sign-ins from starving everything else: however many people sign in at once, one
is hashed for, in a process that steps back behind its server (`idp.argon2id`), and the others wait
for their turn.
"""

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest
from threading import BoundedSemaphore, Lock
from types import MappingProxyType

from idp import argon2id
from idp.errors import UnacceptablePassword
from kernel.errors import TooManyRequests
from kernel.secret import Secret, random_bytes

SALT_BYTES = 16  # RFC 9106, 3.1: recommended for password hashing
TAG_BYTES = 32  # RFC 9106, 4: 256-bit tag

LONGEST_PASSWORD = 256  # characters; NIST SP 800-63B-4, 3.1.1.2 asks to accept at least 64
SHORTEST_PASSWORD = 8  # characters; NIST SP 800-63B-4, 3.1.1.2: at least 8 with a second factor

# What is tried first, of eight characters and more; a list, not a rule: NIST SP 800-63B-4, 3.1.1.2.
_TRIED_FIRST_TEXT = """
password password1 passw0rd password123 12345678 123456789 1234567890 11111111 00000000
87654321 qwertyui qwertyuiop qwerty123 qwerty12 1q2w3e4r 1q2w3e4r5t 1qaz2wsx q1w2e3r4
asdfghjk asdfghjkl zxcvbnm1 iloveyou sunshine football baseball princess superman
йцукенгш йцукенгшщз пароль123 qazwsxedc administrator welcome1 letmein1 12341234
88888888 11223344 12344321 internet computer
"""
_TRIED_FIRST = frozenset(_TRIED_FIRST_TEXT.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordProfile:
    """What one hash costs.

    Attributes:
        memory_kib: Kibibytes each hash fills; as many are in use while people sign in.
        iterations: Passes over the memory.
        lanes: Parallel lanes. One thread fills them in turn, whoever attacks may use as many.
        waiting: Sign-ins that may wait for their turn before more are turned away.
        is_apart: Whether a process of its own does it.
    """

    memory_kib: int
    iterations: int
    lanes: int
    waiting: int
    is_apart: bool = True

    @property
    def prefix(self) -> str:
        """How an encoded hash under this profile begins."""
        return f"$argon2id$v=19$m={self.memory_kib},t={self.iterations},p={self.lanes}$"


PROFILES: Mapping[str, PasswordProfile] = MappingProxyType(
    {
        # RFC 9106, 4, second recommended option.
        "recommended": PasswordProfile(memory_kib=64 * 1024, iterations=3, lanes=4, waiting=64),
        # Costs nothing and protects nothing: for tests; production settings refuse it.
        "test": PasswordProfile(memory_kib=8, iterations=1, lanes=1, waiting=1024, is_apart=False),
    }
)


def check_password(
    password: Secret[str], *, username: str, shortest: int = SHORTEST_PASSWORD
) -> None:
    """Hold a new password against what is guessed first.

    Args:
        password: As chosen.
        username: In canonical form; a password made of it is guessed at once.
        shortest: Characters that it has at least.

    Raises:
        UnacceptablePassword: 422. Which rule it broke is not said in detail: the text names all.
    """
    text = password.reveal()
    folded = text.casefold()
    if not shortest <= len(text) <= LONGEST_PASSWORD:
        raise UnacceptablePassword(reason="length")
    if folded in _TRIED_FIRST or folded in {username, username[::-1], username * 2}:
        raise UnacceptablePassword(reason="guessed first")
    if len(set(text)) < _FEWEST_CHARACTERS:
        raise UnacceptablePassword(reason="repetition")


_FEWEST_CHARACTERS = 4  # different ones


class PasswordMismatch(Exception):
    """The password is not the one that was hashed, or nothing was hashed at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Encoded:
    """A hash taken apart (PHC string format)."""

    memory_kib: int
    iterations: int
    lanes: int
    salt: bytes
    tag: bytes

    @classmethod
    def parse(cls, text: str) -> "_Encoded":
        """Take a hash apart.

        Raises:
            PasswordMismatch: It is none that we made: no password fits it.
        """
        if (found := _ENCODED.fullmatch(text)) is None:
            raise PasswordMismatch
        memory_kib, iterations, lanes = map(int, found.group(1, 2, 3))
        try:
            salt, tag = (b64decode(part + "=" * (-len(part) % 4)) for part in found.group(4, 5))
        except binascii.Error as error:
            raise PasswordMismatch from error
        return cls(memory_kib=memory_kib, iterations=iterations, lanes=lanes, salt=salt, tag=tag)


_ENCODED = re.compile(
    r"\$argon2id\$v=19\$m=(\d{1,10}),t=(\d{1,10}),p=(\d{1,8})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)"
)


class PasswordHasher:
    """Hashes and verifies; one per process, safe to use from any thread."""

    def __init__(self, profile: PasswordProfile) -> None:
        self._profile = profile
        self._process = argon2id.HashingProcess() if profile.is_apart else None
        self._derive = argon2id.derive if self._process is None else self._process.derive
        self._turn = Lock()
        # Counts who hashes and those that wait.
        self._places = BoundedSemaphore(1 + profile.waiting)
        # What is verified when there is no account: the same work, and no password fits.
        self._nobody = self._encode(random_bytes(SALT_BYTES), random_bytes(TAG_BYTES))

    def hash(self, password: Secret[str]) -> str:
        """Return the encoded hash, with its parameters and salt (PHC string).

        Raises:
            TooManyRequests: 429. More are waiting than the profile allows.
        """
        salt, profile = random_bytes(SALT_BYTES), self._profile
        tag = self._tag(
            password,
            _Encoded(
                memory_kib=profile.memory_kib,
                iterations=profile.iterations,
                lanes=profile.lanes,
                salt=salt,
                tag=bytes(TAG_BYTES),
            ),
        )
        return self._encode(salt, tag)

    def verify(self, password: Secret[str], encoded: str | None) -> None:
        """Verify a password; takes as long for an account that does not exist.

        Args:
            password: As presented.
            encoded: From `hash`; None when there is no account.

        Raises:
            PasswordMismatch: It is not the one.
            TooManyRequests: 429. More sign-ins are waiting than the profile allows.
        """
        text = password.reveal()
        # Nobody's password is longer; hashing a megabyte would cost more than a guess.
        is_possible = encoded is not None and len(text) <= LONGEST_PASSWORD
        against = _Encoded.parse((is_possible and encoded) or self._nobody)
        tag = self._tag(Secret(text[:LONGEST_PASSWORD]), against)
        if not compare_digest(tag, against.tag) or not is_possible:
            raise PasswordMismatch

    def needs_rehash(self, encoded: str) -> bool:
        """Tell whether a hash was made under other parameters than today's."""
        return not encoded.startswith(self._profile.prefix)

    def close(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            with self._turn:
                self._process.close()

    def _encode(self, salt: bytes, tag: bytes) -> str:
        parts = (b64encode(part).rstrip(b"=").decode() for part in (salt, tag))
        return self._profile.prefix + "$".join(parts)

    def _tag(self, password: Secret[str], like: _Encoded) -> bytes:
        """Return the tag of a password under the parameters and the salt of a hash."""
        if not self._places.acquire(blocking=False):
            raise TooManyRequests("Too many people are signing in. Try again in a moment.")
        try:
            with self._turn:
                return self._derive(
                    password.reveal().encode(),
                    like.salt,
                    memory_kib=like.memory_kib,
                    iterations=like.iterations,
                    lanes=like.lanes,
                    length=len(like.tag),
                )
        finally:
            self._places.release()
