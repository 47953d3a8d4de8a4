"""Profiles: how a value was written is forgotten, what it says is kept."""

import pytest

from population_register.profiles import (
    DateOrder,
    date_form,
    dwelling_form,
    guess_date_order,
    name_form,
    number_form,
    phone_form,
    place_form,
    profile_of,
    profile_of_records,
    split_full_name,
    text_form,
)
from tests.population_register.register_builders import a_record


class TestNames:
    def test_case_and_punctuation_do_not_count(self) -> None:
        assert name_form(" ВОЛКОВА-Лебедёва, А. ") == "волкова лебедева а"

    @pytest.mark.parametrize(
        ("text", "family_first", "parts"),
        [
            ("Волкова Анна Дмитриевна", True, ("волкова", "анна", "дмитриевна")),
            ("Волкова Анна", True, ("волкова", "анна")),
            ("Anna Maria Sofia Volkova", False, ("volkova", "anna", "maria sofia")),
            ("Anna Volkova", False, ("volkova", "anna")),
            ("Де ла Крус, Хуан Мария", False, ("де ла крус", "хуан", "мария")),
            ("Волкова", False, ("волкова",)),
            ("Волкова ,", False, ("волкова",)),
            (" , Анна", True, ("анна",)),
            ("Волкова, ", True, ("волкова",)),
            (" Анна Волкова ,", False, ("волкова", "анна")),
            (", Анна Волкова", False, ("волкова", "анна")),
            ("", True, ()),
        ],
    )
    def test_full_name_is_split(
        self, text: str, *, family_first: bool, parts: tuple[str, ...]
    ) -> None:
        names = ("family_name", "given_name", "middle_name")

        assert split_full_name(text, family_first=family_first) == dict(
            zip(names, parts, strict=False)
        )


class TestDates:
    @pytest.mark.parametrize(
        ("text", "order", "day"),
        [
            ("17.05.1980", "dmy", "1980-05-17"),
            ("7.5.1980", "dmy", "1980-05-07"),
            ("05/07/1980", "mdy", "1980-05-07"),
            ("1980-05-17 12:30", "dmy", "1980-05-17"),
            ("80-05-07", "ymd", "1980-05-07"),
            ("17.05.1980", "ymd", "1980-05-17"),
            ("13.05.1980", "mdy", "1980-05-13"),
            ("12.05.1980", "mdy", "1980-12-05"),
            ("05.13.1980", "dmy", "1980-05-13"),
            ("12.13.1980", "dmy", "1980-12-13"),
            ("13.14.1980", "dmy", "1980-14-13"),
            ("07.05.30", "dmy", "2030-05-07"),
            ("07.05.31", "dmy", "1931-05-07"),
            ("07.05.980", "dmy", "0980-05-07"),
            ("19800517", "ymd", "1980-05-17"),
            ("17051980", "dmy", "1980-05-17"),
            ("7051980", "dmy", "1980-05-07"),
            ("5071980", "mdy", "1980-05-07"),
            ("7051980", "ymd", "7051980"),
            ("170580", "dmy", "170580"),
            ("17 мая 1980 г.", "dmy", "1980-05-17"),
            ("May 7, 1980", "mdy", "1980-05-07"),
            ("1980 Sept 7", "dmy", "1980-09-07"),
            ("7 Dec 80", "dmy", "1980-12-07"),
            ("7 мая 1980 12:30", "dmy", "1980-05-07"),
            ("Май 1980", "dmy", "1980-05"),
            ("17  мая", "dmy", "17 мая"),
            ("май", "dmy", "май"),
            ("1980", "dmy", "1980"),
            ("05.1980", "dmy", "1980-05"),
            ("1980/5", "dmy", "1980-05"),
            ("00.00.1980", "dmy", "1980"),
            ("00.05.1980", "dmy", "1980-05"),
            (" не  знает ", "dmy", "не знает"),
        ],
    )
    def test_date_is_read_as_far_as_it_is_known(
        self, text: str, order: DateOrder, day: str
    ) -> None:
        assert date_form(text, order) == day

    @pytest.mark.parametrize(
        ("texts", "order"),
        [
            ((), "dmy"),
            (("01.02.1990", "12.12.1990"), "dmy"),
            (("13.02.1990",), "dmy"),
            (("02/13/1990",), "mdy"),
            (("", "нет", "02/13/1990"), "mdy"),
            (("13.01.1990", "01/13/1990", "01/14/1990"), "mdy"),
            (("14.01.1990", "13.01.1990", "01/13/1990"), "dmy"),
            (("1990-12-31",), "ymd"),
            (("12.02.1990", "1990-12-31"), "ymd"),
            (("13.02.1990", "1990-12-31"), "dmy"),
            (("1990-12-31", "1990-12-30", "13.01.1990"), "ymd"),
            (("05.1980",), "dmy"),
            (("18000101",), "ymd"),
            (("17990101", "31121990"), "dmy"),
            (("21001231",), "ymd"),
            (("21011231", "31121990"), "dmy"),
            (("20101209",), "ymd"),
            (("20101312",), "dmy"),
            (("19801231", "13.01.1990", "14.01.1990"), "dmy"),
            (("1 02/13/1990 8",), "dmy"),
        ],
    )
    def test_order_is_the_one_that_most_dates_need(
        self, texts: tuple[str, ...], order: DateOrder
    ) -> None:
        assert guess_date_order(texts) == order


