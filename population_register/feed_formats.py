"""Read a feed row by row from any position: NDJSON and CSV, flat memory, nothing trusted.

A row that can't be read is a problem with a line number; the next row is read all the same. Only a
CSV header that can't be read stops the feed, because without it no row means anything.
"""

import csv
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import BinaryIO, NamedTuple

import msgspec

from kernel.errors import InvalidRequest
from kernel.secret import Unprinted
from kernel.strict_json import check_depth
from population_register.errors import FeedRefused
from population_register.mapping import ENVELOPE_FIELDS, FeedMapping, shape_of
from population_register.model import FieldProblem, JSONValue

MAX_ROW_BYTES = 256 * 1024
"""Longest row; one person's record with all lists full takes some 20 KiB."""

MAX_COLUMNS = 512
_BOM = b"\xef\xbb\xbf"


class FeedFormat(StrEnum):
    """How a feed is written."""

    NDJSON = "ndjson"
    CSV = "csv"


class Position(NamedTuple):
    """Where the next row begins: bytes and lines that lie before it."""

    offset: int
    lines: int


class RawRow(Unprinted, frozen=True):
    """One row as it was sent, or why it can't be read.

    Attributes:
        line: Number of its first line in the file, from 1, as an editor shows it.
        end: Where the following row begins.
        cells: The row under the agency's names; None if there is a problem.
        problem: Why it can't be read.
    """

    line: int
    end: Position
    cells: Mapping[str, JSONValue] | None
    problem: FieldProblem | None = None


START = Position(0, 0)


def read_rows(
    file: BinaryIO, feed_format: FeedFormat, mapping: FeedMapping, start: Position
) -> Iterator[RawRow]:
    """Read rows from `start` to the end of the file.

    Args:
        file: A seekable file. Its position is moved.
        feed_format: How it is written.
        mapping: The agency's; says encoding and delimiter of CSV and which columns there may be.
        start: `START`, or the `end` of a row that was read before.

    Raises:
        FeedRefused: 400. The CSV header is missing, repeats a column, or has one that is not known.
    """
    match feed_format:
        case FeedFormat.NDJSON:
            yield from _read_ndjson(file, start)
        case FeedFormat.CSV:
            yield from _read_csv(file, mapping, start)


def _lines(file: BinaryIO, start: Position) -> Iterator[tuple[bytes | None, Position]]:
    """Return each line and where the next begins; None for a line that is too long."""
    file.seek(start.offset)
    offset, lines = start.offset, start.lines
    while line := file.readline(MAX_ROW_BYTES + 1):
        offset, lines = offset + len(line), lines + 1
        if len(line) <= MAX_ROW_BYTES or line.endswith(b"\n"):
            yield line, Position(offset, lines)
            continue
        while rest := file.readline(MAX_ROW_BYTES):
            offset += len(rest)
            if rest.endswith(b"\n"):
                break
        yield None, Position(offset, lines)


_TOO_LONG = FieldProblem(
    field="",
    reason="row_too_long",
    advice=f"A row has at most {MAX_ROW_BYTES} bytes; is a line end or a quote missing?",
)


def _unreadable(reason: str, advice: str) -> FieldProblem:
    return FieldProblem(field="", reason=reason, advice=advice)


# NDJSON


def _read_ndjson(file: BinaryIO, start: Position) -> Iterator[RawRow]:
    decode = msgspec.json.Decoder().decode
    for line, end in _lines(file, start):
        if line is None:
            yield RawRow(end.lines, end, None, _TOO_LONG)
            continue
        text = line.removeprefix(_BOM).strip() if end.lines == 1 else line.strip()
        if not text:
            continue
        try:
            row = decode(text)
            check_depth(row, text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidRequest):
            problem = _unreadable("not_json", "Each line is one JSON object in UTF-8.")
            yield RawRow(end.lines, end, None, problem)
            continue
        if isinstance(row, dict):
            yield RawRow(end.lines, end, row)
        else:
            problem = _unreadable("not_an_object", "Each line is one JSON object, in braces.")
            yield RawRow(end.lines, end, None, problem)


