"""How well was a file matched? Deciding code: what was found and what is true in, figures out.

A record of which the truth says nothing takes no part: no pair with it is right, wrong or missed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, islice

from population_register.evaluation import Matched
from population_register.labelled_tables import Truth, repeated

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


def pair_quality(matched: Matched, truth: Truth) -> Quality:
    """Measure the decisions about single pairs, before they become persons."""
    right = wrong = 0
    link = matched.model.link
    for bits, is_one in _known_pairs(matched, truth):
        if bits > link:
            right += is_one
            wrong += not is_one
    return Quality(right=right, wrong=wrong, missed=repeated(truth) - right)


def best_threshold(matched: Matched, truth: Truth) -> tuple[float, float]:
    """Return the best F1 of single pairs that any threshold would have given, and that threshold.

    Needs the truth, so nothing may be decided by it: it shows what the learned prior cost.
    """
    likely = (pair for pair in _known_pairs(matched, truth) if pair[0] > _HOPELESS)
    order = sorted(likely, key=lambda pair: -pair[0])
    all_true = repeated(truth)
    right, best = 0, (0.0 if all_true else 1.0, matched.model.link)
    for said, (bits, is_one) in enumerate(order, start=1):
        right += is_one
        f1 = 2 * right / (said + all_true)
        if f1 > best[0]:
            best = f1, bits
    return best


def _known_pairs(matched: Matched, truth: Truth) -> Iterator[tuple[float, bool]]:
    """Return the score of each candidate of which the truth is known, and whether it is one."""
    found = matched.pairs
    for one, other, bits in zip(found.left, found.right, found.bits, strict=True):
        ours, theirs = truth[one], truth[other]
        if ours is not None and theirs is not None:
            yield bits, ours == theirs


def cluster_quality(matched: Matched, truth: Truth) -> Quality:
    """Measure the persons: all pairs within them, the ones never compared included."""
    right = said = 0
    for members in matched.clusters:
        inside = [truth[index] for index in members if truth[index] is not None]
        right += repeated(inside)
        said += len(inside) * (len(inside) - 1) // 2
    return Quality(right=right, wrong=said - right, missed=repeated(truth) - right)


def blocked_recall(matched: Matched, truth: Truth) -> float:
    """Return which share of the true pairs were candidates at all."""
    all_true = repeated(truth)
    hit = sum(is_one for _, is_one in _known_pairs(matched, truth))
    return hit / all_true if all_true else 1.0


def mistakes(matched: Matched, truth: Truth, limit: int) -> list[tuple[int, int, bool]]:
    """Return pairs that are wrong in the clusters: two records, and whether they are one person.

    Of each cluster and each person, not more than the limit.
    """
    of_record = {index: n for n, members in enumerate(matched.clusters) for index in members}
    by_truth: dict[str, list[int]] = {}
    for index, name in enumerate(truth):
        if name is not None:
            by_truth.setdefault(name, []).append(index)
    found: list[tuple[int, int, bool]] = []
    for members in matched.clusters:
        known = [index for index in members if truth[index] is not None]
        wrong = ((a, b, False) for a, b in combinations(known, 2) if truth[a] != truth[b])
        found += islice(wrong, limit)
    for members in by_truth.values():
        missed = ((a, b, True) for a, b in combinations(members, 2) if of_record[a] != of_record[b])
        found += islice(missed, limit)
    return found
