"""What can't be true of one person: each rule finds it, and is silent where a doubt remains."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from kernel.ids import AgencyId, PersonId, new_id
from population_register.authority import derive_history
from population_register.consistency import RULE_WORDS, RULES, Finding, find_all
from population_register.kinship_rules import born_days, is_doubtful
from population_register.model import (
    AgencyRole,
    CurrentRecord,
    RecordKind,
    SourceRecord,
    partial_date_range,
)
from population_register.suspicions import Case, LinkedParent, Suspicion, sources_of, words_on
from tests.population_register.register_builders import NOON, a_record, a_withdrawal

TODAY = date(2026, 11, 23)
ROLES = {AgencyId(role.value): role for role in AgencyRole}
BORN = {"birthdate": "1986-03-14"}


def a_case(*records: SourceRecord) -> Case:
    record = CurrentRecord(
        person_id=PersonId(new_id(NOON)),
        version=1,
        on=TODAY,
        history=derive_history(records, ROLES),
    )
    return Case(record=record, words=words_on(records, TODAY))


def says(agency: str, number: str = "1", **attributes: Any) -> SourceRecord:  # noqa: ANN401
    return a_record(agency, number, attributes=attributes)


def found(*records: SourceRecord) -> list[Finding]:
    return find_all(a_case(*records))


def rules(*records: SourceRecord) -> list[str]:
    return [finding.rule for finding in found(*records)]


def passport(number: str, **parts: str) -> dict[str, str]:
    return {"series_number": f"45 19 {number}", **parts}


def parent(role: str = "mother", name: str = "Ольга", birthdate: str = "1965") -> dict[str, str]:
    return {"role": role, "given_name": name, "birthdate": birthdate}


IMPOSSIBLE: list[tuple[str, Sequence[SourceRecord]]] = [
    ("values_in_conflict", [says("tax", **BORN), says("pension", birthdate="1968-03-14")]),
    ("values_in_conflict", [says("civil_registry", given_name="Анна"),
                            says("tax", given_name="Алла")]),
    ("values_in_conflict", [says("interior", citizenships=["RUS"]),
                            says("tax", citizenships=["KAZ"])]),
    ("values_in_conflict", [says("interior", passport=passport("111111")),
                            says("tax", passport=passport("222222"))]),
    ("born_in_future", [says("civil_registry", birthdate="2027")]),
    ("died_in_future", [says("civil_registry", deathdate="2026-12")]),
    ("died_before_birth", [says("civil_registry", deathdate="1986-03-13"), says("tax", **BORN)]),
    ("died_before_birth", [says("civil_registry", deathdate="1985"), says("tax", **BORN)]),
    ("lives_too_long", [says("tax", birthdate="1906-11-23")]),
    ("died_but_active", [says("civil_registry", deathdate="2020-05"),
                         says("interior", passport=passport("111111", issued_on="2020-06-01"))]),
    ("died_but_active", [says("civil_registry", deathdate="2020"),
                         says("interior", arrivals=[{"arrived_on": "2021-01-01"}])]),
    ("died_but_active", [says("civil_registry", deathdate="2020"),
                         says("tax", self_employed={"registered_on": "2021-01-01"})]),
    ("active_before_birth", [says("tax", **BORN),
                             says("education", education=[
                                 {"level": "higher", "issued_on": "1980-07-01"}])]),
    ("two_open_passports", [says("interior", passport=passport("111111")),
                            says("interior", "2", passport=passport("222222"))]),
    ("passport_too_early", [says("civil_registry", birthdate="2010-01-02"),
                            says("interior", passport=passport("1", issued_on="2024-01-01"))]),
    ("passport_of_a_foreigner", [says("interior", citizenships=["UZB"]),
                                 says("tax", passport=passport("111111"))]),
    ("two_numbers", [says("pension", snils="900-000-002 83"),
                     says("pension", "2", snils="900-000-001 82")]),
    ("overlapping_registrations", [says("interior", registration_address={"formatted": "Тула"}),
                                   says("interior", "2",
                                        registration_address={"formatted": "Омск"})]),
    ("overlapping_stays", [says("interior", arrivals=[
        {"arrived_on": "2024-01-01", "departed_on": "2024-03-01"}, {"arrived_on": "2024-02-01"}])]),
    ("parent_not_older", [says("civil_registry", **BORN,
                               parents=[parent(birthdate="1986-03-14")])]),
    ("parent_not_older", [says("civil_registry", **BORN),
                          says("tax", children=[{"given_name": "Ия", "birthdate": "1985"}])]),
    ("parent_too_young", [says("civil_registry", **BORN, parents=[parent(birthdate="1975")])]),
    ("parent_too_young", [says("tax", **BORN,
                               children=[{"given_name": "Ия", "birthdate": "1998-03-13"}])]),
    ("parents_of_one_role", [says("civil_registry", parents=[parent()]),
                             says("tax", parents=[parent(name="Елена")])]),
    ("parents_of_one_role", [says("civil_registry", parents=[parent(), parent(birthdate="1960")])]),
    ("values_in_conflict", [says("interior", citizenships=["RUS", "KAZ"]),
                            says("tax", citizenships=["KAZ"])]),
    ("values_in_conflict", [says("tax", gender="female"), says("pension", gender="male")]),
    ("values_in_conflict", [says("tax", family_name="Королёва"),
                            says("pension", family_name="Ким")]),
    ("values_in_conflict", [says("tax", middle_name="ЛЬВОВНА"),
                            says("pension", middle_name="Юрьевна")]),
    ("two_open_passports", [
        says("interior", passport=passport("111111", expires_on="2026-11-24")),
        says("interior", "2", passport=passport("222222"))]),
    ("passport_too_early", [says("civil_registry", birthdate="2010"),
                            says("interior", passport=passport("1", issued_on="2010-01-01"))]),
    ("two_numbers", [says("tax", inn="500100732259"), says("tax", "2", inn="500100730004")]),
    ("two_numbers", [says("health", enp="1"), says("health", "2", enp="2")]),
    ("overlapping_registrations", [
        says("interior", registration_address={"formatted": "Тула",
                                               "registered_until": "2026-11-24"}),
        says("interior", "2", registration_address={"formatted": "Омск"})]),
    ("overlapping_stays", [
        says("interior", arrivals=[{"arrived_on": "2024-01-01", "departed_on": "2024-03-01"},
                                   {"arrived_on": "2024-01-01"}]),
        says("tax", "2", arrivals=[{"arrived_on": "2024-02-01"}])]),
]  # fmt: skip

NOTICED: list[tuple[tuple[str, ...], tuple[str, ...], str]] = [
    (("birthdate",), ("pension 1", "tax 1"), "1968-03-14 | 1986-03-14"),
    (("given_name",), ("civil_registry 1", "tax 1"), "алла | анна"),
    (("citizenships",), ("interior 1", "tax 1"), "KAZ | RUS"),
    (("passport",), ("interior 1", "tax 1"), "45 19 111111 | 45 19 222222"),
    (("birthdate",), ("civil_registry 1",), ""),
    (("deathdate",), ("civil_registry 1",), ""),
    (("birthdate", "deathdate"), ("civil_registry 1", "tax 1"), ""),
    (("birthdate", "deathdate"), ("civil_registry 1", "tax 1"), ""),
    (("birthdate", "deathdate"), ("tax 1",), ""),
    (("deathdate", "passport"), ("civil_registry 1", "interior 1"), "2020-06-01"),
    (("deathdate", "arrivals"), ("civil_registry 1", "interior 1"), "2021-01-01"),
    (("deathdate", "self_employed"), ("civil_registry 1", "tax 1"), "2021-01-01"),
    (("birthdate", "education"), ("education 1", "tax 1"), "1980-07-01"),
    (("passport",), ("interior 1", "interior 2"), "45 19 111111 | 45 19 222222"),
    (("birthdate", "passport"), ("civil_registry 1", "interior 1"), "2024-01-01"),
    (("citizenships", "passport"), ("interior 1", "tax 1"), ""),
    (("snils",), ("pension 1", "pension 2"), "900-000-001 82 | 900-000-002 83"),
    (("registration_address",), ("interior 1", "interior 2"), "Омск | Тула"),
    (("arrivals",), ("interior 1",), "2024-01-01 | 2024-02-01"),
    (("birthdate", "parents"), ("civil_registry 1",), "ольга 1986-03-14"),
    (("birthdate", "children"), ("civil_registry 1", "tax 1"), "ия 1985"),
    (("birthdate", "parents"), ("civil_registry 1",), "ольга 1975"),
    (("birthdate", "children"), ("tax 1",), "ия 1998-03-13"),
    (("parents",), ("civil_registry 1", "tax 1"), "mother"),
    (("parents",), ("civil_registry 1",), "mother"),
    (("citizenships",), ("interior 1", "tax 1"), "KAZ | KAZ,RUS"),
    (("gender",), ("pension 1", "tax 1"), "female | male"),
    (("family_name",), ("pension 1", "tax 1"), "ким | королева"),
    (("middle_name",), ("pension 1", "tax 1"), "львовна | юрьевна"),
    (("passport",), ("interior 1", "interior 2"), "45 19 111111 | 45 19 222222"),
    (("birthdate", "passport"), ("civil_registry 1", "interior 1"), "2010-01-01"),
    (("inn",), ("tax 1", "tax 2"), "500100730004 | 500100732259"),
    (("enp",), ("health 1", "health 2"), "1 | 2"),
    (("registration_address",), ("interior 1", "interior 2"), "Омск | Тула"),
    (("arrivals",), ("interior 1", "tax 2"), "2024-01-01 | 2024-02-01"),
]
"""Of each case above: the attributes, the records to look at, and what tells it from others."""

ACTS: list[tuple[str, Any]] = [
    ("passport", passport("1", issued_on="2021-01-01")),
    ("foreign_passport", {"issuing_state": "UZB", "number": "1", "issued_on": "2021-01-01"}),
    ("residence_permit", {"kind": "stateless", "number": "1", "issued_on": "2021-01-01"}),
    ("identity_documents", [{"kind": "seafarer_id", "number": "1", "issued_on": "2021-01-01"}]),
    ("registration_address", {"formatted": "Тула", "registered_on": "2021-01-01"}),
    ("stay_address", {"formatted": "Тула", "registered_on": "2021-01-01"}),
    ("arrivals", [{"arrived_on": "2021-01-01"}]),
    ("marital_status", {"status": "married", "since": "2021-01-01"}),
    ("entrepreneur", {"registered_on": "2021-01-01"}),
    ("self_employed", {"registered_on": "2021-01-01"}),
    ("employment_service", {"registered_on": "2021-01-01"}),
    ("military", {"is_liable": "yes", "registered_on": "2021-01-01"}),
    ("social_insurance", {"number": "1", "registered_on": "2021-01-01"}),
    ("education", [{"level": "higher", "issued_on": "2021-01-01"}]),
    ("academic_degrees", [{"kind": "candidate", "issued_on": "2021-01-01"}]),
]
"""What only the living do."""

POSSIBLE: dict[str, Sequence[SourceRecord]] = {
    "nothing": [],
    "one word": [says("tax", **BORN)],
    "year and day of it": [says("civil_registry", birthdate="1986"), says("tax", **BORN)],
    "ё and е": [says("civil_registry", given_name="Пётр"), says("tax", given_name="ПЕТР")],
    "citizenships in another order": [says("interior", citizenships=["RUS", "KAZ"]),
                                      says("tax", citizenships=["KAZ", "RUS"])],
    "one passport, issuer differs": [says("interior", passport=passport("1", issuer="МВД")),
                                     says("tax", passport=passport("1"))],
    "addresses of two agencies": [says("interior", registration_address={"formatted": "Тула"}),
                                  says("tax", registration_address={"formatted": "г. Тула"})],
    "died in the year of birth": [says("civil_registry", birthdate="1986-03-14", deathdate="1986")],
    "born today": [says("civil_registry", birthdate=TODAY.isoformat())],
    "119": [says("tax", birthdate="1906-11-24")],
    "120 and dead": [says("tax", birthdate="1900", deathdate="1980")],
    "died today": [says("civil_registry", deathdate=TODAY.isoformat())],
    "died on the day of birth": [says("civil_registry", **BORN, deathdate="1986-03-14")],
    "died in a month of the year of birth": [
        says("civil_registry", birthdate="1986", deathdate="1986-05")],
    "born this year and died this year": [
        says("civil_registry", birthdate="2026", deathdate="2026")],
    "year and day of death": [says("civil_registry", deathdate="2020"),
                              says("tax", deathdate="2020-05-06")],
    "perhaps 119": [says("tax", birthdate="1906")],
    "act on the day of birth": [says("tax", **BORN),
                                says("interior", arrivals=[{"arrived_on": "1986-03-14"}])],
    "act in the year of birth": [says("tax", birthdate="1986"),
                                 says("interior", arrivals=[{"arrived_on": "1986-01-01"}])],
    "passport of an unknown day of somebody dead": [says("civil_registry", deathdate="2020"),
                                                    says("interior", passport=passport("1"))],
    "perhaps fourteen": [says("civil_registry", birthdate="2010"),
                         says("interior", passport=passport("1", issued_on="2024-01-01"))],
    "foreign passport of a child": [
        says("civil_registry", **BORN),
        says("interior", foreign_passport={"issuing_state": "RUS", "number": "1",
                                           "issued_on": "1990-01-01"})],
    "a foreigner": [says("interior", citizenships=["UZB"])],
    "one stay that two agencies say alike": [
        says(agency, arrivals=[{"arrived_on": "2024-01-01", "departed_on": "2024-03-01"}])
        for agency in ("interior", "tax")],
    "act on the day of death": [says("civil_registry", deathdate="2020-05-06"),
                                says("interior", arrivals=[{"arrived_on": "2020-05-06"}])],
    "act in the year of death": [says("civil_registry", deathdate="2020"),
                                 says("interior", arrivals=[{"arrived_on": "2020-12-31"}])],
    "a passport that ran out": [
        says("interior", passport=passport("111111", expires_on=TODAY.isoformat())),
        says("interior", "2", passport=passport("222222"))],
    "a passport in the record of yesterday": [
        a_record("interior", valid_to=TODAY, attributes={"passport": passport("111111")}),
        says("interior", "2", passport=passport("222222"))],
    "a passport at fourteen": [says("civil_registry", birthdate="2010-01-02"),
                               says("interior", passport=passport("1", issued_on="2024-01-02"))],
    "two citizenships": [says("interior", citizenships=["UZB", "RUS"],
                              passport=passport("111111"))],
    "an address that ended": [
        says("interior", registration_address={"formatted": "Тула",
                                               "registered_until": TODAY.isoformat()}),
        says("interior", "2", registration_address={"formatted": "Омск"})],
    "out and in on one day": [says("interior", arrivals=[
        {"arrived_on": "2024-01-01", "departed_on": "2024-03-01"}, {"arrived_on": "2024-03-01"}])],
    "one stay of two agencies": [
        says("interior", arrivals=[{"arrived_on": "2024-01-01", "departed_on": "2024-03-01"}]),
        says("tax", arrivals=[{"arrived_on": "2024-01-01"}])],
    "parent of twelve years": [says("tax", **BORN,
                                    children=[{"given_name": "Ия", "birthdate": "1998-03-14"}])],
    "parent of a year": [says("civil_registry", **BORN, parents=[parent(birthdate="1974")])],
    "one mother said twice": [says("civil_registry", parents=[parent(birthdate="1965-05-06")]),
                              says("tax", parents=[parent()])],
    "mother and father": [says("civil_registry",
                               parents=[parent(), parent("father", "Пётр")])],
}  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "records"), IMPOSSIBLE, ids=[f"{i} {rule}" for i, (rule, _) in enumerate(IMPOSSIBLE)]
)
def test_what_cannot_be_is_found(rule: str, records: Sequence[SourceRecord]) -> None:
    assert rules(*records) == [rule]
    assert rules(*reversed(records)) == [rule]


@pytest.mark.parametrize(
    ("case", "noticed"),
    [(records, noticed) for (_, records), noticed in zip(IMPOSSIBLE, NOTICED, strict=True)],
    ids=[f"{i} {rule}" for i, (rule, _) in enumerate(IMPOSSIBLE)],
)
def test_finding_says_which_values_of_which_records_do_not_fit(
    case: Sequence[SourceRecord], noticed: tuple[tuple[str, ...], tuple[str, ...], str]
) -> None:
    (finding,) = found(*case)

    suspicion = finding.suspicion
    sources = tuple(f"{agency} {number}" for agency, number in suspicion.sources)
    assert (suspicion.attributes, sources, suspicion.about) == noticed


@pytest.mark.parametrize(("name", "value"), ACTS, ids=[name for name, _ in ACTS])
def test_the_dead_do_nothing(name: str, value: Any) -> None:  # noqa: ANN401 - JSON
    died = says("civil_registry", deathdate="2020")

    assert rules(died, says("interior", **{name: value})) == ["died_but_active"]


@pytest.mark.parametrize("records", POSSIBLE.values(), ids=POSSIBLE)
def test_what_may_be_is_left_alone(records: Sequence[SourceRecord]) -> None:
    assert rules(*records) == []


def test_every_rule_has_a_case_that_it_finds_and_words() -> None:
    linked = {"linked_parent_not_older", "linked_parent_too_young"}
    assert {rule for rule, _ in IMPOSSIBLE} | linked == set(RULES)
    assert all(ru and en and ru != en for ru, en in RULE_WORDS.values())


def test_finding_names_the_records_of_every_agency_in_it() -> None:
    (finding,) = found(
        says("tax", "Н-7", **BORN),
        says("tax", "Н-8", snils="900-000-002 83"),
        says("pension", "П-3", birthdate="1968-03-14"),
        says("health", "З-1", **BORN),
    )

    assert finding.agencies == ("health", "pension", "tax")
    assert finding.suspicion.sources == (("health", "З-1"), ("pension", "П-3"), ("tax", "Н-7"))
    assert finding.suspicion.attributes == ("birthdate",)


def test_agency_that_agrees_with_the_value_that_counts_is_left_out() -> None:
    (finding,) = found(
        says("civil_registry", **BORN),
        says("pension", **BORN),
        says("tax", birthdate="1968-03-14"),
    )

    assert finding.agencies == ("civil_registry", "tax")


def test_only_the_record_by_which_an_agency_now_stands_is_looked_at() -> None:
    (finding,) = found(
        says("civil_registry", **BORN),
        a_record("tax", "1", valid_from=date(2010, 1, 1), attributes={"birthdate": "1970-01-01"}),
        says("tax", "2", birthdate="1968-03-14"),
    )

    assert finding.suspicion.sources == (("civil_registry", "1"), ("tax", "2"))
    assert finding.suspicion.about == "1968-03-14 | 1986-03-14"


def test_agency_that_repeats_any_other_value_looks_at_it_too() -> None:
    (finding,) = found(
        says("civil_registry", **BORN),
        says("interior", birthdate="1968-03-14"),
        says("pension", birthdate="1970-01-01"),
        says("health", birthdate="1968-03-14"),
    )

    assert finding.agencies == ("civil_registry", "health", "interior", "pension")


def test_identity_is_of_the_rule_the_values_and_what_is_said() -> None:
    suspicion = Suspicion(attributes=("birthdate",), sources=(), about="1968 | Ё")

    identity = Finding(rule="values_in_conflict", suspicion=suspicion).identity

    assert identity == '["values_in_conflict", ["birthdate"], "1968 | Ё"]'


def test_same_thing_has_one_identity_whoever_says_it_and_another_value_another() -> None:
    (one,) = found(says("tax", **BORN), says("pension", birthdate="1968-03-14"))
    (more,) = found(
        says("tax", "9", **BORN),
        says("pension", birthdate="1968-03-14"),
        says("employment", birthdate="1968-03-14"),
    )
    (other,) = found(says("tax", **BORN), says("pension", birthdate="1969-03-14"))

    assert one.identity == more.identity != other.identity


def test_only_what_counts_on_the_day_is_looked_at() -> None:
    first = a_record("tax", attributes={"birthdate": "1968-03-14"})
    corrected = a_record("tax", version=2, kind=RecordKind.CORRECTION, corrects=1, attributes=BORN)
    begins = a_record("tax", "2", valid_from=TODAY + timedelta(days=1),
                      attributes={"birthdate": "1950-01-01"})  # fmt: skip
    pension = says("pension", **BORN)

    assert rules(first, pension) == ["values_in_conflict"]
    assert rules(first, corrected, pension) == []
    assert rules(corrected, begins, pension) == []
    assert words_on([first, a_withdrawal("tax")], TODAY) == []


def test_highest_version_of_a_record_that_covers_the_day_counts() -> None:
    first = a_record("tax", valid_from=TODAY)
    second = a_record("tax", version=2, valid_from=TODAY - timedelta(days=1), valid_to=TODAY)
    third = a_record("tax", version=3, valid_from=TODAY, valid_to=TODAY + timedelta(days=1))
    other = a_record("pension", valid_from=TODAY + timedelta(days=1))

    assert words_on([first, second, third, other], TODAY) == [third]
    assert words_on([second, first], TODAY) == [first]
    assert words_on([first, second], TODAY - timedelta(days=1)) == [second]


def test_records_that_state_an_attribute_are_named() -> None:
    words = [says("tax", "2", **BORN), says("pension", "1", gender="male"), says("tax", **BORN)]

    assert sources_of(words, "birthdate") == (("tax", "1"), ("tax", "2"))


@pytest.mark.parametrize(
    ("parent", "child", "doubtful"),
    [
        ("1990-01-01", "1986-03-14", True),
        ("1986-03-14", "1986-03-14", True),
        ("1974-03-15", "1986-03-14", True),
        ("1974-03-14", "1986-03-14", False),
        ("1960", "1986", False),
    ],
)
def test_nobody_well_is_a_parent_before_twelve(parent: str, child: str, *, doubtful: bool) -> None:
    assert is_doubtful(partial_date_range(parent), partial_date_range(child)) is doubtful


def test_birth_is_of_the_days_that_it_may_have_been() -> None:
    assert born_days(a_case(says("tax", birthdate="1986-03")).record) == (
        date(1986, 3, 1),
        date(1986, 3, 31),
    )
    assert born_days(a_case(says("tax", gender="male")).record) is None


class TestLinkedParents:
    """A parent whom the register knows: another person, with another birth date."""

    def found(self, born: tuple[str, str], child: str = "1986-03-14") -> list[str]:
        mother = LinkedParent(
            name="m",
            born=(date.fromisoformat(born[0]), date.fromisoformat(born[1])),
            sources=((AgencyId("civil_registry"), "Р-1"),),
        )
        case = replace(a_case(says("tax", "Н-1", birthdate=child)), parents=[mother])
        self.findings = find_all(case)
        return [finding.rule for finding in self.findings]

    @pytest.mark.parametrize(
        ("born", "rules"),
        [
            (("1986-03-14", "1986-03-14"), ["linked_parent_not_older"]),
            (("1990-01-01", "1990-01-01"), ["linked_parent_not_older"]),
            (("1986-03-13", "1986-03-13"), ["linked_parent_too_young"]),
            (("1974-03-15", "1974-03-15"), ["linked_parent_too_young"]),
            (("1974-03-14", "1974-03-14"), []),
            (("1960-01-01", "1960-12-31"), []),
        ],
    )
    def test_mother_is_older_than_her_child(self, born: tuple[str, str], rules: list[str]) -> None:
        assert self.found(born) == rules

    def test_where_a_year_is_known_only_what_no_day_of_it_allows_is_found(self) -> None:
        assert self.found(("1974-01-01", "1974-12-31")) == []
        assert self.found(("1986-01-01", "1986-12-31")) == ["linked_parent_too_young"]
        assert self.found(("1974-03-15", "1974-03-15"), child="1986") == []
        assert self.found(("1986-03-14", "1986-03-14"), child="1986") == ["linked_parent_too_young"]

    def test_agencies_of_both_look_at_it(self) -> None:
        self.found(("1990-01-01", "1990-01-01"))

        (finding,) = self.findings
        assert finding.suspicion.sources == (("civil_registry", "Р-1"), ("tax", "Н-1"))
        assert finding.suspicion.attributes == ("birthdate", "parents")

    def test_nobody_asks_where_the_child_has_no_birth_date(self) -> None:
        mother = LinkedParent(name="m", born=(TODAY, TODAY), sources=())

        assert find_all(replace(a_case(says("tax", given_name="Анна")), parents=[mother])) == []
