"""Passwords: Argon2id under named profiles, in a bounded pool of threads.

The pool is what keeps sign-ins from starving everything else: however many people sign in at once,
no more than the pool's threads hash, and the others wait for their turn.
"""

import os
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import BoundedSemaphore, get_native_id
from types import MappingProxyType
from typing import TypeVar

from argon2 import PasswordHasher as Argon2Hasher
from argon2 import Type
from argon2.exceptions import InvalidHashError, VerificationError

from idp.errors import UnacceptablePassword
from kernel.errors import TooManyRequests
from kernel.secret import Secret

T = TypeVar("T")

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
        memory_kib: Kibibytes each hash fills.
        iterations: Passes over the memory.
        lanes: Parallel lanes; each is a thread while hashing.
        threads: Hashes at once in one process; memory in use is `threads * memory_kib`.
        waiting: Sign-ins that may wait for a thread before more are turned away.
    """

    memory_kib: int
    iterations: int
    lanes: int
    threads: int
    waiting: int


_NICENESS = 19
"""The least that Linux gives: still a tenth of a core that others want whole."""

PROFILES: Mapping[str, PasswordProfile] = MappingProxyType(
    {
        # RFC 9106, 4, second recommended option.
        "recommended": PasswordProfile(
            memory_kib=64 * 1024, iterations=3, lanes=4, threads=2, waiting=64
        ),
        # Costs nothing and protects nothing: for tests; production settings refuse it.
        "test": PasswordProfile(memory_kib=8, iterations=1, lanes=1, threads=2, waiting=1024),
    }
)


def check_password(password: Secret[str], *, username: str) -> None:
    """Hold a new password against what is guessed first.

    Args:
        password: As chosen.
        username: In canonical form; a password made of it is guessed at once.

    Raises:
        UnacceptablePassword: 422. Which rule it broke is not said in detail: the text names all.
    """
    text = password.reveal()
    folded = text.casefold()
    if not SHORTEST_PASSWORD <= len(text) <= LONGEST_PASSWORD:
        raise UnacceptablePassword(reason="length")
    if folded in _TRIED_FIRST or folded in {username, username[::-1], username * 2}:
        raise UnacceptablePassword(reason="guessed first")
    if len(set(text)) < _FEWEST_CHARACTERS:
        raise UnacceptablePassword(reason="repetition")


_FEWEST_CHARACTERS = 4  # different ones


class PasswordMismatch(Exception):
    """The password is not the one that was hashed, or nothing was hashed at all."""


def _step_back() -> None:
    """Let this thread, and those that it starts, have the processor when nobody else wants it.

    Otherwise the lanes of the sign-ins that are under way would share a core evenly with the one
    thread that answers everybody else. On Linux the priority is the thread's own.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, get_native_id(), _NICENESS)


class PasswordHasher:
    """Hashes and verifies; one per process, safe to use from any thread."""

    def __init__(self, profile: PasswordProfile) -> None:
        self._hasher = Argon2Hasher(
            time_cost=profile.iterations,
            memory_cost=profile.memory_kib,
            parallelism=profile.lanes,
            type=Type.ID,
        )
        self._pool = ThreadPoolExecutor(
            profile.threads, thread_name_prefix="argon2id", initializer=_step_back
        )
        # Counts those that hash and those that wait.
        self._places = BoundedSemaphore(profile.threads + profile.waiting)
        # What is verified when there is no account: the same work for an unknown name.
        self._nobody = self._hasher.hash("nobody")

    def hash(self, password: Secret[str]) -> str:
        """Return the encoded hash, with its parameters and salt (PHC string)."""
        return self._in_pool(password, self._hasher.hash)

    def verify(self, password: Secret[str], encoded: str | None) -> None:
        """Verify a password; takes as long for an account that does not exist.

        Args:
            password: As presented.
            encoded: From `hash`; None when there is no account.

        Raises:
            PasswordMismatch: It is not the one.
            TooManyRequests: 429. More sign-ins are waiting than the profile allows.
        """

        def verify(text: str) -> None:
            # Nobody's password is longer; hashing a megabyte would cost more than a guess.
            is_possible = encoded is not None and len(text) <= LONGEST_PASSWORD
            try:
                self._hasher.verify(
                    (is_possible and encoded) or self._nobody, text[:LONGEST_PASSWORD]
                )
            except (VerificationError, InvalidHashError) as error:
                raise PasswordMismatch from error
            if not is_possible:
                raise PasswordMismatch

        self._in_pool(password, verify)

    def needs_rehash(self, encoded: str) -> bool:
        """Tell whether a hash was made under other parameters than today's."""
        return self._hasher.check_needs_rehash(encoded)

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown()

    def _in_pool(self, password: Secret[str], work: Callable[[str], T]) -> T:
        if not self._places.acquire(blocking=False):
            raise TooManyRequests("Too many people are signing in. Try again in a moment.")
        try:
            return self._pool.submit(lambda: work(password.reveal())).result()
        finally:
            self._places.release()
