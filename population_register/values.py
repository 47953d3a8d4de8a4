"""Shapes of attribute values: text in, canonical JSON out, every problem with its field. No I/O."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Protocol

from population_register import identifiers, names
from population_register.errors import ValueRefused
from population_register.identifiers import IdentifierKind
from population_register.model import FieldProblem, JSONValue, partial_date_range

EARLIEST_DAY = date(1850, 1, 1)
"""Nobody in the register was born before, and no act registered: an older date is mistyped."""

MAX_PROBLEMS_PER_ROW = 20
"""Most problems that are told of one row or question: a list of thousands helps nobody."""

MAX_ITEMS = 64
"""Most values of one many-valued attribute in one record."""

_DAYS_REMEMBERED = 1 << 14  # the days of forty years

# Words in letters that have one form, one space between them: nothing to normalise or refuse.
_PLAIN_TEXT = re.compile("[0-9A-Za-zА-Яа-яЁё.,/№-]+(?: [0-9A-Za-zА-Яа-яЁё.,/№-]+)*")
_COUNTRY = re.compile("[A-Z]{3}|D")
_ZONE = re.compile("P[A-Z0-9<]{87}")  # ICAO 9303-4, 4.2: two lines of 44


class Problems:
    """Collects what is wrong with one row, so that the sender sees it at once.

    The same problem counts once, and what comes after `MAX_PROBLEMS_PER_ROW` is left out.
    """

    __slots__ = ("found",)

    def __init__(self) -> None:
        self.found: list[FieldProblem] = []

    def add(self, where: str, reason: str, advice: str) -> None:
        """Note a problem of the field `where`."""
        problem = FieldProblem(field=where, reason=reason, advice=advice)
        if len(self.found) < MAX_PROBLEMS_PER_ROW and problem not in self.found:
            self.found.append(problem)


class Shape(Protocol):
    """How a value of one attribute, or of a part of one, is read."""

    def read(self, value: JSONValue, where: str, problems: Problems) -> JSONValue | None:
        """Return the canonical value; None if a problem was noted."""
        ...


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value given as text; `parse` returns the canonical text or raises `ValueRefused`."""

    parse: Callable[[str], str]

    def read(self, value: JSONValue, where: str, problems: Problems) -> JSONValue | None:
        """Return the canonical text."""
        if not isinstance(value, str):
            problems.add(where, "not_text", "Send this field as text, in quotes.")
            return None
        try:
            return self.parse(value)
        except ValueRefused as refusal:
            problems.add(where, refusal.reason, refusal.advice)
            return None


@dataclass(frozen=True, slots=True)
class Composite:
    """An object of named parts; parts that are not known are refused, not dropped."""

    parts: Mapping[str, Shape]
    required: frozenset[str] = field(default=frozenset())

    def read(self, value: JSONValue, where: str, problems: Problems) -> JSONValue | None:
        """Return the object with its parts in canonical form, in the order of the definition."""
        if not isinstance(value, dict):
            problems.add(where, "not_an_object", "Send this field as an object of its parts.")
            return None
        before = len(problems.found)
        if not value.keys() <= self.parts.keys():
            for name in value.keys() - self.parts.keys():
                problems.add(
                    f"{where}.{safe_field(name)}",
                    "unknown_field",
                    "There is no such field; remove it.",
                )
        read: dict[str, JSONValue] = {}
        for name, shape in self.parts.items():
            given = value.get(name)
            if given is None or given == "":
                if name in self.required:
                    problems.add(f"{where}.{name}", "missing", "This part is required.")
                continue
            read[name] = shape.read(given, f"{where}.{name}", problems)
        return None if len(problems.found) > before else read


@dataclass(frozen=True, slots=True)
class Many:
    """A list of values of one shape, without repetitions."""

    item: Shape

    def read(self, value: JSONValue, where: str, problems: Problems) -> JSONValue | None:
        """Return the list in canonical form, in the order given."""
        if not isinstance(value, list) or len(value) > MAX_ITEMS:
            problems.add(where, "not_a_list", f"Send a list of at most {MAX_ITEMS} values.")
            return None
        before = len(problems.found)
        read: list[JSONValue] = []
        for index, given in enumerate(value):
            one = self.item.read(given, f"{where}.{index}", problems)
            if one not in read:
                read.append(one)
        return None if len(problems.found) > before else read


