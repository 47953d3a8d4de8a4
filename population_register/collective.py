"""Which records of a whole file are one person? Deciding code: scored pairs in, a partition out.

Two clusters are compared as two records are, feature by feature: of each, what the pairs between
them say on average, of the pairs that both know it. So a record that shares a name with one of a
person's records and a telephone with another is weighed by both, which no single pair would tell;
and a cell that half of the records have empty takes nothing from those that have it.

The likeliest two are put together first, until no two are likelier one than not. The result does
not depend on the order of records as long as their numbers don't.
"""

import heapq
from array import array
from collections.abc import Iterable, Sequence
from itertools import product
from math import log2
from typing import TypeAlias

from population_register.comparison import MISSING, Profile
from population_register.scoring import Scorer

NEIGHBOUR_BITS = -4.0
"""The score from which on two records make their persons be compared."""

_MOST_COMPARED = 64
"""Pairs that speak for two large clusters; of more, so many are drawn evenly."""

USUAL_SIZE = 12
_LARGE = 64  # records of a cluster

_PARTS = 5  # of each feature: how many pairs know it, and the sums of four logarithms
_DIGITS = 6  # of a score: beyond, the order of additions shows

Pair: TypeAlias = tuple[int, int]


class Evidence:
    """What the pairs between two clusters say, added up by feature."""

    __slots__ = ("sums",)

    def __init__(self, features: int) -> None:
        self.sums = array("d", bytes(8 * _PARTS * features))

    def add(self, other: "Evidence") -> None:
        """Take in what other pairs say."""
        ours = self.sums
        for place, value in enumerate(other.sums):
            ours[place] += value


class Collective:
    """Puts the records of a file together to persons."""

    def __init__(
        self,
        scorer: Scorer,
        profiles: Sequence[Profile],
        sources: Sequence[str] | None = None,
        *,
        usual: int = USUAL_SIZE,
    ) -> None:
        """Begin with every record alone.

        Args:
            scorer: What two records say.
            profiles: The records.
            sources: The source of each record, if no source has a person twice.
            usual: How many records of a person the scorer thinks of at most. Who has more, has
                any record the likelier.
        """
        self._scorer = scorer
        self._usual = usual
        self._lined = [scorer.line_up(profile) for profile in profiles]
        self._features = len(scorer.model.features)
        self._members = [[index] for index in range(len(profiles))]
        self._sources = None if sources is None else [{source} for source in sources]
        self._near: list[dict[int, Evidence | None]] = [{} for _ in profiles]
        self._heap: list[tuple[float, int, int, int, int]] = []

    def persons(self, edges: Iterable[tuple[int, int, float]]) -> list[list[int]]:
        """Return the persons, each sorted.

        Args:
            edges: Pairs of records with their scores, those that `NEIGHBOUR_BITS` are enough for.
        """
        for one, other, bits in edges:
            if self._may_be_one(one, other):
                self._near[one][other] = self._near[other][one] = None
                if bits > 0:
                    self._push(one, other, bits)
        while self._heap:
            _, one, other, size, other_size = heapq.heappop(self._heap)
            if (self._size(one), self._size(other)) == (size, other_size):
                if len(self._members[one]) < len(self._members[other]):
                    one, other = other, one
                self._merge(one, other)
        return sorted(sorted(members) for members in self._members if members)

    def _size(self, index: int) -> int:
        """Return how large a cluster is, which says whether it has changed since it was weighed."""
        return min(len(self._members[index]), _LARGE)

    def _push(self, one: int, other: int, bits: float) -> None:
        one, other = (one, other) if one < other else (other, one)
        sizes = self._size(one), self._size(other)
        heapq.heappush(self._heap, (-round(bits, _DIGITS), one, other, *sizes))

    def _may_be_one(self, one: int, other: int) -> bool:
        return self._sources is None or self._sources[one].isdisjoint(self._sources[other])

    def _merge(self, one: int, other: int) -> None:
        """Put the second cluster into the first, and compare it with its neighbours anew.

        Of a large cluster, one record more changes little: only its new neighbours are looked at.
        """
        if not self._may_be_one(one, other):
            return
        near = self._near[one]
        gone, self._near[other] = self._near[other], {}
        near.pop(other, None)
        gone.pop(one, None)
        weighed_anew = gone.keys() - near.keys()
        if len(self._members[one]) < _LARGE:
            weighed_anew |= near.keys()
        joined = {
            third: self._joined(one, other, third, near.get(third), gone.get(third))
            for third in sorted(weighed_anew)
        }
        for third in gone:
            self._near[third].pop(other, None)
        self._members[one] += self._members[other]
        self._members[other] = []
        if self._sources is not None:
            self._sources[one] |= self._sources[other]
        for third, evidence in joined.items():
            if self._may_be_one(one, third):
                near[third] = self._near[third][one] = evidence
                if (bits := self._bits(evidence) + self._for_size(one, third)) > 0:
                    self._push(one, third, bits)
            else:
                near.pop(third, None)
                self._near[third].pop(one, None)

    def _joined(
        self, one: int, other: int, third: int, ours: Evidence | None, theirs: Evidence | None
    ) -> Evidence:
        found = Evidence(self._features)
        found.add(ours or self._between(one, third))
        found.add(theirs or self._between(other, third))
        return found

    def _between(self, one: int, other: int) -> Evidence:
        """Return what the pairs between two clusters say; of very many, some."""
        found = Evidence(self._features)
        sums, logs = found.sums, self._scorer.logs
        for left, right in product(*self._drawn(self._members[one], self._members[other])):
            levels, rarities = self._scorer.compare_lined(self._lined[left], self._lined[right])
            for number, (level, rarity) in enumerate(zip(levels, rarities, strict=True)):
                if level != MISSING:
                    m, u, kin, twin = logs[number]
                    place = number * _PARTS
                    sums[place] += 1
                    sums[place + 1] += m[level]
                    sums[place + 2] += u[level] + rarity
                    sums[place + 3] += kin[level]
                    sums[place + 4] += twin[level]
        return found

    @staticmethod
    def _drawn(ours: list[int], theirs: list[int]) -> tuple[list[int], list[int]]:
        while len(ours) * len(theirs) > _MOST_COMPARED:
            if len(ours) >= len(theirs):
                ours = sorted(ours)[::2]
            else:
                theirs = sorted(theirs)[::2]
        return ours, theirs

    def _for_size(self, one: int, other: int) -> float:
        """Return by how many bits a record is likelier of somebody who has so many."""
        size = max(len(self._members[one]), len(self._members[other]))
        return log2(size / self._usual) if size > self._usual else 0.0

    def _bits(self, evidence: Evidence) -> float:
        sums = evidence.sums
        averages = [0.0] * (_PARTS - 1)
        for place in range(0, len(sums), _PARTS):
            known = sums[place]
            if known:
                for part in range(_PARTS - 1):
                    averages[part] += sums[place + 1 + part] / known
        return self._scorer.bits_of_logs(*averages)
