"""What a change of a record means: pure, from one look to the next."""

from datetime import date
from typing import Any

import pytest

from kernel.ids import AgencyId, PersonId, new_id
from population_register.life_events import (
    Facts,
    LifeEventKind,
    consequence_between,
    events_between,
    facts_of,
    is_minor,
    is_news,
    next_due,
)
from population_register.model import AttributeValue, CurrentRecord
from tests.population_register.register_builders import NOON

TODAY = date(2026, 11, 23)
YESTERDAY = date(2026, 11, 22)
BORN: dict[str, Any] = {"birthdate": "1986-03-14"}


def a_value(value: object, since: date = date(2020, 1, 1)) -> AttributeValue:
    return AttributeValue(
        value=value, source=AgencyId("interior"), as_of=since, recorded_at=NOON, valid_from=since
    )


def facts(
    on: date = TODAY, /, *, stays: tuple[dict[str, str], ...] = (), **values: AttributeValue
) -> Facts:
    history: dict[str, tuple[AttributeValue, ...]] = {
        name: (value,) for name, value in values.items()
    }
    if stays:
        history["arrivals"] = tuple(a_value(stay) for stay in stays)
    return facts_of(
        CurrentRecord(person_id=PersonId(new_id(NOON)), version=1, on=on, history=history)
    )


def kinds(before: Facts | None, after: Facts) -> list[LifeEventKind]:
    return [event.kind for event in events_between(before, after)]


class TestFacts:
    """What is remembered of a record."""

    def test_name_is_of_the_day_of_its_latest_part(self) -> None:
        known = facts(
            family_name=a_value("Орлова", since=date(2026, 11, 1)), given_name=a_value("Анна")
        )

        assert known.names == ("орлова", "анна", None)
        assert known.named_on == date(2026, 11, 1)

    def test_region_is_the_stated_one_or_else_the_one_in_the_line(self) -> None:
        address = {"formatted": "Вологодская область, г. Вологда"}

        in_line = facts(registration_address=a_value(address))
        stated = facts(registration_address=a_value({**address, "region": "Томская область"}))

        assert in_line.region == "Вологодская область"
        assert stated.region == "Томская область"

    def test_passport_of_an_unknown_day_is_of_the_day_of_the_record(self) -> None:
        since = date(2026, 11, 10)

        known = facts(passport=a_value({"series_number": "9901000002"}, since=since))

        assert (known.passport, known.passport_on) == ("9901000002", "2026-11-10")

    def test_stay_is_what_the_strongest_says_today(self) -> None:
        strong = {"arrived_on": "2026-11-09", "departed_on": "2026-11-20"}
        weak = {"arrived_on": "2026-11-09"}
        over = AttributeValue(
            value={"arrived_on": "2020-01-01"},
            source=AgencyId("interior"),
            as_of=date(2020, 1, 1),
            recorded_at=NOON,
            valid_from=date(2020, 1, 1),
            valid_to=TODAY,
        )
        record = CurrentRecord(
            person_id=PersonId(new_id(NOON)),
            version=1,
            on=TODAY,
            history={"arrivals": (a_value(strong), a_value(weak), over)},
        )

        assert facts_of(record).stays == {"2026-11-09": "2026-11-20"}


class TestConsequence:
    """Whether others have to act, told or not."""

    @pytest.mark.parametrize(
        ("before", "after", "expected"),
        [
            (None, "alive", None),
            (None, "dead", LifeEventKind.DEATH),
            ("alive", "alive", None),
            ("alive", "dead", LifeEventKind.DEATH),
            ("dead", "dead", None),
            ("dead", "alive", LifeEventKind.DEATH_ANNULLED),
        ],
    )
    def test_is_death_or_that_it_was_none(
        self, before: str | None, after: str, expected: LifeEventKind | None
    ) -> None:
        looks = {"alive": facts(), "dead": facts(deathdate=a_value("1986"))}

        seen = consequence_between(None if before is None else looks[before], looks[after])

        assert seen is expected


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2026-11-24", False),
        ("2026-11-23", True),
        ("2025-11-22", True),
        ("2025-11-21", False),
        ("2026-12", False),
        ("2026-11", True),
        ("2025-11", True),
        ("2025-10", False),
        ("", False),
        ("вчера", False),
    ],
)
def test_news_is_of_a_year_and_a_day_at_most(day: str, *, expected: bool) -> None:
    assert is_news(day, TODAY) is expected


