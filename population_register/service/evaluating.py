"""Score the matcher on anyone's labelled table, by the same steps that feeds go through."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from population_register.comparison import SOURCE
from population_register.errors import MappingRefused
from population_register.evaluation import Matched, Progress, match
from population_register.labelled_tables import (
    Labelled,
    Place,
    TruthColumn,
    TruthPairs,
    read_sample,
    read_tables,
)
from population_register.mapping_guess import suggest_mapping
from population_register.match_quality import (
    Quality,
    best_threshold,
    blocked_recall,
    cluster_quality,
    mistakes,
    pair_quality,
)
from population_register.scoring import Scorer
from population_register.table_mapping import parse_table_mapping

_MOST_SKIPPED_KINDS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """A pair that ended up wrong: where its rows stand, and what was weighed."""

    places: tuple[Place, Place]
    is_one_person: bool
    bits: float
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingReport:
    """How well a table was matched.

    Attributes:
        records: Rows read.
        unlabelled: Rows of which the truth says nothing: matched, but no pair with one is scored.
        people: Distinct people of the truth.
        persons: Clusters found.
        unused_columns: Columns that the mapping does not name.
        strange_pairs: Pairs of the truth that name a row that there is not; left out.
        candidates: Pairs that were compared.
        blocked_recall: The share of true pairs among the candidates.
        doubtful: Pairs that a human would be asked about.
        skipped_blocks: By kind of blocking key, how many blocks were too large and the largest.
        pairs: Quality of the decisions about single candidate pairs.
        best_pairs: The best F1 of single pairs that any threshold would have given, and the
            threshold: how much is left to the weights.
        clusters: Quality of the persons, over all pairs of records within them.
        cluster_of: The number of the person of each row, in the order of rows.
        places: The file and the line of each row.
        mistakes: Some of what went wrong.
    """

    records: int
    unlabelled: int
    people: int
    persons: int
    unused_columns: tuple[str, ...]
    strange_pairs: int
    features: tuple[str, ...]
    candidates: int
    blocked_recall: float
    doubtful: int
    skipped_blocks: Mapping[str, tuple[int, int]]
    pairs: Quality
    best_pairs: tuple[float, float]
    clusters: Quality
    cluster_of: tuple[int, ...]
    places: tuple[Place, ...]
    mistakes: tuple[Mistake, ...]


def evaluate_matching(
    *tables: TextIO,
    mapping: Mapping[str, Any],
    truth: TruthColumn | TruthPairs,
    without: Sequence[str] = (),
    progress: Progress | None = None,
    most_mistakes: int = 0,
) -> MatchingReport:
    """Match the rows of tables and compare the result with their truth.

    The truth takes no part in learning, comparing or deciding.

    Args:
        tables: CSV with a header; comma, semicolon, tab or bar between cells. Several are several
            agencies.
        mapping: The mapping document, see `table_mapping`.
        truth: Who knows who is who.
        without: Attributes to leave out, as if the table had no such column.
        progress: Is told how far it is.
        most_mistakes: How many mistakes to return.

    Raises:
        MappingRefused: 400. The mapping names what does not exist, or the truth as an attribute.
        FeedRefused: 400. A table has no header or no rows, or can't be read.
    """
    how = parse_table_mapping(mapping).without(without)
    if isinstance(truth, TruthColumn) and truth.name in how.named_columns():
        raise MappingRefused("The truth column may not be mapped to an attribute.")
    read = read_tables(tables, how, truth)
    if progress is not None:
        progress("records read", len(read.profiles))
    kinds = how.kinds()
    if not how.is_one_per_source and len(set(read.sources)) > 1:
        kinds[SOURCE] = "category"
        read.profiles = [
            {**profile, SOURCE: (source,)}
            for profile, source in zip(read.profiles, read.sources, strict=True)
        ]
    matched = match(
        read.profiles,
        kinds,
        sources=read.sources if how.is_one_per_source else None,
        progress=progress,
    )
    return _report(read, matched, tuple(kinds), most_mistakes)


def suggest_table_mapping(table: TextIO, *, truth: str | None = None) -> str:
    """Return a mapping that is guessed from a table, as TOML for a person to correct.

    Args:
        table: CSV with a header.
        truth: The column that says who is who, if that is known.

    Raises:
        FeedRefused: 400. The table has no header, or can't be read.
    """
    columns, rows = read_sample(table)
    return suggest_mapping(columns, rows, truth=truth)


def _report(
    read: Labelled, matched: Matched, features: tuple[str, ...], most_mistakes: int
) -> MatchingReport:
    numbers = [0] * len(read.profiles)
    for number, members in enumerate(sorted(matched.clusters)):
        for index in members:
            numbers[index] = number
    return MatchingReport(
        records=len(read.profiles),
        unlabelled=read.truth.count(None),
        people=len(set(read.truth) - {None}),
        persons=len(matched.clusters),
        unused_columns=tuple(read.unused),
        strange_pairs=read.strange_pairs,
        features=features,
        candidates=matched.blocking.pairs,
        blocked_recall=blocked_recall(matched, read.truth),
        doubtful=matched.doubtful,
        skipped_blocks=dict(list(matched.blocking.skipped.items())[:_MOST_SKIPPED_KINDS]),
        pairs=pair_quality(matched, read.truth),
        best_pairs=best_threshold(matched, read.truth),
        clusters=cluster_quality(matched, read.truth),
        cluster_of=tuple(numbers),
        places=tuple(read.places),
        mistakes=tuple(_mistakes(matched, read, most_mistakes)),
    )


def _mistakes(matched: Matched, read: Labelled, most: int) -> Iterator[Mistake]:
    scorer = Scorer(matched.model)
    for one, other, is_one in mistakes(matched, read.truth, 2)[:most]:
        score = scorer.score(read.profiles[one], read.profiles[other])
        yield Mistake(
            places=(read.places[one], read.places[other]),
            is_one_person=is_one,
            bits=score.bits,
            evidence=tuple(score.words()),
        )
