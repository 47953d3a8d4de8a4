"""What the register holds: source records, and the record of a person derived from them. No I/O.

Values are what JSON can carry (dates as ISO 8601 text), because a value is sealed, signed and shown
exactly as it was accepted; `attributes.py` is what made them well-formed before they got here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from enum import StrEnum
from functools import lru_cache
from typing import Any, TypeAlias
from uuid import UUID

import msgspec
from typing_extensions import override

from kernel.ids import AgencyId, EntryId, PersonId

JSONValue: TypeAlias = Any
"""Text, number, truth value, None, or lists and string-keyed mappings of these."""

LEGAL_TIME = timezone(timedelta(hours=3), "Europe/Moscow")
"""The offset by whose calendar a person comes of age and a document runs out; no summer time."""

_PARTIAL_DATE = re.compile(r"[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2})?)?")


@lru_cache(64)  # a batch is of one instant
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
    EMPLOYMENT = "employment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agency:
    """An organisation that sends records: who it is, and how its rows are read.

    `mapping` is the document that `mapping.parse_mapping` accepts; empty means that the agency
    sends our own field names.

    Attributes:
        sector: Agencies of one sector know a person by the same pseudonym. It is set once; empty
            means a sector of the agency's own.
        revision: Counts changes of the agency, its mandates and its keys, from 1. Whoever
            remembers any of it lets the statement that uses it ask whether it is still this one.
    """

    agency_id: AgencyId
    role: AgencyRole
    name_ru: str
    name_en: str
    mapping: Mapping[str, JSONValue]
    is_active: bool = True
    sector: str = ""
    revision: int = 1

    @property
    def pseudonym_sector(self) -> str:
        """The sector in which the agency knows people."""
        return self.sector or self.agency_id


class RecordKind(StrEnum):
    """What a version of a source record does to the versions before it."""

    STATEMENT = "statement"  # from `valid_from` on it is so; what was said of earlier days stays
    CORRECTION = "correction"  # the version in `corrects` was a mistake: as if never said
    WITHDRAWAL = "withdrawal"  # everything said under this record number was a mistake


class SourceRecord(msgspec.Struct, frozen=True, kw_only=True):
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

    @override
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

    @override
    def __repr__(self) -> str:
        """Say everything but the value."""
        return f"AttributeValue(…, source={self.source}, as_of={self.as_of})"

    def holds_on(self, day: date) -> bool:
        """Tell whether the value is so on `day`."""
        return self.valid_from <= day and (self.valid_to is None or day < self.valid_to)


History: TypeAlias = Mapping[str, tuple[AttributeValue, ...]]
"""Every value ever stated and not taken back, by attribute, strongest first (`authority.py`)."""


class CurrentRecord(msgspec.Struct, frozen=True, kw_only=True):
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

    @override
    def __repr__(self) -> str:
        """Say whose and which, not what."""
        return f"CurrentRecord({self.person_id}, version={self.version}, on={self.on})"

    def find(self, name: str) -> AttributeValue | None:
        """Return the strongest value of a single-valued attribute that holds on the day."""
        on = self.on
        for candidate in self.history.get(name, ()):
            if candidate.valid_from <= on and (
                candidate.valid_to is None or on < candidate.valid_to
            ):
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


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """The record is kept, linked to a person, and written in the access log."""

    person_id: PersonId
    entry_id: EntryId
    outcome: LinkOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchanged:
    """The very same version of the record was here already; nothing was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A withdrawal that came before its record: kept, and applied when the record arrives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The record was not taken; nothing was written."""

    problems: tuple[FieldProblem, ...]


RecordOutcome: TypeAlias = Accepted | Unchanged | Held | Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedCounts:
    """What became of the rows of a feed; each row is counted once.

    Attributes:
        linked: Accepted, about a person who was known.
        new: Accepted, about a person who was not.
        ask: Accepted, about a new person who may be a known one; a human decides.
        held: Withdrawals that came before their records.
        unchanged: The same version was here before.
        rejected: Not taken; the report says why.
    """

    linked: int = 0
    new: int = 0
    ask: int = 0
    held: int = 0
    unchanged: int = 0
    rejected: int = 0

    @property
    def rows(self) -> int:
        """Return how many rows were read."""
        return self.accepted + self.held + self.unchanged + self.rejected

    @property
    def accepted(self) -> int:
        """Return how many rows became source records."""
        return self.linked + self.new + self.ask

    def __add__(self, other: "FeedCounts") -> "FeedCounts":
        """Return the counts of two parts of a feed together."""
        return FeedCounts(
            linked=self.linked + other.linked,
            new=self.new + other.new,
            ask=self.ask + other.ask,
            held=self.held + other.held,
            unchanged=self.unchanged + other.unchanged,
            rejected=self.rejected + other.rejected,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedReport:
    """How far a feed is.

    Attributes:
        feed_id: Names the feed; its rejected rows are listed under it.
        size: Bytes of the file.
        offset: Bytes done with: committed, and never read again.
        lines: Lines done with.
        finished_at: When the last row was done with; None while it is not.
    """

    feed_id: UUID
    agency_id: AgencyId
    size: int
    offset: int
    lines: int
    counts: FeedCounts
    started_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """One problem of one rejected row of a feed, by the number of its line."""

    line: int
    problem: FieldProblem


@lru_cache(1 << 14)  # the days of forty years
def partial_date_range(text: str) -> tuple[date, date]:
    """Return the first and the last day that a date known to the year, month or day may mean.

    Args:
        text: `1950`, `1950-05` or `1950-05-17`.

    Raises:
        ValueError: Anything else.
    """
    if not _PARTIAL_DATE.fullmatch(text):
        raise ValueError("not a date")
    if len(text) == len("1950-05-17"):
        day = date.fromisoformat(text)
        return day, day
    parts = [int(part) for part in text.split("-")]
    match parts:
        case [year]:
            return date(year, 1, 1), date(year, 12, 31)
        case _:
            year, month = parts
            following = date(year + month // 12, month % 12 + 1, 1)
            return date(year, month, 1), following - timedelta(days=1)
