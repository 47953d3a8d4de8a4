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

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("record_number", "x" * 64),
            ("version", 2**31 - 1),
            ("version", "1000000000"),
            ("valid_from", "2027-11-24"),
            ("valid_to", "2020-01-02"),
            ("deathdate", "1986-03-14"),
            ("birthdate", "2026-11-23"),
            ("corrects", ""),
            ("corrects", None),
            ("kind", ""),
        ],
    )
    def test_value_at_the_edge_of_what_is_allowed_is_taken(self, field: str, value: object) -> None:
        accepted(a_row(**{field: value}))

    def test_spaces_around_the_number_of_a_record_do_not_count(self) -> None:
        assert accepted(a_row(record_number=f" {'x' * 64} ")).record_number == "x" * 64

    def test_attributes_come_in_the_order_of_the_catalogue(self) -> None:
        forward, backward = a_row(), dict(reversed(a_row().items()))

        assert list(accepted(forward).attributes) == list(accepted(backward).attributes)

    def test_correction_names_an_earlier_version(self) -> None:
        record = accepted(a_row(version=2, kind="correction", corrects="1"))

        assert (record.kind, record.corrects) == (RecordKind.CORRECTION, 1)

    @pytest.mark.parametrize("name", ["family_name", "given_name"])
    def test_one_name_and_the_birth_date_are_enough(self, name: str) -> None:
        row = {"record_number": "1", "version": 1, "valid_from": "2020-01-01"}
        known = {name: ANNA[name], "birthdate": ANNA["birthdate"]}

        assert accepted(row | known).attributes == known

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
            {"shoe_size": 44, "version": 0, "valid_from": "01.01.2020", "snils": "1", "gender": "m"}
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
            ("record_number", "  ", "length"),
            ("record_number", "a\nb", "not_text"),
            ("record_number", ["1"], "not_text"),
            ("record_number", True, "not_text"),
            ("version", None, "missing"),
            ("version", "", "missing"),
            ("version", 0, "not_a_version"),
            ("version", -1, "not_a_version"),
            ("version", "2147483649", "not_a_version"),
            pytest.param("version", "1" * 5000, "not_a_version", id="version of 5000 digits"),
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


ZONE = "P<UZBKARIMOVA<<DILNOZA<<<<<<<<<<<<<<<<<<<<<<AB12345671UZB8603142F3101012<<<<<<<<<<<<<<08"
PASSPORT = {
    "issuing_state": "UZB",
    "number": "AB1234567",
    "expires_on": "2031-01-01",
    "mrz": ZONE,
}


class TestZone:
    """A passport's machine-readable zone: verified, and the row has to agree with it."""

    def test_zone_that_says_what_the_row_says_is_taken(self) -> None:
        lines = ZONE[:44].lower() + "\n" + ZONE[44:]
        record = accepted(a_row(foreign_passport={**PASSPORT, "mrz": lines}))

        assert record.attributes["foreign_passport"]["mrz"] == ZONE

    def test_year_of_birth_alone_is_no_contradiction(self) -> None:
        assert accepted(a_row(birthdate="1986", foreign_passport=PASSPORT)).version == 1

    @pytest.mark.parametrize(
        ("row", "field", "reason"),
        [
            ({"foreign_passport": {**PASSPORT, "mrz": ZONE[:-1] + "3"}}, "mrz", "check_digit"),
            ({"foreign_passport": {**PASSPORT, "mrz": ZONE[:-1]}}, "mrz", "form"),
            ({"foreign_passport": {**PASSPORT, "number": "AB1234568"}}, "number", "not_as_in_zone"),
            (
                {"foreign_passport": {**PASSPORT, "issuing_state": "KAZ"}},
                "issuing_state",
                "not_as_in_zone",
            ),
            (
                {"foreign_passport": {**PASSPORT, "expires_on": "2031-01-02"}},
                "expires_on",
                "not_as_in_zone",
            ),
            (
                {"foreign_passport": PASSPORT, "birthdate": "1986-03-15"},
                "birthdate",
                "not_as_in_zone",
            ),
        ],
    )
    def test_zone_that_contradicts_is_told(
        self, row: dict[str, Any], field: str, reason: str
    ) -> None:
        where = field if field == "birthdate" else f"foreign_passport.{field}"

        assert reasons(a_row(**row)) == {where: reason}


COMPLETE: dict[str, Any] = {
    "passport": {
        "series_number": "4510 123456",
        "issued_on": "2006-04-20",
        "expires_on": "2031-03-14",
    },
    "identity_documents": [
        {"kind": "seafarer_id", "number": "МР 123456", "issued_on": "2020-01-01"},
        {"kind": "temporary_identity_card", "number": "1", "expires_on": "2026-12-01"},
    ],
    "stay_address": {
        "formatted": "г. Тула, ул. Мира, 1",
        "fias_id": "0c5b2444-70a0-4932-980c-b4dc0d3f02b5",
        "registered_on": "2026-01-01",
        "registered_until": "2026-06-30",
    },
    "arrivals": [
        {
            "arrived_on": "2026-01-01",
            "departed_on": "2026-02-01",
            "from_state": "UZB",
            "to_state": "XXA",
            "migration_card": "46261234567",
            "stay_until": "2026-03-31",
        }
    ],
    "residence_permit": {"kind": "stateless", "number": "82 1234567", "expires_on": "2031-01-01"},
    "guardians": [
        {"role": "guardian", "given_name": "Ольга", "birthdate": "1960", "since": "1990-01-01"}
    ],
    "social_insurance": {"number": "7700123456", "registered_on": "2010-01-01"},
    "self_employed": {"registered_on": "2020-01-01", "ceased_on": "2021-01-01"},
    "employment_service": {"registered_on": "2021-02-01", "office": "ЦЗН г. Тулы"},
    "military": {"is_liable": "yes", "document_number": "АА 1234567"},
    "academic_degrees": [{"kind": "candidate", "field": "физика", "issued_on": "2015-01-01"}],
}


