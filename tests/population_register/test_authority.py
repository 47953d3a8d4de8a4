"""Which source wins, and what becomes of corrections, withdrawals and late versions."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from kernel.ids import AgencyId, PersonId
from population_register.attributes import ATTRIBUTES
from population_register.authority import AUTHORITY, derive_history, live_versions, rank
from population_register.model import (
    AgencyRole,
    CurrentRecord,
    RecordKind,
    SourceRecord,
)
from population_register.reading import conflicts
from tests.population_register.register_builders import (
    NOON,
    a_record,
    a_withdrawal,
    values_of,
)

ROLES: Mapping[AgencyId, AgencyRole] = {AgencyId(role.value): role for role in AgencyRole}
TODAY = date(2026, 11, 23)


def on(day: date, records: Iterable[SourceRecord]) -> CurrentRecord:
    return CurrentRecord(
        person_id=PersonId(UUID(int=1)),
        version=1,
        on=day,
        history=derive_history(records, ROLES),
    )


def named(agency: str, family_name: str, **more: Any) -> SourceRecord:  # noqa: ANN401
    return a_record(agency, attributes={"family_name": family_name}, **more)


class TestWhoWins:
    def test_every_attribute_has_an_authority(self) -> None:
        assert AUTHORITY.keys() == ATTRIBUTES.keys()

    def test_role_that_is_not_named_comes_last(self) -> None:
        assert rank(AgencyRole.TAX, "inn") == 0
        assert rank(AgencyRole.EDUCATION, "inn") > max(
            rank(role, "inn") for role in AUTHORITY["inn"]
        )

    def test_agency_that_answers_for_the_attribute_wins(self) -> None:
        record = on(TODAY, [named("health", "Лебедева"), named("civil_registry", "Волкова")])

        value = record.find("family_name")

        assert value is not None
        assert (value.value, value.source) == ("Волкова", "civil_registry")
        assert value.is_authoritative

    def test_value_of_another_agency_stands_until_the_authority_speaks(self) -> None:
        value = on(TODAY, [named("health", "Лебедева")]).find("family_name")

        assert value is not None
        assert not value.is_authoritative

    def test_marriage_act_outweighs_birth_act(self) -> None:
        birth = named("civil_registry", "Лебедева", number="b", valid_from=date(1986, 3, 14))
        marriage = named("civil_registry", "Волкова", number="m", valid_from=date(2009, 6, 20))

        assert values_of(on(TODAY, [birth, marriage]))["family_name"] == "Волкова"
        assert values_of(on(date(2009, 6, 19), [birth, marriage]))["family_name"] == "Лебедева"
        assert values_of(on(date(1986, 3, 13), [birth, marriage])) == {}

    def test_value_keeps_source_and_dates(self) -> None:
        value = on(TODAY, [named("tax", "Волкова", valid_to=date(2027, 1, 1))]).find("family_name")

        assert value is not None
        assert (value.as_of, value.recorded_at) == (date(2020, 1, 1), NOON)
        assert (value.valid_from, value.valid_to) == (date(2020, 1, 1), date(2027, 1, 1))


class TestVersions:
    def test_later_version_holds_from_its_day_and_the_earlier_before(self) -> None:
        first = named("civil_registry", "Лебедева", valid_from=date(1986, 3, 14))
        second = named("civil_registry", "Волкова", version=2, valid_from=date(2009, 6, 20))

        for versions in ([first, second], [second, first]):
            assert values_of(on(date(2009, 6, 19), versions))["family_name"] == "Лебедева"
            assert values_of(on(TODAY, versions))["family_name"] == "Волкова"

    def test_unchanged_value_goes_on_and_is_confirmed(self) -> None:
        first = named("pension", "Волкова", valid_from=date(2015, 1, 1))
        second = named("pension", "Волкова", version=2, valid_from=date(2020, 1, 1))

        (value,) = derive_history([first, second], ROLES)["family_name"]

        assert (value.valid_from, value.valid_to) == (date(2015, 1, 1), None)
        assert value.as_of == date(2020, 1, 1)

    def test_value_is_as_of_the_version_that_says_it(self) -> None:
        first = named("pension", "Лебедева", valid_from=date(2015, 1, 1))
        second = named("pension", "Волкова", version=2, valid_from=date(2020, 1, 1))

        (now, before) = derive_history([first, second], ROLES)["family_name"]

        assert (now.value, now.as_of) == ("Волкова", date(2020, 1, 1))
        assert (before.value, before.as_of) == ("Лебедева", date(2015, 1, 1))

    def test_what_a_version_leaves_out_is_not_stated_any_more(self) -> None:
        first = a_record(attributes={"family_name": "Волкова", "birthplace": "Ярославль"})
        second = a_record(
            version=2, attributes={"family_name": "Волкова"}, valid_from=date(2022, 1, 1)
        )

        assert values_of(on(TODAY, [first, second])) == {"family_name": "Волкова"}
        assert "birthplace" in values_of(on(date(2021, 12, 31), [first, second]))

    def test_correction_replaces_what_it_corrects_for_all_days(self) -> None:
        wrong = named("civil_registry", "Валкова", valid_from=date(1986, 3, 14))
        right = named(
            "civil_registry",
            "Волкова",
            version=2,
            kind=RecordKind.CORRECTION,
            corrects=1,
            valid_from=date(1986, 3, 16),
        )

        for versions in ([wrong, right], [right, wrong]):
            assert values_of(on(date(1986, 3, 15), versions)) == {}
            assert values_of(on(TODAY, versions))["family_name"] == "Волкова"

    def test_withdrawal_takes_back_everything_before_it(self) -> None:
        versions = [a_record(), a_record(version=2), a_withdrawal(version=3)]

        assert derive_history(versions, ROLES) == {}
        assert derive_history(reversed(versions), ROLES) == {}

    def test_record_may_speak_again_after_its_withdrawal(self) -> None:
        again = named("pension", "Волкова", version=3)

        assert live_versions([again, a_withdrawal(version=2), a_record()]) == [again]

    def test_withdrawal_touches_no_other_record(self) -> None:
        other = named("pension", "Волкова", number="2")

        assert values_of(on(TODAY, [a_record(), a_withdrawal(), other])) == {
            "family_name": "Волкова"
        }

    def test_closed_version_uncovers_the_one_below(self) -> None:
        long = named("interior", "Волкова", valid_from=date(2015, 1, 1))
        short = named(
            "interior",
            "Волкова-Лебедева",
            version=2,
            valid_from=date(2018, 1, 1),
            valid_to=date(2019, 1, 1),
        )

        assert values_of(on(date(2018, 6, 1), [long, short]))["family_name"] == "Волкова-Лебедева"
        assert values_of(on(date(2019, 1, 1), [long, short]))["family_name"] == "Волкова"


class TestOneWordADay:
    def test_former_value_ends_where_the_new_one_begins(self) -> None:
        birth = named("civil_registry", "Лебедева", number="b", valid_from=date(1986, 3, 14))
        marriage = named("civil_registry", "Волкова", number="m", valid_from=date(2009, 6, 20))

        (now, before) = derive_history([birth, marriage], ROLES)["family_name"]

        assert (now.value, now.valid_from, now.valid_to) == ("Волкова", date(2009, 6, 20), None)
        assert (before.value, before.valid_to) == ("Лебедева", date(2009, 6, 20))

    def test_every_former_value_ends_where_the_next_began(self) -> None:
        records = [
            named("civil_registry", "Лебедева", number="1", valid_from=date(1986, 3, 14)),
            named("civil_registry", "Волкова", number="2", valid_from=date(2009, 6, 20)),
            named("civil_registry", "Ким", number="3", valid_from=date(2015, 8, 1)),
        ]

        values = derive_history(records, ROLES)["family_name"]

        assert [(v.value, v.valid_from, v.valid_to) for v in values] == [
            ("Ким", date(2015, 8, 1), None),
            ("Волкова", date(2009, 6, 20), date(2015, 8, 1)),
            ("Лебедева", date(1986, 3, 14), date(2009, 6, 20)),
        ]

    def test_value_on_both_sides_of_an_interval_is_cut_in_two(self) -> None:
        long = named("interior", "Волкова", number="1", valid_from=date(2010, 1, 1))
        short = named(
            "interior",
            "Ким",
            number="2",
            valid_from=date(2015, 1, 1),
            valid_to=date(2016, 1, 1),
        )

        values = derive_history([long, short], ROLES)["family_name"]

        assert [(v.value, v.valid_from, v.valid_to) for v in values] == [
            ("Ким", date(2015, 1, 1), date(2016, 1, 1)),
            ("Волкова", date(2010, 1, 1), date(2015, 1, 1)),
            ("Волкова", date(2016, 1, 1), None),
        ]

    def test_word_that_a_stronger_agency_says_too_is_left_out(self) -> None:
        records = [named("civil_registry", "Волкова"), named("health", "Волкова")]

        (value,) = derive_history(records, ROLES)["family_name"]

        assert value.source == "civil_registry"

    def test_former_word_that_a_stronger_agency_says_too_is_left_out(self) -> None:
        records = [
            named(agency, name, number=name, valid_from=since)
            for agency in ("civil_registry", "health")
            for name, since in (("Лебедева", date(1986, 3, 14)), ("Волкова", date(2009, 6, 20)))
        ]

        values = derive_history(records, ROLES)["family_name"]

        assert [(v.value, v.source) for v in values] == [
            ("Волкова", "civil_registry"),
            ("Лебедева", "civil_registry"),
        ]

    def test_word_of_days_of_which_the_stronger_agency_says_nothing_is_kept(self) -> None:
        records = [
            named("civil_registry", "Волкова"),
            named("health", "Волкова", valid_from=date(2019, 12, 31)),
        ]

        assert len(derive_history(records, ROLES)["family_name"]) == 2

    def test_agency_that_came_round_contradicts_nobody(self) -> None:
        """Its new word repeats the authority's and is left out; its old one must not return."""
        records = [
            named("civil_registry", "Волкова", valid_from=date(2009, 6, 20)),
            named("health", "Лебедева", number="1", valid_from=date(2005, 1, 1)),
            named("health", "Волкова", number="2", valid_from=date(2012, 1, 1)),
        ]

        assert conflicts(on(TODAY, records), "family_name") == ()
        assert len(conflicts(on(date(2011, 1, 1), records), "family_name")) == 1


