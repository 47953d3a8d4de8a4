"""Cyrillic names: kept as written, compared without what clerks spell differently."""

import pytest

from population_register.errors import ValueRefused
from population_register.names import (
    MAX_NAME_LENGTH,
    PassportEra,
    comparison_key,
    full_forms,
    is_short_form,
    latin_fold,
    parse_name,
    passport_spellings,
    patronymic_key,
    sound_key,
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
        pytest.param("И" * MAX_NAME_LENGTH, "И" * MAX_NAME_LENGTH, id="longest plain"),
        pytest.param("Ü" * MAX_NAME_LENGTH, "Ü" * MAX_NAME_LENGTH, id="longest of others"),
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
        ("Римский\u2013Корсаков", "Римский-Корсаков"),
        ("Д`Артаньян", "Д'Артаньян"),
        ("Римский - Корсаков", "Римский Корсаков"),
        ("А. Б.", "А Б"),
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


def test_apostrophe_of_a_passport_is_the_plain_one() -> None:
    assert transliterate("Д’Артаньян", PassportEra.ICAO_2014) == "D'ARTANIAN"


@pytest.mark.parametrize(
    ("spellings", "fold"),
    [
        (("юлия", "yuliya", "iuliia", "julija"), "iulia"),
        (("щукина", "shchukina", "schukina"), "shukina"),
        (("ксения", "kseniya", "xenia"), "xenia"),
        (("анна мария", "annamaria", "anna-mariia"), "anamaria"),
        (("müller", "muller"), "muler"),
        (("o’neill", "oneil"), "oneil"),
        (("филипп", "philip"), "filip"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_spellings_of_all_eras_and_languages_fold_into_one(
    spellings: tuple[str, ...], fold: str
) -> None:
    assert {latin_fold(spelling) for spelling in spellings} == {fold}


def test_sound_is_the_first_letter_and_the_consonants_that_follow() -> None:
    assert sound_key("воробьев") == sound_key("варабьёв") == "vrpf"
    assert sound_key("волков") != sound_key("котов")
    assert sound_key("константинопольский") == "knstn"
    assert sound_key("王") == "王"


def test_short_form_stands_for_each_of_its_full_names() -> None:
    assert full_forms("саша") == {"александр", "александра"}
    assert full_forms("александр") == {"александр"}
    assert full_forms("олимпий") == {"олимпий"}
    assert is_short_form("саша", "александра")
    assert is_short_form("шура", "саша")
    assert not is_short_form("саша", "василий")
    assert not is_short_form("олимпий", "олимпий")
