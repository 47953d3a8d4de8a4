"""What a rule of consistency sees of a person, and how it says what it suspects. No I/O.

A person is seen as a `Case`: the record as it reads on one day, and what each agency says on that
day. The questions that several rules ask of a case are functions here.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from operator import attrgetter
from typing import TypeAlias

from kernel.ids import AgencyId
from population_register.attributes import ATTRIBUTES
from population_register.authority import live_versions
from population_register.model import CurrentRecord, JSONValue, SourceRecord, partial_date_range

Source: TypeAlias = tuple[AgencyId, str]
"""An agency, and its own number of a record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A person as the rules see them.

    Attributes:
        record: Read for the day of the check.
        words: What each source record says on that day.
        parents: Those whom the register knows, of whom a doubt was noticed.
    """

    record: CurrentRecord
    words: Sequence[SourceRecord]
    parents: Sequence["LinkedParent"] = ()

    @property
    def today(self) -> date:
        """The day of the check."""
        return self.record.on


Days: TypeAlias = tuple[date, date]
"""The first and the last day on which something may have been."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedParent:
    """A parent who is a person of the register, linked with the child by kinship.

    Attributes:
        name: Tells this parent from the other one.
        born: When.
        sources: The records that say so.
    """

    name: str
    born: Days
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """What one rule noticed.

    Attributes:
        attributes: Whose values don't fit.
        sources: The records to look at.
        about: Tells this finding of the rule from another one about the same person.
    """

    attributes: tuple[str, ...]
    sources: tuple[Source, ...]
    about: str = ""


def words_on(records: Iterable[SourceRecord], day: date) -> list[SourceRecord]:
    """Return the version of each source record that counts on a day, if there is one.

    Args:
        records: All versions of all records of a person, in any order.
        day: In the person's life.
    """
    by_record = attrgetter("agency_id", "record_number")
    found: list[SourceRecord] = []
    for _, versions in groupby(sorted(records, key=by_record), key=by_record):
        covering = [
            version
            for version in live_versions(versions)
            if version.valid_from <= day and (version.valid_to is None or day < version.valid_to)
        ]
        found.extend(covering[-1:])
    return found


def statements(case: Case, *names: str) -> Iterator[tuple[SourceRecord, str, JSONValue]]:
    """Return each value of attributes with the record that states it, items one by one."""
    for said in case.words:
        for name in names:
            if name in said.attributes:
                value = said.attributes[name]
                for item in value if ATTRIBUTES[name].is_many else (value,):
                    yield said, name, item


def sources_in(records: Iterable[SourceRecord]) -> tuple[Source, ...]:
    """Name records, each once, in order."""
    return tuple(sorted({(said.agency_id, said.record_number) for said in records}))


def sources_stating(case: Case, *names: str) -> tuple[Source, ...]:
    """Return the records that state any of the attributes."""
    return sources_in(said for said, _, _ in statements(case, *names))


def days_of(case: Case, name: str) -> tuple[date, date] | None:
    """Return the first and last day that the value of a date may mean; None if there is none."""
    value = case.record.find(name)
    return None if value is None else partial_date_range(value.value)


def values_by_agency(case: Case, name: str) -> Iterator[list[tuple[SourceRecord, JSONValue]]]:
    """Return the values of a single-valued attribute, agency by agency."""
    stated = sorted(
        ((said, value) for said, _, value in statements(case, name)),
        key=lambda found: (found[0].agency_id, found[0].record_number),
    )
    for _, found in groupby(stated, key=lambda found: found[0].agency_id):
        yield list(found)


def differing(
    stated: Iterable[tuple[SourceRecord, JSONValue]],
    what: Callable[[JSONValue], str],
    attributes: tuple[str, ...],
) -> Iterator[Suspicion]:
    """Suspect records that say different things of which only one can be so."""
    by_word: dict[str, list[SourceRecord]] = {}
    for said, value in stated:
        by_word.setdefault(what(value), []).append(said)
    if len(by_word) > 1:
        records = (said for found in by_word.values() for said in found)
        yield Suspicion(
            attributes=attributes, sources=sources_in(records), about=" | ".join(sorted(by_word))
        )


def sources_of(words: Iterable[SourceRecord], name: str) -> tuple[Source, ...]:
    """Return the records that state an attribute."""
    return sources_in(said for said in words if name in said.attributes)
