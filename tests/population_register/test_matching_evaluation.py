"""Evaluating a table: mappings, dates of several formats, and an order that does not matter."""

import csv
import io
import json
from dataclasses import replace
from hashlib import sha256
from itertools import groupby
from math import log2
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from app.cli import main
from loadtests.matching.population import rows
from population_register.clustering import partition
from population_register.common_values import without_defaults, without_names
from population_register.comparison import DATE, Profile
from population_register.errors import FeedRefused, MappingRefused
from population_register.labelled_tables import TruthColumn
from population_register.matching_model import Feature, Model
from population_register.maximisation import Patterns, maximise
from population_register.model_files import register_scorer
from population_register.profiles import (
    DateOrder,
    date_form,
    dwelling_form,
    guess_date_order,
    phone_form,
    split_full_name,
)
from population_register.scoring import Scorer
from population_register.service.evaluating import MatchingReport, evaluate_matching
from population_register.starting_points import starting_features
from population_register.table_mapping import ProfileReader, parse_table_mapping
from tests.commands import logging_kept

PERSON = TruthColumn(name="person")
MAPPING: dict[str, Any] = {
    "source": "agency",
    "columns": {
        "family_name": "family_name",
        "given_name": "given_name",
        "middle_name": "middle_name",
        "birthdate": "birthdate",
        "snils": "snils",
        "postal_code": "postal_code",
    },
}


def a_table(records: list[dict[str, str]]) -> io.StringIO:
    out = io.StringIO()
    writer = csv.DictWriter(out, records[0])
    writer.writeheader()
    writer.writerows(records)
    out.seek(0)
    return out


def evaluated(records: list[dict[str, str]], *, without: tuple[str, ...] = ()) -> MatchingReport:
    return evaluate_matching(a_table(records), mapping=MAPPING, truth=PERSON, without=without)


@pytest.mark.slow
@pytest.mark.timeout(120)
class TestPopulation:
    def test_is_put_together_and_its_order_does_not_matter(self) -> None:
        records = list(rows(12, 60))
        turned = sorted(records, key=lambda row: row["birthdate"][::-1])

        forward, other = evaluated(records), evaluated(turned)

        assert forward.clusters.f1 > 0.97
        assert _people(records, forward) == _people(turned, other)

    def test_is_put_together_without_a_number(self) -> None:
        assert evaluated(list(rows(13, 60)), without=("snils",)).clusters.f1 > 0.9


def _people(records: list[dict[str, str]], report: MatchingReport) -> set[frozenset[str]]:
    named = sorted(
        (person, repr(sorted(row.items())))
        for person, row in zip(report.cluster_of, records, strict=True)
    )
    return {
        frozenset(row for _, row in members)
        for _, members in groupby(named, key=lambda item: item[0])
    }


@given(st.data())
@settings(max_examples=60)
def test_a_partition_does_not_depend_on_the_order_of_its_records(data: st.DataObject) -> None:
    count = data.draw(st.integers(2, 7))
    weights = st.integers(-6, 6).map(float)
    between = {
        (one, other): data.draw(weights) for one in range(count) for other in range(one + 1, count)
    }
    order = data.draw(st.permutations(range(count)))

    found = partition(order, lambda one, other: between[min(one, other), max(one, other)])

    assert found == partition(range(count), lambda one, other: between[one, other])


