"""Tell browsing from work, by how many of an official's questions meet somebody. No I/O.

An official has a person at the desk, or a file on it: most questions meet somebody. Who tries names
until one fits, or runs through numbers, asks much and meets few.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec


class Pattern(StrEnum):
    """What looks like browsing."""

    MANY_NAMES = "many_names"
    MANY_NUMBERS = "many_numbers"


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Questions of one official in one hour, and how many of them met exactly one person."""

    by_name: int = 0
    by_name_matched: int = 0
    by_number: int = 0
    by_number_matched: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        """Return both together."""
        return Counts(
            by_name=self.by_name + other.by_name,
            by_name_matched=self.by_name_matched + other.by_name_matched,
            by_number=self.by_number + other.by_number,
            by_number_matched=self.by_number_matched + other.by_number_matched,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A pattern, and the counts that made it one."""

    pattern: Pattern
    asked: int
    matched: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """When questions of a kind are a pattern.

    Attributes:
        least: Fewer questions in an hour are none, whatever they met.
        matched_of_hundred: Fewer matches of a hundred questions are a pattern.
    """

    least: int
    matched_of_hundred: int


THRESHOLDS: Final = {
    # A name and a birth date from a paper form meet somebody in nine cases of ten.
    Pattern.MANY_NAMES: Threshold(least=30, matched_of_hundred=30),
    # A number has check digits: hardly one that was not invented meets nobody.
    Pattern.MANY_NUMBERS: Threshold(least=100, matched_of_hundred=50),
}


def find_alarms(counts: Counts) -> tuple[Alarm, ...]:
    """Return the patterns in an official's questions of one hour.

    More questions that meet nobody never make fewer alarms.
    """
    by_pattern = {
        Pattern.MANY_NAMES: (counts.by_name, counts.by_name_matched),
        Pattern.MANY_NUMBERS: (counts.by_number, counts.by_number_matched),
    }
    return tuple(
        Alarm(pattern=pattern, asked=asked, matched=matched)
        for pattern, (asked, matched) in by_pattern.items()
        if asked >= THRESHOLDS[pattern].least
        and matched * 100 < asked * THRESHOLDS[pattern].matched_of_hundred
    )
