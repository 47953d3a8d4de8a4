"""What a change of a record means: births, deaths, names, moves, birthdays that matter. No I/O.

Of each person a few facts are remembered as they were when last looked at. The facts of today are
compared with them; what differs is an event. A correction of a mistake is none: nothing happened.

Source:
    Vital events as in United Nations, Principles and Recommendations for a Vital Statistics
    System, revision 3, 1.6 (2014); documents of identity at 14, 20 and 45: Decree of the
    Government of the Russian Federation 828 of 8 July 1997, 7.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

import msgspec

from kernel.secret import Unprinted
from population_register.deidentification import UNKNOWN, find_region
from population_register.model import AttributeValue, CurrentRecord, partial_date_range
from population_register.names import comparison_key
from population_register.reading import birthday

MILESTONES = (14, 18, 20, 45)
"""Ages at which the law expects something: a passport, majority, a passport anew, and again."""

MAJORITY = 18

NEWS = timedelta(days=366)
"""How long ago something may have happened to be an event when we first hear of it."""

_NAME_PARTS = ("family_name", "given_name", "middle_name")


class LifeEventKind(StrEnum):
    """What happened. The values are a contract with those who subscribe."""

    BIRTH = "birth"
    CHILD_BORN = "child_born"  # of a parent
    DEATH = "death"
    DEATH_ANNULLED = "death_annulled"  # it had been reported by mistake
    NAME_CHANGED = "name_changed"
    MOVED = "moved"  # to another region
    PASSPORT_ISSUED = "passport_issued"
    ARRIVED = "arrived"  # in the country
    DEPARTED = "departed"
    TURNED_14 = "turned_14"
    TURNED_18 = "turned_18"
    TURNED_20 = "turned_20"
    TURNED_45 = "turned_45"


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeEvent:
    """Something that happened to a person.

    Attributes:
        occurred_on: The day, month or year, as the register has it.
    """

    kind: LifeEventKind
    occurred_on: str


class Facts(Unprinted, frozen=True, kw_only=True):
    """What is remembered of a person. Stored sealed; fields are added with a default.

    Attributes:
        looked_on: The day of which this is.
        names: Family, given and middle name as they are compared.
        named_on: Since when the person has the latest of these names.
        moved_on: Since when the address of registration is so.
        stays: Days of arrival, each with the day of departure.
    """

    looked_on: date
    names: tuple[str | None, ...] = (None, None, None)
    named_on: date | None = None
    birthdate: str | None = None
    deathdate: str | None = None
    region: str | None = None
    moved_on: date | None = None
    passport: str | None = None
    passport_on: str | None = None
    stays: dict[str, str | None] = msgspec.field(default_factory=dict)


def facts_of(record: CurrentRecord) -> Facts:
    """Return what is to be remembered of a record."""
    names = [record.find(part) for part in _NAME_PARTS]
    birthdate, deathdate = record.find("birthdate"), record.find("deathdate")
    address, passport = record.find("registration_address"), record.find("passport")
    return Facts(
        looked_on=record.on,
        names=tuple(None if name is None else comparison_key(name.value) for name in names),
        named_on=max((name.valid_from for name in names if name is not None), default=None),
        birthdate=None if birthdate is None else birthdate.value,
        deathdate=None if deathdate is None else deathdate.value,
        region=_region(address),
        moved_on=None if address is None else address.valid_from,
        passport=None if passport is None else passport.value["series_number"],
        passport_on=None if passport is None else _issued_on(passport),
        stays={
            stay.value["arrived_on"]: stay.value.get("departed_on")
            for stay in reversed(record.history.get("arrivals", ()))
            if stay.holds_on(record.on)
        },
    )


def _region(address: AttributeValue | None) -> str | None:
    if address is None:
        return None
    found = find_region(address.value.get("region") or address.value["formatted"])
    return None if found == UNKNOWN else found


def _issued_on(passport: AttributeValue) -> str:
    return str(passport.value.get("issued_on") or passport.valid_from.isoformat())


def events_between(before: Facts | None, after: Facts) -> tuple[LifeEvent, ...]:
    """Return what happened between two looks at a person, in the order in which it is told.

    Args:
        before: As remembered; None of a person who is looked at for the first time. Of them only
            how they came or left of late is an event, by birth or from abroad: everything else
            was so before we knew them.
        after: Of today.
    """
    if before is None:
        return () if after.deathdate is not None else (*_birth(after), *_stays({}, after))
    return (*_birthdays(before, after), *_changes(before, after))


def consequence_between(before: Facts | None, after: Facts) -> LifeEventKind | None:
    """Return what other contexts have to act upon: that a person is dead, or is not after all.

    It is no matter whether it is told as an event. Of somebody who was dead when we first looked,
    or who turned out to be one with somebody dead, nothing is told, and their account is closed
    all the same.

    Args:
        before: As remembered; None of a person who is looked at for the first time.
        after: Of today.
    """
    was_dead = before is not None and before.deathdate is not None
    is_dead = after.deathdate is not None
    if was_dead is is_dead:
        return None
    return LifeEventKind.DEATH if is_dead else LifeEventKind.DEATH_ANNULLED


def _changes(before: Facts, after: Facts) -> Iterator[LifeEvent]:
    if before.deathdate is not None and after.deathdate is None:
        yield LifeEvent(kind=LifeEventKind.DEATH_ANNULLED, occurred_on=after.looked_on.isoformat())
    if before.names != after.names and _is_later(after.named_on, before.named_on):
        assert after.named_on is not None
        yield LifeEvent(kind=LifeEventKind.NAME_CHANGED, occurred_on=after.named_on.isoformat())
    if (
        before.region is not None
        and after.region not in {None, before.region}
        and _is_later(after.moved_on, before.moved_on)
    ):
        assert after.moved_on is not None
        yield LifeEvent(kind=LifeEventKind.MOVED, occurred_on=after.moved_on.isoformat())
    if after.passport not in {None, before.passport} and is_news(
        after.passport_on or "", after.looked_on
    ):
        assert after.passport_on is not None
        yield LifeEvent(kind=LifeEventKind.PASSPORT_ISSUED, occurred_on=after.passport_on)
    yield from _stays(before.stays, after)
    if before.deathdate is None and after.deathdate is not None:
        yield LifeEvent(kind=LifeEventKind.DEATH, occurred_on=after.deathdate)


def _birth(after: Facts) -> Iterator[LifeEvent]:
    """Return that somebody was born, of whom we hear for the first time."""
    if after.birthdate is not None and is_news(after.birthdate, after.looked_on):
        yield LifeEvent(kind=LifeEventKind.BIRTH, occurred_on=after.birthdate)


def _stays(before: Mapping[str, str | None], after: Facts) -> Iterator[LifeEvent]:
    """Return arrivals and departures that were not known, be it that the person was not."""
    for arrived_on, departed_on in after.stays.items():
        if arrived_on not in before and is_news(arrived_on, after.looked_on):
            yield LifeEvent(kind=LifeEventKind.ARRIVED, occurred_on=arrived_on)
        if (
            departed_on is not None
            and before.get(arrived_on) is None
            and is_news(departed_on, after.looked_on)
        ):
            yield LifeEvent(kind=LifeEventKind.DEPARTED, occurred_on=departed_on)


def _birthdays(before: Facts, after: Facts) -> Iterator[LifeEvent]:
    """Return the milestones since the last look; of a date known in part, by its last day."""
    for age, day in _milestones(after):
        if before.looked_on < day <= after.looked_on:
            yield LifeEvent(kind=LifeEventKind(f"turned_{age}"), occurred_on=day.isoformat())


def _milestones(facts: Facts) -> Iterator[tuple[int, date]]:
    if facts.birthdate is None or facts.deathdate is not None:
        return
    _, latest = partial_date_range(facts.birthdate)
    for age in MILESTONES:
        yield age, birthday(latest, age)


def is_minor(facts: Facts) -> bool:
    """Tell whether a person is under age, by the last day that the birth date may mean."""
    if facts.birthdate is None or facts.deathdate is not None:
        return False
    _, latest = partial_date_range(facts.birthdate)
    return birthday(latest, MAJORITY) > facts.looked_on


def next_due(facts: Facts) -> date | None:
    """Return the next day on which the calendar alone makes an event; None if there is none."""
    return min((day for _, day in _milestones(facts) if day > facts.looked_on), default=None)


def _is_later(now: date | None, before: date | None) -> bool:
    """Tell a change from a correction: a change begins after what it changes."""
    return now is not None and (before is None or now > before)


def is_news(day: str, today: date) -> bool:
    """Tell whether something of a day, month or year is recent enough to be told of."""
    try:
        first, latest = partial_date_range(day)
    except ValueError:
        return False
    return first <= today and latest >= today - NEWS
