"""Ten working days: weekends and entered holidays don't count."""

from datetime import date

import pytest

from population_register.working_days import after_working_days

MONDAY = date(2026, 11, 23)


@pytest.mark.parametrize(
    ("begin", "holidays", "due"),
    [
        (MONDAY, (), date(2026, 12, 7)),
        (date(2026, 11, 27), (), date(2026, 12, 11)),
        (date(2026, 11, 28), (), date(2026, 12, 11)),
        (MONDAY, {date(2026, 12, 7)}, date(2026, 12, 8)),
        (MONDAY, {date(2026, 11, 29)}, date(2026, 12, 7)),
        (MONDAY, {MONDAY}, date(2026, 12, 7)),
    ],
    ids=["Monday", "Friday", "Saturday", "holiday", "holiday on Sunday", "holiday today"],
)
def test_ten_working_days(begin: date, holidays: frozenset[date], due: date) -> None:
    assert after_working_days(begin, 10, holidays) == due
