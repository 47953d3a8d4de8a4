"""Which records together are one person? Deciding code: scored pairs in, a partition out.

Pairs alone don't make persons: a chain of weak links would drag strangers together, and one
strong mistake would merge two households. So clusters grow by the *average* of all pairs between
them, best first. The result does not depend on the order of anything: ties are decided by the
records' names.

A pair that says too little to link, but nothing against it, neither binds nor parts.
"""

import heapq
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

Record = TypeVar("Record", bound=Hashable)

MOST_BITS = 10.0
"""What one pair may weigh at most, either way: no pair outvotes all others."""

LARGEST_COMPONENT = 400
"""Records that hang together more than this are cut at higher scores first."""


def vote(bits: float, against: float) -> float:
    """Return what a pair says about its clusters.

    Args:
        bits: The score.
        against: The sum of the evidence against; zero or less.
    """
    if bits > 0:
        return min(bits, MOST_BITS)
    return max(bits, against, -MOST_BITS)


def components(
    records: Iterable[Record], edges: Iterable[tuple[Record, Record]]
) -> list[list[Record]]:
    """Return the records that hang together by edges, each component sorted, in order."""
    parent: dict[Record, Record] = {record: record for record in records}

    def root(record: Record) -> Record:
        while parent[record] != record:
            parent[record] = parent[parent[record]]
            record = parent[record]
        return record

    for one, other in edges:
        parent[root(one)] = root(other)
    found: dict[Record, list[Record]] = {}
    for record in parent:
        found.setdefault(root(record), []).append(record)
    return sorted(sorted(members) for members in found.values())  # type: ignore[type-var]


def cluster(
    records: Iterable[Record],
    edges: Sequence[tuple[Record, Record, float]],
    votes: Callable[[Record, Record], float],
    *,
    apart: Sequence[tuple[Record, Record]] = (),
) -> list[list[Record]]:
    """Divide any number of records into persons.

    Args:
        records: Sortable names of all records.
        edges: Pairs that score high enough to be looked at, with their scores.
        votes: As for `partition`.
        apart: As for `partition`.

    Returns:
        The clusters, each sorted; singles included.
    """
    found: list[list[Record]] = []
    waiting = [(component, 0.0) for component in components(records, ((a, b) for a, b, _ in edges))]
    by_record: dict[Record, list[tuple[Record, float]]] = {}
    for one, other, bits in edges:
        by_record.setdefault(one, []).append((other, bits))
    while waiting:
        members, floor = waiting.pop()
        if len(members) == 1:
            found.append(members)
        elif len(members) <= LARGEST_COMPONENT:
            inside = set(members) if apart else frozenset[Record]()
            ruled = [pair for pair in apart if inside.issuperset(pair)]
            found.extend(partition(members, votes, apart=ruled))
        else:
            floor += 2.0
            strong = [
                (one, other)
                for one in members
                for other, bits in by_record.get(one, ())
                if bits >= floor
            ]
            waiting.extend((component, floor) for component in components(members, strong))
    return found


def partition(
    records: Sequence[Record],
    votes: Callable[[Record, Record], float],
    *,
    apart: Iterable[tuple[Record, Record]] = (),
) -> list[list[Record]]:
    """Divide records that hang together into persons.

    Args:
        records: Sortable names of the records; at most some hundreds.
        votes: What a pair says; symmetric. Asked once for each pair.
        apart: Pairs that a human ruled to be two.

    Returns:
        The clusters, each sorted, in order. The average vote between any two of them is zero or
        less, or a ruling keeps them apart.
    """
    names = sorted(records)  # type: ignore[type-var]
    clusters: dict[int, list[Record]] = {index: [name] for index, name in enumerate(names)}
    sums: dict[tuple[int, int], float] = {}
    for left in range(len(names)):
        for right in range(left + 1, len(names)):
            sums[left, right] = votes(names[left], names[right])
    place = {name: index for index, name in enumerate(names)}
    parted = {_pair(place[one], place[other]) for one, other in apart}
    heap = [(-average, pair) for pair in sums if (average := _average(clusters, sums, pair)) > 0]
    heapq.heapify(heap)
    while heap:
        negative, (left, right) = heapq.heappop(heap)
        if left not in clusters or right not in clusters or (left, right) in parted:
            continue
        if _average(clusters, sums, (left, right)) != -negative:
            continue  # has changed since; its new average is on the heap
        for third in _merge(clusters, sums, parted, left, right):
            pair = _pair(left, third)
            average = _average(clusters, sums, pair)
            if average > 0:
                heapq.heappush(heap, (-average, pair))
    return sorted(sorted(members) for members in clusters.values())  # type: ignore[type-var]


def _pair(one: int, other: int) -> tuple[int, int]:
    return (one, other) if one < other else (other, one)


def _average(
    clusters: Mapping[int, list[Record]],
    sums: Mapping[tuple[int, int], float],
    pair: tuple[int, int],
) -> float:
    left, right = pair
    return sums[pair] / (len(clusters[left]) * len(clusters[right]))


def _merge(
    clusters: dict[int, list[Record]],
    sums: dict[tuple[int, int], float],
    parted: set[tuple[int, int]],
    left: int,
    right: int,
) -> list[int]:
    """Put the second cluster into the first; return the other clusters."""
    clusters[left] += clusters.pop(right)
    del sums[_pair(left, right)]
    others = [other for other in clusters if other != left]
    for other in others:
        sums[_pair(left, other)] += sums.pop(_pair(right, other))
        if _pair(right, other) in parted:
            parted.add(_pair(left, other))
    return others
