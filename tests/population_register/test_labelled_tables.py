"""Other people's tables: truth in a column or as pairs, odd cells, a guessed mapping."""

import io
import json
import tomllib
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner

from app.cli import main
from population_register.errors import FeedRefused, MappingRefused
from population_register.labelled_tables import Labelled, TruthColumn, TruthPairs, read_tables
from population_register.mapping_guess import suggest_mapping
from population_register.service.evaluating import MatchingReport, evaluate_matching
from population_register.table_mapping import ProfileReader, parse_table_mapping
from tests.commands import logging_kept

MAPPING: dict[str, Any] = {
    "columns": {"family_name": "name", "given_name": "given", "phone": "phone"}
}
TABLE = (
    "id,person,name,given,phone\n"
    "a,1,Smith,Anna,5551234\nb,1,Smith,Anna,5551234\nc,2,Brown,John,5559876\n"
)


def read(
    *tables: str, truth: TruthColumn | TruthPairs, mapping: dict[str, Any] | None = None
) -> Labelled:
    how = parse_table_mapping(mapping or MAPPING)
    return read_tables([io.StringIO(table) for table in tables], how, truth)


def true_pairs(text: str) -> TruthPairs:
    return TruthPairs(lines=io.StringIO(text), id_column="id")


class TestRowsThatNobodyLabelled:
    def test_are_matched_and_left_out_of_the_figures(self) -> None:
        table = TABLE + "d,,Smith,Anna,5551234\ne,nan,Smith,Anna,5551234\n"

        report = evaluate_matching(
            io.StringIO(table), mapping=MAPPING, truth=TruthColumn(name="person")
        )

        assert (report.records, report.unlabelled, report.people) == (5, 2, 2)
        assert len({report.cluster_of[row] for row in (0, 1, 3, 4)}) == 1
        assert (report.clusters.right, report.clusters.wrong, report.clusters.missed) == (1, 0, 0)
        assert (report.pairs.right, report.pairs.wrong, report.best_pairs[0]) == (1, 0, 1.0)

    def test_may_not_be_all_of_them(self) -> None:
        with pytest.raises(FeedRefused, match="empty in every row"):
            read("person,name,given,phone\n,Smith,,\n", truth=TruthColumn(name="person"))


class TestTruthAsPairs:
    def test_joins_what_hangs_together(self) -> None:
        found = read(TABLE, truth=true_pairs("one,other\na,c\nc,b\n"))

        assert len(set(found.truth)) == 1

    def test_leaves_every_other_row_a_person_of_its_own(self) -> None:
        found = read(TABLE, truth=true_pairs("id,id\na,b\n"))

        assert found.truth[0] == found.truth[1] != found.truth[2]

    def test_looks_for_the_first_in_the_first_table(self) -> None:
        other = "id,name,given,phone\na,Brown,John,1\nx,Smith,Anna,2\n"

        found = read(TABLE, other, truth=true_pairs("l,r\nc,a\na,x\n"))

        assert found.truth[2] == found.truth[3]
        assert found.truth[0] == found.truth[4] != found.truth[3]

    def test_counts_pairs_of_rows_that_are_not_there(self) -> None:
        assert read(TABLE, truth=true_pairs("l,r\na,b\na,zzz\n")).strange_pairs == 1

    @pytest.mark.parametrize(
        ("table", "pairs", "words"),
        [
            (TABLE, "l,r,same\na,b,0\n", "two columns"),
            (TABLE, "l\na\n", "two columns"),
            (TABLE, "l,r\n1,2\n", "No pair"),
            (TABLE, "", "empty"),
            (TABLE + "a,3,Green,,\n", "l,r\na,b\n", "identifier a is in two rows"),
        ],
        ids=["verdicts", "one-column", "other-identifiers", "nothing", "identifier-twice"],
    )
    def test_that_does_not_tell_is_refused(self, table: str, pairs: str, words: str) -> None:
        with pytest.raises(FeedRefused, match=words):
            read(table, truth=true_pairs(pairs))