class TestMapping:
    @pytest.mark.parametrize(
        "document",
        [
            pytest.param({}, id="empty"),
            pytest.param({"columns": {"shoe_size": "a"}}, id="unknown-attribute"),
            pytest.param({"columns": {"snils": {"colum": "a"}}}, id="unknown-option"),
            pytest.param({"columns": {"birthdate": {"column": "a", "order": "ydm"}}}, id="order"),
            pytest.param({"extra": {"a": {"column": "a", "kind": "picture"}}}, id="unknown-kind"),
            pytest.param({"colums": {"snils": "a"}}, id="unknown-table"),
        ],
    )
    def test_that_names_what_is_not_there_is_refused(self, document: dict[str, Any]) -> None:
        with pytest.raises(MappingRefused):
            parse_table_mapping(document)

    def test_with_a_column_that_the_table_has_not_is_refused(self) -> None:
        with pytest.raises(MappingRefused, match="no column"):
            evaluated([{"person": "1", "agency": "a"}])

    def test_may_not_use_the_truth(self) -> None:
        with pytest.raises(MappingRefused, match="truth"):
            evaluate_matching(
                io.StringIO("a\n1\n"),
                mapping={"columns": {"snils": "a"}},
                truth=TruthColumn(name="a"),
            )

    def test_cannot_leave_out_what_it_has_not(self) -> None:
        with pytest.raises(MappingRefused):
            evaluated([{"person": "1"}], without=("inn",))

    @pytest.mark.parametrize("text", ["", "person,agency\n"])
    def test_a_table_without_rows_is_refused(self, text: str) -> None:
        mapping = {"columns": {"snils": "agency"}}

        with pytest.raises(FeedRefused):
            evaluate_matching(io.StringIO(text), mapping=mapping, truth=PERSON)

    def test_joins_columns_and_takes_alternatives(self) -> None:
        mapping = parse_table_mapping(
            {
                "columns": {
                    "family_name": {"any_of": ["surname", "maiden"]},
                    "birthdate": ["y", "m", "d"],
                },
                "extra": {"trade": {"column": "trade", "kind": "text"}},
            }
        )
        row = {
            "surname": "O'Hara",
            "maiden": "nan",
            "y": "1980",
            "m": "5",
            "d": "7",
            "trade": "Smith",
        }

        profile = ProfileReader(mapping, [row]).read(row)

        assert profile == {
            "family_name": ("ohara",), "birthdate": ("1980-05-07",), "text:trade": ("smith",),
        }  # fmt: skip

    def test_sees_the_order_of_dates_of_each_source_apart(self) -> None:
        mapping = parse_table_mapping({"source": "from", "columns": {"birthdate": "born"}})
        table = [
            {"from": "us", "born": "05/31/1980"},
            {"from": "us", "born": "05/07/1980"},
            {"from": "de", "born": "31.05.1980"},
            {"from": "de", "born": "05.07.1980"},
        ]
        reader = ProfileReader(mapping, table)

        assert [reader.read(row)["birthdate"][0] for row in table] == [
            "1980-05-31", "1980-05-07", "1980-05-31", "1980-07-05",
        ]  # fmt: skip


class TestForms:
    @pytest.mark.parametrize(
        ("text", "order", "expected"),
        [
            ("17.05.1980", "dmy", "1980-05-17"),
            ("19800517", "ymd", "1980-05-17"),
            ("05171980", "mdy", "1980-05-17"),
            ("1980-05-17T00:00:00", "dmy", "1980-05-17"),
            ("17 мая 1980", "dmy", "1980-05-17"),
            ("17.5.80", "dmy", "1980-05-17"),
            ("1980", "dmy", "1980"),
            ("05.1980", "dmy", "1980-05"),
            ("May 17, 1980", "dmy", "1980-05-17"),
            ("17-MAY-80", "ymd", "1980-05-17"),
            ("1980 мая 17", "dmy", "1980-05-17"),
            ("May 1980", "dmy", "1980-05"),
            ("17.05.1980", "ymd", "1980-05-17"),
            ("05/17/1980", "dmy", "1980-05-17"),
            ("1980-17-05", "ymd", "1980-17-05"),
            ("not a date", "dmy", "not a date"),
        ],
    )
    def test_dates(self, text: str, order: DateOrder, expected: str) -> None:
        assert date_form(text, order) == expected

    def test_order_of_dates_is_seen_from_impossible_months(self) -> None:
        assert guess_date_order(["01/02/1980", "12/31/1980"]) == "mdy"
        assert guess_date_order(["01.02.1980", "31.12.1980"]) == "dmy"
        assert guess_date_order(["19801231"]) == "ymd"

    def test_full_names(self) -> None:
        assert split_full_name("Mr. Smith, Anna Maria", family_first=False)["given_name"] == "anna"
        assert split_full_name("Иванов Пётр Ильич", family_first=True) == {
            "family_name": "иванов", "given_name": "петр", "middle_name": "ильич",
        }  # fmt: skip
        assert split_full_name("Anna Maria Smith", family_first=False)["family_name"] == "smith"

    def test_telephones_and_dwellings_forget_how_they_are_written(self) -> None:
        assert phone_form("+7 (912) 345-67-89") == phone_form("8 912 3456789")
        assert dwelling_form("ул. Садовая, д. 5, кв. 12") == dwelling_form(
            "Садовая улица", "5", "12"
        )

    @pytest.mark.parametrize("text", ["000-000-000 00", "9999999999", "N/A", "не указано", "--"])
    def test_what_a_form_was_filled_in_with_is_no_number(self, text: str) -> None:
        mapping = parse_table_mapping(
            {
                "columns": {"snils": "a", "phone": "a"},
                "extra": {"b": {"column": "a", "kind": "number"}},
            }
        )

        assert ProfileReader(mapping, []).read({"a": text}) == {}

    @pytest.mark.parametrize(("one", "other"), [("Female", "ж"), ("W", "женский"), ("M", "муж.")])
    def test_man_and_woman_are_the_same_in_two_alphabets(self, one: str, other: str) -> None:
        mapping = parse_table_mapping({"columns": {"gender": "a"}})
        reader = ProfileReader(mapping, [])

        assert reader.read({"a": one}) == reader.read({"a": other})


