"""How one feature of two records compares: a level, and how rare the value is that they share."""

from math import log
from typing import Final, TypeAlias

from population_register.comparison import MISSING, ONE_OFF, SIMILAR, best_level
from population_register.matching_model import Feature

Values: TypeAlias = tuple[str, ...]

_OTHER_MAILBOX: Final = 4
_NEAR = frozenset((ONE_OFF, SIMILAR))
_OF_NEAR: Final = 0.5

_MOST_REMEMBERED: Final = 1 << 13
"""Pairs of values of one feature that are remembered."""

_OWN = frozenset(("number", "date", "place", "dwelling", "mailbox", "text"))
"""Kinds of values of which two that differ seldom meet again."""


class Comparison(dict[tuple[Values, Values], tuple[int, float]]):
    """How one feature compares: level and rarity by the values of both; remembers, within bounds.

    The rarity is the natural logarithm by which strangers' odds of sharing the value differ from
    the average of the level: negative for rare values.
    """

    __slots__ = (
        "_comparator", "_crowded", "_frequencies", "_is_mailbox", "_is_name", "_is_place",
        "_most", "_rarest", "_usual", "most_common",
    )  # fmt: skip

    def __init__(self, feature: Feature) -> None:
        super().__init__()
        self._comparator = feature.comparator
        self._frequencies = feature.frequencies
        self._rarest = feature.rarest
        self._usual = tuple(log(max(share, 1e-12)) for share in feature.u)
        self._crowded = feature.crowded
        self._is_mailbox = feature.kind == "mailbox"
        self._is_name = feature.kind == "name" and bool(feature.frequencies)
        self._is_place = feature.kind == "place"
        self._most = 0 if feature.kind in _OWN else _MOST_REMEMBERED
        self.most_common = 0.0
        if feature.frequencies:
            most = max(*feature.frequencies.values(), feature.rarest)
            self.most_common = log(most) - self._usual[0]

    def __missing__(self, both: tuple[Values, Values]) -> tuple[int, float]:
        ours, theirs = both
        if ours == theirs and len(ours) == 1 and not self._is_place:
            return self.same(ours[0])
        found = self.fresh(ours, theirs)
        if self._most:
            if len(self) >= self._most:
                self.clear()
            self[both] = found
        return found

    def same(self, value: str) -> tuple[int, float]:
        """Compare a value with itself: as any two, in a tenth of the time."""
        if self._is_place:  # of which a part may be common to many
            return self[(value,), (value,)]
        if value in self._crowded:
            return 1, 0.0
        if self._frequencies:
            frequency = max(self._frequencies.get(value, 0.0), self._rarest)
            return 0, log(frequency) - self._usual[0]
        return 0, 0.0

    def fresh(self, ours: Values, theirs: Values) -> tuple[int, float]:
        """Compare, and remember nothing."""
        level, shared = best_level(self._comparator, ours, theirs)
        rarity = 0.0
        if shared is not None:
            if shared in self._crowded:
                level = 1
            elif self._frequencies:
                frequency = max(self._frequencies.get(shared, 0.0), self._rarest)
                rarity = log(frequency) - self._usual[level]
        elif self._is_name:
            if level in _NEAR and len(ours) == 1 == len(theirs):
                rarity = self._near_rarity(ours[0], theirs[0])
        elif level < _OTHER_MAILBOX and self._are_made_from_names((*ours, *theirs)):
            level = MISSING  # alike because the names are: no news
        return level, rarity

    def _near_rarity(self, ours: str, theirs: str) -> float:
        """Return how much rarer than usual a name is of which both are ways to write it.

        Whoever else is nearly called so, is called so mostly as the commoner of the two says; but
        some bear a name of their own that is as near. So only half of it counts.
        """
        common = max(self._frequencies.get(name, self._rarest) for name in (ours, theirs))
        return (log(common) - self._usual[0]) * _OF_NEAR

    def _are_made_from_names(self, values: Values) -> bool:
        """Tell whether these are mailboxes, one at least made from a name; see `learning`."""
        return self._is_mailbox and not self._frequencies.keys().isdisjoint(values)
