"""Are two records about one person? Deciding code after Fellegi and Sunter (1969).

A pair of records comes from one of three populations: *one person*, *two strangers*, or *two of one
household*, who share name and address without being one. For each the model says how often a level
of agreement occurs: `m`, `u` and `kin`. The score is the logarithm (base 2) of the odds that it is
one person; each feature adds its part, which is the evidence. What is common counts for less: the
frequency of the very value that two records share takes the place of the average.

The third population is why a father and a son of one name are not one person here: with strangers
only, the same family name at the same address would count as two coincidences. A small part of it
are twins (`twin`), who were born on one day, of one father, and have everything but a given name in
common.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from typing import NamedTuple, TypeAlias

from population_register.comparison import (
    MISSING,
    NAME_ORDER,
    SHORT_FORM,
    Levels,
    Profile,
    name_order,
)
from population_register.feature_comparison import Comparison, Values
from population_register.matching_model import Model

TWINS = 0.012
"""Of pairs of one household, how many are twins."""

_LN2 = log(2)

Lined: TypeAlias = tuple[Values, ...]
"""A profile in the order of a scorer's features (`Scorer.compared`); empty where it knows none."""

_MOST_PATTERNS = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one feature says: the level in words, and its weight in bits.

    Attributes:
        words: With the name of the feature.
        template: The same with `{}` instead of it, to be translated.
    """

    feature: str
    level: int
    words: str
    weight: float
    template: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How a pair was judged.

    Attributes:
        bits: Logarithm (base 2) of the odds that it is one person.
        parts: The evidence, the weightiest first; with what was known beforehand, and with what the
            likeness to a household takes away, they add up to `bits`.
    """

    bits: float
    parts: tuple[Part, ...]

    @property
    def probability(self) -> float:
        """Return how probable it is that the two records are about one person."""
        return 1 / (1 + exp(-max(-500.0, min(500.0, self.bits * _LN2))))

    def words(self) -> list[str]:
        """Return the evidence in words, as in `same birth date: +9.1`."""
        return [f"{part.words}: {part.weight:+.1f}" for part in self.parts]


class _Pattern(NamedTuple):
    """What a pattern of levels says, before the rarity of the values.

    Attributes:
        likelihoods: Logarithms: of one person, of two strangers, of two of one household.
        weights: Of each feature; 0 where one of the two does not know.
        against: The sum of the weights below zero.
    """

    likelihoods: tuple[float, float, float]
    weights: tuple[float, ...]
    against: float


