"""An agency's own names for things."""

from typing import Any

import pytest

from kernel.ids import AgencyId
from population_register.control import read_record
from population_register.errors import MappingRefused
from population_register.mapping import parse_mapping, shape_of
from tests.population_register.register_builders import NOON

TAX = parse_mapping(
    {
        "encoding": "windows-1251",
        "delimiter": ";",
        "date_format": "dd.mm.yyyy",
        "ignore": ["КОД_НО"],
        "fields": {
            "НОМЕР": "record_number",
            "С": "valid_from",
            "РОЖД": "birthdate",
            "ПОЛ": "gender",
            "ГРАЖД": "citizenships",
            "ПАСПОРТ": "passport.series_number",
            "РЕБ1": "children.0.given_name",
            "РЕБ1_РОЖД": "children.0.birthdate",
            "РЕБ2": "children.1.given_name",
        },
        "values": {"gender": {"М": "male", "Ж": "female"}},
        "constants": {"version": "1"},
    }
)


def test_row_is_renamed_nested_and_translated() -> None:
    row = TAX.nested(
        {
            "НОМЕР": "1",
            "С": "01.02.2020",
            "РОЖД": "14.03.1986",
            "ПОЛ": "Ж",
            "ГРАЖД": "RUS; TUR",
            "ПАСПОРТ": "4510 123456",
            "РЕБ1": "Тимофей",
            "РЕБ1_РОЖД": "05.12.2010",
            "РЕБ2": "",
            "КОД_НО": "7700",
        }
    )

    assert row == {
        "version": "1",
        "record_number": "1",
        "valid_from": "2020-02-01",
        "birthdate": "1986-03-14",
        "gender": "female",
        "citizenships": ["RUS", "TUR"],
        "passport": {"series_number": "4510 123456"},
        "children": [{"given_name": "Тимофей", "birthdate": "2010-12-05"}],
    }


@pytest.mark.parametrize(
    ("cells", "row"),
    [
        ({"НОМЕР": None, "С": ""}, {}),
        ({"ПОЛ": " М "}, {"gender": "male"}),
        ({"ПОЛ": 7}, {"gender": 7}),
        ({"ГРАЖД": " RUS ;; TUR"}, {"citizenships": ["RUS", "TUR"]}),
        ({"ГРАЖД": ["RUS", "TUR"]}, {"citizenships": ["RUS", "TUR"]}),
        ({"РОЖД": " 14.03.1986 "}, {"birthdate": "1986-03-14"}),
        ({"passport.issued_on": "20.04.2006"}, {"passport": {"issued_on": "2006-04-20"}}),
        ({"birthplace": "14.03.1986"}, {"birthplace": "14.03.1986"}),
        ({"children": [{"РЕБ": "А"}, "Б"]}, {"children": [{"РЕБ": "А"}, "Б"]}),
        ({"children.0.x": "А", "children.y": "Б"}, {"children": {"0": {"x": "А"}, "y": "Б"}}),
        ({"children.٠": "А"}, {"children": {"٠": "А"}}),
        ({f"children.{n}": n for n in (10, 2, 0)}, {"children": [0, 2, 10]}),
    ],
    ids=range(12),
)
def test_cell_becomes_what_we_call_it(cells: dict[str, Any], row: dict[str, Any]) -> None:
    assert TAX.nested(cells) == {"version": "1", **row}


def test_words_of_items_are_translated_wherever_they_stand() -> None:
    mapping = parse_mapping(
        {"fields": {"КТО": "parents.1.role"}, "values": {"parents.role": {"М": "mother"}}}
    )

    assert mapping.nested({"КТО": "М"}) == {"parents": [{"role": "mother"}]}


def test_date_that_the_mapping_does_not_speak_of_stays() -> None:
    assert parse_mapping({}).nested({"birthdate": "14.03.1986"}) == {"birthdate": "14.03.1986"}


@pytest.mark.parametrize(
    ("document", "is_identity"),
    [
        ({}, True),
        ({"delimiter": ";", "encoding": "windows-1251"}, True),
        ({"fields": {"A": "snils"}}, False),
        ({"values": {"gender": {"М": "male"}}}, False),
        ({"constants": {"version": "1"}}, False),
        ({"ignore": ["A"]}, False),
        ({"date_format": "dd.mm.yyyy"}, False),
    ],
)
def test_rows_of_an_agency_that_speaks_our_words_need_no_reading(
    document: dict[str, Any], *, is_identity: bool
) -> None:
    assert parse_mapping(document).is_identity is is_identity


def test_value_that_no_rule_knows_stays_for_control_to_refuse() -> None:
    assert TAX.nested({"ПОЛ": "?", "РОЖД": "1986"}) == {
        "version": "1",
        "gender": "?",
        "birthdate": "1986",
    }


def test_nested_json_is_walked_through() -> None:
    mapping = parse_mapping(
        {"fields": {"insured.surname": "family_name", "kids.0.n": "children.0.given_name"}}
    )

    row = mapping.nested({"insured": {"surname": "Волкова"}, "kids": [{"n": "Тимофей"}]})

    assert row == {"family_name": "Волкова", "children": [{"given_name": "Тимофей"}]}


def test_unmapped_column_keeps_its_name_for_control_to_refuse() -> None:
    assert TAX.nested({"РАЗМЕР": "44"}) == {"version": "1", "РАЗМЕР": "44"}


def test_report_speaks_the_words_of_the_agency() -> None:
    assert TAX.their_name("passport.series_number") == "ПАСПОРТ"
    assert TAX.their_name("snils") == "snils"


@pytest.mark.parametrize("name", ["passport", "family_name", "children.0"])
def test_field_that_is_given_whole_and_in_parts_is_no_value(name: str) -> None:
    """Whichever comes first: none of the two is silently left out."""
    cells = {name: "Волкова", f"{name}.issued_on": "2020-01-01"}
    mapping = parse_mapping({})

    for row in (cells, dict(reversed(cells.items()))):
        read = read_record(mapping.nested(row), agency_id=AgencyId("tax"), at=NOON)

        assert isinstance(read, tuple)
        assert any(problem.field == name and problem.reason.startswith("not_") for problem in read)


@pytest.mark.parametrize(
    "document",
    [
        {"colour": "red"},
        {"encoding": "koi8-r"},
        {"delimiter": ""},
        {"delimiter": '"'},
        {"delimiter": "\n"},
        {"delimiter": 1},
        {"list_separator": "ab"},
        {"date_format": "yy"},
        {"ignore": "КОД"},
        {"ignore": [1]},
        {"constants": {"shoe_size": "44"}},
        {"fields": {"A": "shoe_size"}},
        {"fields": {"A": "passport.colour"}},
        {"fields": {"A": "children.x.given_name"}},
        {"fields": {"A": "children.64.given_name"}},
        {"fields": {"A": "children.٣.given_name"}},
        {"fields": {"A": "snils.0"}},
        {"fields": {"A": "snils", "B": "snils"}},
        {"fields": {"A": "version"}, "constants": {"version": "1"}},
        {"fields": ["snils"]},
        {"fields": {"A": 1}},
        {"values": []},
        {"values": {"gender": ["М"]}},
    ],
)
def test_mapping_that_makes_no_sense_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(MappingRefused) as refusal:
        parse_mapping(document)

    assert refusal.value.detail


@pytest.mark.parametrize("path", ["snils", "passport.issued_on", "children.63.snils"])
def test_shape_of_a_path_that_exists(path: str) -> None:
    assert shape_of(path) is not None
