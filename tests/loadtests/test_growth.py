"""What has grown with the rows, and what of it is ours."""

import pytest

from loadtests.growth import figures
from loadtests.lookups import spread
from loadtests.rounds import Round, Rounds


def rounds(*, rate: float, cost_us: float) -> Rounds:
    """Return one round of a second, its cost half the server's and half the database's."""
    seconds = rate * cost_us / 2e6
    return Rounds(
        [
            Round(
                requests=int(rate), seconds=1.0, statuses={"200": int(rate)}, failures=0,
                p50_ms=1.0, p95_ms=1.0, p99_ms=1.0, cpu_seconds=seconds, database_seconds=seconds,
            )
        ]
    )  # fmt: skip


CONTROL = [rounds(rate=20_000, cost_us=60), rounds(rate=16_000, cost_us=70)]


class TestFigures:
    def test_cost_is_held_against_the_fewest_rows(self) -> None:
        found = figures(
            "userinfo",
            (1000, 1_000_000),
            [rounds(rate=5000, cost_us=180), rounds(rate=4000, cost_us=200)],
            CONTROL,
        )

        by_name = {each.name: each for each in found}
        assert by_name["growth.userinfo_1000000"].ratio == pytest.approx(0.8)
        assert by_name["growth.userinfo_cost"].ratio == pytest.approx(180 / 200)
        assert by_name["growth.userinfo_own"].ratio == pytest.approx(180 / (200 - 10))
        assert by_name["growth.userinfo_own"].is_reached is False

    def test_control_is_held_against_nothing(self) -> None:
        found = figures("control", (1000, 1_000_000), CONTROL, CONTROL)

        assert [each.name for each in found] == [
            "growth.control_1000", "growth.control_1000000", "growth.control_cost",
        ]  # fmt: skip
        assert all(each.is_reached for each in found)


@pytest.mark.parametrize(
    ("size", "count", "numbers"),
    [(5, 5, [1, 2, 3, 4, 5]), (3, 10, [1, 2, 3]), (101, 3, [1, 51, 101]), (1, 1, [1])],
)
def test_numbers_are_spread_over_all(size: int, count: int, numbers: list[int]) -> None:
    assert spread(size, count) == numbers