class TestTwoTables:
    MAPPING: ClassVar[dict[str, Any]] = {
        "one_per_source": True,
        "columns": {"family_name": {"any_of": ["name", "nachname"]}, "given_name": "given",
                    "phone": {"any_of": ["phone", "tel"]}},
    }  # fmt: skip
    OTHER: ClassVar = "person;nachname;given;tel\n1;Smith;Anna;5551234\n1;Smith;Anna;5551234\n"

    def test_are_two_sources_with_columns_of_their_own(self) -> None:
        report = evaluate_matching(
            io.StringIO(TABLE),
            io.StringIO(self.OTHER),
            mapping=self.MAPPING,
            truth=TruthColumn(name="person"),
        )

        one, two, brown, three, four = report.cluster_of
        assert report.places[-1] == (2, 3)
        assert len({one, two, brown}) == 3
        assert three != four

    def test_of_which_one_has_nothing_of_the_mapping_are_refused(self) -> None:
        with pytest.raises(MappingRefused, match="none of the columns"):
            read(TABLE, "person,x\n1,2\n", truth=TruthColumn(name="person"))

    def test_of_which_one_has_no_truth_are_refused(self) -> None:
        with pytest.raises(MappingRefused, match="no column person"):
            read(TABLE, "name,given\na,b\n", truth=TruthColumn(name="person"))


class TestOddFiles:
    @pytest.mark.parametrize("before", ["\n\n", "sep=;\n", "\ufeffsep=;\r\n"])
    def test_may_begin_with_what_a_spreadsheet_puts_first(self, before: str) -> None:
        table = before + "person;name, first;given;phone\n1;Smith;Anna;1\n"
        mapping = {"columns": {"family_name": "name, first"}}

        found = read(table, truth=TruthColumn(name="person"), mapping=mapping)

        assert found.profiles == [{"family_name": ("smith",)}]

    def test_tell_which_columns_nobody_mapped(self) -> None:
        found = read(TABLE, truth=TruthColumn(name="person"))

        assert found.unused == ["id"]


@pytest.mark.parametrize(
    ("attribute", "written", "meant"),
    [
        ("snils", "12345678901.0", "12345678901"),
        ("snils", "012345678", "12345678"),
        ("snils", "1,23457E+11", ""),
        ("phone", "4955551234.0", "495 555-12-34"),
        ("phone", "495 555-12-34 x 17", "495 555-12-34"),
        ("phone", "4.95555e9", ""),
        ("postal_code", "2138.0", "02138"),
        ("postal_code", "02138-1234", "2138"),
        ("house", "12.0", "12"),
        ("age", "41.0", "41"),
        ("birthdate", "17051980.0", "1980-05-17"),
        ("birthdate", "5071980", "05.07.1980"),
        ("birthdate", "1980-05-00", "1980-05"),
        ("birthdate", "1980-00-00", "1980"),
        ("birthdate", "00.00.1980", "1980"),
    ],
)
def test_what_a_spreadsheet_made_of_a_value_is_read_as_was_meant(
    attribute: str, written: str, meant: str
) -> None:
    reader = ProfileReader(parse_table_mapping({"columns": {attribute: "a"}}), [])

    assert reader.read({"a": written}) == reader.read({"a": meant})


class TestAges:
    def test_of_different_years_become_a_year_of_birth(self) -> None:
        mapping = parse_table_mapping({"columns": {"age": {"column": "age", "at": "asked"}}})
        reader = ProfileReader(mapping, [])

        assert mapping.named_columns() == {"age", "asked"}
        assert reader.read({"age": "40", "asked": "31.12.2014"}) == {"age": ("1974",)}
        assert reader.read({"age": "50", "asked": "2024"}) == {"age": ("1974",)}
        assert reader.read({"age": "50", "asked": ""}) == {}

    def test_may_all_be_of_one_year(self) -> None:
        mapping = parse_table_mapping({"columns": {"age": {"column": "age", "at": 2014}}})

        assert ProfileReader(mapping, []).read({"age": "40"}) == {"age": ("1974",)}

    def test_of_something_else_are_refused(self) -> None:
        with pytest.raises(MappingRefused, match="only an age"):
            parse_table_mapping({"columns": {"birthdate": {"column": "b", "at": 2014}}})


