"""What a process remembers: as much as fits, and nothing that decides by itself."""

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

MOST_REMEMBERED = 10_000
"""Tokens, and what is asked with them, of which is remembered how: some two thousand bytes each."""


class Memory(Generic[K, V]):
    """A bounded mapping that forgets what was put in first.

    Concurrency: used by the event loop and by worker threads. Each value is a constant of its key,
    or is asked again by the statement that uses it; two threads that both work one out work out the
    same.
    """

    __slots__ = ("_most", "_values")

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._most = most
        self._values: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """Return the value, if it is remembered."""
        return self._values.get(key)

    def put(self, key: K, value: V) -> V:
        """Remember a value."""
        while len(self._values) >= self._most:
            self._values.pop(next(iter(self._values), key), None)
        self._values[key] = value
        return value
