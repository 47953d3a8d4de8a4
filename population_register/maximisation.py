"""Expectation and maximisation over patterns of agreement. No I/O.

A pattern is the levels of all features of a pair; pairs with equal levels are one row with a count.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from math import exp, log

from population_register.common_values import NUMBERED
from population_register.comparison import MISSING, WEAK, Levels
from population_register.matching_model import Feature, Model
from population_register.scoring import TWINS, log_add
from population_register.starting_points import PLACES, TWIN

Patterns = Mapping[tuple[Levels, int], float]
"""How many candidate pairs have these levels and this rounded sum of rarities."""


_MOST_PATTERNS = 50_000
_MOST_ROUNDS = 60
_SMOOTHING = 8.0  # pairs; keeps a level that never occurred possible
_KIN_SMOOTHING = 60.0
_STOP = 1e-4
_NEGLIGIBLE = 1e-9  # pairs

_MOST_DIFFERENT = {
    "birthdate": 0.1,
    "given_name": 0.2,
    "family_name": 0.35,
    "gender": 0.15,
    "snils": 0.35,
    "inn": 0.35,
    "enp": 0.35,
}
"""Of records of one person, how many are wholly different in this at most; see `_bounded`."""

_WITHOUT_BIRTH = {**_MOST_DIFFERENT, "given_name": 0.05}
"""The same where no birth date tells two of a household apart: only the given name does."""

_SHARED = 2  # levels of a number at which it is the same; a household has it at least as often
_FIXED_KIN = frozenset(("given_name", "birthdate"))  # or the household would learn to be a person
_FIXED_WITH_BIRTH = _FIXED_KIN | {"phone"}  # learned, it took more from persons than it gave


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """A model, and how learning went."""

    model: Model
    rounds: int


def maximise(
    start: Model,
    patterns: Patterns,
    *,
    total_pairs: float,
    known: Sequence[float],
    smoothing: float = _SMOOTHING,
    rounds: int = _MOST_ROUNDS,
) -> Learned:
    """Find the shares and priors that make the patterns most probable.

    Args:
        start: What strangers are like, and where to begin.
        patterns: The levels of the candidate pairs.
        total_pairs: How many pairs there are, candidates or not.
        known: Of each feature, in how many of all pairs both records know it, as a share.
        smoothing: How many pairs the start is worth.
        rounds: When to stop at the latest.
    """
    rows = _Rows(start.features, _thinned(patterns))
    model, done = start, 0
    for done in range(1, rounds + 1):  # noqa: B007 - returned
        totals = _expect(model, rows)
        following = _maximised(start, model, totals, total_pairs, known, smoothing=smoothing)
        has_settled = _distance(model, following) < _STOP
        model = following
        if has_settled:
            break
    return Learned(model=model, rounds=done)


def _thinned(patterns: Patterns) -> list[tuple[Levels, int, float]]:
    """Return the patterns with their counts; of very many rare ones a part stands for all."""
    rows = sorted(patterns.items(), key=lambda row: (-row[1], row[0]))
    head, tail = rows[: _MOST_PATTERNS // 2], rows[_MOST_PATTERNS // 2 :]
    step = max(1, -(-len(tail) * 2 // _MOST_PATTERNS))
    kept = [(levels, rarity, count) for (levels, rarity), count in head]
    kept.extend((levels, rarity, count * step) for (levels, rarity), count in tail[::step])
    return kept


class _Rows:
    """Patterns as every round reads them.

    The levels of all features stand in one flat list; `starts` says where those of each begin. Of a
    pattern, `places` are its known levels there, and `weights` how often it came with which rarity.
    """

    __slots__ = ("patterns", "starts", "totals")

    def __init__(
        self, features: Sequence[Feature], rows: Iterable[tuple[Levels, int, float]]
    ) -> None:
        self.starts = list(accumulate((len(feature.m) for feature in features), initial=0))
        by_levels: dict[Levels, list[tuple[int, float]]] = {}
        for levels, rarity, count in rows:
            by_levels.setdefault(levels, []).append((rarity, count))
        self.patterns: list[tuple[tuple[int, ...], list[tuple[int, float]]]] = []
        self.totals = [0.0] * self.starts[-1]
        for levels, weights in by_levels.items():
            places = tuple(
                start + level
                for start, level in zip(self.starts, levels, strict=False)
                if level != MISSING
            )
            self.patterns.append((places, weights))
            count = sum(times for _, times in weights)
            for place in places:
                self.totals[place] += count

    def by_feature(self, flat: Sequence[float]) -> list[Sequence[float]]:
        """Return a flat list divided into the levels of each feature."""
        return [flat[one:other] for one, other in pairwise(self.starts)]


@dataclass(slots=True)
class _Totals:
    """Expected pairs of each population: in all, and by feature and level."""

    one: float
    kin: float
    by_level_one: list[Sequence[float]]
    by_level_kin: list[Sequence[float]]
    by_level_strangers: list[Sequence[float]]


def _expect(model: Model, rows: _Rows) -> _Totals:
    of_one, of_strangers, of_kin, of_twins = (
        [log(max(share, 1e-12)) for shares in population for share in shares].__getitem__
        for population in zip(*((f.m, f.u, f.kin, f.twin) for f in model.features), strict=True)
    )
    one_before, strangers_before = log(model.prior), log(1 - model.prior - model.kin_prior)
    kin_before = log(max(model.kin_prior * (1 - TWINS), 1e-300))
    twins_before = log(max(model.kin_prior * TWINS, 1e-300))
    one_of, kin_of = [0.0] * rows.starts[-1], [0.0] * rows.starts[-1]
    ones = kins = 0.0
    for places, weights in rows.patterns:
        one = one_before + sum(map(of_one, places))
        strangers = strangers_before + sum(map(of_strangers, places))
        kin = log_add(
            kin_before + sum(map(of_kin, places)), twins_before + sum(map(of_twins, places))
        )
        are_one = are_kin = 0.0
        for rarity, count in weights:
            others = log_add(strangers + rarity, kin)
            all_three = log_add(one, others)
            are_one += count * exp(one - all_three)
            are_kin += count * exp(kin - all_three)
        ones += are_one
        kins += are_kin
        if are_one > _NEGLIGIBLE:
            for place in places:
                one_of[place] += are_one
        if are_kin > _NEGLIGIBLE:
            for place in places:
                kin_of[place] += are_kin
    strangers_of = [
        max(0.0, total - one - kin)
        for total, one, kin in zip(rows.totals, one_of, kin_of, strict=True)
    ]
    return _Totals(ones, kins, *map(rows.by_feature, (one_of, kin_of, strangers_of)))


def _maximised(
    start: Model,
    model: Model,
    totals: _Totals,
    total_pairs: float,
    known: Sequence[float],
    *,
    smoothing: float,
) -> Model:
    has_birth = any(feature.name == "birthdate" for feature in model.features)
    most_different = _MOST_DIFFERENT if has_birth else _WITHOUT_BIRTH
    fixed_kin = _FIXED_WITH_BIRTH if has_birth else _FIXED_KIN
    features = tuple(
        _with_kin(
            replace(
                feature,
                m=_bounded(
                    feature,
                    _shares(totals.by_level_one[index], first.m, smoothing),
                    most_different.get(feature.name, 1.0),
                ),
                u=_numbers_of_strangers(
                    feature, totals.by_level_strangers[index], known[index] * total_pairs
                ),
            ),
            first,
            None
            if feature.name in fixed_kin
            else _shares(totals.by_level_kin[index], first.kin, _KIN_SMOOTHING),
        )
        for index, (first, feature) in enumerate(zip(start.features, model.features, strict=True))
    )
    return replace(
        model,
        features=features,
        prior=max(totals.one, 1e-3) / total_pairs,
        kin_prior=totals.kin / total_pairs if start.kin_prior else 0.0,
    )


def _bounded(feature: Feature, m: tuple[float, ...], most: float) -> tuple[float, ...]:
    """Return shares of which those of what is wholly different are not more than of one person.

    In a large file there are far more namesakes than records of one person. Where something makes
    namesakes look alike (a column that follows from the name), learning would take them for one
    person, who then has any birth date. That can't be.
    """
    alike = WEAK if feature.kind == "name" else len(m) - 1
    different = sum(m[alike:])
    if different <= most:
        return m
    less, more = most / different, (1 - most) / (1 - different)
    return (*(share * more for share in m[:alike]), *(share * less for share in m[alike:]))


def _with_kin(feature: Feature, first: Feature, kin: tuple[float, ...] | None) -> Feature:
    """Return the feature with what a household was found to be like, where that may be learned.

    Args:
        feature: As far as it is known.
        first: As it was when learning began.
        kin: What was found; None where that is not learned.
    """
    if kin is None or feature.has_fixed_u:
        return feature
    if feature.kind == "number" and sum(kin[:_SHARED]) < sum(first.kin[:_SHARED]):
        return replace(feature, kin=first.kin, twin=first.twin)
    if feature.name in PLACES:
        kin = _at_least_as_different(kin, feature.m[-1])
    return replace(feature, kin=kin, twin=feature.twin if feature.name in TWIN else kin)


def _at_least_as_different(kin: tuple[float, ...], least: float) -> tuple[float, ...]:
    """Return shares of which the last is not less than it is of one person.

    Who moves is at two addresses, and two of a household are so at least as often.
    """
    if kin[-1] >= least:
        return kin
    rest = 1 - kin[-1]
    return (*(share * (1 - least) / rest for share in kin[:-1]), least)


def _shares(counts: Sequence[float], start: Sequence[float], smoothing: float) -> tuple[float, ...]:
    total = sum(counts) + smoothing
    if total <= 0:
        return tuple(start)
    return tuple((n + s * smoothing) / total for n, s in zip(counts, start, strict=True))


def _distance(one: Model, other: Model) -> float:
    """Return how far two models of the same features are apart."""
    shares = [
        abs(share - same)
        for left, right in zip(one.features, other.features, strict=True)
        for share, same in zip((*left.m, *left.kin), (*right.m, *right.kin), strict=True)
    ]
    return max(abs(log(one.prior / other.prior)), *shares)


def _numbers_of_strangers(
    feature: Feature, counts: Sequence[float], pairs: float
) -> tuple[float, ...]:
    """Return what strangers are like in a number.

    Two strangers almost never draw the same number, so pairs drawn at random can't tell how often;
    but whoever shares a number is a candidate, and so the candidates tell.
    """
    if feature.kind not in NUMBERED or feature.frequencies or pairs <= 0:
        return feature.u
    same = [(count + 0.5) / (pairs + 1) for count in counts[:2]]
    rest = sum(feature.u[2:])
    return (*same, *(share * (1 - sum(same)) / rest for share in feature.u[2:]))