class TestTitles:
    @pytest.mark.parametrize(
        ("text", "read"),
        [
            ("Mr John Smith", ("john", "smith")),
            ("Prof. Dr. John Smith", ("john", "smith")),
            ("Smith, Mrs. Anna", ("anna", "smith")),
            ("John Smith Jr.", ("john", "smith")),
            ("Smith Jr, John", ("john", "smith")),
            ("John Smith, III", ("john", "smith")),
            ("Drew Missal", ("drew", "missal")),
            ("Mister", (None, "mister")),
        ],
    )
    def test_are_no_part_of_a_full_name(self, text: str, read: tuple[str | None, str]) -> None:
        reader = ProfileReader(parse_table_mapping({"columns": {"full_name": "a"}}), [])

        found = reader.read({"a": text})

        assert (found.get("given_name", (None,))[0], found["family_name"][0]) == read

    def test_stand_before_a_given_name_and_are_forgotten(self) -> None:
        reader = ProfileReader(parse_table_mapping({"columns": {"given_name": "a"}}), [])

        assert reader.read({"a": "Mrs. Anna"}) == reader.read({"a": "Anna"})
        assert reader.read({"a": "Dr"}) == {"given_name": ("dr",)}


@pytest.mark.parametrize(
    "said", [{"any_of": [3]}, {"any_of": []}, {"join": [["a"]]}, {"column": 3}, {"any_of": "ab"}]
)
def test_a_column_is_named_by_a_text(said: dict[str, Any]) -> None:
    with pytest.raises(MappingRefused):
        parse_table_mapping({"columns": {"snils": said}})


def guessed(header: str, *rows: str) -> dict[str, Any]:
    names = header.split(",")
    table = [dict(zip(names, row.split(","), strict=True)) for row in rows]
    text = suggest_mapping(names, table)
    said = tomllib.loads(text)
    parse_table_mapping(said)
    return said


class TestGuessedMapping:
    def test_of_a_table_as_others_publish_it(self) -> None:
        found = guessed(
            "rec_id,firstName,SURNAME,dob_year,dob_mon,dob_day,soc_sec_id,Home Phone,cell phone,"
            "zip_code,res_city_desc,state_cd,street_num,street_name,source",
            "1,Anna,Smith,1980,5,17,1234567,5551234,,27514,Bath,NC,5,High,a",
            "2,John,Brown,1971,6,18,7654321,,5559876,27515,York,NC,6,Low,b",
        )

        assert found["columns"] == {
            "family_name": "SURNAME", "given_name": "firstName",
            "birthdate": ["dob_year", "dob_mon", "dob_day"], "snils": "soc_sec_id",
            "phone": {"any_of": ["Home Phone", "cell phone"]}, "postal_code": "zip_code",
            "locality": "res_city_desc", "street": "street_name", "house": "street_num",
        }  # fmt: skip
        assert found["source"] == "source"

    def test_of_a_table_in_russian(self) -> None:
        found = guessed(
            "Фамилия,Имя,Отчество,Дата рождения,СНИЛС,Пол", "Котов,Пётр,Ильич,1.5.1980,112233,м",
            "Котова,Анна,Ильинична,2.6.1981,223344,ж",
        )  # fmt: skip

        assert list(found["columns"]) == [
            "family_name", "given_name", "middle_name", "birthdate", "gender", "snils",
        ]  # fmt: skip

    def test_does_not_believe_a_header_against_its_cells(self) -> None:
        found = guessed("birthday,contact", "Monday,a@b.example", "Friday,c@d.example")

        assert found["columns"] == {"email": "contact"}

    def test_takes_in_what_is_no_attribute_by_its_looks(self) -> None:
        rows = [
            f"{n % 3}x,{2000 + n // 2}-01-02,{9_000_000 + n // 2},{n % 30}.5,w{n // 2} v"
            for n in range(40)
        ]

        found = guessed("trade,since,card,height,remark", *rows)

        assert {name: rule["kind"] for name, rule in found["extra"].items()} == {
            "trade": "category", "since": "date", "card": "number", "height": "quantity",
            "remark": "text",
        }  # fmt: skip

    def test_of_plain_year_month_and_day_is_a_birth_where_nothing_else_is(self) -> None:
        rows = ["Anna,1980,5,17", "John,1971,12,30"]

        assert guessed("name,year,month,day", *rows)["columns"]["birthdate"] == [
            "year", "month", "day",
        ]  # fmt: skip
        assert guessed("name,yob,month,day", *rows)["columns"]["birthdate"] == [
            "yob", "month", "day",
        ]  # fmt: skip
        asked = guessed("name,year,month,born", "Anna,2020,5,1980-05-17", "John,2021,6,1971-12-30")
        assert (asked["columns"]["birthdate"], "extra" in asked) == ("born", False)

    @pytest.mark.parametrize(
        ("header", "rows", "at"),
        [
            ("name,age,survey_year", ["Anna,40,2020", "John,51,2024"], "survey_year"),
            ("name,age,source", ["Anna,40,voters 2020", "John,51,voters 2024"], "source"),
            ("name,age,source", ["Anna,40,voters", "John,51,taxes"], None),
        ],
    )
    def test_of_ages_says_when_they_were_true(
        self, header: str, rows: list[str], at: str | None
    ) -> None:
        found = guessed(header, *rows)["columns"]["age"]

        assert found == ("age" if at is None else {"column": "age", "at": at})

    def test_leaves_out_what_says_nothing_and_names_the_truth(self) -> None:
        text = suggest_mapping(
            ["cluster", "country", "note", "name"],
            [{"cluster": "1", "country": "uk", "note": "", "name": name} for name in "AAB"],
        )

        assert '"cluster": say it as --truth-column' in text
        assert '"country": the same in every row' in text
        assert '"note": hardly ever filled in' in text