class TestFirstLook:
    """Of somebody we did not know only how they came of late is news."""

    def test_newborn(self) -> None:
        (event,) = events_between(None, facts(birthdate=a_value("2026-11-20")))

        assert event.kind is LifeEventKind.BIRTH
        assert event.occurred_on == "2026-11-20"

    @pytest.mark.parametrize(
        "born", ["2025-11-20", "1986-03-14", "2026-12-01"], ids=["too_old", "adult", "not_yet"]
    )
    def test_no_newborn(self, born: str) -> None:
        assert kinds(None, facts(birthdate=a_value(born))) == []

    def test_newborn_who_died(self) -> None:
        after = facts(birthdate=a_value("2026-11-20"), deathdate=a_value("2026-11-21"))

        assert kinds(None, after) == []

    def test_a_whole_life_that_was_lived_before(self) -> None:
        after = facts(
            birthdate=a_value("1906-03-14"),
            deathdate=a_value("1986-03-14"),
            passport=a_value({"series_number": "9901000001", "issued_on": "1976-01-01"}),
            stays=({"arrived_on": "1950-01-01", "departed_on": "1951-01-01"},),
        )

        assert kinds(None, after) == []

    def test_who_is_known_by_having_arrived(self) -> None:
        here = facts(stays=({"arrived_on": "2026-11-09"},))
        gone = facts(stays=({"arrived_on": "2025-02-01", "departed_on": "2026-11-20"},))

        assert kinds(None, here) == [LifeEventKind.ARRIVED]
        assert kinds(None, gone) == [LifeEventKind.DEPARTED]
        assert kinds(here, here) == []


class TestChanges:
    """`events_between` two looks."""

    def test_nothing_changed(self) -> None:
        assert kinds(facts(YESTERDAY, birthdate=a_value("1986-03-14")), facts()) == []

    def test_death_and_that_it_was_none(self) -> None:
        alive = facts(YESTERDAY, birthdate=a_value("1986-03-14"))
        dead = facts(birthdate=a_value("1986-03-14"), deathdate=a_value("2026-11"))

        (death,) = events_between(alive, dead)
        (annulled,) = events_between(dead, alive)

        assert (death.kind, death.occurred_on) == (LifeEventKind.DEATH, "2026-11")
        assert annulled.kind is LifeEventKind.DEATH_ANNULLED

    def test_name_that_changed(self) -> None:
        before = facts(YESTERDAY, family_name=a_value("Волкова"))
        after = facts(family_name=a_value("Орлова", since=date(2026, 11, 1)))

        (event,) = events_between(before, after)

        assert (event.kind, event.occurred_on) == (LifeEventKind.NAME_CHANGED, "2026-11-01")

    @pytest.mark.parametrize(
        "name", [a_value("Волокова"), a_value("ВОЛКОВА", since=date(2026, 11, 1))]
    )
    def test_name_that_was_corrected_or_only_written_otherwise(self, name: AttributeValue) -> None:
        before = facts(YESTERDAY, family_name=a_value("Волкова"))

        assert kinds(before, facts(family_name=name)) == []

    @pytest.mark.parametrize(
        ("address", "since", "expected"),
        [
            ("Томская область, г. Томск", date(2026, 11, 1), [LifeEventKind.MOVED]),
            ("Томская область, г. Томск", date(2020, 1, 1), []),
            ("Вологодская область, г. Череповец", date(2026, 11, 1), []),
            ("неизвестно где", date(2026, 11, 1), []),
        ],
        ids=["another_region", "corrected", "within_the_region", "unknown"],
    )
    def test_move(self, address: str, since: date, expected: list[LifeEventKind]) -> None:
        before = facts(
            YESTERDAY,
            registration_address=a_value({"formatted": "Вологодская область, г. Вологда"}),
        )

        after = facts(registration_address=a_value({"formatted": address}, since=since))

        assert kinds(before, after) == expected

    def test_passport(self) -> None:
        old = {"series_number": "9901000001", "issued_on": "2006-04-20"}
        new = {"series_number": "9901000002", "issued_on": "2026-11-10"}
        late = {"series_number": "9901000003", "issued_on": "2016-11-10"}

        before = facts(YESTERDAY, passport=a_value(old))

        assert kinds(before, facts(passport=a_value(new))) == [LifeEventKind.PASSPORT_ISSUED]
        assert kinds(before, facts(passport=a_value(late))) == []
        assert kinds(before, facts()) == []
        assert kinds(facts(passport=a_value(new)), facts(passport=a_value(new))) == []

    def test_what_was_not_known_before_has_not_changed(self) -> None:
        since = date(2026, 11, 1)
        address = a_value({"formatted": "Томская область, г. Томск"}, since=since)

        assert kinds(facts(YESTERDAY), facts(registration_address=address)) == []

    def test_name_that_somebody_got(self) -> None:
        after = facts(given_name=a_value("Анна", since=date(2026, 11, 1)))

        assert kinds(facts(YESTERDAY), after) == [LifeEventKind.NAME_CHANGED]
        assert kinds(after, facts()) == []

    def test_move_and_annulment_are_of_their_days(self) -> None:
        vologda = {"formatted": "Вологодская область, г. Вологда"}
        tomsk = a_value({"formatted": "Томская область"}, since=date(2026, 11, 1))
        before = facts(
            YESTERDAY, registration_address=a_value(vologda), deathdate=a_value("2026-11-20")
        )

        events = events_between(before, facts(registration_address=tomsk))

        assert [(event.kind, event.occurred_on) for event in events] == [
            (LifeEventKind.DEATH_ANNULLED, "2026-11-23"),
            (LifeEventKind.MOVED, "2026-11-01"),
        ]

    def test_journey_of_long_ago_is_no_event(self) -> None:
        stay = {"arrived_on": "2019-11-09", "departed_on": "2020-01-20"}

        assert kinds(facts(YESTERDAY), facts(stays=(stay,))) == []

    def test_arrival_and_departure_of_a_foreigner(self) -> None:
        never = facts(date(2026, 11, 1))
        here = facts(date(2026, 11, 10), stays=({"arrived_on": "2026-11-09"},))
        gone = facts(stays=({"arrived_on": "2026-11-09", "departed_on": "2026-11-20"},))

        assert kinds(never, here) == [LifeEventKind.ARRIVED]
        assert kinds(here, gone) == [LifeEventKind.DEPARTED]
        assert kinds(never, gone) == [LifeEventKind.ARRIVED, LifeEventKind.DEPARTED]
        assert kinds(gone, gone) == []


