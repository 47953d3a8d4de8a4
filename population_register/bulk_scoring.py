"""Compare very many pairs of a file with one scorer, feature by feature.

The levels and rarities are those of `Scorer.compare`, from the same comparisons; only the order of
work differs. Each value gets a number, so that two values that meet again, as common names do all
the time, cost one look-up.
"""

from array import array
from collections.abc import Sequence

from population_register.comparison import MISSING, SHORT_FORM, Levels, Profile, name_order
from population_register.feature_comparison import Comparison, Values
from population_register.scoring import Scorer

_MOST_REMEMBERED = 1 << 17  # pairs of values of one feature


class Patterns:
    """The distinct patterns of levels of many pairs, numbered as they come."""

    def __init__(self) -> None:
        self._numbers: dict[Levels, int] = {}
        self.levels: list[Levels] = []

    def number_of(self, levels: Levels) -> int:
        """Return the number of a pattern."""
        number = self._numbers.get(levels)
        if number is None:
            number = self._numbers[levels] = len(self.levels)
            self.levels.append(levels)
        return number


class _Column:
    """One feature of all records: the values that there are, and of each record which it has."""

    def __init__(self, name: str, comparison: Comparison, profiles: Sequence[Profile]) -> None:
        self._comparison = comparison
        nothing: Values = ()
        numbers: dict[Values, int] = {nothing: 0}
        self._of_record = array(
            "I",
            (numbers.setdefault(profile.get(name, nothing), len(numbers)) for profile in profiles),
        )
        self._values = list(numbers)
        self._known: dict[int, tuple[int, float]] = {}

    def compare(
        self, left: Sequence[int], right: Sequence[int], rarities: "array[float]"
    ) -> list[int]:
        """Return the level of each pair, and add to its rarity."""
        of_record, known, values = self._of_record, self._known, self._values
        count = len(values)
        levels = [MISSING] * len(left)
        for place, (one, other) in enumerate(zip(left, right, strict=True)):
            ours, theirs = of_record[one], of_record[other]
            if ours and theirs:
                both = ours * count + theirs
                found = known.get(both)
                if found is None:
                    if len(known) >= _MOST_REMEMBERED:
                        known.clear()
                    found = self._comparison.fresh(values[ours], values[theirs])
                    known[both] = known[theirs * count + ours] = found
                levels[place] = found[0]
                if found[1]:
                    rarities[place] += found[1]
        return levels


class BulkScorer:
    """Compares pairs of the records of one file."""

    def __init__(self, scorer: Scorer, profiles: Sequence[Profile]) -> None:
        self.patterns = Patterns()
        self._scorer = scorer
        self._profiles = profiles
        names = scorer.compared
        self._columns = [
            _Column(name, comparison, profiles)
            for name, comparison in zip(names, scorer.comparisons, strict=True)
        ]
        self._names = (
            (names.index("given_name"), names.index("family_name"))
            if scorer.knows_name_order
            else None
        )

    def compare(
        self, left: Sequence[int], right: Sequence[int]
    ) -> tuple["array[int]", "array[float]"]:
        """Return the number of the pattern of each pair, and its sum of rarities."""
        rarities = array("d", bytes(8 * len(left)))
        by_feature = [column.compare(left, right, rarities) for column in self._columns]
        if self._names is not None:
            by_feature.append(self._order(left, right, rarities, by_feature))
        number_of = self.patterns.number_of
        numbers = array("I", (number_of(levels) for levels in zip(*by_feature, strict=True)))
        return numbers, rarities

    def _order(
        self,
        left: Sequence[int],
        right: Sequence[int],
        rarities: "array[float]",
        by_feature: Sequence[list[int]],
    ) -> list[int]:
        """Return the level of the order of names; where it is not 0, compare names crosswise."""
        assert self._names is not None
        given, family = (by_feature[place] for place in self._names)
        orders = [MISSING] * len(left)
        for place, (one, other) in enumerate(zip(given, family, strict=True)):
            if MISSING in (one, other):
                continue
            orders[place] = 0
            if one > SHORT_FORM and other > SHORT_FORM:
                ours, theirs = self._profiles[left[place]], self._profiles[right[place]]
                if name_order(ours, theirs) > 0:
                    levels, rarer = self._scorer.compare(ours, theirs)
                    *straight, orders[place] = levels
                    for column, level in zip(by_feature, straight, strict=True):
                        column[place] = level
                    rarities[place] = sum(rarer)
        return orders
