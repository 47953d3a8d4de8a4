"""Match the records of a file as feeds are matched, and measure how well that went.

The steps are those of the register, with the same code for each: profiles, blocking, one scorer,
one clustering. Only the model differs: it is learned from the file itself, without its truth.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from population_register.bulk_scoring import BulkScorer
from population_register.candidates import BlockingReport, pairs
from population_register.clustering import cluster, vote
from population_register.comparison import Levels, Profile
from population_register.learning import Patterns, learn, without_defaults
from population_register.scoring import Model, Scorer, odds_bits

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
_HOPELESS = -20.0  # bits; no threshold worth a thought lies lower


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How many pairs were right, and what follows from it."""

    right: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float:
        """Return which share of what was said is true."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    @property
    def recall(self) -> float:
        """Return which share of what is true was said."""
        return self.right / (self.right + self.missed) if self.right + self.missed else 1.0

    @property
    def f1(self) -> float:
        """Return the harmonic mean of both."""
        total = 2 * self.right + self.wrong + self.missed
        return 2 * self.right / total if total else 1.0


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
    profiles = without_defaults(profiles, kinds)
    report = BlockingReport()
    found = ScoredPairs(*pairs(profiles, report, sources=sources))
    patterns: list[Levels] = []

    def compare(scorer: Scorer) -> Patterns:
        bulk = BulkScorer(scorer, profiles)
        counts: Counter[tuple[int, int]] = Counter()
        for begin in range(0, len(found.left), _AT_ONCE):
            numbers, rarities = bulk.compare(
                found.left[begin : begin + _AT_ONCE], found.right[begin : begin + _AT_ONCE]
            )
            found.pattern.extend(numbers)
            found.rarity.extend(array("f", rarities))
            counts.update(zip(numbers, map(round, rarities), strict=True))
            if progress is not None:
                progress(f"of {len(found.left):,} pairs compared", len(found.pattern))
        patterns.extend(bulk.patterns.levels)
        return {(patterns[number], rarity): n for (number, rarity), n in counts.items()}

    rounds = 0
    if model is None:
        learned = learn(
            profiles, kinds, compare, version=version, total_pairs=_possible(profiles, sources)
        )
        model, rounds = _leaning(learned.model), learned.rounds
    else:
        compare(Scorer(model))
    scorer = Scorer(model)
    doubtful = _score(found, patterns, scorer)
    return Matched(
        model=model,
        clusters=_persons(profiles, found, scorer, sources),
        pairs=found,
        blocking=report,
        doubtful=doubtful,
        rounds=rounds,
    )


def _leaning(model: Model) -> Model:
    """Return the model with better odds beforehand, by `LEANING`."""
    better = model.prior * 2**LEANING
    return replace(model, prior=better / (1 - model.prior + better))


def _possible(profiles: Sequence[Profile], sources: Sequence[str] | None) -> float:
    """Return how many pairs may be one person."""

    def pairs_of(count: int) -> float:
        return count * (count - 1) / 2

    inside = sum(map(pairs_of, Counter(sources).values())) if sources is not None else 0
    return max(1.0, pairs_of(len(profiles)) - inside)


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
    def votes(one: int, other: int) -> float:
        if sources is not None and sources[one] == sources[other]:
            return -1000.0
        return vote(*scorer.bits_and_against(profiles[one], profiles[other]))

    edges = [
        (left, right, bits)
        for left, right, bits in zip(found.left, found.right, found.bits, strict=True)
        if bits > scorer.model.link
    ]
    return cluster(range(len(profiles)), edges, votes)


def pair_quality(matched: Matched, truth: Sequence[str]) -> Quality:
    """Measure the decisions about single pairs, before they become persons."""
    sizes = Counter(truth)
    all_true = sum(size * (size - 1) // 2 for size in sizes.values())
    right = wrong = 0
    link = matched.model.link
    found = matched.pairs
    for one, other, bits in zip(found.left, found.right, found.bits, strict=True):
        if bits > link:
            if truth[one] == truth[other]:
                right += 1
            else:
                wrong += 1
    return Quality(right=right, wrong=wrong, missed=all_true - right)


def best_threshold(matched: Matched, truth: Sequence[str]) -> tuple[float, float]:
    """Return the best F1 of single pairs that any threshold would have given, and that threshold.

    Needs the truth, so nothing may be decided by it: it shows what the learned prior cost.
    """
    found = matched.pairs
    likely = (index for index, bits in enumerate(found.bits) if bits > _HOPELESS)
    order = sorted(likely, key=lambda index: -found.bits[index])
    all_true = sum(size * (size - 1) // 2 for size in Counter(truth).values())
    right, best = 0, (0.0 if all_true else 1.0, matched.model.link)
    for said, index in enumerate(order, start=1):
        right += truth[found.left[index]] == truth[found.right[index]]
        f1 = 2 * right / (said + all_true)
        if f1 > best[0]:
            best = f1, found.bits[index]
    return best


def cluster_quality(matched: Matched, truth: Sequence[str]) -> Quality:
    """Measure the persons: all pairs within them, the ones never compared included."""
    right = wrong = 0
    for members in matched.clusters:
        inside = Counter(truth[index] for index in members)
        same = sum(size * (size - 1) // 2 for size in inside.values())
        right += same
        wrong += len(members) * (len(members) - 1) // 2 - same
    all_true = sum(size * (size - 1) // 2 for size in Counter(truth).values())
    return Quality(right=right, wrong=wrong, missed=all_true - right)


def blocked_recall(matched: Matched, truth: Sequence[str]) -> float:
    """Return which share of the true pairs were candidates at all."""
    all_true = sum(size * (size - 1) // 2 for size in Counter(truth).values())
    hit = sum(
        truth[one] == truth[other]
        for one, other in zip(matched.pairs.left, matched.pairs.right, strict=True)
    )
    return hit / all_true if all_true else 1.0


def mistakes(matched: Matched, truth: Sequence[str], limit: int) -> list[tuple[int, int, bool]]:
    """Return pairs that are wrong in the clusters: two records, and whether they are one person."""
    of_record = {index: n for n, members in enumerate(matched.clusters) for index in members}
    by_truth: dict[str, list[int]] = {}
    for index, name in enumerate(truth):
        by_truth.setdefault(name, []).append(index)
    found: list[tuple[int, int, bool]] = []
    for members in matched.clusters:
        found += [(a, b, False) for a, b in combinations(members, 2) if truth[a] != truth[b]][
            :limit
        ]
    for members in by_truth.values():
        found += [
            (a, b, True) for a, b in combinations(members, 2) if of_record[a] != of_record[b]
        ][:limit]
    return found
