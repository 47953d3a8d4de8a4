"""Format-and-logic control: a good row becomes a record, a bad one tells all its problems."""

from datetime import date
from typing import Any

import pytest

from kernel.ids import AgencyId
from population_register.control import read_record
from population_register.model import FieldProblem, RecordKind, SourceRecord
from tests.population_register.register_builders import ANNA, NOON

PENSION = AgencyId("pension")


def a_row(**changed: Any) -> dict[str, Any]:  # noqa: ANN401 - rows are JSON
    return {"record_number": "П-1", "version": 1, "valid_from": "2020-01-01", **ANNA, **changed}


def control(row: dict[str, Any]) -> SourceRecord | tuple[FieldProblem, ...]:
    return read_record(row, agency_id=PENSION, at=NOON)


def reasons(row: dict[str, Any]) -> dict[str, str]:
    found = control(row)
    assert isinstance(found, tuple), found
    assert all(problem.advice for problem in found)
    return {problem.field: problem.reason for problem in found}


def accepted(row: dict[str, Any]) -> SourceRecord:
    found = control(row)
    assert isinstance(found, SourceRecord), found
    return found


class TestGoodRows:
    def test_row_becomes_a_record_in_canonical_form(self) -> None:
        record = accepted(a_row(snils="90000000283", middle_name=None, valid_to=""))

        assert record == SourceRecord(
            agency_id=PENSION,
            record_number="П-1",
            version=1,
            kind=RecordKind.STATEMENT,
            valid_from=date(2020, 1, 1),
            attributes={
                "family_name": "Волкова",
                "given_name": "Анна",
                "birthdate": "1986-03-14",
                "snils": "900-000-002 83",
            },
            arrived_at=NOON,
        )

    def test_numbers_may_be_numbers_or_text(self) -> None:
        record = accepted(a_row(record_number=17, version="3"))

        assert (record.record_number, record.version) == ("17", 3)

    def test_attributes_come_in_the_order_of_the_catalogue(self) -> None:
        forward, backward = a_row(), dict(reversed(a_row().items()))

        assert list(accepted(forward).attributes) == list(accepted(backward).attributes)

    def test_day_of_birth_may_be_unknown(self) -> None:
        assert accepted(a_row(birthdate="1986-03")).attributes["birthdate"] == "1986-03"

    def test_foreigner_without_patronymic_or_number_is_recognised_by_passport(self) -> None:
        row = {
            "record_number": "1",
            "version": 1,
            "valid_from": "2024-09-01",
            "given_name": "Айше",
            "citizenships": ["TUR"],
            "foreign_passport": {"issuing_state": "TUR", "number": "U12345678"},
        }

        assert accepted(row).attributes["citizenships"] == ["TUR"]

    def test_stateless_person_has_a_code_too(self) -> None:
        assert accepted(a_row(citizenships=["XXA"])).attributes["citizenships"] == ["XXA"]

    def test_text_keeps_template_and_sql_characters_as_text(self) -> None:
        place = "д. {{ 7*7 }}'; DROP TABLE persons; -- <b>"

        assert accepted(a_row(birthplace=place)).attributes["birthplace"] == place

    def test_withdrawal_states_nothing(self) -> None:
        row = {
            "record_number": "П-1",
            "version": 2,
            "kind": "withdrawal",
            "valid_from": "2020-01-01",
        }

        assert accepted(row).kind is RecordKind.WITHDRAWAL


