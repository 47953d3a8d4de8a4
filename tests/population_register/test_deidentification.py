"""People as cells: ages, regions, and classes in which nobody stands alone."""

from collections import Counter
from collections.abc import Mapping
from datetime import date
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.ids import AgencyId, PersonId, new_id
from population_register.deidentification import (
    ANY,
    DIMENSIONS,
    POSITION,
    UNKNOWN,
    Cell,
    View,
    cell_of,
    choose_levels,
    describe,
    find_region,
    project,
    released,
    stands_beside,
)
from population_register.model import AttributeValue, CurrentRecord
from tests.population_register.register_builders import NOON

FIELDS = ("sex", "age", "region")


def a_record(on: date = date(2026, 11, 23), **values: Any) -> CurrentRecord:  # noqa: ANN401
    return CurrentRecord(
        person_id=PersonId(new_id(NOON)),
        version=1,
        on=on,
        history={
            name: (
                AttributeValue(
                    value=value,
                    source=AgencyId("tax"),
                    as_of=date(2020, 1, 1),
                    recorded_at=NOON,
                    valid_from=date(1900, 1, 1),
                ),
            )
            for name, value in values.items()
        },
    )


def value_of(record: CurrentRecord, name: str) -> str:
    cell = cell_of(record)
    assert cell is not None
    return cell[POSITION[name]]


class TestCell:
    """`cell_of`."""

    @pytest.mark.parametrize(
        ("birthdate", "age"),
        [
            ("1986-11-23", "40"),
            ("1986-11-24", "39"),
            ("1986", "39"),  # the last day that it may mean
            ("1890-01-01", "100"),
            ("2026-11-23", "0"),
            (None, UNKNOWN),
        ],
    )
    def test_age_on_the_day(self, birthdate: str | None, age: str) -> None:
        record = a_record() if birthdate is None else a_record(birthdate=birthdate)

        assert value_of(record, "age") == age

    def test_the_dead_and_the_unborn_are_not_counted(self) -> None:
        assert cell_of(a_record(birthdate="1986-03-14", deathdate="2020-01-01")) is None
        assert cell_of(a_record(birthdate="2027-01-01")) is None

    @pytest.mark.parametrize(
        ("citizenships", "expected"),
        [(["RUS", "KAZ"], "russian"), (["KAZ"], "foreign"), ([], "stateless")],
    )
    def test_citizenship(self, citizenships: list[str], expected: str) -> None:
        assert value_of(a_record(citizenships=citizenships), "citizenship") == expected

    def test_a_person_of_whom_nothing_is_said(self) -> None:
        assert cell_of(a_record()) == (UNKNOWN,) * len(DIMENSIONS)

    def test_region_is_the_stated_one_and_the_registered_address_comes_first(self) -> None:
        vologda = {"formatted": "г. Москва, ул. Мира", "region": "Вологодская область"}
        tula = {"formatted": "Тульская область"}

        registered = a_record(registration_address=vologda, stay_address=tula)

        assert value_of(registered, "region") == "Вологодская область"
        assert value_of(a_record(stay_address=tula), "region") == "Тульская область"

    def test_every_value_is_among_those_fixed_beforehand(self) -> None:
        record = a_record(
            gender="female",
            birthdate="1986-03-14",
            registration_address={"formatted": "160000, Вологодская область, г. Вологда"},
            marital_status={"status": "married"},
            citizenships=["RUS"],
        )

        cell = cell_of(record)

        assert cell == ("female", "40", "Вологодская область", "russian", "married")
        for dimension, value in zip(DIMENSIONS.values(), cell, strict=True):
            for level, known in enumerate(dimension.values):
                assert dimension.coarsen(value, level) in known


class TestRegion:
    """`find_region`."""

    @pytest.mark.parametrize(
        ("text", "region"),
        [
            ("Вологодская обл.", "Вологодская область"),
            ("160000, ВОЛОГОДСКАЯ ОБЛАСТЬ, г. Вологда, ул. Московская", "Вологодская область"),
            ("г. Москва, ул. Тверская, 1", "Москва"),
            ("Московская область, г. Химки", "Московская область"),
            ("Респ. Алтай", "Республика Алтай"),
            ("Алтайский край", "Алтайский край"),
            ("Саха (Якутия) респ.", "Республика Саха"),
            ("Ямало-Ненецкий АО", "Ямало-Ненецкий автономный округ"),
            ("Ненецкий АО", "Ненецкий автономный округ"),
            ("Орловская область", "Орловская область"),
            ("ул. Московская, 5", UNKNOWN),
            ("", UNKNOWN),
        ],
    )
    def test_region_of_a_text(self, text: str, region: str) -> None:
        assert find_region(text) == region

    def test_every_region_is_found_by_its_own_name(self) -> None:
        for name in DIMENSIONS["region"].values[0]:
            assert find_region(name) == name or name == UNKNOWN