class Scorer:
    """Scores pairs of profiles by one model. Pure: the same pair always has the same score."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._names = tuple(feature.name for feature in model.features)
        self.compared = tuple(name for name in self._names if name != NAME_ORDER)
        self.comparisons = tuple(
            Comparison(feature) for feature in model.features if feature.name != NAME_ORDER
        )
        self._nothing_known = [MISSING] * len(self.compared), [0.0] * len(self.compared)
        self._patterns: dict[Levels, _Pattern] = {}
        self._least: dict[int, float] = {}
        self._same: dict[int, tuple[Levels, list[tuple[int, int]]]] = {}
        self._order = self._names.index(NAME_ORDER) if NAME_ORDER in self._names else None
        if self._order is not None:
            if self._order != len(self._names) - 1:
                raise ValueError("name_order is the last feature of a model that has it")
            self._given = self._names.index("given_name")
            self._family = self._names.index("family_name")
        self.logs = tuple(
            tuple(
                tuple(log(max(share, 1e-12)) for share in shares)
                for shares in (feature.m, feature.u, feature.kin, feature.twin)
            )
            for feature in model.features
        )
        self._priors = (
            log(model.prior),
            log(max(1e-300, 1 - model.prior - model.kin_prior)),
            log(max(model.kin_prior, 1e-300)) + log(1 - TWINS),
            log(max(model.kin_prior, 1e-300)) + log(TWINS),
        )

    @property
    def knows_name_order(self) -> bool:
        """Return whether the order of names is a feature; it is the last then."""
        return self._order is not None

    def compare(self, left: Profile, right: Profile) -> tuple[Levels, tuple[float, ...]]:
        """Return the level of each feature, and how much rarer than usual the shared values are.

        The second are natural logarithms by which strangers' odds of sharing the value differ from
        the average of the feature: negative for rare values.
        """
        return self.compare_lined(self.line_up(left), self.line_up(right))

    def line_up(self, profile: Profile) -> Lined:
        """Return a profile in the order of `compared`."""
        return tuple(profile.get(name, ()) for name in self.compared)

    def compare_lined(self, left: Lined, right: Lined) -> tuple[Levels, tuple[float, ...]]:
        """Return what `compare` does, of profiles in the order of `compared`."""
        levels, rarities = self._straight(left, right)
        if self._order is None:
            return tuple(levels), tuple(rarities)
        given, family = levels[self._given], levels[self._family]
        order = MISSING
        if MISSING not in (given, family):
            order = 0
            if given > SHORT_FORM and family > SHORT_FORM:
                order = name_order(self._named(left), self._named(right))
                if order > 0:
                    levels, rarities = min(
                        self._straight(left, self._swapped(right)),
                        self._straight(self._swapped(left), right),
                        key=self._worth,
                    )
        return (*levels, order), (*rarities, 0.0)

    def _named(self, profile: Lined) -> Profile:
        return {"given_name": profile[self._given], "family_name": profile[self._family]}

    def _swapped(self, profile: Lined) -> Lined:
        turned = list(profile)
        turned[self._given], turned[self._family] = profile[self._family], profile[self._given]
        return tuple(turned)

    def _worth(self, found: tuple[list[int], list[float]]) -> tuple[float, list[int]]:
        """Return what sorts the likelier of two readings first, whoever comes first in a pair.

        A name that agrees stands where it is common: hardly anybody is called Anna by family.
        """
        levels, rarities = found
        likely = 0.0
        for place in (self._given, self._family):
            if levels[place] != MISSING:
                m, u, *_ = self.logs[place]
                likely += m[levels[place]] + u[levels[place]] + rarities[place]
        return -likely, levels

    def _straight(self, left: Lined, right: Lined) -> tuple[list[int], list[float]]:
        """Compare every feature with itself."""
        levels, rarities = self._nothing_known[0].copy(), self._nothing_known[1].copy()
        for place, (ours, theirs) in enumerate(zip(left, right, strict=True)):
            if ours and theirs:
                levels[place], rarities[place] = self.comparisons[place][ours, theirs]
        return levels, rarities

    def compare_same(
        self, shared: int, values: Lined, names: Sequence[str]
    ) -> tuple[Levels, tuple[float, ...]]:
        """Return what `compare` does, of records that say the same of what both say anything of.

        Args:
            shared: The features of which both say one value, the same, as bits by their place in
                `names`; not a place that is known by half.
            values: What they say of all features, in the order of `names`.
            names: Of features; always the same.
        """
        known = self._same.get(shared)
        if known is None:
            known = self._same[shared] = self._level_same(shared, names)
        levels, places = known
        rarities = [0.0] * len(levels)
        for at, place in places:
            level, rarities[at] = self.comparisons[at].same(values[place][0])
            if level:
                levels = (*levels[:at], level, *levels[at + 1 :])
        return levels, tuple(rarities)

    def _level_same(
        self, shared: int, names: Sequence[str]
    ) -> tuple[Levels, list[tuple[int, int]]]:
        places = [
            (self.compared.index(name), number)
            for number, name in enumerate(names)
            if shared >> number & 1 and name in self.compared
        ]
        said = {at for at, _ in places}
        levels = [0 if at in said else MISSING for at in range(len(self.compared))]
        if self._order is not None:
            levels.append(0 if {self._given, self._family} <= said else MISSING)
        return tuple(levels), places

    def least_bits(self, shared: int, names: Sequence[str]) -> float:
        """Return the least score of two records that say the same of some features and of no other.

        Least, because every value is taken for the most common one.

        Args:
            shared: The features, as bits by their place in `names`.
            names: Of features; always the same.
        """
        known = self._least.get(shared)
        if known is None:
            said = {name for number, name in enumerate(names) if shared >> number & 1}
            if {"given_name", "family_name"} <= said:
                said.add(NAME_ORDER)
            levels = tuple(0 if name in said else MISSING for name in self._names)
            rarity = sum(
                compared.most_common
                for name, compared in zip(self.compared, self.comparisons, strict=True)
                if name in said
            )
            known = self._least[shared] = self.bits_of(levels, rarity)
        return known

    def bits(self, left: Profile, right: Profile) -> float:
        """Return the score alone."""
        levels, rarities = self.compare(left, right)
        return self.bits_of(levels, sum(rarities))

    def bits_of(self, levels: Levels, rarity: float) -> float:
        """Return the score of levels, given the sum of rarities."""
        return odds_bits(self.likelihoods(levels), rarity)

    def bits_of_logs(self, one: float, strangers: float, kin: float, twins: float) -> float:
        """Return the score of how probable something is of each population, as logarithms.

        Those of strangers with the rarities, and all without what was known beforehand.
        """
        before = self._priors
        kin_both = log_add(before[2] + kin, before[3] + twins)
        return (before[0] + one - log_add(before[1] + strangers, kin_both)) / _LN2

    def likelihoods(self, levels: Levels) -> tuple[float, float, float]:
        """Return the logarithm of how probable levels are: of one person, strangers, household."""
        return self._pattern(tuple(levels)).likelihoods

    def bits_and_against(self, left: Profile, right: Profile) -> tuple[float, float]:
        """Return the score, and the sum of what speaks against one person alone."""
        return self.weigh(*self.compare(left, right))

    def weigh(self, levels: Levels, rarities: Sequence[float]) -> tuple[float, float]:
        """Return what `bits_and_against` does, of what `compare` found."""
        pattern = self._pattern(levels)
        against = pattern.against
        for weight, rarity in zip(pattern.weights, rarities, strict=True):
            if rarity:
                now = weight - rarity
                against += (now if now < 0 else 0.0) - (weight if weight < 0 else 0.0)
        return odds_bits(pattern.likelihoods, sum(rarities)), against / _LN2

    def _pattern(self, levels: Levels) -> "_Pattern":
        """Return what a pattern of levels says; the same pattern comes again and again."""
        found = self._patterns.get(levels)
        if found is None:
            if len(self._patterns) >= _MOST_PATTERNS:
                self._patterns.clear()
            found = self._patterns[levels] = self._weigh(levels)
        return found

    def _weigh(self, levels: Levels) -> "_Pattern":
        one, strangers, kin, twins = self._priors
        weights: list[float] = []
        for level, (m, u, k, t) in zip(levels, self.logs, strict=True):
            if level == MISSING:
                weights.append(0.0)
                continue
            one += m[level]
            strangers += u[level]
            kin += k[level]
            twins += t[level]
            weights.append(m[level] - u[level])
        return _Pattern(
            (one, strangers, log_add(kin, twins)),
            tuple(weights),
            sum(min(0.0, weight) for weight in weights),
        )

    def score(self, left: Profile, right: Profile) -> Score:
        """Return the score with its evidence."""
        return self.explain(*self.compare(left, right))

    def explain(self, levels: Levels, rarities: Sequence[float]) -> Score:
        """Return the score of what `compare` found, with its evidence."""
        bits = self.bits_of(levels, sum(rarities))
        parts: list[Part] = []
        for feature, level, rarity, (m, u, _, _) in zip(
            self.model.features, levels, rarities, self.logs, strict=True
        ):
            if level == MISSING or (feature.name == NAME_ORDER and level == 0):
                continue
            template = feature.comparator.words[level]
            words = template.format(feature.name.replace("_", " "))
            weight = (m[level] - u[level] - rarity) / _LN2
            parts.append(
                Part(
                    feature=feature.name,
                    level=level,
                    words=words,
                    weight=weight,
                    template=template,
                )
            )
        parts.sort(key=lambda part: (-abs(part.weight), part.feature))
        prior = (self._priors[0] - self._priors[1]) / _LN2
        household = bits - prior - sum(part.weight for part in parts)
        if household < -0.05:  # noqa: PLR2004 - would be shown as -0.0
            words = "as like two of one household"
            parts.append(Part(feature="household", level=0, words=words, weight=household))
        parts.append(
            Part(feature="prior", level=0, words="before looking: one of so many", weight=prior)
        )
        return Score(bits=bits, parts=tuple(parts))


def odds_bits(likelihoods: tuple[float, float, float], rarity: float) -> float:
    """Return the score of likelihoods, given the sum of rarities."""
    one, strangers, kin = likelihoods
    return (one - log_add(strangers + rarity, kin)) / _LN2


def log_add(one: float, other: float) -> float:
    """Return log(e^one + e^other)."""
    if one < other:
        one, other = other, one
    return one + log(1 + exp(other - one)) if one - other < 40 else one  # noqa: PLR2004