class TestDefaults:
    """What thousands have because a form wanted something counts as not said."""

    KINDS: ClassVar = {"family_name": "name", "snils": "number", "birthdate": "date"}

    def test_number_of_many_different_people_is_left_out(self) -> None:
        people = [a_profile(number, snils="12345678964") for number in range(60)]

        assert all("snils" not in found for found in without_defaults(people, self.KINDS))

    def test_number_of_one_person_with_many_records_stays(self) -> None:
        records = [a_profile(1, snils="12345678964") for _ in range(60)]

        assert without_defaults(records, self.KINDS) == records

    def test_number_of_a_family_stays(self) -> None:
        people = [a_profile(number, snils="12345678964") for number in range(5)]

        assert without_defaults(people, self.KINDS) == people

    def test_birth_date_of_many_different_people_is_left_out(self) -> None:
        people = [a_profile(number, birthdate="1900-01-01") for number in range(60)]

        assert all("birthdate" not in found for found in without_defaults(people, self.KINDS))


def a_profile(number: int, **said: str) -> Profile:
    """Return one of many people, none of whom is like another."""
    family, name = "абвгдежзик"[number % 10] * 6, "лмнопрстуф"[number * 3 % 10] * 6
    born = {"birthdate": f"{1900 + number}-{number % 12 + 1:02d}-{number % 28 + 1:02d}"}
    values = {"family_name": family, "given_name": name, **born, **said}
    return {feature: (value,) for feature, value in values.items()}


class TestWhatSharedValuesAreWorth:
    def test_a_town_alone_speaks_for_one_person_as_much_as_it_is_rare(self) -> None:
        feature = Feature(
            name="place", kind="place", frequencies={"|london|": 0.2}, rarest=0.001,
            m=(0.5, 0.3, 0.1, 0.05, 0.01, 0.01, 0.03), u=(1e-6, 0.2, 0.05, 0.01, 0.01, 0.01, 0.72),
            kin=(1 / 7,) * 7, twin=(1 / 7,) * 7,
        )  # fmt: skip
        scorer = Scorer(Model(version="x", features=(feature,), prior=0.5, kin_prior=1e-9))

        def bits(town: str) -> float:
            return scorer.bits({"place": (f"|{town}|",)}, {"place": (f"|{town}|",)})

        assert bits("london") == pytest.approx(log2(0.3 / 0.2), abs=0.01)
        assert bits("much hadham") == pytest.approx(log2(0.3 / 0.001), abs=0.01)

    @pytest.mark.parametrize(
        ("mailbox", "rest"),
        [
            ("anna.smith42@post.example", "G.F42@post.example"),
            ("smith.a@post.example", "F.a@post.example"),
            ("sunflower@post.example", "sunflower@post.example"),
        ],
    )
    def test_a_mailbox_says_only_what_the_name_does_not(self, mailbox: str, rest: str) -> None:
        assert without_names(mailbox, {"given_name": ("anna",), "family_name": ("smith",)}) == rest

    def test_namesakes_whose_mailboxes_follow_from_their_names_stay_apart(self) -> None:
        people = [(name, family, number) for number in range(40)
                  for name, family in (("Anna", "Smith"), ("John", "Brown"))]  # fmt: skip
        lines = ["person,given,family,born,mail"]
        for name, family, number in people:
            mail = f"{name}.{family}@{('post', 'mail')[number % 2]}.example"
            born = f"{1930 + number * 7 % 60}-{number % 12 + 1:02d}-{number % 27 + 1:02d}"
            lines += [f"{name}{number},{name},{family},{born},{mail}"] * 2
        columns = {"given_name": "given", "family_name": "family", "birthdate": "born"}

        report = evaluate_matching(
            io.StringIO("\n".join(lines)),
            mapping={"columns": {**columns, "email": "mail"}},
            truth=PERSON,
        )

        assert (report.persons, report.clusters.wrong) == (len(people), 0)


