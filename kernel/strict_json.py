"""JSON as it is interchanged (RFC 8259). No I/O."""

from collections.abc import Iterable

import orjson

from kernel.errors import InvalidRequest

LONGEST = 256 * 1024  # characters; nothing that we parse from outside is longer
DEEPEST = 64  # arrays and objects in one another; whoever writes JSON again stops at 254


def parse_json(text: bytes | str) -> object:
    """Parse JSON: UTF-8, finite numbers, no NUL in a text, not nested deeper than anybody needs.

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
    check_depth(value, text)
    return value


def check_depth(value: object, text: bytes | str) -> None:
    """Refuse what could be parsed and not be written again.

    Args:
        value: What was parsed.
        text: Of what. Hardly any has so many brackets, and then nothing else is looked at.

    Raises:
        InvalidRequest: 400. There are more than 64 arrays and objects in one another.
    """
    opening = (b"[", b"{") if isinstance(text, bytes) else ("[", "{")
    if sum(map(text.count, opening)) <= DEEPEST:  # type: ignore[arg-type]  # of the text's own type
        return
    level: list[object] = [value] if isinstance(value, dict | list) else []
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _containers_in(outer)]
        if not level:
            return
    raise InvalidRequest("A value is nested too deeply.")


def _containers_in(value: object) -> list[object]:
    inside = value.values() if isinstance(value, dict) else value
    assert isinstance(inside, Iterable)
    return [inner for inner in inside if isinstance(inner, dict | list)]
