"""Cyrillic names: kept as written, compared without what clerks spell differently."""

import pytest

from population_register.errors import ValueRefused
from population_register.names import (
    MAX_NAME_LENGTH,
    PassportEra,
    comparison_key,
    parse_name,
    passport_spellings,
    patronymic_key,
    transliterate,
)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Волкова", "Волкова"),
        ("  Анна   Мария ", "Анна Мария"),
        ("Голенищев - Орлов", "Голенищев-Орлов"),
        ("Римский\u2013Корсаков", "Римский-Корсаков"),
        ("Ни\u0438\u0306", "Ний"),  # и and a combining breve are the letter й
        ("Се\u0308мин", "Сёмин"),
        ("Д'Артаньян", "Д’Артаньян"),
        ("O`Neill", "O’Neill"),
        ("Ким-Чен Ир", "Ким-Чен Ир"),
        ("Гусейн оглы", "Гусейн оглы"),
        ("Müller", "Müller"),
        ("Yılmaz", "Yılmaz"),
        ("Санкт-Мария П.", "Санкт-Мария П."),
        ("Я", "Я"),
    ],
)
def test_name_is_kept_in_nfc_as_it_was_written(typed: str, kept: str) -> None:
    assert parse_name(typed) == kept


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("Иванов2", "characters"),
        ("-Иванов", "characters"),
        ("Иванов--Петров", "characters"),
        ("Иван\u0000ов", "characters"),
        ("Robert'); DROP TABLE persons;--", "characters"),
        ("{{ 7 * 7 }}", "characters"),
        ("<script>alert(1)</script>", "characters"),
        ("Bолкова", "mixed_scripts"),  # a Latin B before Cyrillic letters
        ("Волкова-Smith", ""),
        ("王", "characters"),
        ("И" * 129, "length"),
    ],
)
def test_what_is_not_a_name_is_refused(typed: str, reason: str) -> None:
    if not reason:
        assert parse_name(typed) == typed  # each word has one alphabet
        return

    with pytest.raises(ValueRefused) as refusal:
        parse_name(typed)

    assert refusal.value.reason == reason


@pytest.mark.parametrize("part", ["а-", "а.", "а ", "а’", "а. "])
def test_name_that_is_nearly_one_is_refused_at_once(part: str) -> None:
    """Each separator is read in one way; of two ways there would be 2**60 here."""
    longest = (MAX_NAME_LENGTH - 1) // len(part)

    with pytest.raises(ValueRefused):
        parse_name(part * longest + "!")


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Королёв", "КОРОЛЕВ"),
        ("Голенищев-Орлов", "голенищев орлов"),
        ("Д’Артаньян", "ДАртаньян"),
        ("Анна-Мария", "Анна Мария"),
    ],
)
def test_spellings_of_one_name_compare_equal(left: str, right: str) -> None:
    assert comparison_key(left) == comparison_key(right)


@pytest.mark.parametrize(("left", "right"), [("Ний", "Нии"), ("Волков", "Волкова")])
def test_different_names_stay_different(left: str, right: str) -> None:
    assert comparison_key(left) != comparison_key(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [("Гусейн оглы", "Гусейн Оглу"), ("Мамед кызы", "Мамед Гызы"), ("Huseyn oglu", "Huseyn ogly")],
)
def test_turkic_patronymics_compare_by_what_they_mean(left: str, right: str) -> None:
    assert patronymic_key(left) == patronymic_key(right)


@pytest.mark.parametrize(
    ("era", "latin"),
    [
        (PassportEra.MVD_1997, "YULIYA SHCHUKINA TSOY"),
        (PassportEra.GOST_2010, "IULIIA SHCHUKINA TCOI"),
        (PassportEra.ICAO_2014, "IULIIA SHCHUKINA TSOI"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_each_era_of_passports_has_its_spelling(era: PassportEra, latin: str) -> None:
    assert transliterate("Юлия Щукина Цой", era) == latin


def test_spellings_are_listed_newest_first_and_once() -> None:
    assert passport_spellings("Цой") == ("TSOI", "TCOI", "TSOY")
    assert passport_spellings("Анна") == ("ANNA",)
