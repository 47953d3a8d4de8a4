"""Byte ranges of HTTP, as far as documents answer them: one range at a time (RFC 9110, 14)."""

import re
from dataclasses import dataclass
from typing import Final

from vault.errors import RangeNotSatisfiable

# One int-range or suffix-range. Several ranges, other units and malformed values are ignored, as
# RFC 9110, 14.2 allows: the answer is the whole document. 18 digits are more than any length.
_SINGLE_RANGE: Final = re.compile(
    r"bytes=[ \t]*(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))[ \t]*", re.ASCII
)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A part of a document, half-open: `start` is in it, `stop` is not."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        """Bytes in the range."""
        return self.stop - self.start


def parse_range(header: str | None, length: int) -> ByteRange | None:
    """Return the range that a `Range` header asks for; None for the whole document.

    Args:
        header: The value of the header, if there is one.
        length: Bytes of the whole document.

    Raises:
        RangeNotSatisfiable: 416. The range begins at the end or after it, or is empty.

    Source:
        RFC 9110, 14.1.2 and 14.2.
    """
    asked = _SINGLE_RANGE.fullmatch(header) if header else None
    if asked is None:
        return None
    first, last, suffix = asked.groups()
    if suffix is not None:
        start, stop = max(0, length - int(suffix)), length
    else:
        start = int(first)
        stop = min(int(last) + 1, length) if last else length
        if last and int(last) < start:
            return None  # RFC 9110, 14.1.1: invalid, so ignored
    if start >= stop:
        raise RangeNotSatisfiable(length=length)
    return ByteRange(start, stop)