class TestHouseholds:
    """Whoever shares a home and a number is not for that one person."""

    def table(self) -> str:
        """Return forty households of three, all of whom have the number of the first."""
        lines = ["person,family,given,born,number,tel"]
        for number in range(120):
            home, dice = number // 3, sha256(str(number).encode()).digest()
            family = "".join(
                "bdgklmnprst"[byte % 11] for byte in sha256(str(home).encode()).digest()[:7]
            )
            given = ("ivan", "petr", "anna", "olga", "igor", "vera")[dice[0] % 2 + 2 * (number % 3)]
            born = f"19{40 + dice[1] % 59}-{1 + dice[2] % 12:02d}-{1 + dice[3] % 28:02d}"
            said = f"{number},{family},{given}"
            lines += [
                f"{said},{born},{7_000_000 + 37 * home},{5_550_000 + 91 * home}",
                f"{said},{born[:-1]}{(dice[4]) % 10},{7_000_000 + 37 * home},",
                f"{said},{born if dice[5] % 2 else ''},,{5_550_000 + 91 * home}",
            ]
        return "\n".join(lines)

    @pytest.mark.parametrize("has_birth", [True, False])
    def test_stay_apart_though_all_have_the_number_of_one(self, has_birth: bool) -> None:  # noqa: FBT001
        columns = {"family_name": "family", "given_name": "given", "snils": "number"}
        report = evaluate_matching(
            io.StringIO(self.table()),
            mapping={
                "columns": {
                    **columns,
                    **({"birthdate": "born"} if has_birth else {}),
                    "phone": "tel",
                }
            },
            truth=PERSON,
        )

        assert report.clusters.f1 > 0.98


class TestOddTables:
    MAPPING: ClassVar = {"columns": {"family_name": "name", "phone": "phone"}}

    def evaluated(self, text: str) -> MatchingReport:
        return evaluate_matching(io.StringIO(text), mapping=self.MAPPING, truth=PERSON)

    def test_of_one_row_is_one_person(self) -> None:
        assert self.evaluated("person,name,phone\n1,Smith,555123\n").persons == 1

    def test_with_nothing_in_it_is_as_many_people_as_rows(self) -> None:
        assert self.evaluated("person,name,phone\n1,,\n2,,\n3,,\n").persons == 3

    def test_may_have_a_mark_of_order_carriage_returns_and_lines_within_cells(self) -> None:
        report = self.evaluated(
            '\ufeffperson;name;phone\r\n1;"Smith\r\nJones";555123\r\n\r\n2;Brown\r\n'
        )

        assert (report.records, report.people) == (2, 2)

    def test_with_two_columns_of_one_name_is_refused(self) -> None:
        with pytest.raises(MappingRefused, match="several columns name"):
            self.evaluated("person,name,name,phone\n1,a,b,c\n")

    def test_without_a_column_says_which_was_likely_meant(self) -> None:
        with pytest.raises(MappingRefused, match=r"no column phone \(perhaps Phone\?\)"):
            self.evaluated("person,name,Phone\n1,a,b\n")

    def test_in_another_encoding_is_read_when_told_so(self, tmp_path: Path) -> None:
        table, mapping = tmp_path / "people.csv", tmp_path / "mapping.toml"
        table.write_text("person;name\n1;Воробьёва\n1;Воробьева\n2;Котов\n", "windows-1251")
        mapping.write_text('columns.family_name = "name"', "utf-8")
        said = ["--mapping", str(mapping), "--truth-column", "person"]
        evaluate = ["matching", "evaluate", str(table), *said]

        with logging_kept():
            refused = CliRunner().invoke(main, evaluate)
            read = CliRunner().invoke(main, [*evaluate, "--encoding", "windows-1251", "--json"])

        assert "--encoding windows-1251" in refused.output
        assert (refused.exit_code, json.loads(read.stdout)["people"]) == (2, 2)

    def test_that_is_no_csv_is_refused_with_its_place(self) -> None:
        with pytest.raises(FeedRefused, match="at line 3"):
            self.evaluated(f"person,name,phone\n1,a,b\n2,{'x' * 200_000},c\n")


