"""Read other people's tables with their truth: CSV as people have it, and what they know of it.

No I/O but the lines that come in. Tables of two agencies may have different columns; who is one
person is told by a column, or by a file of pairs. What can't be read is refused with its place.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import chain, zip_longest
from typing import TextIO

from population_register.clustering import components
from population_register.comparison import Profile
from population_register.errors import FeedRefused, MappingRefused
from population_register.table_mapping import ProfileReader, TableMapping

Truth = Sequence[str | None]
"""Of every record, whose it is; None where nobody knows."""

_SAMPLE_ROWS = 5_000
_UNKNOWN = frozenset(("", "nan", "none", "null", "na", "n/a", "<na>"))
_SEPARATOR_LINE = re.compile(r"sep=(.)\s*", re.IGNORECASE)  # what a spreadsheet puts first
_SEPARATORS = ",;\t|"

Row = dict[str, str]
Place = tuple[int, int]
"""The number of a file, from 1 on, and of a line in it: the header is line 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthColumn:
    """The column that is equal for rows about one person."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthPairs:
    """A file of two columns: the identifiers of two rows that are about one person.

    Attributes:
        lines: CSV with a header.
        id_column: The column of the tables with these identifiers.
    """

    lines: TextIO
    id_column: str


@dataclass(slots=True, kw_only=True)
class Labelled:
    """What was read.

    Attributes:
        profiles: Of every row.
        truth: Of every row.
        sources: Of every row, which agency it is from.
        places: Of every row.
        unused: Columns that the mapping does not name.
        strange_pairs: Pairs of the truth that name a row that there is not.
    """

    profiles: list[Profile] = field(default_factory=list)
    truth: list[str | None] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    strange_pairs: int = 0


class _Table:
    """One file: its header is read at once, its rows when asked for."""

    def __init__(self, lines: TextIO) -> None:
        rest, delimiter = _with_delimiter(lines)
        self._reading = csv.reader(rest, delimiter=delimiter, strict=False)
        self.columns = [name.strip() for name in self._read() or []]
        self._sample: list[tuple[int, Row]] = []

    def sample(self, most: int | None) -> list[Row]:
        """Return the first rows, without losing them."""
        for row in self._rows():
            self._sample.append(row)
            if len(self._sample) == most:
                break
        return [row for _, row in self._sample]

    def rows(self) -> Iterator[tuple[int, Row]]:
        """Return every row with its line."""
        while self._sample:
            yield from self._sample
            self._sample.clear()
        yield from self._rows()

    def _rows(self) -> Iterator[tuple[int, Row]]:
        """Return rows by column: cells that are not there are empty, empty lines no rows."""
        columns = self.columns
        while (cells := self._read()) is not None:
            if cells:
                filled = zip_longest(columns, cells[: len(columns)], fillvalue="")
                yield self._reading.line_num, dict(filled)

    def _read(self) -> list[str] | None:
        try:
            return next(self._reading, None)
        except csv.Error as error:
            place = self._reading.line_num
            raise FeedRefused(f"The table can't be read at line {place}: {error}.") from error


def read_tables(
    tables: Sequence[TextIO], how: TableMapping, truth: TruthColumn | TruthPairs
) -> Labelled:
    """Return what is in one table, or in those of several agencies.

    Args:
        tables: CSV, each with a header. Of several, each is a source where the mapping names none.
        how: How they are read; of several, each must have one of the columns at least.
        truth: Who knows who is who.

    Raises:
        MappingRefused: 400. The tables have not the columns that are named.
        FeedRefused: 400. A table has no header or no rows, can't be read, or says nothing of who
            is who.
    """
    opened = [_Table(lines) for lines in tables]
    own = truth.name if isinstance(truth, TruthColumn) else truth.id_column
    _check_columns(opened, how, own)
    found = Labelled()
    names: list[str] = []
    for number, table in enumerate(opened, start=1):
        sample = table.sample(None if how.source else _SAMPLE_ROWS)
        if not sample:
            raise FeedRefused("The table has a header and no rows.")
        reader = ProfileReader(how, sample)
        for line, row in table.rows():
            found.profiles.append(reader.read(row))
            found.sources.append(reader.source_of(row) if how.source else str(number))
            found.places.append((number, line))
            names.append((row.get(own) or "").strip())
    if isinstance(truth, TruthColumn):
        found.truth += [None if name.casefold() in _UNKNOWN else name for name in names]
        if not any(found.truth):
            raise FeedRefused(f"The truth column {own} is empty in every row.")
    else:
        _join(found, names, truth)
    used = how.named_columns() | {own}
    found.unused += dict.fromkeys(
        name for table in opened for name in table.columns if name and name not in used
    )
    return found


def read_sample(table: TextIO) -> tuple[list[str], list[Row]]:
    """Return the columns of a table, and some of its rows.

    Raises:
        FeedRefused: 400. It has no header, or can't be read.
    """
    opened = _Table(table)
    return opened.columns, opened.sample(_SAMPLE_ROWS)


def _check_columns(tables: Sequence[_Table], how: TableMapping, own: str) -> None:
    """Raise unless every column that is named is somewhere, and once."""
    columns = list(dict.fromkeys(name for table in tables for name in table.columns))
    missing = (how.named_columns() | {own}) - set(columns)
    for table in tables:
        missing |= {own} - set(table.columns)
        if not how.named_columns() & set(table.columns):
            raise MappingRefused("One of the tables has none of the columns of the mapping.")
    if missing:
        named = ", ".join(_with_likely(name, columns) for name in sorted(missing))
        raise MappingRefused(f"The table has no column {named}. It has: {', '.join(columns)}.")
    needed = how.named_columns() | {own}
    twice = {name for table in tables for name in needed if table.columns.count(name) > 1}
    if twice:
        raise MappingRefused(
            f"The table has several columns {', '.join(sorted(twice))}; rename them."
        )


def _with_likely(missing: str, columns: Iterable[str]) -> str:
    """Return the name of a column that is not there, with the one that is likely meant."""
    by_fold = {column.casefold(): column for column in columns}
    likely = get_close_matches(missing.casefold(), by_fold, n=1)
    return f"{missing} (perhaps {by_fold[likely[0]]}?)" if likely else missing


def _with_delimiter(table: TextIO) -> tuple[Iterator[str], str]:
    """Return all lines of the table from its header on, and what stands between its cells.

    Raises:
        FeedRefused: 400. There is no header.
    """
    said = None
    for line in table:
        header = line.removeprefix("\ufeff")
        if match := _SEPARATOR_LINE.fullmatch(header):
            said = match[1]
        elif header.strip():
            return chain((header,), table), said or max(_SEPARATORS, key=header.count)
    raise FeedRefused("The table is empty; its first line names the columns.")


# Truth as pairs


def _join(found: Labelled, names: Sequence[str], truth: TruthPairs) -> None:
    """Fill in whose each row is, where pairs tell: what hangs together is one person."""
    by_table: dict[int, dict[str, int]] = {}
    for index, (name, (number, _)) in enumerate(zip(names, found.places, strict=True)):
        known = by_table.setdefault(number, {})
        if known.setdefault(name, index) != index:
            raise FeedRefused(f"The identifier {name or '(none)'} is in two rows of one table.")
    pairs: list[tuple[int, int]] = []
    for sides in _read_pairs(truth.lines):
        rows = [_row(by_table, name, side) for side, name in enumerate(sides, start=1)]
        if None in rows:
            found.strange_pairs += 1
        else:
            pairs.append((rows[0] or 0, rows[1] or 0))
    if not pairs:
        raise FeedRefused(f"No pair of the truth names two rows by their {truth.id_column}.")
    found.truth += [None] * len(names)
    for person, members in enumerate(components(range(len(names)), pairs)):
        for index in members:
            found.truth[index] = str(person)


def _row(by_table: dict[int, dict[str, int]], name: str, side: int) -> int | None:
    """Return a row by its identifier: the first of a pair is of the first table, if it is there."""
    order = [side if side in by_table else 1, *by_table]
    return next((by_table[table][name] for table in order if name in by_table[table]), None)


def _read_pairs(lines: TextIO) -> Iterator[tuple[str, str]]:
    table = _Table(lines)
    if len(table.columns) != 2:  # noqa: PLR2004
        raise FeedRefused(
            "Of true pairs, a file has two columns: the identifiers of two rows that are about "
            f"one person. This one has {len(table.columns)}."
        )
    table.columns = ["one", "other"]  # both may have one name
    for _, row in table.rows():
        yield row["one"].strip(), row["other"].strip()


def repeated(truth: Truth) -> int:
    """Return how many pairs of records are one person."""
    sizes = Counter(name for name in truth if name is not None)
    return sum(size * (size - 1) // 2 for size in sizes.values())
