"""Read a person's record on a day: values, lists, conflicts, and what follows from them. No I/O.

An *item* is what a consent may name: an attribute, or a predicate such as `over_18` that answers
one question without telling the value behind it.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import TypeAlias

from population_register.attributes import ATTRIBUTES
from population_register.model import (
    AttributeValue,
    CurrentRecord,
    JSONValue,
    civil_date,
    partial_date_range,
)
from population_register.names import comparison_key

AGES = (14, 16, 18, 21, 60, 65)
"""The ages that Russian law gives a meaning: passport, work, majority, the pension of each time."""

_SINGLE = frozenset(name for name, attribute in ATTRIBUTES.items() if not attribute.is_many)
NAME_PARTS = ("family_name", "given_name", "middle_name")


def attributes_of(record: CurrentRecord) -> dict[str, AttributeValue]:
    """Return the value of every attribute that has one on the record's day, in catalogue order."""
    found = ((name, _attribute(record, name)) for name in ATTRIBUTES)
    return {name: value for name, value in found if value is not None}


def evaluate(record: CurrentRecord, item: str, at: datetime) -> AttributeValue | None:
    """Return what the record says about an item, with source and dates; None if it says nothing.

    Args:
        record: The record, read for the day of `at`.
        item: An attribute name or a predicate. An unknown one says nothing.
        at: Now; decides ages, by the calendar of `LEGAL_TIME`.
    """
    if item in _SINGLE:
        return record.find(item)
    predicate = PREDICATES.get(item)
    if predicate is not None:
        return predicate(record, civil_date(at))
    return _attribute(record, item) if item in ATTRIBUTES else None


def conflicts(record: CurrentRecord, name: str) -> tuple[AttributeValue, ...]:
    """Return what other agencies say instead of the record's value, each agency's strongest word.

    Empty when all agree, and for many-valued attributes, whose items do not compete.
    """
    chosen = record.find(name)
    if chosen is None or ATTRIBUTES[name].is_many:
        return ()
    others: dict[str, AttributeValue] = {}
    for candidate in record.history[name]:
        if candidate.holds_on(record.on) and candidate.source not in others:
            others[candidate.source] = candidate
    return tuple(
        candidate
        for candidate in others.values()
        if not same_value(name, candidate.value, chosen.value)
    )


def said_by_agencies(record: CurrentRecord, name: str) -> tuple[AttributeValue, ...]:
    """Return everything that counts of an attribute and what is said instead, agency by agency.

    Of a many-valued attribute the items that each agency says, the strongest agency first: together
    they are the record's value, and an item that several say is the strongest's. Of any other the
    record's value, and its `conflicts`. Empty when nobody says anything.
    """
    if ATTRIBUTES[name].is_many:
        by_agency: dict[str, list[_Item]] = {}
        for item in _items(record, name):
            by_agency.setdefault(item[1].source, []).append(item)
        return tuple(map(_gathered, by_agency.values()))
    chosen = record.find(name)
    return () if chosen is None else (chosen, *conflicts(record, name))


def same_value(name: str, left: JSONValue, right: JSONValue) -> bool:
    """Tell whether two values of an attribute say the same; names ignore ё, case and hyphens."""
    if name in NAME_PARTS:
        return comparison_key(left) == comparison_key(right)
    return bool(left == right)


def _attribute(record: CurrentRecord, name: str) -> AttributeValue | None:
    if not ATTRIBUTES[name].is_many:
        return record.find(name)
    items = _items(record, name)
    return _gathered(items) if items else None


_Item: TypeAlias = tuple[JSONValue, AttributeValue]
"""An item of a many-valued attribute, and the word that it is from."""


def _items(record: CurrentRecord, name: str) -> list[_Item]:
    """Return the items of a many-valued attribute, the strongest word first."""
    if name == "former_names":
        return _former_names(record)
    identity = ATTRIBUTES[name].identity
    items: dict[object, AttributeValue] = {}
    for candidate in record.history.get(name, ()):
        if candidate.holds_on(record.on):
            items.setdefault(identity(candidate.value), candidate)
    return [(found.value, found) for found in items.values()]


def _gathered(items: Sequence[_Item]) -> AttributeValue:
    """Return a list value, in order of time, that names the strongest of its sources."""
    sources = [found for _, found in items]
    first = sources[0]
    return AttributeValue(
        value=[value for value, _ in sorted(items, key=lambda item: item[1].valid_from)],
        source=first.source,
        as_of=max(found.as_of for found in sources),
        recorded_at=max(found.recorded_at for found in sources),
        valid_from=min(found.valid_from for found in sources),
        is_authoritative=first.is_authoritative,
    )


def _former_names(record: CurrentRecord) -> list[_Item]:
    """Return the names the person had before: those stated as former, and those superseded."""
    values: list[JSONValue] = []
    items: list[_Item] = []
    for stated in record.history.get("former_names", ()):
        if stated.holds_on(record.on) and stated.value not in values:
            values.append(stated.value)
            items.append((stated.value, stated))
    known = {
        (part, comparison_key(value[part])) for value in values for part in value if part != "until"
    }
    for part in NAME_PARTS:
        chosen = record.find(part)
        for candidate in record.history.get(part, ()):
            if chosen is None or candidate.valid_from >= chosen.valid_from:
                continue
            key = (part, comparison_key(candidate.value))
            if key not in known and not same_value(part, candidate.value, chosen.value):
                known.add(key)
                until = min(candidate.valid_to or chosen.valid_from, chosen.valid_from)
                items.append(({part: candidate.value, "until": until.isoformat()}, candidate))
    return items


def birthday(born: date, age: int) -> date:
    """Return the day on which somebody turns `age`; born on 29 February, on 1 March if need be."""
    try:
        return born.replace(year=born.year + age)
    except ValueError:
        return date(born.year + age, 3, 1)


def _over(age: int) -> Callable[[CurrentRecord, date], AttributeValue | None]:
    def predicate(record: CurrentRecord, today: date) -> AttributeValue | None:
        birthdate = record.find("birthdate")
        if birthdate is None:
            return None
        # Of a date known to the year only the last day counts: nobody is over age by a doubt.
        _, latest = partial_date_range(birthdate.value)
        return _answer(birthdate, yes=birthday(latest, age) <= today)

    return predicate


def _russian_citizen(record: CurrentRecord, _today: date) -> AttributeValue | None:
    citizenships = record.find("citizenships")
    if citizenships is None:
        return None
    return _answer(citizenships, yes="RUS" in citizenships.value)


def _answer(because: AttributeValue, *, yes: bool) -> AttributeValue:
    return AttributeValue(
        value=yes,
        source=because.source,
        as_of=because.as_of,
        recorded_at=because.recorded_at,
        valid_from=because.valid_from,
        valid_to=because.valid_to,
        is_authoritative=because.is_authoritative,
    )


PREDICATES: Mapping[str, Callable[[CurrentRecord, date], AttributeValue | None]] = {
    **{f"over_{age}": _over(age) for age in AGES},
    "russian_citizen": _russian_citizen,
}
"""Questions with yes or no for an answer; the value behind is not told."""