class TestAges:
    """The levels of age."""

    @pytest.mark.parametrize(
        ("age", "levels"),
        [
            ("7", ("7", "5-9", "0-9", "0-15", ANY)),
            ("16", ("16", "15-19", "10-19", "16-64", ANY)),
            ("15", ("15", "15-19", "10-19", "0-15", ANY)),
            ("64", ("64", "60-64", "60-69", "16-64", ANY)),
            ("65", ("65", "65-69", "60-69", "65+", ANY)),
            ("99", ("99", "95-99", "90-99", "65+", ANY)),
            ("100", ("100", "100+", "100+", "65+", ANY)),
            (UNKNOWN, (UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, ANY)),
        ],
    )
    def test_level(self, age: str, levels: tuple[str, ...]) -> None:
        dimension = DIMENSIONS["age"]

        assert tuple(dimension.coarsen(age, n) for n in range(len(levels))) == levels


class TestDimensions:
    """What may stand in a cell, whoever is in the register."""

    def test_values_of_each_level_are_all_that_there_can_be(self) -> None:
        age, sex = DIMENSIONS["age"], DIMENSIONS["sex"]

        assert age.values[0] == (*map(str, range(101)), UNKNOWN)
        assert age.values[2] == (*(f"{n}-{n + 9}" for n in range(0, 100, 10)), "100+", UNKNOWN)
        assert age.values[3] == ("0-15", "16-64", "65+", UNKNOWN)
        assert sex.values == (("female", "male", UNKNOWN), (ANY,))
        for dimension in DIMENSIONS.values():
            assert len(dimension.values) == len(dimension.levels)
            assert dimension.values[-1] == (ANY,)


cells = st.tuples(
    *(
        st.sampled_from(dimension.values[0][:6] + dimension.values[0][-2:])
        for dimension in DIMENSIONS.values()
    )
)


class TestAnonymity:
    """`choose_levels`: whatever the population."""

    @given(
        table=st.dictionaries(cells, st.integers(1, 40), max_size=30),
        k=st.integers(2, 20),
        most_suppressed=st.sampled_from([0.0, 0.05, 0.5]),
    )
    def test_no_class_is_smaller_than_k(
        self, table: Mapping[Cell, int], k: int, most_suppressed: float
    ) -> None:
        chosen = choose_levels(table, FIELDS, k=k, most_suppressed=most_suppressed)

        classes = project(table, FIELDS, chosen.levels)
        kept = {cell: people for cell, people in classes.items() if people >= k}
        assert chosen.rows == sum(kept.values())
        assert chosen.rows + chosen.suppressed == sum(table.values())
        assert chosen.classes == len(kept)
        assert chosen.smallest >= k or not kept
        is_coarsest = chosen.levels == tuple(len(DIMENSIONS[n].levels) - 1 for n in FIELDS)
        assert is_coarsest or chosen.suppressed <= most_suppressed * sum(table.values())

    @given(
        table=st.dictionaries(cells, st.integers(1, 9), max_size=6),
        k=st.integers(2, 6),
        most_suppressed=st.sampled_from([0.0, 0.3]),
        before=st.none() | st.dictionaries(cells, st.integers(1, 9), max_size=3),
    )
    def test_levels_are_the_finest_that_leave_out_few_enough(
        self,
        table: Mapping[Cell, int],
        k: int,
        most_suppressed: float,
        before: Mapping[Cell, int] | None,
    ) -> None:
        names = ("sex", "age")
        heights = [len(DIMENSIONS[name].levels) - 1 for name in names]
        given_views = [] if before is None else [View.of(before, names, (1, 2), k=k)]

        def is_allowed(levels: tuple[int, ...]) -> bool:
            few = [n for n in project(table, names, levels).values() if n < k]
            return sum(few) <= most_suppressed * sum(table.values()) and View.of(
                table, names, levels, k=k
            ).stands_beside(given_views)

        def cost(levels: tuple[int, ...]) -> tuple[float, int, tuple[int, ...]]:
            loss = sum(level / height for level, height in zip(levels, heights, strict=True))
            few = [n for n in project(table, names, levels).values() if n < k]
            return loss, sum(few), levels

        allowed = filter(is_allowed, product(*(range(height + 1) for height in heights)))
        expected = min(allowed, key=cost, default=tuple(heights))

        chosen = choose_levels(
            table, names, k=k, most_suppressed=most_suppressed, given=given_views
        )

        assert chosen.levels == expected

    def test_class_of_just_k_people_is_shown(self) -> None:
        table: Counter[Cell] = Counter(
            {
                ("female", "40", "Москва", "russian", "married"): 5,
                ("male", "40", "Москва", "russian", "married"): 8,
                ("male", "41", "Москва", "russian", "married"): 4,
            }
        )

        found = describe(table, ("sex", "age"), (0, 0), k=5)

        assert (found.rows, found.suppressed, found.classes, found.smallest) == (13, 4, 2, 5)
        assert sum(released(table, ("sex", "age"), (0, 0), k=5).values()) == 13
        assert choose_levels(table, ("sex",), k=5, most_suppressed=0).levels == (0,)

    def test_values_stay_fine_where_there_are_enough(self) -> None:
        table: Counter[Cell] = Counter({("female", "40", "Москва", "russian", "married"): 50})

        assert choose_levels(table, FIELDS, k=5, most_suppressed=0).levels == (0, 0, 0)

    def test_one_person_alone_is_left_out_rather_than_all_made_coarse(self) -> None:
        table: Counter[Cell] = Counter(
            {
                ("female", "40", "Москва", "russian", "married"): 99,
                ("male", "3", "Республика Тыва", "russian", "single"): 1,
            }
        )

        chosen = choose_levels(table, FIELDS, k=5, most_suppressed=0.01)

        assert chosen.levels == (0, 0, 0)
        assert (chosen.rows, chosen.suppressed) == (99, 1)

    def test_nobody_is_left_out_when_nobody_may_be(self) -> None:
        table: Counter[Cell] = Counter(
            {
                ("female", "41", "Москва", "russian", "married"): 3,
                ("female", "43", "Москва", "russian", "married"): 3,
            }
        )

        chosen = choose_levels(table, FIELDS, k=5, most_suppressed=0)

        assert chosen.levels == (0, 1, 0)  # 40-44
        assert chosen.suppressed == 0

    def test_a_population_smaller_than_k_gives_nothing(self) -> None:
        table: Counter[Cell] = Counter({("female", "41", "Москва", "russian", "married"): 3})

        chosen = choose_levels(table, FIELDS, k=5, most_suppressed=0)

        assert (chosen.rows, chosen.suppressed, chosen.smallest) == (0, 3, 0)


