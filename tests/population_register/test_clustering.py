"""Which records together are one person: what hangs together, and what is cut out of it."""

from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from population_register.clustering import (
    LARGEST_COMPONENT,
    MOST_BITS,
    cluster,
    components,
    partition,
    vote,
)

NAMES = range(6)
PAIRS = list(combinations(NAMES, 2))


@pytest.mark.parametrize(
    ("bits", "against", "says"),
    [
        (0.5, -3.0, 0.5),
        (25.0, 0.0, MOST_BITS),
        (0.0, -2.0, 0.0),
        (-15.0, 0.0, 0.0),
        (-15.0, -2.0, -2.0),
        (-1.0, -2.0, -1.0),
        (-30.0, -25.0, -MOST_BITS),
    ],
)
def test_pair_says_what_it_scores_or_what_speaks_against_it(
    bits: float, against: float, says: float
) -> None:
    assert vote(bits, against) == says


def test_what_hangs_together_by_any_chain_is_one_component() -> None:
    edges = [("d", "b"), ("b", "e"), ("a", "f")]

    assert components("fedcba", edges) == [["a", "f"], ["b", "d", "e"], ["c"]]


class TestPartition:
    def test_a_chain_of_weak_links_does_not_drag_its_ends_together(self) -> None:
        between = {("a", "b"): 3.0, ("b", "c"): 3.0, ("c", "d"): 3.0}

        found = partition("dcba", lambda one, other: between.get((one, other), -9.0))

        assert found == [["a", "b"], ["c", "d"]]

    def test_a_ruling_outweighs_every_vote(self) -> None:
        assert partition("ab", lambda *_: 9.0) == [["a", "b"]]
        assert partition("ab", lambda *_: 9.0, apart=[("b", "a")]) == [["a"], ["b"]]

    def test_what_says_nothing_does_not_bind(self) -> None:
        assert partition("ab", lambda *_: 0.0) == [["a"], ["b"]]

    @given(
        st.lists(st.integers(-3, 5), min_size=len(PAIRS), max_size=len(PAIRS)),
        st.sets(st.sampled_from(PAIRS), max_size=3),
    )
    def test_the_two_that_are_most_alike_on_average_are_put_together_until_none_are(
        self, votes: list[int], apart: set[tuple[int, int]]
    ) -> None:
        said = dict(zip(PAIRS, votes, strict=True))

        def average(left: list[int], right: list[int]) -> float:
            between = [said[min(pair), max(pair)] for pair in product(left, right)]
            return sum(between) / len(between)

        def is_ruled_out(left: list[int], right: list[int]) -> bool:
            return any(pair in apart or pair[::-1] in apart for pair in product(left, right))

        clusters = [[name] for name in NAMES]
        while True:
            alike = [
                (-average(left, right), left, right)
                for left, right in combinations(clusters, 2)
                if average(left, right) > 0 and not is_ruled_out(left, right)
            ]
            if not alike:
                break
            _, left, right = min(alike, key=lambda found: (found[0], found[1][0], found[2][0]))
            left += right
            clusters.remove(right)

        assert partition(NAMES, lambda *pair: said[pair], apart=apart) == sorted(
            sorted(members) for members in clusters
        )


class TestCluster:
    def test_what_does_not_hang_together_is_not_asked_about(self) -> None:
        def votes(one: str, other: str) -> float:
            assert {one, other} == {"a", "b"}
            return 9.0

        assert sorted(cluster("abc", [("b", "a", 1.0)], votes)) == [["a", "b"], ["c"]]

    def test_rulings_part_what_hangs_together(self) -> None:
        edges = [(one, other, 1.0) for one, other in combinations("abc", 2)]

        found = cluster("abcd", edges, lambda *_: 9.0, apart=[("a", "c"), ("b", "d"), ("c", "d")])

        assert sorted(found) == [["a", "b"], ["c"], ["d"]]

    @pytest.mark.parametrize("more", [0, 1])
    def test_too_much_that_hangs_together_is_cut_at_higher_scores(self, more: int) -> None:
        records = range(LARGEST_COMPONENT + more)
        scores = {1: 1.99, 2: 2.0}  # of each with the next one
        edges = [(one, one + 1, scores.get(one, 1.0)) for one in records[:-1]]

        found = cluster(records, edges, lambda one, other: 9.0 if other == one + 1 < 4 else -9.0)

        several = sorted(members for members in found if len(members) > 1)
        assert several == ([[2, 3]] if more else [[0, 1], [2, 3]])
        assert sum(map(len, found)) == len(records)

    def test_what_is_still_too_much_is_cut_once_more(self) -> None:
        records = range(LARGEST_COMPONENT + 1)
        edges = [(one, one + 1, 4.0 if one == 0 else 3.99) for one in records[:-1]]

        found = cluster(records, edges, lambda *_: 9.0)

        assert sorted(found) == [[0, 1], *([one] for one in records[2:])]