# CSV


def _read_csv(file: BinaryIO, mapping: FeedMapping, start: Position) -> Iterator[RawRow]:
    """Read CSV (RFC 4180) with a header; a quoted cell may span lines."""
    header, first = _read_header(file, mapping)
    position = start if start.offset > first.offset else first
    while True:
        row = _read_csv_row(file, mapping, header, position)
        if row is None:
            return
        position = row.end
        if row.cells is not None and not row.cells:
            continue  # an empty line
        yield row


def _read_header(file: BinaryIO, mapping: FeedMapping) -> tuple[list[str], Position]:
    line, end = next(_lines(file, START), (b"", START))
    if not line:
        raise FeedRefused("The file is empty, or its first line is too long to be a header.")
    try:
        text = line.removeprefix(_BOM).decode(mapping.encoding)
        header = next(csv.reader([text], delimiter=mapping.delimiter, strict=True), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise FeedRefused(f"The first line is not a CSV header in {mapping.encoding}.") from error
    header = [name.strip() for name in header]
    if not header or len(header) > MAX_COLUMNS or len(set(header)) != len(header):
        raise FeedRefused("The header has no column, too many, or one of them twice.")
    for number, theirs in enumerate(header, start=1):
        ours = mapping.our_name(theirs)
        if ours is not None and ours not in ENVELOPE_FIELDS and shape_of(ours) is None:
            # By number, not by name: a file that lost its header has a person in its first line.
            raise FeedRefused(
                f"Column {number} of the header is not a field; map it, or ignore it."
            )
    return header, end


def _read_csv_row(
    file: BinaryIO, mapping: FeedMapping, header: list[str], begin: Position
) -> RawRow | None:
    """Read one row; if it can't be read, it ends where its first line ends."""
    parts: list[bytes] = []
    first_end: Position | None = None
    quotes = size = 0
    problem: FieldProblem | None = None
    for line, end in _lines(file, begin):
        first_end = first_end or end
        if line is None:
            problem = _TOO_LONG
            break
        parts.append(line)
        quotes += line.count(b'"')
        size += len(line)
        if quotes % 2 == 0:
            return _parse_csv_row(b"".join(parts), mapping, header, begin.lines + 1, end)
        if size > MAX_ROW_BYTES:
            problem = _TOO_LONG
            break
    if first_end is None:
        return None
    problem = problem or _unreadable("unclosed_quote", "A quote is opened and never closed.")
    return RawRow(begin.lines + 1, first_end, None, problem)


def _parse_csv_row(
    data: bytes,
    mapping: FeedMapping,
    header: list[str],
    line: int,
    end: Position,
) -> RawRow:
    try:
        text = data.decode(mapping.encoding)
        cells = next(csv.reader(_physical(text), delimiter=mapping.delimiter, strict=True), [])
    except UnicodeDecodeError:
        problem = _unreadable("encoding", f"The row is not text in {mapping.encoding}.")
        return RawRow(line, end, None, problem)
    except csv.Error:
        problem = _unreadable("csv_quoting", "Quote a cell as a whole; double a quote within it.")
        return RawRow(line, end, None, problem)
    if not any(cells):
        return RawRow(line, end, {})
    if len(cells) != len(header):
        problem = _unreadable(
            "cell_count", f"The header has {len(header)} columns and this row {len(cells)}."
        )
        return RawRow(line, end, None, problem)
    return RawRow(line, end, dict(zip(header, cells, strict=True)))


def _physical(text: str) -> list[str]:
    """Split into lines at line feeds only: the csv module ends a row where an item ends."""
    *lines, last = text.split("\n")
    return [f"{line}\n" for line in lines] + ([last] if last else [])
