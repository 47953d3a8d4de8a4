"""How alike two values are: the level of each pair, and what they share at it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from population_register.comparison import (
    CATEGORY,
    COMPARATORS,
    DATE,
    DAY_SWAPPED,
    DIFFERENT,
    DIGIT_OFF,
    DWELLING,
    INITIAL,
    MAILBOX,
    NAME,
    NUMBER,
    ONE_OFF,
    ORDER,
    OTHER_DAY,
    PLACE,
    QUANTITY,
    SAME,
    SAME_DAY,
    SAME_YEAR,
    SHORT_FORM,
    SIMILAR,
    SOMEWHAT,
    TEXT,
    TWO_DIGITS_OFF,
    TWO_PARTS,
    WEAK,
    Comparator,
    best_level,
    name_order,
)

LEVELS: dict[str, list[tuple[str, str, int]]] = {
    "name": [
        ("анна", "анна", SAME),
        ("а", "анна", INITIAL),
        ("а", "олег", DIFFERENT),
        ("юлия", "iuliia", ONE_OFF),
        ("юлия", "yulia", ONE_OFF),
        ("анна", "anne", ONE_OFF),
        ("волков", "волкав", ONE_OFF),
        ("волкова", "волков", ONE_OFF),
        ("щукина", "шукина", ONE_OFF),
        ("ия", "яя", SIMILAR),  # of two letters one is half of the name
        ("воробьев", "варабьев", SIMILAR),
        ("мария", "марина", SIMILAR),
        ("анна мария", "анна", SIMILAR),
        ("анна", "ольга анна", SIMILAR),
        ("анна мария", "мария анна", SIMILAR),
        ("анна мария", "мария ольга", DIFFERENT),
        ("абвгд", "жбвгз", SOMEWHAT),  # two letters off,
        ("абвг", "жбвз", WEAK),  # of four half of the name
        ("саша", "александр", SHORT_FORM),
        ("шура", "саша", SHORT_FORM),
        ("котов", "кодоф", SIMILAR),
        ("лебедев", "лебядьев", SIMILAR),
        ("александр", "алексей", SOMEWHAT),
        ("петров", "первов", SOMEWHAT),
        ("сергей", "андрей", WEAK),
        ("анна", "олег", DIFFERENT),
        ("გიორგი", "ნინო", DIFFERENT),
        ("王明", "李华", DIFFERENT),
    ],
    "date": [
        ("1980-05-17", "1980-05-17", SAME_DAY),
        ("1980-05-07", "1980-07-05", DAY_SWAPPED),
        ("1980-05-07", "1981-07-05", OTHER_DAY),
        ("1980-05-17", "1980-05-18", DIGIT_OFF),
        ("1980-05-17", "1980-05-71", DIGIT_OFF),
        ("1980-05-17", "1980-05-28", TWO_PARTS),
        ("1980-05-17", "1980-12-17", TWO_PARTS),
        ("1980-05-17", "1994-05-17", TWO_PARTS),
        ("1980-05-17", "1981-06-17", TWO_DIGITS_OFF),
        ("1980-05-17", "1980-11-28", SAME_YEAR),
        ("1980-05-17", "1991-11-28", OTHER_DAY),
        ("1980", "1980-05-17", SAME_YEAR),
        ("1980-05", "1980-05-17", SAME_YEAR),
        ("1980-05", "1980-06-17", OTHER_DAY),
        ("1980-05", "1980", SAME_YEAR),
        ("1980", "1981", OTHER_DAY),
    ],
    "number": [
        ("123456", "123456", 0),
        ("123456", "123465", 2),
        ("123456", "12345", 2),
        ("123456", "123478", 3),
        ("12345", "12367", 4),
        ("12345", "123467", 4),
        ("123456", "654321", 4),
    ],
    "mailbox": [
        ("anna@b.c", "anna@b.c", 0),
        ("anna@b.c", "anna@d.e", 2),
        ("anna@b.c", "ann@b.c", 2),
        ("anna.volkova@b.c", "anna.volkov1@x.y", 3),
        ("anna@b.c", "anxa@d.c", 4),
        ("anna@b.c", "oleg@b.c", 4),
    ],
    "category": [("первая", "первая", 0), ("первая", "перваа", 1)],
    "text": [
        ("тула", "тула", 0),
        ("тула", "тыла", 1),
        ("ярославль", "ярословел", 1),
        ("сосновка деревня", "деревня сосновка", 1),
        ("нижний тагил", "нижнийтагил", 1),
        ("а б в г д е", "абвгде", 1),
        ("вба", "ваба", 2),  # whichever stands first
        ("сосновка", "сосновый бор", 2),
        ("новый уренгой", "уренгой", 2),
        ("тула", "омск", 3),
    ],
    "quantity": [
        ("5", "5", 0),
        ("5", "6", 1),
        ("5", "6.5", 2),
        ("5", "10", 2),
        ("5", "10.1", 3),
        ("-1", "1", 2),
        ("много", "5", 3),
        ("nan", "1", 3),
    ],
    "place": [
        ("300000|тула|", "300000|тула|", 0),
        ("300000|тула|", "300000||", 0),
        ("300000|тула|", "300000|тулы|", 0),
        ("300000|тула|", "300000|омск|", 1),
        ("|тула|", "|тула|", 1),
        ("300000|тула|", "|тула|", 1),
        ("300000|тула|", "300001|тула|", 1),
        ("300000|тула|", "412345|тула|", 2),
        ("300000|тула|", "300001||", 3),
        ("|тула|", "|тулы|", 3),
        ("300000|тула|", "412345|тулы|", 3),
        ("300000||", "300011||", 4),
        ("123456||", "654321||", 4),  # the same digits in another order
        ("300000|тула|обл", "412345|омск|обл", 5),
        ("||обл", "||обл", 5),
        ("300000|тула|обл", "412345|омск|край", 6),
        ("300000||", "||", 6),
    ],
    "dwelling": [
        ("мира|5 12", "мира|5 12", 0),
        ("мира|5 12", "мира|12 5", 1),
        ("мира|5 12", "миру|5 12", 1),
        ("мира|5 12", "мира|5", 1),
        ("мира верхняя|5", "мира|5", 2),
        ("мира|5", "мира|6", 2),
        ("мир|5", "мира|6", 2),
        ("мира|12", "мира|21", 2),
        ("мира|", "мира|5", 2),
        ("ленина|5", "мира|5", 3),
        ("|5", "мира|5", 3),
        ("мира верхняя|5 1", "мира|5 2", 3),
        ("ленина|5 1", "мира|5", 4),
        ("мира верхняя|5", "мира|6", 4),
        ("мира|", "ленина|", 4),
        ("|5 1", "|5", 4),
    ],
}


@pytest.mark.parametrize(
    ("comparator", "left", "right", "level"),
    [
        pytest.param(COMPARATORS[kind], left, right, level, id=f"{kind}: {left}, {right}")
        for kind, pairs in LEVELS.items()
        for left, right, level in pairs
    ],
)
def test_level_of_two_values_is_the_same_from_both_sides(
    comparator: Comparator, left: str, right: str, level: int
) -> None:
    assert comparator.level(left, right) == comparator.level(right, left) == level
    assert level < len(comparator.words)


@given(
    st.sampled_from([NAME, TEXT, NUMBER, QUANTITY, CATEGORY]),
    st.text("абвг12", min_size=1, max_size=9),
    st.text("абвг12", min_size=1, max_size=9),
)
def test_who_stands_first_does_not_matter(comparator: Comparator, left: str, right: str) -> None:
    assert comparator.level(left, right) == comparator.level(right, left)


@pytest.mark.parametrize("comparator", [NAME, DATE, NUMBER, MAILBOX, CATEGORY, TEXT, DWELLING])
def test_value_that_is_the_same_is_what_two_share(comparator: Comparator) -> None:
    assert comparator.shared("x", "x", 0) == "x"
    assert comparator.shared("x", "y", 1) is None


@pytest.mark.parametrize(
    ("left", "right", "shared"),
    [
        ("300000|тула|", "300000|тула|", "300000||"),
        ("300000|тула|", "300000|омск|", "300000||"),
        ("300000|тула|", "300001|тула|", "|тула|"),
        ("300000|тула|", "412345|тула|", "|тула|"),
        ("|тула|обл", "|тула|обл", "|тула|"),
        ("300000||", "300001||", None),
        ("||обл", "||обл", None),
    ],
)
def test_of_two_places_the_code_is_shared_or_else_the_town(
    left: str, right: str, shared: str | None
) -> None:
    assert PLACE.shared(left, right, PLACE.level(left, right)) == shared


def test_closest_of_all_values_counts() -> None:
    former = ("волкова", "лебедева", "ким")

    assert best_level(NAME, ("цой",), ("волкова",)) == (DIFFERENT, None)
    assert best_level(NAME, ("волков", "лебедева"), former) == (SAME, "лебедева")
    assert best_level(NAME, ("волкова", "ким"), former) == (SAME, "волкова")
    assert best_level(NAME, ("волков",), former) == (ONE_OFF, None)
    assert best_level(PLACE, ("1|a|", "2|b|"), ("1||", "|b|")) == (0, "1||")


@pytest.mark.parametrize(
    ("given_name", "family_name", "order"),
    [
        ("волкова", "анна", 1),
        ("волков", "анна мария", 1),
        ("волкова", "цой", 2),
        ("волков", "цой", 2),
        ("олег", "анна", 2),
        ("олег", "анна мария", 0),  # similar is not enough for one alone
        ("анна", "волкова", 0),
    ],
)
def test_names_may_stand_in_each_others_place(
    given_name: str, family_name: str, order: int
) -> None:
    one = {"given_name": ("анна",), "family_name": ("волкова",)}
    other = {"given_name": (given_name,), "family_name": (family_name,)}

    assert name_order(one, other) == name_order(other, one) == order
    assert order < len(ORDER.words)
    assert ORDER.shared("1", "1", 0) is None