class TestComposition:
    """What Federal Law 168-FZ, article 7, names beside names, numbers and addresses."""

    @pytest.mark.parametrize("name", COMPLETE)
    def test_every_part_is_kept_as_it_was_sent(self, name: str) -> None:
        assert accepted(a_row(**{name: COMPLETE[name]})).attributes[name] == COMPLETE[name]

    @pytest.mark.parametrize(
        ("name", "changed", "field", "reason"),
        [
            ("passport", {"expires_on": "2006-04-20"}, "expires_on", "not_after"),
            ("stay_address", {"registered_until": "2025-12-31"}, "registered_until", "not_after"),
            ("stay_address", {"fias_id": "0C5B2444"}, "fias_id", "form"),
            ("self_employed", {"ceased_on": "2019-12-31"}, "ceased_on", "not_after"),
            ("employment_service", {"ceased_on": "2021-01-31"}, "ceased_on", "not_after"),
            ("residence_permit", {"kind": "green_card"}, "kind", "not_in_list"),
            ("social_insurance", {"number": ""}, "number", "missing"),
        ],
    )
    def test_part_that_can_not_be_is_named(
        self, name: str, changed: dict[str, str], field: str, reason: str
    ) -> None:
        assert reasons(a_row(**{name: {**COMPLETE[name], **changed}})) == {
            f"{name}.{field}": reason
        }

    @pytest.mark.parametrize(
        ("name", "changed", "field", "reason"),
        [
            ("identity_documents", {"kind": "library_card"}, "kind", "not_in_list"),
            ("identity_documents", {"issued_on": "2026-11-24"}, "issued_on", "in_the_future"),
            ("identity_documents", {"expires_on": "2020-01-01"}, "expires_on", "not_after"),
            ("arrivals", {"stay_until": "2025-12-31"}, "stay_until", "before_arrival"),
            ("arrivals", {"migration_card": "4626"}, "migration_card", "form"),
            ("guardians", {"until": "1989-12-31"}, "until", "not_after"),
            ("academic_degrees", {"kind": "bachelor"}, "kind", "not_in_list"),
        ],
    )
    def test_item_that_can_not_be_is_named_by_its_place(
        self, name: str, changed: dict[str, str], field: str, reason: str
    ) -> None:
        row = a_row(**{name: [{**COMPLETE[name][0], **changed}]})

        assert reasons(row) == {f"{name}.0.{field}": reason}


class TestLogic:
    @pytest.mark.parametrize(
        ("row", "field", "reason"),
        [
            ({"valid_to": "2020-01-01"}, "valid_to", "not_after"),
            ({"valid_from": "2027-11-25"}, "valid_from", "in_the_future"),
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
                {"parents": [{"role": "mother", "given_name": "Ольга", "birthdate": "1986-03-14"}]},
                "parents.0.birthdate",
                "impossible_kinship",
            ),
            (
                {"children": [{"given_name": "Варвара", "birthdate": "2026-11-24"}]},
                "children.0.birthdate",
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

    @pytest.mark.parametrize(
        "row",
        [
            {"birthdate": "2026"},
            {"deathdate": "1986"},
            {"birthdate": "1986", "deathdate": "1986-01-01"},
            {"birthdate": None, "deathdate": "2020-01-01"},
            {"passport": {"series_number": "4510 123456", "issued_on": "2026-11-23"}},
            {
                "birthdate": "1986",
                "passport": {"series_number": "4510 123456", "issued_on": "2000-01-01"},
            },
            {
                "birthdate": None,
                "passport": {"series_number": "4510 123456", "issued_on": "1999-01-01"},
            },
            {"arrivals": [{"arrived_on": "2024-05-02", "departed_on": "2024-05-02"}]},
            {"arrivals": [{"arrived_on": "2024-05-02", "stay_until": "2024-05-02"}]},
            {"self_employed": {"registered_on": "2020-01-01", "ceased_on": "2020-01-01"}},
            {
                "guardians": [
                    {
                        "role": "guardian",
                        "given_name": "Ия",
                        "birthdate": "1960",
                        "until": "1999-01-01",
                    }
                ]
            },
            {
                "birthdate": None,
                "foreign_passport": {"issuing_state": "UZB", "number": "AB1234567", "mrz": ZONE},
            },
            {"birthdate": None, "children": [{"given_name": "Ия", "birthdate": "2010"}]},
            {"children": [{"given_name": "Ия", "birthdate": "2026-11-23"}]},
            {"parents": [{"role": "mother", "given_name": "Ия", "birthdate": "1986-03-13"}]},
        ],
        ids=range(15),
    )
    def test_fields_that_just_fit_together_are_taken(self, row: dict[str, Any]) -> None:
        accepted(a_row(**row))

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
