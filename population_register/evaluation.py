"""Match the records of a file as feeds are matched.

The steps are those of the register, with the same code for each: profiles, blocking, one scorer,
one clustering. Only the model differs: it is learned from the file itself, without its truth.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from operator import and_
from typing import Any

from population_register.bulk_scoring import BulkScorer
from population_register.candidates import BlockingReport, pairs
from population_register.collective import NEIGHBOUR_BITS, Collective
from population_register.common_values import without_defaults
from population_register.comparison import Levels, Profile
from population_register.learning import learn
from population_register.learning_sample import most_taking_part, taking_part
from population_register.mailbox_names import with_names_of_mailboxes
from population_register.matching_model import Model
from population_register.maximisation import Patterns
from population_register.scoring import Scorer, odds_bits

Progress = Callable[[str, int], None]
"""Told what is done, and how many."""

LEANING = 2.0
"""Bits by which persons are sought more willingly than the learned odds say.

Weights learned without truth take features for independent. They are not: a hasty clerk errs in
several, and a move changes all of an address. So true pairs with several disagreements score too
low. Of 0 to 4 bits, 2 or 3 gave the best persons on most of sixteen tables of tuning seeds, and 1
or 2 the best single pairs.
"""

_AT_ONCE = 50_000  # pairs


@dataclass(slots=True)
class ScoredPairs:
    """Candidate pairs with their levels and scores, in flat arrays: a pair takes twenty bytes."""

    left: "array[int]" = field(default_factory=lambda: array("I"))
    right: "array[int]" = field(default_factory=lambda: array("I"))
    pattern: "array[int]" = field(default_factory=lambda: array("I"))
    rarity: "array[float]" = field(default_factory=lambda: array("f"))
    bits: "array[float]" = field(default_factory=lambda: array("f"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """What became of a file.

    Attributes:
        model: What was learned, or given.
        clusters: The persons: indices of records, each cluster sorted.
        pairs: The candidates.
        blocking: What blocking did.
        doubtful: Pairs that a human would be asked about.
        rounds: How long learning took; 0 when the model was given.
    """

    model: Model
    clusters: list[list[int]]
    pairs: ScoredPairs
    blocking: BlockingReport
    doubtful: int
    rounds: int


def match(
    profiles: Sequence[Profile],
    kinds: Mapping[str, str],
    *,
    version: str = "learned from the file",
    sources: Sequence[str] | None = None,
    progress: Progress | None = None,
    model: Model | None = None,
) -> Matched:
    """Match records with each other.

    Args:
        profiles: The records.
        kinds: The features to compare, with the comparator of each.
        version: Names the model that is learned.
        sources: The source of each record, if no source has a person twice.
        progress: Is told how far it is.
        model: A model to score with, instead of one learned from the records.
    """
    order = sorted(range(len(profiles)), key=_said_by(profiles, sources))
    profiles = without_defaults([profiles[index] for index in order], kinds)
    if {"email", "given_name", "family_name"} <= kinds.keys():
        profiles = with_names_of_mailboxes(profiles)
    sources = None if sources is None else [sources[index] for index in order]
    to_learn_from = taking_part(profiles, kinds)
    report = BlockingReport()
    found = ScoredPairs(*pairs(profiles, report, sources=sources))
    patterns: list[Levels] = []

    def compare(scorer: Scorer) -> Patterns:
        bulk = BulkScorer(scorer, profiles)
        counts = _compare(found, bulk, to_learn_from, progress)
        patterns.extend(bulk.patterns.levels)
        return {(patterns[number], rarity): n for (number, rarity), n in counts.items()}

    rounds = 0
    if model is None:
        learned = learn(
            [profiles[index] for index in to_learn_from],
            kinds,
            compare,
            version=version,
            total_pairs=_possible(to_learn_from, sources),
        )
        model, rounds = _leaning(learned.model), learned.rounds
    else:
        compare(Scorer(model))
    scorer = Scorer(model)
    doubtful = _score(found, patterns, scorer)
    clusters = _persons(profiles, found, scorer, sources)
    found.left = array("I", map(order.__getitem__, found.left))
    found.right = array("I", map(order.__getitem__, found.right))
    return Matched(
        model=model,
        clusters=sorted(sorted(map(order.__getitem__, members)) for members in clusters),
        pairs=found,
        blocking=report,
        doubtful=doubtful,
        rounds=rounds,
    )


def _compare(
    found: ScoredPairs, bulk: BulkScorer, to_learn_from: Sequence[int], progress: Progress | None
) -> Counter[tuple[int, int]]:
    """Compare all pairs; return the patterns and rounded rarities of those to learn from."""
    takes_part = frozenset(to_learn_from).__contains__
    counts: Counter[tuple[int, int]] = Counter()
    for begin in range(0, len(found.left), _AT_ONCE):
        left = found.left[begin : begin + _AT_ONCE]
        right = found.right[begin : begin + _AT_ONCE]
        numbers, rarities = bulk.compare(left, right)
        found.pattern.extend(numbers)
        found.rarity.extend(array("f", rarities))
        both = map(and_, map(takes_part, left), map(takes_part, right))
        counts.update(compress(zip(numbers, map(round, rarities), strict=True), both))
        if progress is not None:
            progress(f"of {len(found.left):,} pairs compared", len(found.pattern))
    return counts


def _said_by(
    profiles: Sequence[Profile], sources: Sequence[str] | None
) -> Callable[[int], tuple[Any, ...]]:
    """Return what sorts records by what they say alone, so that their order can't matter."""

    def said(index: int) -> tuple[Any, ...]:
        return sorted(profiles[index].items()), "" if sources is None else sources[index]

    return said


def _leaning(model: Model) -> Model:
    """Return the model with better odds beforehand, by `LEANING`."""
    better = model.prior * 2**LEANING
    return replace(model, prior=better / (1 - model.prior + better))


def _possible(records: Sequence[int], sources: Sequence[str] | None) -> float:
    """Return how many pairs of some records may be one person."""

    def pairs_of(count: int) -> float:
        return count * (count - 1) / 2

    inside = 0.0
    if sources is not None:
        inside = sum(map(pairs_of, Counter(sources[index] for index in records).values()))
    return max(1.0, pairs_of(len(records)) - inside)


def _score(found: ScoredPairs, patterns: Sequence[Levels], scorer: Scorer) -> int:
    """Give every pair its score; return how many a human would be asked about."""
    likelihoods = [scorer.likelihoods(levels) for levels in patterns]
    doubtful = 0
    model = scorer.model
    for number, rarity in zip(found.pattern, found.rarity, strict=True):
        bits = odds_bits(likelihoods[number], rarity)
        found.bits.append(bits)
        doubtful += model.ask <= bits < -model.ask
    return doubtful


def _persons(
    profiles: Sequence[Profile],
    found: ScoredPairs,
    scorer: Scorer,
    sources: Sequence[str] | None,
) -> list[list[int]]:
    edges = (
        (left, right, bits)
        for left, right, bits in zip(found.left, found.right, found.bits, strict=True)
        if bits > NEIGHBOUR_BITS
    )
    return Collective(scorer, profiles, sources, usual=most_taking_part(len(profiles))).persons(
        edges
    )
