"""Learn from records alone, without knowing who is who, how much each level of agreement says.

Expectation and maximisation over patterns: pairs with equal levels are one row with a count. All
pairs of the file take part, though only those that blocking proposes are compared: the others are
strangers by assumption, and what strangers are like comes from pairs drawn at random. So the choice
of candidates does not make the priors too high, as learning on candidates alone does.

`loadtests/matching/learn.py` holds this against Splink on the same patterns.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, combinations, pairwise
from math import exp, log

from population_register.comparison import (
    MISSING,
    NAME_ORDER,
    SOURCE,
    TWO_DIGITS_OFF,
    WEAK,
    Levels,
    Profile,
    date_level,
    name_level,
)
from population_register.names import latin_fold
from population_register.scoring import TWINS, Feature, Model, Scorer, log_add

Patterns = Mapping[tuple[Levels, int], float]
"""How many candidate pairs have these levels and this rounded sum of rarities."""

MOST_RANDOM_PAIRS = 80_000
_RANDOM_PAIRS_PER_RECORD = 60
_MOST_PATTERNS = 50_000
_MOST_ROUNDS = 60
_SMOOTHING = 8.0  # pairs; keeps a level that never occurred possible
_KIN_SMOOTHING = 60.0
_STOP = 1e-4
_NEGLIGIBLE = 1e-9  # pairs
_MANY_CARRIERS = 40
_LEAST_DERIVED = 5  # one in so many mailboxes made from names, and all are looked at so
_MOST_COMMON_DAY = 0.01  # of all records; a busy day of births has far fewer

_M = {
    "name": (0.86, 0.05, 0.025, 0.015, 0.005, 0.015, 0.01, 0.02),
    "date": (0.90, 0.015, 0.035, 0.014, 0.006, 0.01, 0.02),
    "number": (0.90, 0.02, 0.04, 0.01, 0.03),
    "mailbox": (0.70, 0.05, 0.07, 0.03, 0.15),
    "category": (0.97, 0.03),
    "text": (0.75, 0.1, 0.05, 0.1),
    "quantity": (0.80, 0.1, 0.05, 0.05),
    "place": (0.70, 0.06, 0.05, 0.05, 0.02, 0.05, 0.07),
    "dwelling": (0.60, 0.12, 0.05, 0.03, 0.20),
    "order": (0.985, 0.01, 0.005),
}
"""Where learning starts, by kind of comparator: records of one person mostly agree."""

_KIN = {
    "family_name": (0.70, 0.14, 0.02, 0.001, 0.001, 0.01, 0.018, 0.11),
    "given_name": (0.012, 0.003, 0.005, 0.002, 0.005, 0.03, 0.123, 0.82),
    "middle_name": (0.28, 0.03, 0.02, 0.005, 0.01, 0.035, 0.12, 0.50),
    "birthdate": (0.025, 0.001, 0.006, 0.01, 0.02, 0.048, 0.89),
    "gender": (0.47, 0.53),
    "place": (0.93, 0.03, 0.01, 0.01, 0.005, 0.005, 0.01),
    "dwelling": (0.85, 0.10, 0.02, 0.01, 0.02),
    "birthplace": (0.45, 0.05, 0.05, 0.45),
    "phone": (0.15, 0.15, 0.01, 0.01, 0.68),
    "email": (0.05, 0.05, 0.02, 0.02, 0.86),
}
"""What two of one household are like; whatever is not named is as with strangers."""

_TWIN = {
    "family_name": (0.90, 0.04, 0.02, 0.001, 0.001, 0.01, 0.008, 0.02),
    "middle_name": (0.88, 0.05, 0.02, 0.005, 0.01, 0.01, 0.01, 0.015),
    "birthdate": (0.93, 0.01, 0.025, 0.015, 0.005, 0.005, 0.01),
    "gender": (0.67, 0.33),
    "birthplace": (0.85, 0.05, 0.03, 0.07),
}
"""Where twins differ from others of a household."""

_GIVEN_NAME_M = (0.87, 0.05, 0.025, 0.02, 0.005, 0.015, 0.009, 0.006)
"""Where learning starts with given names: few are wholly wrong, or twins would be one person."""

_STARTING_M = {"given_name": _GIVEN_NAME_M, SOURCE: (0.5, 0.5)}

_KIN_NUMBER = (0.003, 0.01, 0.003, 0.003, 0.981)
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

_FIXED_KIN = frozenset(("given_name", "birthdate"))  # or the household would learn to be a person
_PLACES = frozenset(("place", "dwelling", "phone"))
_UNCOUNTED = frozenset(("category", "order", "quantity"))  # common values say little more
_NUMBERED = frozenset(("number", "mailbox"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """A model, and how learning went."""

    model: Model
    rounds: int


def starting_features(kinds: Mapping[str, str]) -> tuple[Feature, ...]:
    """Return features that nothing was learned about yet, given the comparator of each."""
    features: list[Feature] = []
    for name, kind in kinds.items():
        m = _STARTING_M.get(name) or _M[kind]
        u = tuple(1 / len(m) for _ in m)
        kin = _KIN_NUMBER if kind == "number" and name not in _KIN else _KIN.get(name, u)
        features.append(Feature(name=name, kind=kind, m=m, u=u, kin=kin, twin=_TWIN.get(name, kin)))
    if {"given_name", "family_name"} <= set(kinds):
        ones = (1.0, 1.0, 1.0)
        features.append(
            Feature(
                name=NAME_ORDER,
                kind="order",
                m=_M["order"],
                u=ones,
                kin=ones,
                twin=ones,
                has_fixed_u=True,
            )
        )
    return tuple(features)


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
    features = tuple(_with_values(feature, profiles) for feature in starting_features(kinds))
    has_kin = bool(_PLACES & set(kinds)) and "given_name" in kinds
    start = Model(
        version=version,
        features=features,
        prior=likely,
        kin_prior=likely if has_kin else 0.0,
    )
    start, known = _meet_strangers(start, profiles)
    return maximise(start, candidates(Scorer(start)), total_pairs=total_pairs, known=known)


# What values are common, and which belong to several people


def without_defaults(profiles: Sequence[Profile], kinds: Mapping[str, str]) -> list[Profile]:
    """Return the profiles without what was only written because a form wanted something.

    A number, telephone or mailbox of more than forty records that are plainly not one person, and
    a birth date of more than forty records and one in a hundred. Such a value says nothing where
    it is equal, and nothing where it differs from a true one; so it is left out.
    """
    defaults: dict[str, frozenset[str]] = {}
    for name, kind in kinds.items():
        if kind in _NUMBERED or kind == "date":
            carriers = _carriers(name, profiles)
            known = sum(map(len, carriers.values()))
            least = (
                _MANY_CARRIERS
                if kind in _NUMBERED
                else max(_MANY_CARRIERS, _MOST_COMMON_DAY * known)
            )
            found = frozenset(
                value
                for value, bearers in carriers.items()
                if len(bearers) > least and _are_mostly_others(bearers, name)
            )
            if found:
                defaults[name] = found
    if not defaults:
        return list(profiles)
    return [_without(profile, defaults) for profile in profiles]


def _without(profile: Profile, defaults: Mapping[str, frozenset[str]]) -> Profile:
    kept: dict[str, tuple[str, ...]] = {}
    for feature, values in profile.items():
        left_out = defaults.get(feature, frozenset())
        rest = tuple(value for value in values if value not in left_out)
        if rest:
            kept[feature] = rest
    return kept


def _are_mostly_others(bearers: Sequence[Profile], shared: str) -> bool:
    """Tell whether of the bearers of one value most are plainly not one person."""
    step = max(1, len(bearers) // _MANY_CARRIERS)
    pairs = list(pairwise(bearers[::step]))
    told = sum(_are_plainly_two(one, other, without=shared) for one, other in pairs)
    return told * 2 > len(pairs)


def _carriers(name: str, profiles: Sequence[Profile]) -> dict[str, list[Profile]]:
    carriers: dict[str, list[Profile]] = {}
    for profile in profiles:
        for value in profile.get(name, ()):
            carriers.setdefault(value, []).append(profile)
    return carriers


def _with_values(feature: Feature, profiles: Sequence[Profile]) -> Feature:
    if feature.kind in _NUMBERED:
        feature = replace(feature, crowded=_crowded(feature.name, profiles))
        return _with_derived(feature, profiles) if feature.kind == "mailbox" else feature
    if feature.kind in _UNCOUNTED:
        return feature
    counts: Counter[str] = Counter()
    total = 0
    for profile in profiles:
        values = profile.get(feature.name)
        if values:
            total += 1
            counts.update({key for value in values for key in _counted(feature.kind, value)})
    frequencies = {value: count / total for value, count in counts.items() if count > 1}
    return replace(feature, frequencies=frequencies, rarest=1 / total if total else 0.0)


def _with_derived(feature: Feature, profiles: Sequence[Profile]) -> Feature:
    """Return the feature with how common mailboxes are among namesakes, if names make them.

    `anna.smith@post.example` says little more than the name: only `.@post.example` is news, and of
    that many have the same. What two namesakes share is as common as what is left without names.
    """
    rest_of: dict[str, str] = {}
    carriers = _carriers(feature.name, profiles)
    for address, bearers in carriers.items():
        rest = min((without_names(address, profile) for profile in bearers), key=len)
        if len(rest) < len(address):
            rest_of[address] = rest
    if len(rest_of) * _LEAST_DERIVED < len(carriers):
        return feature
    people = Counter(rest_of.values())  # each mailbox once: its records are mostly of one person
    common = {address: people[rest] / len(carriers) for address, rest in rest_of.items()}
    for address in feature.crowded:
        common[address] = max(common.get(address, 0.0), len(carriers[address]) / len(profiles))
    return replace(feature, frequencies=common, rarest=1 / len(carriers), crowded=frozenset())


def without_names(address: str, profile: Profile) -> str:
    """Return a mailbox without the names of its owner, of which each becomes one letter."""
    local, at, provider = address.partition("@")
    words: list[tuple[str, str]] = []
    for sign, feature in (("G", "given_name"), ("F", "family_name"), ("M", "middle_name")):
        for name in profile.get(feature, ()):
            words.extend((sign, word) for word in {name, latin_fold(name)} if len(word) > 2)  # noqa: PLR2004
            words.extend((sign, part) for part in name.split() if len(part) > 2)  # noqa: PLR2004
    for sign, word in sorted(words, key=lambda item: -len(item[1])):
        local = local.replace(word, sign)
    return local + at + provider


def _counted(kind: str, value: str) -> tuple[str, ...]:
    """Return under which keys a value is counted; see `Comparator.shared`."""
    if kind != "place":
        return (value,)
    code, town, _ = value.split("|")
    return tuple(key for key, is_known in ((f"{code}||", code), (f"|{town}|", town)) if is_known)


def _crowded(name: str, profiles: Sequence[Profile]) -> frozenset[str]:
    """Return the numbers among whose carriers there are plainly two people."""
    return frozenset(
        value
        for value, found in _carriers(name, profiles).items()
        if len(found) > _MANY_CARRIERS
        or any(_are_plainly_two(one, other) for one, other in combinations(found, 2))
    )


def _are_plainly_two(left: Profile, right: Profile, *, without: str = "") -> bool:
    told_apart = 0
    for feature, level, least in (
        ("given_name", name_level, WEAK),
        ("family_name", name_level, WEAK),
        ("birthdate", date_level, TWO_DIGITS_OFF + 1),
    ):
        ours, theirs = left.get(feature), right.get(feature)
        if ours and theirs and feature != without:
            told_apart += min(level(one, other) for one in ours for other in theirs) >= least
    return told_apart > 1


# Strangers


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
        has_kin = feature.name in _KIN or feature.kind == "number"
        features.append(replace(feature, u=u) if has_kin else replace(feature, u=u, kin=u, twin=u))
    return replace(start, features=tuple(features)), tuple(known)


def _looks_like_one_person(features: Sequence[Feature], levels: Levels) -> bool:
    """Tell whether a pair drawn at random agrees on nearly all it knows: no stranger."""
    close = known = 0
    for feature, level in zip(features, levels, strict=True):
        if level != MISSING and feature.kind not in _UNCOUNTED:
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


# Expectation and maximisation


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
    features = tuple(
        _with_kin(
            replace(
                feature,
                m=_bounded(feature, _shares(totals.by_level_one[index], first.m, smoothing)),
                u=_numbers_of_strangers(
                    feature, totals.by_level_strangers[index], known[index] * total_pairs
                ),
            ),
            _shares(totals.by_level_kin[index], first.kin, _KIN_SMOOTHING),
        )
        for index, (first, feature) in enumerate(zip(start.features, model.features, strict=True))
    )
    return replace(
        model,
        features=features,
        prior=max(totals.one, 1e-3) / total_pairs,
        kin_prior=totals.kin / total_pairs if start.kin_prior else 0.0,
    )


def _bounded(feature: Feature, m: tuple[float, ...]) -> tuple[float, ...]:
    """Return shares of which the last, wholly different, is not more than records of one have.

    In a large file there are far more namesakes than records of one person. Where something makes
    namesakes look alike (a column that follows from the name), learning would take them for one
    person, who then has any birth date. That can't be.
    """
    most = _MOST_DIFFERENT.get(feature.name, 1.0)
    if m[-1] <= most:
        return m
    rest = 1 - m[-1]
    return (*(share * (1 - most) / rest for share in m[:-1]), most)


def _with_kin(feature: Feature, kin: tuple[float, ...]) -> Feature:
    """Return the feature with what a household was found to be like, where that may be learned."""
    if feature.name in _FIXED_KIN or feature.kind == "number" or feature.has_fixed_u:
        return feature
    return replace(feature, kin=kin, twin=feature.twin if feature.name in _TWIN else kin)


def _shares(counts: Sequence[float], start: Sequence[float], smoothing: float) -> tuple[float, ...]:
    total = sum(counts) + smoothing
    if total <= 0:
        return tuple(start)
    return tuple((n + s * smoothing) / total for n, s in zip(counts, start, strict=True))


def _numbers_of_strangers(
    feature: Feature, counts: Sequence[float], pairs: float
) -> tuple[float, ...]:
    """Return what strangers are like in a number.

    Two strangers almost never draw the same number, so pairs drawn at random can't tell how often;
    but whoever shares a number is a candidate, and so the candidates tell.
    """
    if feature.kind not in _NUMBERED or feature.frequencies or pairs <= 0:
        return feature.u
    same = [(count + 0.5) / (pairs + 1) for count in counts[:2]]
    rest = sum(feature.u[2:])
    return (*same, *(share * (1 - sum(same)) / rest for share in feature.u[2:]))


def _distance(one: Model, other: Model) -> float:
    """Return how far two models of the same features are apart."""
    shares = [
        abs(share - same)
        for left, right in zip(one.features, other.features, strict=True)
        for share, same in zip((*left.m, *left.kin), (*right.m, *right.kin), strict=True)
    ]
    return max(abs(log(one.prior / other.prior)), *shares)