class TestDatesApart:
    @pytest.mark.parametrize(
        ("other", "level"),
        [
            ("1980-05-17", "same {}"),
            ("1980-17-05", "{} with day and month swapped"),
            ("1980-05-71", "{} one digit off"),
            ("1990-05-17", "{} one digit off"),
            ("1966-05-17", "{} agrees in two of day, month and year"),
            ("1980-12-17", "{} agrees in two of day, month and year"),
            ("1980-08-16", "{} two digits off"),
            ("1980-12-24", "{} agrees in the year"),
            ("1980", "{} agrees in the year"),
            ("1966-12-17", "different {}"),
        ],
    )
    def test_in_words(self, other: str, level: str) -> None:
        assert DATE.words[DATE.level("1980-05-17", other)] == level


class TestNamesInEachOthersPlace:
    def test_of_which_one_is_lost_are_read_as_is_likelier(self) -> None:
        scorer = register_scorer()
        swapped = {"given_name": ("жукова",), "family_name": ("анна",)}
        right = {"given_name": ("анна",), "family_name": ("воробьева",)}

        levels, _ = scorer.compare(swapped, right)

        by_name = dict(zip((f.name for f in scorer.model.features), levels, strict=True))
        assert (by_name["given_name"], by_name["name_order"]) == (0, 2)
        assert by_name["family_name"] > 0
        assert scorer.compare(right, swapped)[0] == levels


class TestNamesOneLetterOff:
    def test_say_more_where_the_name_is_rare(self) -> None:
        feature = Feature(
            name="family_name", kind="name", frequencies={"smith": 0.1}, rarest=0.0001,
            m=(0.8, 0.1, *(0.1 / 6,) * 6), u=(0.01, 0.02, *(0.97 / 6,) * 6),
            kin=(1 / 8,) * 8, twin=(1 / 8,) * 8,
        )  # fmt: skip
        scorer = Scorer(Model(version="x", features=(feature,), prior=0.5, kin_prior=1e-9))

        def bits(one: str, other: str) -> float:
            return scorer.bits({"family_name": (one,)}, {"family_name": (other,)})

        assert bits("whitbury", "whitbry") > log2(0.1 / 0.02) > bits("smith", "smithe")
        assert bits("smith", "smithe") == pytest.approx(bits("smithe", "smith"))


def test_a_household_moves_at_least_as_often_as_one_person() -> None:
    features = starting_features({"given_name": "name", "place": "place"})
    features = tuple(replace(feature, u=feature.m[::-1]) for feature in features)
    start = Model(version="x", features=features, prior=0.1, kin_prior=0.1)
    moved: Patterns = {((0, 6), 0): 40.0, ((0, 0), 0): 60.0, ((7, 0), 0): 50.0, ((7, 6), 0): 900.0}

    learned = maximise(start, moved, total_pairs=1050, known=[1.0, 1.0]).model

    place = learned.features[1]
    assert place.m[-1] > 0.1
    assert place.kin[-1] >= place.m[-1]
    assert sum(place.kin) == pytest.approx(1)
