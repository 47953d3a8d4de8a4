"""Strict reading of forms and queries, and answers that are never stored.

A parameter that is repeated is refused: whoever reads the first and whoever reads the last would
act on different requests. An empty one counts as left out (RFC 6749, 3.1).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Annotated, Any, final
from urllib.parse import parse_qsl

import orjson
from pydantic import AfterValidator
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from typing_extensions import override

from kernel.errors import InvalidRequest, PayloadTooLarge
from kernel.strict_json import parse_json

FORM_TYPE = "application/x-www-form-urlencoded"
JSON_TYPE = "application/json"

MOST_FIELDS = 100
LONGEST_VALUE = 16 * 1024  # characters
LONGEST_FORM = 64 * 1024  # bytes

NO_STORE: Mapping[str, str] = {"Cache-Control": "no-store", "Pragma": "no-cache"}
"""RFC 6749, 5.1."""

_JSON_NO_STORE = (
    (b"content-type", JSON_TYPE.encode()),
    *((name.lower().encode(), value.encode()) for name, value in NO_STORE.items()),
)


def _check_plain(text: str) -> str:
    if "\0" in text or (not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text)):
        raise ValueError("a text contains a NUL character, or half of one")
    return text


PlainText = Annotated[str, AfterValidator(_check_plain)]
"""For what FastAPI reads itself: a text that PostgreSQL can hold."""


@final
class Form(Mapping[str, str]):
    """Parameters as received; each name once, except for those that may be repeated."""

    __slots__ = ("_repeated", "_values")

    def __init__(
        self, values: Mapping[str, str], repeated: Mapping[str, tuple[str, ...]] | None = None
    ) -> None:
        self._values = dict(values)
        self._repeated = dict(repeated or {})

    @override
    def __getitem__(self, name: str) -> str:
        return self._values[name]

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    @override
    def __len__(self) -> int:
        return len(self._values)

    @override
    def __repr__(self) -> str:
        return f"Form({', '.join(sorted(self._values))})"  # names only: values may be secrets

    def every(self, name: str) -> tuple[str, ...]:
        """Return all values of a parameter that may be repeated, in order."""
        return self._repeated.get(name, ())


def parse_form(encoded: bytes, *, repeatable: Collection[str] = ()) -> Form:
    """Parse a form or a query.

    Args:
        encoded: As received, `application/x-www-form-urlencoded`, UTF-8.
        repeatable: Names that may come more than once; read with `Form.every`.

    Raises:
        InvalidRequest: 400. Not UTF-8, a NUL, a repeated or a very long parameter, or too many.
    """
    try:
        pairs = parse_qsl(
            encoded.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
    except ValueError as error:  # UnicodeDecodeError is one
        raise InvalidRequest("The parameters are not a UTF-8 form, or too many.") from error
    values: dict[str, str] = {}
    repeated: dict[str, tuple[str, ...]] = {}
    seen: set[str] = set()
    for name, value in pairs:
        if len(value) > LONGEST_VALUE:
            raise InvalidRequest("A parameter is too long.", parameter=name[:40])
        if "\0" in value or "\0" in name:
            raise InvalidRequest("A parameter contains a NUL character.")
        if name in repeatable:
            if value:
                repeated[name] = (*repeated.get(name, ()), value)
                values.setdefault(name, value)
            continue
        if name in seen:  # RFC 6749, 3.1 and 3.2
            raise InvalidRequest("A parameter is included more than once.", parameter=name[:40])
        seen.add(name)
        if value:
            values[name] = value
    return Form(values, repeated)


def read_query(request: Request, *, repeatable: Collection[str] = ()) -> Form:
    """Read the query of a request; raises like `parse_form`."""
    query: bytes = request.scope["query_string"]
    return parse_form(query, repeatable=repeatable)


async def read_form(
    request: Request, *, limit: int = LONGEST_FORM, repeatable: Collection[str] = ()
) -> Form:
    """Read the form in the body of a request.

    Args:
        request: The request.
        limit: Largest body in bytes.
        repeatable: Names that may come more than once.

    Raises:
        InvalidRequest: 400. Another content type, or as `parse_form`.
        PayloadTooLarge: 413. The body is larger than `limit`.
    """
    check_content_type(request, FORM_TYPE)
    return parse_form(await read_body(request, limit=limit), repeatable=repeatable)


async def read_json(request: Request, *, limit: int = LONGEST_FORM) -> dict[str, Any]:
    """Read the JSON object in the body of a request.

    Raises:
        InvalidRequest: 400. Another content type, not JSON, or not an object.
        PayloadTooLarge: 413. The body is larger than `limit`.
    """
    check_content_type(request, JSON_TYPE)
    value = parse_json(await read_body(request, limit=limit))
    if not isinstance(value, dict):
        raise InvalidRequest("The body is not a JSON object.")
    return value


def check_content_type(request: Request, expected: str) -> None:
    """Hold the body's media type against the one expected.

    Raises:
        InvalidRequest: 400. It is another.
    """
    media_type = header_of(request, b"content-type")
    if media_type != expected and media_type.partition(";")[0].strip().lower() != expected:
        raise InvalidRequest(f"The content type is not {expected}.")


def header_of(request: Request, name: bytes) -> str:
    """Return a header, the first if there are several; empty if there is none.

    Args:
        request: The request.
        name: In lower case.
    """
    for header, value in request.scope["headers"]:
        if header == name:
            return bytes(value).decode("latin-1")
    return ""


async def read_body(request: Request, *, limit: int) -> bytes:
    """Read the body, at most `limit` bytes.

    Raises:
        PayloadTooLarge: 413. There is more.
    """
    # Not `request.stream()`: it asks until it is told that there is no more, and the server tells
    # that apart from the last part. To ask once more costs it as much as a signature.
    announced = _announced_length(request)
    parts: list[bytes] = []
    length = 0
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part = message.get("body", b"")
        length += len(part)
        if length > limit:
            raise PayloadTooLarge
        parts.append(part)
        if length == announced or not message.get("more_body", False):
            return b"".join(parts)


_LONGEST_LENGTH = 18  # digits; whatever they are, more than any limit


def _announced_length(request: Request) -> int | None:
    """Return how long the body is, if it is sent as a whole of a stated length (RFC 9112, 6.2)."""
    announced = None
    for name, value in request.scope["headers"]:
        if name == b"content-length" and value.isdigit() and len(value) <= _LONGEST_LENGTH:
            announced = int(value)
        elif name == b"transfer-encoding":  # it wins, whatever length is stated: RFC 9112, 6.3
            return None
    return announced


def json_response(
    content: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer with JSON that nobody may store.

    Args:
        content: What `orjson` can write, or bytes that are JSON already.
        status: HTTP status.
        headers: Sent along; they win over ours.
    """
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    if not headers:
        return PlainResponse(body, _JSON_NO_STORE, status=status)
    return Response(body, status_code=status, headers={**NO_STORE, **headers}, media_type=JSON_TYPE)


class PlainResponse(Response):
    """An answer of which all headers but the length are known beforehand.

    Starlette's own writes and encodes each header anew; this is for answers that are alike but for
    their body.
    """

    def __init__(
        self, body: bytes, headers: Sequence[tuple[bytes, bytes]], *, status: int = 200
    ) -> None:
        """Answer.

        Args:
            body: The body.
            headers: As they are sent, names in lower case; without `content-length`.
            status: HTTP status.
        """
        self.status_code = status
        self.body = body
        self.background = None
        self.raw_headers = [*headers, (b"content-length", b"%d" % len(body))]
