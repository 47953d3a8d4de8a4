"""What the register holds: source records, and the record of a person derived from them. No I/O.

Values are what JSON can carry (dates as ISO 8601 text), because a value is sealed, signed and shown
exactly as it was accepted; `attributes.py` is what made them well-formed before they got here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any, Literal, TypeAlias

import msgspec

from kernel.ids import AgencyId, EntryId, PersonId

JSONValue: TypeAlias = Any
"""Text, number, truth value, None, or lists and string-keyed mappings of these."""

LEGAL_TIME = timezone(timedelta(hours=3), "Europe/Moscow")
"""The offset by whose calendar a person comes of age and a document runs out; no summer time."""

_PARTIAL_DATE = re.compile(r"\d{4}(?:-\d{2}(?:-\d{2})?)?")


def civil_date(at: datetime) -> date:
    """Return the calendar day of an instant, in `LEGAL_TIME`."""
    return at.astimezone(LEGAL_TIME).date()


class AgencyRole(StrEnum):
    """What an agency answers for; decides which attributes it is the authority of."""

    CIVIL_REGISTRY = "civil_registry"
    INTERIOR = "interior"
    TAX = "tax"
    PENSION = "pension"
    HEALTH = "health"
    DEFENCE = "defence"
    EDUCATION = "education"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agency:
    """An organisation that sends records: who it is, and how its rows are read.

    `mapping` is the document that `mapping.parse_mapping` accepts; empty means that the agency
    sends our own field names.
    """

    agency_id: AgencyId
    role: AgencyRole
    name_ru: str
    name_en: str
    mapping: Mapping[str, JSONValue]
    is_active: bool = True


class RecordKind(StrEnum):
    """What a version of a source record does to the versions before it."""

    STATEMENT = "statement"  # from `valid_from` on it is so; what was said of earlier days stays
    CORRECTION = "correction"  # the version in `corrects` was a mistake: as if never said
    WITHDRAWAL = "withdrawal"  # everything said under this record number was a mistake


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRecord:
    """What one agency said about one person at one time. Immutable.

    Attributes:
        record_number: The agency's own number of the record; with `version` it names this value
            for ever. Personal data: it is stored sealed and found through a keyed digest.
        version: 1 or more, counted by the agency. Versions may arrive late and out of order.
        corrects: The version that a correction replaces; None for the other kinds.
        valid_from: First day on which it is so.
        valid_to: First day on which it is not so any more; None while it is open.
        attributes: Canonical values by attribute name; complete: what is absent is not stated.
        arrived_at: When we learned it.
    """

    agency_id: AgencyId
    record_number: str
    version: int
    kind: RecordKind
    corrects: int | None = None
    valid_from: date
    valid_to: date | None = None
    attributes: Mapping[str, JSONValue]
    arrived_at: datetime

    def __repr__(self) -> str:
        """Name the record without what it says."""
        return f"SourceRecord({self.agency_id}, …, version={self.version}, {self.kind.value})"


class AttributeValue(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """One value of one attribute: what, says who, of which days, learned when.

    The stored form is a list in this order; fields are added at the end only, with a default.

    Attributes:
        value: What JSON can carry; see `attributes.py` for the shape of each attribute.
        source: The agency that says so.
        as_of: The day from which the agency last said so.
        recorded_at: When we learned that.
        valid_from: First day on which it is so.
        valid_to: First day on which it is not so any more; None while it is open.
        is_authoritative: Whether no other agency could overrule the source on this attribute.
    """

    value: JSONValue
    source: AgencyId
    as_of: date
    recorded_at: datetime
    valid_from: date
    valid_to: date | None = None
    is_authoritative: bool = False

    def __repr__(self) -> str:
        """Say everything but the value."""
        return f"AttributeValue(…, source={self.source}, as_of={self.as_of})"

    def holds_on(self, day: date) -> bool:
        """Tell whether the value is so on `day`."""
        return self.valid_from <= day and (self.valid_to is None or day < self.valid_to)


History: TypeAlias = Mapping[str, tuple[AttributeValue, ...]]
"""Every value ever stated and not taken back, by attribute, strongest first (`authority.py`)."""


class DerivedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The person's record as it is stored: all values of all times, in order of strength.

    It does not depend on the day of its making: a value that begins tomorrow is in it already, one
    that ended yesterday still is. `CurrentRecord` reads it on a day.

    Attributes:
        v: Version of this stored format.
        version: Counts the changes of this person's record, from 1.
        history: See `History`.
    """

    v: Literal[1] = 1
    version: int
    history: dict[str, tuple[AttributeValue, ...]]

    def __repr__(self) -> str:
        """Say the version only."""
        return f"DerivedRecord(…, version={self.version})"


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentRecord:
    """What the register says about a person on a day.

    Attributes:
        person_id: Whose record it is. Never leaves us: partners and agencies see pseudonyms.
        version: Counts the changes of this person's record, from 1.
        on: The day for which it is read.
        history: Every value; see `History`. `attributes` are the ones that hold on the day.
    """

    person_id: PersonId
    version: int
    on: date
    history: History

    def __repr__(self) -> str:
        """Say whose and which, not what."""
        return f"CurrentRecord({self.person_id}, version={self.version}, on={self.on})"

    def find(self, name: str) -> AttributeValue | None:
        """Return the strongest value of a single-valued attribute that holds on the day."""
        for candidate in self.history.get(name, ()):
            if candidate.holds_on(self.on):
                return candidate
        return None


class LinkOutcome(StrEnum):
    """What became of the question who a record is about."""

    LINKED = "linked"
    NEW = "new"
    ASK = "ask"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldProblem:
    """Why one row was not taken: where, what is wrong, what to do. Never the value itself."""

    field: str
    reason: str
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The record is kept, linked to a person, and written in the access log."""

    person_id: PersonId
    entry_id: EntryId
    outcome: LinkOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchanged:
    """The very same version of the record was here already; nothing was written."""

    person_id: PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The record was not taken; nothing was written."""

    problems: tuple[FieldProblem, ...]


RecordOutcome: TypeAlias = Accepted | Unchanged | Refused


def partial_date_range(text: str) -> tuple[date, date]:
    """Return the first and the last day that a date known to the year, month or day may mean.

    Args:
        text: `1950`, `1950-05` or `1950-05-17`.

    Raises:
        ValueError: Anything else.
    """
    if not _PARTIAL_DATE.fullmatch(text):
        raise ValueError("not a date")
    parts = [int(part) for part in text.split("-")]
    match parts:
        case [year]:
            return date(year, 1, 1), date(year, 12, 31)
        case [year, month]:
            following = date(year + month // 12, month % 12 + 1, 1)
            return date(year, month, 1), following - timedelta(days=1)
        case _:
            day = date(*parts)
            return day, day