_FIELD_NAME = re.compile("[a-z][a-z0-9_]{0,63}")


def safe_field(name: object) -> str:
    """Return a field name fit for a report: a file without its header has people in its keys."""
    return name if isinstance(name, str) and _FIELD_NAME.fullmatch(name) else "?"


# Scalars


def text(limit: int) -> Scalar:
    """Free text of one line, at most `limit` characters, in NFC."""

    def parse(given: str) -> str:
        if len(given) <= limit and _PLAIN_TEXT.fullmatch(given):
            return given
        clean = " ".join(unicodedata.normalize("NFC", given).split())
        if not clean:
            raise ValueRefused("empty", "Leave the field out when there is nothing to say.")
        if len(clean) > limit:
            raise ValueRefused("length", f"At most {limit} characters.")
        if not clean.isprintable() and any(
            unicodedata.category(character) in {"Cc", "Cs", "Co", "Cn"} for character in clean
        ):
            raise ValueRefused("characters", "Control characters don't belong in text.")
        return clean

    return Scalar(parse)


def choice(*allowed: str) -> Scalar:
    """One of a few words."""

    def parse(given: str) -> str:
        if given not in allowed:
            raise ValueRefused("not_in_list", f"One of: {', '.join(allowed)}.")
        return given

    return Scalar(parse)


def matching(pattern: str, advice: str) -> Scalar:
    """Text that a regular expression describes in full."""
    compiled = re.compile(pattern)

    def parse(given: str) -> str:
        if not compiled.fullmatch(given.strip()):
            raise ValueRefused("form", advice)
        return given.strip()

    return Scalar(parse)


@lru_cache(_DAYS_REMEMBERED)
def parse_day(given: str) -> str:
    """Return a full date as ISO 8601.

    Raises:
        ValueRefused: 400. `not_a_date` or `too_early`.
    """
    try:
        day = date.fromisoformat(given)
    except ValueError as error:
        raise ValueRefused("not_a_date", "Write the day as YYYY-MM-DD.") from error
    if day < EARLIEST_DAY:
        raise ValueRefused("too_early", f"No date here is before {EARLIEST_DAY.year}.")
    return day.isoformat()


@lru_cache(_DAYS_REMEMBERED)
def parse_partial_day(given: str) -> str:
    """Return a date of which the day, or day and month, may be unknown.

    Raises:
        ValueRefused: 400. `not_a_date` or `too_early`.
    """
    try:
        first, _ = partial_date_range(given)
    except ValueError as error:
        raise ValueRefused(
            "not_a_date", "Write the day as YYYY-MM-DD, or YYYY-MM or YYYY when no more is known."
        ) from error
    if first < EARLIEST_DAY:
        raise ValueRefused("too_early", f"No date here is before {EARLIEST_DAY.year}.")
    return given


def parse_country(given: str) -> str:
    """Return a state code of ICAO 9303-3, section 5: alpha-3, `XXA` for a stateless person.

    Raises:
        ValueRefused: 400. `form`.
    """
    code = given.strip().upper()
    if not _COUNTRY.fullmatch(code):
        raise ValueRefused(
            "form", "Write the three-letter code of the state: RUS, UZB; XXA for none."
        )
    return code


def parse_mrz(given: str) -> str:
    """Return the two lines of a passport's machine-readable zone, one after the other.

    Whether its check digits are right, and whether it says what the row says, is logic control's.

    Raises:
        ValueRefused: 400. `form`.
    """
    compact = "".join(given.upper().split())
    if not _ZONE.fullmatch(compact):
        raise ValueRefused("form", "Both lines of the zone: 88 letters, digits and <.")
    return compact


def identifier(kind: IdentifierKind) -> Scalar:
    """A national number, written as its law writes it."""

    def parse(given: str) -> str:
        return identifiers.format_identifier(identifiers.parse(kind, given))

    return Scalar(parse)


DAY = Scalar(parse_day)
PARTIAL_DAY = Scalar(parse_partial_day)
COUNTRY = Scalar(parse_country)
MRZ = Scalar(parse_mrz)
NAME = Scalar(names.parse_name)
