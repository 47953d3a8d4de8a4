"""How well a file was matched: small files, counted by hand."""

from array import array
from collections.abc import Sequence

import pytest

from population_register.candidates import BlockingReport
from population_register.evaluation import Matched, ScoredPairs
from population_register.match_quality import (
    Quality,
    best_threshold,
    blocked_recall,
    cluster_quality,
    mistakes,
    pair_quality,
)
from population_register.matching_model import Model

TRUTH = ["a", "a", "b", "b", "c", None]
NOBODY = [None] * 6
PAIRS = [(0, 1, 9.0), (0, 5, 7.0), (0, 2, 5.0), (1, 4, 0.0), (2, 3, -1.0), (3, 4, -25.0)]
CLUSTERS = [[0, 1, 2], [3, 5], [4]]


def matched(pairs: Sequence[tuple[int, int, float]] = PAIRS, link: float = 0.0) -> Matched:
    left, right, bits = zip(*pairs, strict=True) if pairs else ((), (), ())
    return Matched(
        model=Model(version="test", features=(), prior=0.1, kin_prior=0.1, link=link),
        clusters=CLUSTERS,
        pairs=ScoredPairs(left=array("I", left), right=array("I", right), bits=array("f", bits)),
        blocking=BlockingReport(),
        doubtful=0,
        rounds=0,
    )


@pytest.mark.parametrize(
    ("counts", "precision", "recall", "f1"),
    [
        ((3, 1, 2), 3 / 4, 3 / 5, 6 / 9),
        ((0, 2, 0), 0, 1, 0),
        ((0, 0, 2), 1, 0, 0),
        ((0, 0, 0), 1, 1, 1),
    ],
)
def test_quality_follows_from_what_was_right_wrong_and_missed(
    counts: tuple[int, int, int], precision: float, recall: float, f1: float
) -> None:
    quality = Quality(right=counts[0], wrong=counts[1], missed=counts[2])

    assert (quality.precision, quality.recall) == (precision, recall)
    assert quality.f1 == pytest.approx(f1)


def test_pair_above_the_link_was_said_and_one_at_it_was_not() -> None:
    assert pair_quality(matched(), TRUTH) == Quality(right=1, wrong=1, missed=1)
    assert pair_quality(matched(link=-0.5), TRUTH) == Quality(right=1, wrong=2, missed=1)
    assert pair_quality(matched(), NOBODY) == Quality(right=0, wrong=0, missed=0)


def test_all_pairs_within_a_person_count_also_those_never_compared() -> None:
    assert cluster_quality(matched(), TRUTH) == Quality(right=1, wrong=2, missed=1)


@pytest.mark.parametrize(
    ("pairs", "best"),
    [
        (PAIRS, (2 / 3, 9.0)),  # with all down to -1.0 it is no better
        ([(0, 1, 9.0), (2, 3, 6.0), (0, 2, 5.0)], (1.0, 6.0)),
        ([(0, 2, 9.0), (0, 1, 6.0), (2, 3, 5.0)], (4 / 5, 5.0)),
        ([(0, 1, -20.0), (2, 3, -30.0)], (0.0, 0.5)),  # too low to be worth a thought
        ([(0, 1, -19.0)], (2 / 3, -19.0)),
        ([], (0.0, 0.5)),
    ],
)
def test_best_threshold_is_the_first_of_the_best_f1(
    pairs: list[tuple[int, int, float]], best: tuple[float, float]
) -> None:
    found = best_threshold(matched(pairs, link=0.5), TRUTH)

    assert found == pytest.approx(best)


def test_without_anything_true_nothing_was_missed() -> None:
    assert best_threshold(matched(link=0.5), NOBODY) == (1.0, 0.5)
    assert blocked_recall(matched(), NOBODY) == 1.0


@pytest.mark.parametrize(("pairs", "recall"), [(PAIRS, 1.0), (PAIRS[:4], 0.5), ([], 0.0)])
def test_recall_of_blocking_is_the_share_of_true_pairs_among_candidates(
    pairs: list[tuple[int, int, float]], recall: float
) -> None:
    assert blocked_recall(matched(pairs), TRUTH) == recall


def test_mistakes_are_strangers_together_and_one_person_apart() -> None:
    assert mistakes(matched(), TRUTH, 9) == [(0, 2, False), (1, 2, False), (2, 3, True)]
    assert mistakes(matched(), TRUTH, 1) == [(0, 2, False), (2, 3, True)]
    assert mistakes(matched(), NOBODY, 9) == []