class TestCalendar:
    """Birthdays that matter."""

    @pytest.mark.parametrize(
        ("born", "expected"),
        [
            ("2012-11-23", [LifeEventKind.TURNED_14]),
            ("2012-11-22", []),  # yesterday, when we looked
            ("2012-11-24", []),
            ("2008-11-23", [LifeEventKind.TURNED_18]),
            ("2006-11-23", [LifeEventKind.TURNED_20]),
            ("1981-11-23", [LifeEventKind.TURNED_45]),
            ("1981", []),  # by the last day that it may mean
        ],
    )
    def test_on_the_day(self, born: str, expected: list[LifeEventKind]) -> None:
        known = a_value(born)

        assert kinds(facts(YESTERDAY, birthdate=known), facts(birthdate=known)) == expected

    def test_days_that_nobody_looked_at_are_made_up_for(self) -> None:
        known = a_value("2012-06-01")

        (event,) = events_between(facts(date(2026, 5, 1), birthdate=known), facts(birthdate=known))

        assert (event.kind, event.occurred_on) == (LifeEventKind.TURNED_14, "2026-06-01")

    def test_the_dead_have_no_birthdays(self) -> None:
        born, died = a_value("2012-11-23"), a_value("2020-01-01")
        today = facts(birthdate=born, deathdate=died)

        assert kinds(facts(YESTERDAY, birthdate=born, deathdate=died), today) == []
        assert next_due(today) is None

    @pytest.mark.parametrize(
        ("born", "due"),
        [
            ("2012-11-24", date(2026, 11, 24)),
            ("2012-11-23", date(2030, 11, 23)),
            ("2012-02-29", date(2030, 3, 1)),
            ("1981-11-23", None),
            ("1981", date(2026, 12, 31)),
        ],
    )
    def test_next_day(self, born: str, due: date | None) -> None:
        assert next_due(facts(birthdate=a_value(born))) == due

    def test_of_whom_nothing_is_known(self) -> None:
        assert next_due(facts()) is None

    @pytest.mark.parametrize(
        ("born", "minor"),
        [("2008-11-24", True), ("2008-11-23", False), ("2008", True), ("2007", False)],
    )
    def test_minor_is_who_may_be_under_eighteen(self, born: str, *, minor: bool) -> None:
        assert is_minor(facts(birthdate=a_value(born))) is minor

    def test_nobody_is_a_minor_whose_age_is_not_known_or_who_died(self) -> None:
        born, died = a_value("2020-01-01"), a_value("2021-01-01")

        assert not is_minor(facts())
        assert not is_minor(facts(birthdate=born, deathdate=died))
