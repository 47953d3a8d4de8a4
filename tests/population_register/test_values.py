"""Shapes of values: the canonical form of each, and what is wrong, with its place."""

import pytest

from population_register.identifiers import IdentifierKind
from population_register.model import JSONValue
from population_register.values import (
    COUNTRY,
    DAY,
    MAX_ITEMS,
    MAX_PROBLEMS_PER_ROW,
    MRZ,
    PARTIAL_DAY,
    Composite,
    Many,
    Problems,
    Shape,
    choice,
    identifier,
    matching,
    safe_field,
    text,
)

INDEX = matching("[0-9]{6}", "Six digits.")
ADDRESS = Composite(
    parts={"index": INDEX, "street": text(5), "kind": choice("flat", "house")},
    required=frozenset(("index",)),
)


def read(shape: Shape, value: JSONValue) -> tuple[JSONValue | None, dict[str, str]]:
    problems = Problems()
    canonical = shape.read(value, "it", problems)
    return canonical, {problem.field: problem.reason for problem in problems.found}


@pytest.mark.parametrize(
    ("shape", "given", "canonical"),
    [
        (text(5), "Тула1", "Тула1"),
        (text(5), "«Тул»", "«Тул»"),
        (text(5), " «а\u00a0 \tб» ", "«а б»"),
        (text(5), "и\u0306!", "й!"),
        (text(5), "a\u200db", "a\u200db"),
        (INDEX, " 300000\n", "300000"),
        (COUNTRY, " rus ", "RUS"),
        (COUNTRY, "D", "D"),
        (DAY, "1850-01-01", "1850-01-01"),
        (PARTIAL_DAY, "1850", "1850"),
        (PARTIAL_DAY, "1850-01", "1850-01"),
        (MRZ, f"p{'<' * 43}\n{'9' * 44}", f"P{'<' * 43}{'9' * 44}"),
        (identifier(IdentifierKind.SNILS), "11223344595", "112-233-445 95"),
        (choice("flat", "house"), "house", "house"),
        (Many(COUNTRY), ["RUS", "tur", "rus"], ["RUS", "TUR"]),
        (Many(text(5)), [str(n) for n in range(MAX_ITEMS)], [str(n) for n in range(MAX_ITEMS)]),
        (ADDRESS, {"street": "Мира", "index": "300000 "}, {"index": "300000", "street": "Мира"}),
        (ADDRESS, {"index": "300000", "street": "", "kind": None}, {"index": "300000"}),
    ],
    ids=range(18),
)
def test_value_is_kept_in_its_canonical_form(
    shape: Shape, given: JSONValue, canonical: JSONValue
) -> None:
    assert read(shape, given) == (canonical, {})


@pytest.mark.parametrize(
    ("shape", "given", "problems"),
    [
        (text(5), "абвгде", {"it": "length"}),
        (text(5), "«абвг»", {"it": "length"}),
        (text(5), " \t", {"it": "empty"}),
        (text(5), "a\u0007b", {"it": "characters"}),
        (text(5), "a\ue000b", {"it": "characters"}),
        (text(5), "a\u0378b", {"it": "characters"}),
        (text(5), 5, {"it": "not_text"}),
        (INDEX, "3000000", {"it": "form"}),
        (COUNTRY, "DE", {"it": "form"}),
        (DAY, "1849-12-31", {"it": "too_early"}),
        (DAY, "1900-02-29", {"it": "not_a_date"}),
        (PARTIAL_DAY, "1849-12", {"it": "too_early"}),
        (PARTIAL_DAY, "1900-00", {"it": "not_a_date"}),
        (MRZ, f"P{'<' * 43}{'9' * 43}", {"it": "form"}),
        (identifier(IdentifierKind.SNILS), "11223344596", {"it": "check_digit"}),
        (choice("flat", "house"), "barn", {"it": "not_in_list"}),
        (Many(COUNTRY), "RUS", {"it": "not_a_list"}),
        (Many(text(5)), [str(n) for n in range(MAX_ITEMS + 1)], {"it": "not_a_list"}),
        (Many(COUNTRY), ["RUS", "?", "TUR", 7], {"it.1": "form", "it.3": "not_text"}),
        (ADDRESS, "Мира", {"it": "not_an_object"}),
        (ADDRESS, {"street": "Мира"}, {"it.index": "missing"}),
        (ADDRESS, {"index": "300000", "town": "Тула"}, {"it.town": "unknown_field"}),
        (ADDRESS, {"index": "300000", "Тула": ""}, {"it.?": "unknown_field"}),
        (ADDRESS, {"index": "30", "kind": "barn"}, {"it.index": "form", "it.kind": "not_in_list"}),
    ],
    ids=range(24),
)
def test_value_that_is_not_of_its_shape_gives_nothing_but_its_problems(
    shape: Shape, given: JSONValue, problems: dict[str, str]
) -> None:
    assert read(shape, given) == (None, problems)


@pytest.mark.parametrize(
    ("name", "told"),
    [("a" * 64, "a" * 64), ("a" * 65, "?"), ("Волкова", "?"), ("1a", "?"), ("a b", "?"), (7, "?")],
    ids=range(6),
)
def test_only_what_looks_like_a_field_name_is_told(name: object, told: str) -> None:
    assert safe_field(name) == told


def test_so_many_problems_of_a_row_are_told_each_once() -> None:
    problems = Problems()
    for number in (0, *range(MAX_PROBLEMS_PER_ROW + 1)):
        problems.add(f"f{number}", "form", "?")

    assert [each.field for each in problems.found] == [
        f"f{number}" for number in range(MAX_PROBLEMS_PER_ROW)
    ]
