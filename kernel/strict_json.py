"""JSON as it is interchanged (RFC 8259). No I/O."""

import orjson

from kernel.errors import InvalidRequest

LONGEST = 256 * 1024  # characters; nothing that we parse from outside is longer


def parse_json(text: bytes | str) -> object:
    """Parse JSON: UTF-8, finite numbers, no NUL in a text.

    Raises:
        InvalidRequest: 400. It is not.
    """
    if len(text) > LONGEST:
        raise InvalidRequest("A value is too long.")
    try:
        value: object = orjson.loads(text)
    except ValueError as error:
        raise InvalidRequest("A value is not JSON.") from error
    # PostgreSQL can't hold U+0000 in a text, and nothing legitimate contains it.
    if (b"\\u0000" in text) if isinstance(text, bytes) else ("\\u0000" in text):
        raise InvalidRequest("A text in JSON contains a NUL character.")
    return value
