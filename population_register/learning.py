"""Learn from records alone, without knowing who is who, how much each level of agreement says.

Expectation and maximisation over patterns: pairs with equal levels are one row with a count. All
pairs of the file take part, though only those that blocking proposes are compared: the others are
strangers by assumption, and what strangers are like comes from pairs drawn at random. So the choice
of candidates does not make the priors too high, as learning on candidates alone does.

`loadtests/matching/learn.py` holds this against Splink on the same patterns.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from population_register.common_values import UNCOUNTED, with_values
from population_register.comparison import MISSING, Levels, Profile
from population_register.matching_model import Feature, Model
from population_register.maximisation import Learned, Patterns, maximise
from population_register.scoring import Scorer
from population_register.starting_points import KIN, PLACES, starting_features

MOST_RANDOM_PAIRS = 80_000
_RANDOM_PAIRS_PER_RECORD = 60


def learn(
    profiles: Sequence[Profile],
    kinds: Mapping[str, str],
    candidates: Callable[[Scorer], Patterns],
    *,
    version: str,
    total_pairs: float | None = None,
) -> Learned:
    """Learn a model from records.

    Args:
        profiles: The records.
        kinds: The features that take part, with the comparator of each.
        candidates: Compares the candidate pairs, with a scorer that knows strangers and
            frequencies already; returns their patterns.
        version: Names the model.
        total_pairs: How many pairs may be one person, if not all.
    """
    if total_pairs is None:
        total_pairs = max(1.0, len(profiles) * (len(profiles) - 1) / 2)
    likely = min(0.05, 0.5 * len(profiles) / total_pairs)
    features = tuple(with_values(feature, profiles) for feature in starting_features(kinds))
    has_kin = bool(PLACES & set(kinds)) and "given_name" in kinds
    start = Model(
        version=version,
        features=features,
        prior=likely,
        kin_prior=likely if has_kin else 0.0,
    )
    start, known = _meet_strangers(start, profiles)
    return maximise(start, candidates(Scorer(start)), total_pairs=total_pairs, known=known)


def _meet_strangers(start: Model, profiles: Sequence[Profile]) -> tuple[Model, tuple[float, ...]]:
    """Learn what two strangers are like from pairs drawn at random.

    Returns:
        The model, and of each feature the share of pairs in which both know it.
    """
    scorer = Scorer(start)
    seen = [Counter[int]() for _ in start.features]
    drawn = 0
    for left, right in _random_pairs(len(profiles)):
        levels, _ = scorer.compare(profiles[left], profiles[right])
        drawn += 1
        if _looks_like_one_person(start.features, levels):
            continue
        for counts, level in zip(seen, levels, strict=True):
            if level != MISSING:
                counts[level] += 1
    features: list[Feature] = []
    known: list[float] = []
    for feature, counts in zip(start.features, seen, strict=True):
        total = counts.total()
        known.append(total / max(1, drawn))
        if feature.has_fixed_u:
            features.append(feature)
            continue
        count = len(feature.m)
        u = tuple((counts[level] + 0.5 / count) / (total + 0.5) for level in range(count))
        has_kin = feature.name in KIN or feature.kind == "number"
        features.append(replace(feature, u=u) if has_kin else replace(feature, u=u, kin=u, twin=u))
    return replace(start, features=tuple(features)), tuple(known)


def _looks_like_one_person(features: Sequence[Feature], levels: Levels) -> bool:
    """Tell whether a pair drawn at random agrees on nearly all it knows: no stranger."""
    close = known = 0
    for feature, level in zip(features, levels, strict=True):
        if level != MISSING and feature.kind not in UNCOUNTED:
            known += 1
            close += level <= 2 and feature.kind != "place"  # noqa: PLR2004
    return known > 1 and close * 4 >= known * 3


def _random_pairs(count: int) -> Iterator[tuple[int, int]]:
    """Return pairs of indices: all if there are few, else the same random ones every time."""
    wanted = min(MOST_RANDOM_PAIRS, _RANDOM_PAIRS_PER_RECORD * count)
    if count * (count - 1) // 2 <= wanted:
        yield from combinations(range(count), 2)
        return
    state = 0
    for _ in range(wanted):
        state = (state + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF  # SplitMix64
        mixed = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        mixed ^= mixed >> 31
        left, right = (mixed & 0xFFFFFFFF) % count, (mixed >> 32) % count
        if left != right:
            yield left, right