class TestTexts:
    def test_number_is_its_letters_and_digits(self) -> None:
        assert number_form("iv-мю № 123 456") == "IVМЮ123456"

    @pytest.mark.parametrize(
        ("text", "number"),
        [("+7 (903) 123-45-67", "9031234567"), ("8 903 123 45 67", "9031234567"), ("2-12", "212")],
    )
    def test_country_code_of_a_telephone_number_does_not_count(
        self, text: str, number: str
    ) -> None:
        assert phone_form(text) == number

    def test_punctuation_and_yo_of_a_text_do_not_count(self) -> None:
        assert text_form("г. Королёв,  5-я линия_2") == "г королев 5 я линия 2"

    @pytest.mark.parametrize(
        ("parts", "form"),
        [
            (("101 000", "г. Москва", "Ж"), "101000|г москва|ж"),
            (("", "Тула", ""), "|тула|"),
            (("-", " ", ""), ""),
        ],
    )
    def test_place_has_code_town_and_region(self, parts: tuple[str, str, str], form: str) -> None:
        assert place_form(*parts) == form

    @pytest.mark.parametrize(
        ("parts", "form"),
        [
            (("ул. Мира", "д. 5", "кв. 12а"), "мира|5 12а"),
            (("10 Main Street", "Apt 4"), "main|10 4"),
            (("ул. 8 Марта", ""), "марта|8"),
            (("проспект Мира",), "мира|"),
            (("д. 5",), "|5"),
            (("ул.", ""), ""),
        ],
    )
    def test_dwelling_is_its_words_and_then_its_numbers(
        self, parts: tuple[str, ...], form: str
    ) -> None:
        assert dwelling_form(*parts) == form


class TestProfiles:
    def test_values_are_put_into_their_forms(self) -> None:
        profile = profile_of(
            {
                "family_name": "Королёва",
                "given_name": "Анна-Мария",
                "middle_name": "Гусейн Кызы",
                "birthplace": "г. Орёл",
                "gender": "female",
                "birthdate": "1986-03",
                "snils": "900-000-002 83",
                "marital_status": {"status": "single"},
            }.items()
        )

        assert profile == {
            "family_name": ("королева",),
            "given_name": ("анна мария",),
            "middle_name": ("гусейн кызы",),
            "birthplace": ("г орел",),
            "gender": ("female",),
            "birthdate": ("1986-03",),
            "snils": ("90000000283",),
        }

    def test_former_names_count_as_names_each_once(self) -> None:
        former = [
            {"family_name": "Лебедева", "until": "2009-06-20"},
            {"family_name": "ВОЛКОВА", "given_name": "Ася", "middle_name": "Д."},
        ]

        several = profile_of([("family_name", "Волкова"), ("former_names", former)])
        single = profile_of([("former_names", former[0])])

        assert several == {
            "family_name": ("волкова", "лебедева"),
            "given_name": ("ася",),
            "middle_name": ("д",),
        }
        assert single == {"family_name": ("лебедева",)}

    @pytest.mark.parametrize("name", ["registration_address", "stay_address"])
    @pytest.mark.parametrize(
        ("address", "profile"),
        [
            (
                {
                    "formatted": "?",
                    "postal_code": "300000",
                    "locality": "Тула",
                    "region": "Тульская область",
                    "street": "ул. Мира",
                    "house": "5",
                    "flat": "12",
                },
                {"place": ("300000|тула|тульская область",), "dwelling": ("мира|5 12",)},
            ),
            ({"formatted": "?", "street": "ул. Мира"}, {"dwelling": ("мира|",)}),
            ({"formatted": "Мира, 5", "locality": "Тула"}, {"place": ("|тула|",)}),
            ({"formatted": "Тула, ул. Мира, 5"}, {"dwelling": ("тула мира|5",)}),
        ],
        ids=["whole", "street alone", "town and a line", "line alone"],
    )
    def test_of_an_address_its_parts_count_or_else_its_line(
        self, name: str, address: dict[str, str], profile: dict[str, tuple[str, ...]]
    ) -> None:
        assert profile_of([(name, address)]) == profile

    def test_all_records_speak_together(self) -> None:
        records = [
            a_record(attributes={"family_name": "Волкова", "snils": "900-000-002 83"}),
            a_record(version=2, attributes={"family_name": "Лебедева", "snils": "900-000-002 83"}),
        ]

        assert profile_of_records(records) == {
            "family_name": ("волкова", "лебедева"),
            "snils": ("90000000283",),
        }