class TestFormat:
    def test_all_problems_are_told_at_once(self) -> None:
        found = reasons(
            {"version": 0, "valid_from": "01.01.2020", "snils": "1", "gender": "m", "shoe_size": 44}
        )

        assert found == {
            "record_number": "missing",
            "version": "not_a_version",
            "valid_from": "not_a_date",
            "snils": "length",
            "gender": "not_in_list",
            "shoe_size": "unknown_field",
        }

    @pytest.mark.parametrize(
        ("field", "value", "reason"),
        [
            ("record_number", "", "missing"),
            ("record_number", "x" * 65, "length"),
            ("record_number", "a\nb", "not_text"),
            ("record_number", ["1"], "not_text"),
            ("record_number", True, "not_text"),
            ("version", None, "missing"),
            ("version", -1, "not_a_version"),
            ("version", 1.5, "not_a_version"),
            ("version", True, "not_a_version"),
            ("version", 2**31, "not_a_version"),
            ("version", "٣", "not_a_version"),
            ("kind", "deletion", "not_in_list"),
            ("kind", {}, "not_in_list"),
            ("corrects", 1, "not_a_correction"),
            ("corrects", [1], "not_a_correction"),
            ("valid_from", None, "missing"),
            ("valid_from", "2020-02-30", "not_a_date"),
            ("valid_from", 20200101, "not_a_date"),
            ("valid_from", "1849-12-31", "too_early"),
            ("valid_to", "never", "not_a_date"),
            ("family_name", 7, "not_text"),
            ("family_name", "Vолкова", "mixed_scripts"),
            ("birthdate", "14.03.1986", "not_a_date"),
            ("birthdate", "1986-13", "not_a_date"),
            ("birthdate", "1849", "too_early"),
            ("birthplace", "a\u0000b", "characters"),
            ("birthplace", "a\ud800b", "characters"),
            ("birthplace", "x" * 301, "length"),
            ("citizenships", "RUS", "not_a_list"),
            ("citizenships", ["RUS"] * 65, "not_a_list"),
            ("passport", "4510 123456", "not_an_object"),
            ("inn", "7707083893", "organisation"),
        ],
    )
    def test_field_that_is_not_of_its_shape_is_named(
        self, field: str, value: object, reason: str
    ) -> None:
        assert reasons(a_row(**{field: value})) == {field: reason}

    @pytest.mark.parametrize(
        ("row", "field", "reason"),
        [
            ({"citizenships": ["Russia"]}, "citizenships.0", "form"),
            ({"passport": {"issued_on": "2006-04-01"}}, "passport.series_number", "missing"),
            (
                {"passport": {"series_number": "4510 123456", "colour": "red"}},
                "passport.colour",
                "unknown_field",
            ),
            ({"children": [{"given_name": "Варвара"}]}, "children.0.birthdate", "missing"),
            ({"children": ["Варвара"]}, "children.0", "not_an_object"),
            ({"parents": [{"role": "uncle"}]}, "parents.0.role", "not_in_list"),
        ],
    )
    def test_part_of_a_value_is_named_by_its_path(
        self, row: dict[str, Any], field: str, reason: str
    ) -> None:
        assert reasons(a_row(**row))[field] == reason

    def test_field_name_that_may_be_data_is_not_repeated(self) -> None:
        assert reasons(a_row(**{"Волкова Анна": "1"})) == {"?": "unknown_field"}

    def test_values_are_not_repeated(self) -> None:
        found = control(a_row(snils="900-000-002 84", birthdate="31.02.1986"))

        assert isinstance(found, tuple)
        assert "900-000" not in repr(found)
        assert "1986" not in repr(found)


class TestLogic:
    @pytest.mark.parametrize(
        ("row", "field", "reason"),
        [
            ({"valid_to": "2020-01-01"}, "valid_to", "not_after"),
            ({"valid_from": "2028-01-01"}, "valid_from", "in_the_future"),
            ({"birthdate": "2026-11-24"}, "birthdate", "in_the_future"),
            ({"deathdate": "1985-01-01"}, "deathdate", "before_birth"),
            ({"deathdate": "2026-12"}, "deathdate", "in_the_future"),
            (
                {"passport": {"series_number": "4510 123456", "issued_on": "2000-03-13"}},
                "passport.issued_on",
                "too_young",
            ),
            (
                {"passport": {"series_number": "4510 123456", "issued_on": "2026-11-24"}},
                "passport.issued_on",
                "in_the_future",
            ),
            (
                {
                    "foreign_passport": {
                        "issuing_state": "RUS",
                        "number": "751234567",
                        "issued_on": "2020-01-01",
                        "expires_on": "2020-01-01",
                    }
                },
                "foreign_passport.expires_on",
                "not_after",
            ),
            (
                {"arrivals": [{"arrived_on": "2024-05-02", "departed_on": "2024-05-01"}]},
                "arrivals.0.departed_on",
                "before_arrival",
            ),
            (
                {"children": [{"given_name": "Варвара", "birthdate": "1986-03-14"}]},
                "children.0.birthdate",
                "impossible_kinship",
            ),
            (
                {"parents": [{"role": "mother", "given_name": "Ольга", "birthdate": "1990-01-01"}]},
                "parents.0.birthdate",
                "impossible_kinship",
            ),
            ({"kind": "correction", "corrects": 1}, "corrects", "not_earlier"),
            ({"kind": "correction"}, "corrects", "missing"),
            ({"kind": "withdrawal"}, "family_name", "not_in_withdrawal"),
        ],
    )
    def test_fields_that_do_not_fit_together_are_named(
        self, row: dict[str, Any], field: str, reason: str
    ) -> None:
        assert reasons(a_row(**row)) == {field: reason}

    def test_child_born_in_the_same_unknown_year_may_be_a_child(self) -> None:
        child = {"given_name": "Варвара", "birthdate": "1986"}

        assert isinstance(control(a_row(children=[child], birthdate="1970")), SourceRecord)

    def test_passport_on_the_fourteenth_birthday_is_in_time(self) -> None:
        passport = {"series_number": "4510 123456", "issued_on": "2000-03-14"}

        assert accepted(a_row(passport=passport)).attributes["passport"] == passport

    @pytest.mark.parametrize("known", [{"family_name": "Волкова"}, {"birthdate": "1986-03-14"}, {}])
    def test_row_that_names_nobody_is_refused(self, known: dict[str, str]) -> None:
        row = {"record_number": "1", "version": 1, "valid_from": "2020-01-01", **known}

        assert reasons(row) == {"birthdate": "not_recognisable"}

    def test_day_is_that_of_moscow(self) -> None:
        """At 22:00 UTC the new day has begun where the law looks at the clock."""
        evening = NOON.replace(hour=22)

        found = read_record(a_row(birthdate="2026-11-24"), agency_id=PENSION, at=evening)

        assert isinstance(found, SourceRecord)
