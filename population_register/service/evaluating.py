"""Score the matcher on anyone's labelled table, by the same steps that feeds go through."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import chain, zip_longest
from typing import Any, TextIO

from population_register.comparison import Profile
from population_register.errors import FeedRefused, MappingRefused
from population_register.evaluation import (
    Matched,
    Progress,
    Quality,
    best_threshold,
    blocked_recall,
    cluster_quality,
    match,
    mistakes,
    pair_quality,
)
from population_register.scoring import Scorer
from population_register.table_mapping import ProfileReader, TableMapping, parse_table_mapping

_SAMPLE_ROWS = 5_000
_MOST_SKIPPED_KINDS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """A pair that ended up wrong: the lines of its rows, and what was weighed."""

    lines: tuple[int, int]
    is_one_person: bool
    bits: float
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingReport:
    """How well a table was matched.

    Attributes:
        records: Rows read.
        people: Distinct values of the truth column; a row without one is a person of its own.
        persons: Clusters found.
        candidates: Pairs that were compared.
        blocked_recall: The share of true pairs among the candidates.
        doubtful: Pairs that a human would be asked about.
        skipped_blocks: By kind of blocking key, how many blocks were too large and the largest.
        pairs: Quality of the decisions about single candidate pairs.
        best_pairs: The best F1 of single pairs that any threshold would have given, and the
            threshold: how much is left to the weights.
        clusters: Quality of the persons, over all pairs of records within them.
        cluster_of: The number of the person of each row, in the order of rows.
        mistakes: Some of what went wrong.
    """

    records: int
    people: int
    persons: int
    features: tuple[str, ...]
    candidates: int
    blocked_recall: float
    doubtful: int
    skipped_blocks: Mapping[str, tuple[int, int]]
    pairs: Quality
    best_pairs: tuple[float, float]
    clusters: Quality
    cluster_of: tuple[int, ...]
    mistakes: tuple[Mistake, ...]


def evaluate_matching(
    table: TextIO,
    mapping: Mapping[str, Any],
    *,
    truth_column: str,
    without: Sequence[str] = (),
    progress: Progress | None = None,
    most_mistakes: int = 0,
) -> MatchingReport:
    """Match the rows of a table and compare the result with its truth.

    The truth column takes no part in learning, comparing or deciding.

    Args:
        table: CSV with a header; comma, semicolon, tab or bar between cells.
        mapping: The mapping document, see `table_mapping`.
        truth_column: The column that is equal for rows about one person.
        without: Attributes to leave out, as if the table had no such column.
        progress: Is told how far it is.
        most_mistakes: How many mistakes to return.

    Raises:
        MappingRefused: 400. The mapping names what does not exist, or the truth as an attribute.
        FeedRefused: 400. The table has no header or no rows.
    """
    how = parse_table_mapping(mapping).without(without)
    if truth_column in how.named_columns():
        raise MappingRefused("The truth column may not be mapped to an attribute.")
    profiles, truth, sources = read_table(table, how, truth_column)
    if progress is not None:
        progress("records read", len(profiles))
    matched = match(
        profiles,
        how.kinds(),
        sources=sources if how.is_one_per_source else None,
        progress=progress,
    )
    numbers = [0] * len(profiles)
    for number, members in enumerate(sorted(matched.clusters)):
        for index in members:
            numbers[index] = number
    return MatchingReport(
        records=len(profiles),
        people=len(set(truth)),
        persons=len(matched.clusters),
        features=tuple(how.kinds()),
        candidates=matched.blocking.pairs,
        blocked_recall=blocked_recall(matched, truth),
        doubtful=matched.doubtful,
        skipped_blocks=dict(list(matched.blocking.skipped.items())[:_MOST_SKIPPED_KINDS]),
        pairs=pair_quality(matched, truth),
        best_pairs=best_threshold(matched, truth),
        clusters=cluster_quality(matched, truth),
        cluster_of=tuple(numbers),
        mistakes=tuple(_mistakes(matched, profiles, truth, most_mistakes)),
    )


def read_table(
    table: TextIO, how: TableMapping, truth_column: str
) -> tuple[list[Profile], list[str], list[str]]:
    """Return the profile, the truth and the source of every row.

    Raises:
        MappingRefused: 400. The table has not the columns that the mapping names.
        FeedRefused: 400. The table has no header or no rows.
    """
    lines, delimiter = _with_delimiter(table)
    reading = csv.reader(lines, delimiter=delimiter, strict=False)
    columns = [name.strip() for name in next(reading, [])]
    needed = how.named_columns() | {truth_column}
    if missing := needed - set(columns):
        named = ", ".join(_with_likely(name, columns) for name in sorted(missing))
        raise MappingRefused(f"The table has no column {named}. It has: {', '.join(columns)}.")
    if twice := sorted(name for name in needed if columns.count(name) > 1):
        raise MappingRefused(f"The table has several columns {', '.join(twice)}; rename them.")
    rows = _rows(reading, columns)
    sample: list[dict[str, str]] = []
    for row in rows:
        sample.append(row)
        if len(sample) >= _SAMPLE_ROWS and not how.source:
            break
    if not sample:
        raise FeedRefused("The table has a header and no rows.")
    reader = ProfileReader(how, sample)
    profiles: list[Profile] = []
    truth: list[str] = []
    sources: list[str] = []
    for row in _chained(sample, rows):
        profiles.append(reader.read(row))
        truth.append((row[truth_column] or "").strip() or f"\x00{len(truth)}")
        sources.append(reader.source_of(row))
    return profiles, truth, sources


def _with_likely(missing: str, columns: Sequence[str]) -> str:
    """Return the name of a column that is not there, with the one that is likely meant."""
    by_fold = {column.casefold(): column for column in columns}
    likely = get_close_matches(missing.casefold(), by_fold, n=1)
    return f"{missing} (perhaps {by_fold[likely[0]]}?)" if likely else missing


def _with_delimiter(table: TextIO) -> tuple[Iterator[str], str]:
    """Return all lines of the table, and what stands between its cells.

    Raises:
        FeedRefused: 400. There is no header.
    """
    header = table.readline().removeprefix("\ufeff")
    if not header.strip():
        raise FeedRefused("The table is empty; its first line names the columns.")
    return chain((header,), table), max(",;\t|", key=header.count)


def _rows(reading: Iterator[list[str]], columns: Sequence[str]) -> Iterator[dict[str, str]]:
    """Return the rows by column: cells that are not there are empty, empty lines no rows.

    Raises:
        FeedRefused: 400. Something that is no CSV; says in which row.
    """
    number = 1
    try:
        for cells in reading:
            number += 1
            if cells:
                yield dict(zip_longest(columns, cells[: len(columns)], fillvalue=""))
    except csv.Error as error:
        raise FeedRefused(f"The table can't be read after row {number}: {error}.") from error


def _chained(
    first: list[dict[str, str]], rest: Iterator[dict[str, str]]
) -> Iterator[dict[str, str]]:
    while first:
        yield from first
        first.clear()
    yield from rest


def _mistakes(
    matched: Matched, profiles: Sequence[Profile], truth: Sequence[str], most: int
) -> Iterator[Mistake]:
    scorer = Scorer(matched.model)
    for one, other, is_one in mistakes(matched, truth, 2)[:most]:
        score = scorer.score(profiles[one], profiles[other])
        yield Mistake(
            lines=(one + 2, other + 2),
            is_one_person=is_one,
            bits=score.bits,
            evidence=tuple(score.words()),
        )
