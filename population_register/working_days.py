"""Count working days: neither a weekend nor a day that the institution entered as a holiday."""

from collections.abc import Collection
from datetime import date, timedelta
from typing import Final

WORKING_DAYS: Final = 10
"""How long an agency has for an answer."""

_SATURDAY = 5  # of `date.weekday`


def is_working_day(day: date, holidays: Collection[date]) -> bool:
    """Tell whether people work on a day."""
    return day.weekday() < _SATURDAY and day not in holidays


def after_working_days(day: date, number: int, holidays: Collection[date]) -> date:
    """Return the day that is `number` working days after `day`; `day` itself is not counted.

    Args:
        day: Any day.
        number: At least 1.
        holidays: Days that are not worked on, beside weekends.
    """
    while number:
        day += timedelta(days=1)
        number -= is_working_day(day, holidays)
    return day
