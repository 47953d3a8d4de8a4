"""Documents over HTTP: a form with a file in, streamed; a document out, streamed.

The framework's own form parser would spool the file to a temporary file, in the clear, before we
see its first byte. Here a part goes from the socket to the sealer, and nowhere else.

A form has its fields first and its one file last: browsers send what the page lists in its order,
and whoever reads the file must have seen the fields (the form's token, the kind) before.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Final, TypeVar, final
from urllib.parse import quote

import anyio.from_thread
import anyio.to_thread
from anyio import CapacityLimiter, move_on_after
from anyio.lowlevel import RunVar
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from kernel.errors import PayloadTooLarge
from vault.errors import MalformedUpload, UploadStalled
from vault.formats import EXTENSIONS
from vault.model import SealedVersion
from vault.ranges import ByteRange, parse_range
from vault.service.opening import OpenedDocument

MAX_FIELDS: Final = 16
MAX_FIELDS_BYTES: Final = 64 * 1024
"""All fields of a form together, with their names, headers and delimiters."""

BLOCK_BYTES: Final = 1 << 20
"""How much is gathered before it goes to the sealing thread: a hop per block, not per packet."""

BLOCK_SECONDS: Final = 300.0
"""A sender slower than 3.5 KiB/s for so long is taken for gone."""

UPLOADS_AT_ONCE: Final = 64
"""In one process. Each holds a thread while it waits for its sender, so they have threads of their
own: however many there are, every other route finds one."""

_T = TypeVar("_T")

_slots: RunVar[CapacityLimiter] = RunVar("vault uploads")


@final
class Upload:
    """A form whose fields were read, and whose file is still arriving.

    Attributes:
        fields: The form's fields, each given once.
        filename: As the browser named it; empty if it did not. Never a path of ours.
    """

    __slots__ = ("_block_seconds", "_body", "_parts", "fields", "filename")

    def __init__(
        self, parts: "_Parts", body: AsyncIterator[bytes], *, block_seconds: float
    ) -> None:
        self.fields: Mapping[str, str] = parts.fields
        self.filename = parts.filename
        self._parts = parts
        self._body = body
        self._block_seconds = block_seconds

    async def consume(self, use: Callable[[Iterator[bytes]], _T]) -> _T:
        """Let `use` read the file in a worker thread; return what it returns.

        `use` gets blocks of about 1 MiB and takes the next when it is done with the last, so a slow
        disk slows the sender down and nothing piles up. What it raises is raised here. A file that
        is cut off, or longer than the limit, raises inside of `use`, in the middle of its reading.

        Raises:
            MalformedUpload: 400. The form does not end as it should.
            UploadStalled: 408. Less than a block arrived in the time for one.
            PayloadTooLarge: 413. The file is longer than the limit.
        """

        def blocks() -> Iterator[bytes]:
            while block := anyio.from_thread.run(self._next_block):
                yield block

        return await anyio.to_thread.run_sync(lambda: use(blocks()), limiter=_upload_slots())

    async def _next_block(self) -> bytes:
        """Return the next part of the file; empty at the end of a form that ended properly."""
        with move_on_after(self._block_seconds) as patience:
            while self._parts.waiting < BLOCK_BYTES:
                packet = await anext(self._body, None)
                if packet is None:
                    self._parts.check_complete()
                    break
                self._parts.feed(packet)
        if patience.cancelled_caught:
            raise UploadStalled(received=self._parts.waiting)
        return self._parts.take()


def _upload_slots() -> CapacityLimiter:
    """Return the threads of this event loop's uploads."""
    try:
        return _slots.get()
    except LookupError:
        limiter = CapacityLimiter(UPLOADS_AT_ONCE)
        _slots.set(limiter)
        return limiter


async def read_upload(
    request: Request, *, limit: int, block_seconds: float = BLOCK_SECONDS
) -> Upload:
    """Read a form up to the first byte of its file.

    Args:
        request: A POST of `multipart/form-data`; nobody else may have read its body.
        limit: Largest file taken, in bytes.
        block_seconds: How long the fields may take, and each mebibyte of the file.

    Raises:
        MalformedUpload: 400. Not such a form, no file in it, a field twice, or too many of them.
        UploadStalled: 408. The fields took longer.
        PayloadTooLarge: 413. By `Content-Length`, before anything is read; or once it is more.

    Source:
        RFC 7578; RFC 2046, 5.1.
    """
    length = request.headers.get("content-length", "")
    if (
        length.isascii()
        and length.isdigit()
        and int(length[:_LONGEST_LENGTH]) > limit + MAX_FIELDS_BYTES
    ):
        raise PayloadTooLarge(limit=limit)
    content_type, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary", b"")
    if content_type != b"multipart/form-data" or not boundary:
        raise MalformedUpload("The file is sent as multipart/form-data.")
    parts = _Parts(boundary, limit)
    body = request.stream()
    with move_on_after(block_seconds) as patience:
        while not parts.has_file:
            packet = await anext(body, None)
            if packet is None:
                raise MalformedUpload("The form has no file.")
            parts.feed(packet)
    if patience.cancelled_caught:
        raise UploadStalled
    return Upload(parts, body, block_seconds=block_seconds)