class TestBeside:
    """`stands_beside`: what two extracts for one recipient tell together."""

    MOSCOW: Cell = ("female", "41", "Москва", "russian", "married")
    TUVA: Cell = ("female", "41", "Республика Тыва", "russian", "single")

    def view(self, table: Mapping[Cell, int], *names: str, k: int = 5) -> View:
        chosen = choose_levels(table, names, k=k, most_suppressed=0.5)
        return View.of(table, names, chosen.levels, k=k)

    @pytest.mark.parametrize(
        ("moved", "may"),
        [(0, True), (1, False), (4, False), (5, True), (-1, False), (-4, False), (-5, True)],
    )
    def test_class_changes_by_nobody_or_by_enough(self, moved: int, *, may: bool) -> None:
        given = self.view({self.MOSCOW: 50, self.TUVA: 50}, "region")

        new = self.view({self.MOSCOW: 50 + moved, self.TUVA: 50 - moved}, "region")

        assert stands_beside(new, given) == may

    def test_extract_stands_beside_each_that_was_given(self) -> None:
        fits, does_not = (self.view({self.MOSCOW: people}, "region") for people in (50, 49))
        new = self.view({self.MOSCOW: 50}, "region")

        assert new.stands_beside([])
        assert new.stands_beside([fits])
        assert not new.stands_beside([fits, does_not])

    def test_one_class_that_fits_does_not_make_up_for_another(self) -> None:
        given = self.view({self.MOSCOW: 50, self.TUVA: 50}, "region")

        assert not stands_beside(self.view({self.MOSCOW: 60, self.TUVA: 51}, "region"), given)

    def test_more_is_promised_by_the_larger_k(self) -> None:
        given = self.view({self.MOSCOW: 50}, "region", k=10)
        new = self.view({self.MOSCOW: 57}, "region", k=5)

        assert not stands_beside(new, given)
        assert not stands_beside(given, new)
        assert stands_beside(self.view({self.MOSCOW: 60}, "region"), given)

    def test_finer_extract_does_not_tell_how_few_were_left_out(self) -> None:
        """By sex there are 52; by region 50: two are in regions that have too few."""
        table = {self.MOSCOW: 50, self.TUVA: 2}
        by_sex, by_region = self.view(table, "sex"), self.view(table, "sex", "region")

        assert not stands_beside(by_region, by_sex)
        assert not stands_beside(by_sex, by_region)

    def test_two_extracts_that_are_fine_in_different_fields_are_refused(self) -> None:
        table = {self.MOSCOW: 50, self.TUVA: 50}

        assert not stands_beside(self.view(table, "age"), self.view(table, "region"))

    def test_fewer_fields_of_the_same_people_are_nothing_new(self) -> None:
        table = {self.MOSCOW: 50, self.TUVA: 50}

        assert stands_beside(self.view(table, "sex"), self.view(table, "sex", "age", "region"))

    @given(
        before=st.dictionaries(cells, st.integers(1, 40), max_size=12),
        after=st.dictionaries(cells, st.integers(1, 40), max_size=12),
        k=st.integers(2, 12),
    )
    def test_what_is_chosen_stands_beside_what_was_given(
        self, before: Mapping[Cell, int], after: Mapping[Cell, int], k: int
    ) -> None:
        given_view = self.view(before, *FIELDS, k=k)

        chosen = choose_levels(after, FIELDS, k=k, most_suppressed=0.5, given=[given_view])

        new = View.of(after, FIELDS, chosen.levels, k=k)
        is_coarsest = chosen.levels == tuple(len(DIMENSIONS[n].levels) - 1 for n in FIELDS)
        assert is_coarsest or stands_beside(new, given_view)
        shown = project(new.people, tuple(DIMENSIONS), new.levels)
        assert all(people >= k for people in shown.values())
