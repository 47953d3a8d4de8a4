"""Counting queries: what can be asked, and noise that is as large as promised."""

import statistics
from collections import Counter

import pytest

from population_register.deidentification import DIMENSIONS, Cell
from population_register.errors import CountRefused
from population_register.private_counts import answer, exact_counts, parse_query

PEOPLE: Counter[Cell] = Counter(
    {
        ("female", "40", "Москва", "russian", "married"): 700,
        ("male", "40", "Москва", "russian", "married"): 200,
        ("male", "7", "Республика Тыва", "russian", "single"): 100,
    }
)


class TestQuery:
    """`parse_query`."""

    @pytest.mark.parametrize(
        ("where", "by"),
        [
            (["sex"], []),
            (["sex=other"], []),
            (["height=180"], []),
            (["age.decade=40"], []),
            (["age.ten_years=40"], []),
            ([], ["height"]),
            ([], ["sex", "sex.any"]),
            ([], ["age", "region", "marital_status"]),
        ],
        ids=[
            "no_value",
            "no_such_value",
            "no_such_dimension",
            "no_such_level",
            "value_of_another_level",
            "no_such_grouping",
            "twice",
            "too_many_groups",
        ],
    )
    def test_refused(self, where: list[str], by: list[str]) -> None:
        with pytest.raises(CountRefused):
            parse_query(where, by)

    def test_is_kept_with_its_levels_in_one_order(self) -> None:
        query = parse_query(["sex=male", "age=41", "age=40"], ["region.district", "sex"])

        assert query.as_json() == {
            "where": {"age.year": ["40", "41"], "sex.sex": ["male"]},
            "by": ["region.district", "sex.sex"],
        }
        assert list(query.as_json()["where"]) == ["age.year", "sex.sex"]  # type: ignore[call-overload]

    def test_says_what_a_condition_looks_like(self) -> None:
        with pytest.raises(CountRefused, match="dimension=value"):
            parse_query(["sex"], [])

    def test_one_form_whatever_the_order(self) -> None:
        left = parse_query(["sex=female", "age=40", "age=41"], ["region"])
        right = parse_query(["age=41", "age=40", "sex=female"], ["region.subject"])

        assert left.as_json() == right.as_json()

    @pytest.mark.parametrize(
        ("where", "people"),
        [
            ([], 1000),
            (["sex=male"], 300),
            (["sex=male", "region.district=siberian"], 100),
            (["age=40", "age=7"], 1000),
            (["age=40", "age.ten_years=0-9"], 0),
        ],
    )
    def test_conditions(self, where: list[str], people: int) -> None:
        assert exact_counts(PEOPLE, parse_query(where, [])) == {(): people}

    def test_groups_are_all_that_there_could_be(self) -> None:
        """Which groups are empty is a secret of the people who are not in them."""
        counts = exact_counts(PEOPLE, parse_query([], ["region"]))

        assert [group for (group,) in counts] == list(DIMENSIONS["region"].values[0])
        assert counts["Москва",] == 900
        assert counts["Томская область",] == 0


class TestNoise:
    """`answer`."""

    def test_answers_differ_and_are_near(self) -> None:
        query = parse_query([], [])

        counts = [answer(PEOPLE, query, epsilon_milli=500).counts[0] for _ in range(400)]

        # Laplace of scale 2: standard deviation 2.8; of 400 the mean's is 0.14, and 7 of those.
        assert len(set(counts)) > 5
        assert abs(statistics.fmean(counts) - 1000) < 1
        assert 2 < statistics.stdev(counts) < 4

    def test_accuracy_is_what_it_says(self) -> None:
        query = parse_query([], ["age"])

        noisy = answer(Counter(), query, epsilon_milli=10)

        # True counts are 0; half of the noise is below and became 0, so that at most 2.5 % of 102
        # are expected beyond the bound. 12 or more happen in one of ten million runs.
        assert noisy.within == 300  # ln(20) / 0.01, rounded up
        assert sum(count > noisy.within for count in noisy.counts) < 12
        assert min(noisy.counts) == 0

    def test_less_epsilon_is_more_noise(self) -> None:
        query = parse_query([], [])

        assert (
            answer(PEOPLE, query, epsilon_milli=10).within
            > answer(PEOPLE, query, epsilon_milli=100).within
        )
