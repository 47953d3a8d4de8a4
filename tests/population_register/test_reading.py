"""Reading a record on a day: predicates, former names, conflicts."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import ClassVar

import pytest

from population_register.model import civil_date, partial_date_range
from population_register.reading import AGES, birthday, conflicts, evaluate, said_by_agencies
from tests.population_register.register_builders import NOON, a_record, values_of
from tests.population_register.test_authority import TODAY, named, on


def answer(item: str, at: datetime, **attributes: object) -> object:
    record = on(civil_date(at), [a_record(attributes=attributes, valid_from=date(1900, 1, 1))])
    value = evaluate(record, item, at)
    return None if value is None else value.value


class TestPredicates:
    @pytest.mark.parametrize(
        ("at", "is_over"),
        [
            (datetime(2004, 3, 13, 20, 59, 59, tzinfo=UTC), False),
            (datetime(2004, 3, 13, 21, 0, 0, tzinfo=UTC), True),  # midnight in Moscow
        ],
    )
    def test_person_comes_of_age_at_midnight_of_the_birthday(
        self, at: datetime, *, is_over: bool
    ) -> None:
        assert answer("over_18", at, birthdate="1986-03-14") is is_over

    @pytest.mark.parametrize(("born", "day"), [("1986", 2004), ("1986-12", 2004)])
    def test_doubt_about_the_day_makes_nobody_older(self, born: str, day: int) -> None:
        last_day = datetime(day, 12, 30, 12, tzinfo=UTC)

        assert answer("over_18", last_day, birthdate=born) is False
        assert answer("over_18", last_day.replace(day=31), birthdate=born) is True

    def test_born_on_29_february_turns_18_on_1_march(self) -> None:
        assert birthday(date(2008, 2, 29), 18) == date(2026, 3, 1)
        assert birthday(date(2008, 2, 29), 20) == date(2028, 2, 29)

    @pytest.mark.parametrize("age", AGES)
    def test_each_age_is_its_own_question(self, age: int) -> None:
        born = date(TODAY.year - age, TODAY.month, TODAY.day)

        assert answer(f"over_{age}", NOON, birthdate=born.isoformat()) is True
        assert answer(f"over_{age}", NOON, birthdate=born.replace(day=24).isoformat()) is False

    def test_answer_names_the_source_of_the_birth_date_but_not_the_date(self) -> None:
        value = evaluate(on(TODAY, [a_record("tax")]), "over_18", NOON)

        assert value is not None
        assert (value.value, value.source) == (True, "tax")

    def test_nothing_known_is_no_answer(self) -> None:
        assert answer("over_18", NOON, family_name="Волкова") is None
        assert answer("russian_citizen", NOON, family_name="Волкова") is None
        assert answer("over_17", NOON, birthdate="1986-03-14") is None
        assert answer("shoe_size", NOON, birthdate="1986-03-14") is None

    @pytest.mark.parametrize(("states", "is_citizen"), [(["TUR", "RUS"], True), (["TUR"], False)])
    def test_citizenship_is_a_question_of_its_own(
        self, states: list[str], *, is_citizen: bool
    ) -> None:
        assert answer("russian_citizen", NOON, citizenships=states) is is_citizen


class TestFormerNames:
    def test_superseded_name_is_a_former_name(self) -> None:
        birth = named("civil_registry", "Лебедева", number="b", valid_from=date(1986, 3, 14))
        marriage = named("civil_registry", "Волкова", number="m", valid_from=date(2009, 6, 20))

        record = on(TODAY, [birth, marriage])

        assert values_of(record)["former_names"] == [
            {"family_name": "Лебедева", "until": "2009-06-20"}
        ]

    def test_stated_former_name_is_not_repeated(self) -> None:
        stated = a_record(
            "civil_registry",
            "f",
            attributes={"former_names": [{"family_name": "ЛЕБЕДЕВА", "until": "2009-06-20"}]},
        )
        birth = named("civil_registry", "Лебедева", number="b", valid_from=date(1986, 3, 14))
        marriage = named("civil_registry", "Волкова", number="m", valid_from=date(2009, 6, 20))

        record = on(TODAY, [stated, birth, marriage])

        assert len(values_of(record)["former_names"]) == 1

    def test_other_spelling_is_no_former_name(self) -> None:
        tax = named("tax", "Королев", valid_from=date(2012, 1, 1))
        civil = named("civil_registry", "Королёв", valid_from=date(2015, 1, 1))

        assert "former_names" not in values_of(on(TODAY, [tax, civil]))

    def test_what_is_stated_holds_on_its_days_and_is_told_once(self) -> None:
        former = {"family_name": "Ким", "until": "2001-01-01"}
        ended = {"family_name": "Цой", "until": "2002-01-01"}
        records = [
            a_record("civil_registry", "f", attributes={"former_names": [former]}),
            a_record("tax", "f", attributes={"former_names": [former]}),
            a_record("tax", "g", valid_to=TODAY, attributes={"former_names": [ended]}),
            named("civil_registry", "Лебедева", number="b", valid_from=date(1986, 3, 14)),
            named("civil_registry", "Волкова", number="m", valid_from=date(2009, 6, 20)),
        ]

        assert values_of(on(TODAY, records))["former_names"] == [
            {"family_name": "Лебедева", "until": "2009-06-20"},
            former,
        ]

    def test_name_that_ended_before_the_next_began_is_former_until_its_own_end(self) -> None:
        records = [
            named("tax", "Лебедева", valid_from=date(1986, 3, 14), valid_to=date(2005, 1, 1)),
            named("civil_registry", "Волкова", valid_from=date(2009, 6, 20)),
            named("health", "лебедева", valid_from=date(1990, 1, 1), valid_to=date(2015, 1, 1)),
            named("interior", "Ким", valid_from=date(2009, 6, 20)),
        ]

        assert values_of(on(TODAY, records))["former_names"] == [
            {"family_name": "Лебедева", "until": "2005-01-01"}
        ]

    def test_name_that_others_say_for_longer_is_former_since_the_new_one(self) -> None:
        records = [
            named("civil_registry", "Волкова", valid_from=date(2009, 6, 20)),
            named("health", "Лебедева", valid_from=date(1990, 1, 1), valid_to=date(2015, 1, 1)),
        ]

        assert values_of(on(TODAY, records))["former_names"] == [
            {"family_name": "Лебедева", "until": "2009-06-20"}
        ]


class TestManyValued:
    CHILD: Mapping[str, str] = {"given_name": "Тимофей", "birthdate": "2010-12-05"}

    def test_list_names_the_strongest_source_the_latest_word_and_the_first_day(self) -> None:
        records = [
            a_record("civil_registry", attributes={"children": [self.CHILD]}),
            a_record(
                "tax",
                valid_from=date(2015, 1, 1),
                arrived_at=NOON + timedelta(days=1),
                attributes={"children": [{**self.CHILD, "given_name": "Ия"}]},
            ),
            a_record("health", valid_to=TODAY, attributes={"children": [{**self.CHILD, "x": "y"}]}),
        ]

        found = evaluate(on(TODAY, records), "children", NOON)

        assert found is not None
        assert [child["given_name"] for child in found.value] == ["Ия", "Тимофей"]
        assert (found.source, found.is_authoritative) == ("civil_registry", True)
        assert (found.as_of, found.valid_from) == (date(2020, 1, 1), date(2015, 1, 1))
        assert found.recorded_at == NOON + timedelta(days=1)

    def test_item_that_is_over_is_not_listed(self) -> None:
        record = a_record(attributes={"children": [self.CHILD]}, valid_to=TODAY)

        assert evaluate(on(TODAY, [record]), "children", NOON) is None

    def test_items_of_two_agencies_do_not_compete(self) -> None:
        records = [
            a_record("civil_registry", attributes={"children": [self.CHILD]}),
            a_record("tax", attributes={"children": [{**self.CHILD, "given_name": "Ия"}]}),
        ]

        assert conflicts(on(TODAY, records), "children") == ()


class TestConflicts:
    def test_agency_that_says_otherwise_is_shown(self) -> None:
        record = on(TODAY, [named("civil_registry", "Волкова"), named("health", "Лебедева")])

        (other,) = conflicts(record, "family_name")

        assert (other.source, other.value) == ("health", "Лебедева")

    def test_each_agency_has_its_strongest_word(self) -> None:
        """What it said before contradicts nobody, though it said so of today too."""
        record = on(
            TODAY,
            [
                named("civil_registry", "Волкова"),
                named("health", "Лебедева", number="1", valid_from=date(2010, 1, 1)),
                named("health", "Ким", number="2", valid_from=date(2020, 1, 1)),
            ],
        )

        assert [value.value for value in conflicts(record, "family_name")] == ["Ким"]

    def test_spelling_is_no_conflict(self) -> None:
        record = on(TODAY, [named("civil_registry", "Королёв"), named("tax", "КОРОЛЕВ")])

        assert conflicts(record, "family_name") == ()

    def test_nothing_known_is_no_conflict(self) -> None:
        assert conflicts(on(TODAY, []), "family_name") == ()


class TestWhoSays:
    """Of a list each agency answers for its own items."""

    SCHOOL: ClassVar = {"level": "school", "institution": "Школа 7"}
    HIGHER: ClassVar = {"level": "higher", "institution": "Университет"}

    def test_items_stand_with_the_agency_that_says_them(self) -> None:
        records = [
            a_record("pension", "1", attributes={"education": [self.SCHOOL, self.HIGHER]}),
            a_record("education", "1", attributes={"education": [self.HIGHER]}),
        ]

        first, second = said_by_agencies(on(TODAY, records), "education")

        assert (first.source, first.value) == ("education", [self.HIGHER])
        assert (second.source, second.value) == ("pension", [self.SCHOOL])

    def test_superseded_name_stands_with_the_agency_that_said_it(self) -> None:
        records = [
            named("civil_registry", "Волкова", valid_from=date(2009, 6, 20)),
            named("tax", "Лебедева", valid_from=date(1986, 3, 14)),
        ]

        (former,) = said_by_agencies(on(TODAY, records), "former_names")

        assert former.source == "tax"

    def test_single_value_stands_with_what_is_said_instead(self) -> None:
        record = on(TODAY, [named("civil_registry", "Волкова"), named("health", "Лебедева")])

        said = said_by_agencies(record, "family_name")

        assert [value.source for value in said] == ["civil_registry", "health"]
        assert said_by_agencies(record, "gender") == ()


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("1950", date(1950, 1, 1), date(1950, 12, 31)),
        ("1952-02", date(1952, 2, 1), date(1952, 2, 29)),
        ("1950-11", date(1950, 11, 1), date(1950, 11, 30)),
        ("1950-12", date(1950, 12, 1), date(1950, 12, 31)),
        ("1950-05-17", date(1950, 5, 17), date(1950, 5, 17)),
    ],
)
def test_partial_date_means_every_day_it_may_be(text: str, first: date, last: date) -> None:
    assert partial_date_range(text) == (first, last)


@pytest.mark.parametrize(
    "text", ["", "50", "١٩٥٠", "1950-5", "1950-00", "1950-02-30", "1950-05-17T00"]
)
def test_other_text_is_no_date(text: str) -> None:
    with pytest.raises(ValueError, match=r"date|month|day|year"):
        partial_date_range(text)