class _Parts:
    """Takes a form apart as it arrives: fields are kept, the file passes through."""

    def __init__(self, boundary: bytes, limit: int) -> None:
        self.fields: dict[str, str] = {}
        self.filename = ""
        self.has_file = False
        self.waiting = 0
        self._limit = limit
        self._taken = 0
        self._fields_bytes = 0
        self._file: list[bytes] = []
        self._is_complete = False
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._field_name: str | None = None
        self._field_value = bytearray()
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._on_part_begin,
                    "on_header_field": self._on_header_field,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_part_data": self._on_part_data,
                    "on_part_end": self._on_part_end,
                    "on_end": self._on_end,
                },
            )
        except FormParserError as error:
            raise MalformedUpload("The form's boundary is too long.") from error

    def feed(self, packet: bytes) -> None:
        """Parse the next bytes of the body."""
        if not self.has_file:
            self._fields_bytes += len(packet)
            self._check_fields_length(beyond=len(packet))
        try:
            self._parser.write(packet)
        except FormParserError as error:
            raise MalformedUpload(reason=type(error).__name__) from error

    def take(self) -> bytes:
        """Return what has arrived of the file since the last call."""
        block = self._file[0] if len(self._file) == 1 else b"".join(self._file)
        self._file.clear()
        self.waiting = 0
        return block

    def check_complete(self) -> None:
        """Check that the closing delimiter was seen.

        Raises:
            MalformedUpload: 400. The form was cut off.
        """
        if not self._is_complete:
            raise MalformedUpload("The form was cut off.")

    def _check_fields_length(self, *, beyond: int) -> None:
        # The packet in which the file begins may be full of file.
        if self._fields_bytes - beyond > MAX_FIELDS_BYTES:
            raise PayloadTooLarge(limit=MAX_FIELDS_BYTES)

    # Called by the parser

    def _on_part_begin(self) -> None:
        if self.has_file:
            raise MalformedUpload("The file is the last part of the form.")
        self._headers.clear()
        self._field_name = None

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[bytes(self._header_name).lower()] = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _on_headers_finished(self) -> None:
        disposition, options = parse_options_header(self._headers.get(b"content-disposition"))
        name = options.get(b"name")
        if disposition != b"form-data" or name is None:
            raise MalformedUpload("A part of the form has no name.")
        # RFC 7578, 4.7 deprecates it, no browser sends it, and it would be stored encoded.
        if self._headers.get(b"content-transfer-encoding", b"binary").lower() not in _IDENTITY:
            raise MalformedUpload("A part of the form has a transfer encoding.")
        if b"filename" in options:
            self.has_file = True
            self.filename = _text(options[b"filename"])
            return
        self._field_name = _text(name)
        if self._field_name in self.fields or len(self.fields) >= MAX_FIELDS:
            raise MalformedUpload("The form has a field twice, or too many fields.")

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if not self.has_file:
            self._field_value += data[start:end]
            if len(self._field_value) > MAX_FIELDS_BYTES:
                raise PayloadTooLarge(limit=MAX_FIELDS_BYTES)
            return
        self._taken += end - start
        if self._taken > self._limit:
            raise PayloadTooLarge(limit=self._limit)
        self._file.append(data[start:end])
        self.waiting += end - start

    def _on_part_end(self) -> None:
        if self._field_name is not None:
            self.fields[self._field_name] = _text(bytes(self._field_value))
            self._field_value.clear()
            self._field_name = None

    def _on_end(self) -> None:
        self._is_complete = True


_LONGEST_LENGTH: Final = 18  # digits: Python reads no number of more than 4300
_IDENTITY: Final = frozenset({b"binary", b"8bit", b"7bit"})


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise MalformedUpload("A field of the form is not UTF-8.") from error


def asked_range(request: Request, sealed: SealedVersion) -> ByteRange | None:
    """Return the part of the document that the request asks for; None for the whole.

    Raises:
        RangeNotSatisfiable: 416. The range is outside of the document.

    Source:
        RFC 9110, 13.1.5 and 14.2.
    """
    condition = request.headers.get("if-range")
    if condition is not None and condition != _etag(sealed.version):
        return None  # another version than the client has the beginning of: all of it
    return parse_range(request.headers.get("range"), sealed.length)


def document_response(opened: OpenedDocument, *, title: str) -> Response:
    """Answer with a document, as a download.

    Args:
        opened: Read while the answer is sent. If it turns out damaged on the way, the connection is
            closed before `Content-Length` is reached: the client has a failed download, not half
            a document that looks whole.
        title: Becomes the file's name.

    Security:
        Always an attachment and never run: a document that the citizen uploaded is not ours.

    Source:
        RFC 9110, 14.4 and 15.3.7; RFC 6266, 4; RFC 8187.
    """
    name = title.replace("/", "_") + EXTENSIONS.get(opened.media_type, "")
    headers = {
        "Content-Length": str(opened.range.length),
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "Accept-Ranges": "bytes",
        "ETag": _etag(opened.version),
        "Cache-Control": "private, no-store",
        "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
    }
    if opened.is_partial:
        last = opened.range.stop - 1
        headers["Content-Range"] = f"bytes {opened.range.start}-{last}/{opened.length}"
    return StreamingResponse(
        opened,
        status_code=206 if opened.is_partial else 200,
        media_type=opened.media_type,
        headers=headers,
    )


def _etag(version: int) -> str:
    """Return a strong validator: within one document's address, the version says it all."""
    return f'"v{version}"'
