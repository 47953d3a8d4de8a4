"""The SHA-256 of a stream, computed beside whatever else is done with its parts.

It takes half of the time in which a document is stored or opened, and the interpreter's lock is not
held meanwhile: with a second core it costs nobody any time. With one core it is done in its turn.
"""

import hashlib
import os
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Final

from typing_extensions import Buffer

BESIDE_BYTES: Final = 1 << 16
"""Less than this is faster hashed than handed to a thread."""


class StreamDigest:
    """SHA-256 over parts that arrive in order.

    Concurrency: for one thread at a time. A part is hashed until the next call of `update` or
    `digest` returns; whoever hands it over leaves it unchanged until then.
    """

    __slots__ = ("_digest", "_pending")

    def __init__(self, first: Buffer = b"") -> None:
        self._digest = hashlib.sha256(first)
        self._pending: Future[None] | None = None

    def update(self, part: Buffer) -> None:
        """Add a part, and return at once."""
        self._finish()
        threads = _threads() if memoryview(part).nbytes >= BESIDE_BYTES else None
        if threads is None:
            self._digest.update(part)
        else:
            self._pending = threads.submit(self._digest.update, part)

    def digest(self) -> bytes:
        """Return the 32 bytes over everything so far."""
        self._finish()
        return self._digest.digest()

    def _finish(self) -> None:
        if self._pending is not None:
            self._pending.result()
            self._pending = None


@cache
def _threads() -> ThreadPoolExecutor | None:
    """Return the threads that hash: one a core, for all streams, as long as the process runs.

    None with one core: there is nothing to be done beside, and taking turns costs a twentieth.
    """
    cores = _cores()
    return ThreadPoolExecutor(cores, thread_name_prefix="sha256") if cores > 1 else None


def _cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