class TestManyValued:
    def test_children_of_all_records_are_one_list(self) -> None:
        first = {"given_name": "Тимофей", "birthdate": "2010-12-05"}
        second = {"given_name": "Варвара", "birthdate": "2017-08-22"}
        records = [
            a_record("civil_registry", "1", attributes={"children": [first]}),
            a_record("civil_registry", "2", attributes={"children": [second]}),
            a_record("pension", "3", attributes={"children": [{**second, "middle_name": "С."}]}),
        ]

        children = values_of(on(TODAY, records))["children"]

        assert children == [first, second]

    def test_items_stand_in_the_order_of_the_version_that_last_listed_them(self) -> None:
        records = [
            a_record("interior", attributes={"citizenships": ["RUS", "TUR"]}),
            a_record(
                "interior",
                version=2,
                valid_from=date(2021, 1, 1),
                attributes={"citizenships": ["TUR", "RUS"]},
            ),
        ]

        assert values_of(on(TODAY, records))["citizenships"] == ["TUR", "RUS"]

    def test_child_that_a_later_version_leaves_out_is_gone(self) -> None:
        child = {"given_name": "Тимофей", "birthdate": "2010-12-05"}
        stays = {"given_name": "Варвара", "birthdate": "2017-08-22"}
        records = [
            a_record("pension", attributes={"children": [child, stays]}),
            a_record(
                "pension",
                version=2,
                kind=RecordKind.CORRECTION,
                corrects=1,
                attributes={"children": [stays]},
            ),
        ]

        assert values_of(on(TODAY, records))["children"] == [stays]


def test_arrival_does_not_decide() -> None:
    """The same feeds in another order end in the same record."""
    tax = named("tax", "Волкова")
    health = named("health", "Лебедева", arrived_at=NOON + timedelta(days=1))
    later_tax = named("tax", "Волкова", arrived_at=NOON + timedelta(days=2))
    earlier_health = named("health", "Лебедева")

    assert values_of(on(TODAY, [tax, health])) == values_of(on(TODAY, [earlier_health, later_tax]))