class TestCommand:
    def run(self, *said: str, code: int = 0) -> str:
        with logging_kept():
            result = CliRunner().invoke(main, ["matching", "evaluate", *said])
        assert result.exit_code == code, result.output
        return result.output

    def test_goes_from_a_guess_to_figures(self, tmp_path: Path) -> None:
        table, mapping = tmp_path / "people.csv", tmp_path / "mapping.toml"
        table.write_text(TABLE, "utf-8")
        mapping.write_text(self.run(str(table), "--suggest-mapping"), "utf-8")

        found = json.loads(
            self.run(str(table), "--mapping", str(mapping), "--truth-column", "person", "--json")
        )

        assert (found["records"], found["people"], found["unused_columns"]) == (3, 2, ["id"])

    def test_takes_the_truth_of_two_files_from_pairs(self, tmp_path: Path) -> None:
        for name, text in (("a", TABLE), ("b", TABLE), ("t", "l,r\na,a\nb,b\nc,c\na,b\n")):
            (tmp_path / name).write_text(text, "utf-8")
        mapping = tmp_path / "m.toml"
        mapping.write_text(self.run(str(tmp_path / "a"), "--suggest-mapping"), "utf-8")

        told = self.run(
            str(tmp_path / "a"), str(tmp_path / "b"), "--mapping", str(mapping),
            "--truth-pairs", str(tmp_path / "t"), "--id-column", "id",
            "--clusters", str(tmp_path / "out"),
        )  # fmt: skip

        assert "6 records of 2 people; 2 found" in told
        assert (tmp_path / "out").read_text().splitlines()[:2] == ["file,line,person", "1,2,0"]

    @pytest.mark.parametrize(
        "said",
        [
            pytest.param([], id="no-mapping"),
            pytest.param(["--mapping", "m"], id="no-truth"),
            pytest.param(["--mapping", "m", "--truth-pairs", "m"], id="no-identifiers"),
            pytest.param(
                ["--mapping", "m", "--truth-column", "x", "--id-column", "y"],
                id="identifiers-without-pairs",
            ),
            pytest.param(
                ["--mapping", "m", "--truth-column", "x", "--truth-pairs", "m"], id="two-truths"
            ),
        ],
    )
    def test_refuses_what_does_not_go_together(
        self, said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("m").write_text('columns.family_name = "name"', "utf-8")
        Path("t").write_text(TABLE, "utf-8")

        self.run("t", *said, code=2)


def test_a_report_of_one_table_says_where_its_mistakes_are() -> None:
    report: MatchingReport = evaluate_matching(
        io.StringIO(TABLE), mapping=MAPPING, truth=true_pairs("l,r\na,c\n"), most_mistakes=5
    )

    assert {(mistake.places, mistake.is_one_person) for mistake in report.mistakes} == {
        (((1, 2), (1, 4)), True)
    }
