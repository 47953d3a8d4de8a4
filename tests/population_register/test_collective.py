"""Persons of a whole file: two clusters are weighed feature by feature, whatever the order."""

import io
from collections.abc import Sequence
from hashlib import sha256
from itertools import combinations, permutations
from typing import Any

import pytest

from population_register.collective import NEIGHBOUR_BITS, Collective
from population_register.comparison import Profile
from population_register.labelled_tables import TruthColumn
from population_register.matching_model import Feature, Model
from population_register.scoring import Scorer
from population_register.service.evaluating import evaluate_matching

GIVEN = ("ivan", "petr", "anna", "olga", "igor", "vera")
FEATURES = ("snils", "inn", "enp", "phone")


def a_scorer(prior: float) -> Scorer:
    """Return a scorer of numbers: the same one says +10 bits, another one -3."""
    features = tuple(
        Feature(
            name=name, kind="number", m=(0.87, 0.0001, 0.0049, 0.0001, 0.1249),
            u=(0.00085, 0.0001, 0.0001, 0.0001, 0.99885),
            kin=(0.2,) * 5, twin=(0.2,) * 5,
        )
        for name in FEATURES
    )  # fmt: skip
    return Scorer(Model(version="x", features=features, prior=prior, kin_prior=1e-12))


def a_record(**said: str) -> Profile:
    return {name: (value * 9,) for name, value in said.items()}


def persons(
    records: Sequence[Profile], prior: float = 2.0**-12, sources: Sequence[str] | None = None
) -> list[list[int]]:
    scorer = a_scorer(prior)
    edges = [
        (one, other, bits)
        for one, other in combinations(range(len(records)), 2)
        if (bits := scorer.bits(records[one], records[other])) > NEIGHBOUR_BITS
    ]
    return Collective(scorer, records, sources).persons(edges)


class TestTwoClusters:
    def test_are_weighed_by_what_no_single_pair_tells(self) -> None:
        first = a_record(enp="1", inn="2", snils="3")
        second = a_record(enp="1", inn="2", phone="4")
        third = a_record(snils="3", phone="4")

        assert persons([first, third]) == [[0], [1]]
        assert persons([second, third]) == [[0], [1]]
        assert persons([first, second, third]) == [[0, 1, 2]]

    def test_of_records_that_know_little_are_not_kept_apart_by_what_those_do_not_know(self) -> None:
        known = [a_record(snils="1", inn="2"), a_record(snils="1", inn="2")]
        empty = [a_record(phone=str(number)) for number in range(3, 6)]

        assert persons([*known, *empty])[0] == [0, 1]

    def test_that_differ_in_one_thing_and_agree_in_two_are_one(self) -> None:
        records = [a_record(snils="1", inn="2", phone="3"), a_record(snils="1", inn="2", phone="4")]

        assert persons(records * 3) == [[0, 1, 2, 3, 4, 5]]

    def test_do_not_depend_on_the_order_of_records(self) -> None:
        records = [
            a_record(snils="1", inn="2"), a_record(inn="2", phone="3"), a_record(phone="3"),
            a_record(snils="4", phone="3", inn="2"), a_record(snils="4"),
        ]  # fmt: skip

        found = {
            frozenset(frozenset(order[index] for index in members) for members in divided)
            for order in permutations(range(len(records)))
            if (divided := persons([records[index] for index in order]))
        }

        assert len(found) == 1

    def test_of_one_source_are_never_one_where_no_source_has_a_person_twice(self) -> None:
        records = [a_record(snils="1", inn="2", phone="3")] * 4

        divided = persons(records, sources=["a", "b", "a", "b"])

        assert sorted(map(len, divided)) == [2, 2]
        assert all({index % 2 for index in members} == {0, 1} for members in divided)


def test_many_records_of_one_person_are_one_person_in_no_time() -> None:
    records = [a_record(snils="1", inn="2")] * 120 + [a_record(snils="3", inn="4")] * 2

    assert persons(records) == [list(range(120)), [120, 121]]


def test_who_has_very_many_records_has_any_record_the_likelier() -> None:
    """A number alone is too little for one of two, and enough for one of two hundred."""
    many = [a_record(snils="1", inn="2")] * 200
    stranger = a_record(snils="1")

    assert persons([many[0], stranger]) == [[0], [1]]
    assert persons([*many, stranger]) == [list(range(201))]


def evaluated(lines: Sequence[str]) -> dict[str, int]:
    """Return the person found of every row, by its text."""
    columns = {"family_name": "family", "given_name": "given", "birthdate": "born", "phone": "tel"}
    report = evaluate_matching(
        io.StringIO("\n".join(("person,family,given,born,tel", *lines))),
        mapping={"columns": columns},
        truth=TruthColumn(name="person"),
    )
    return dict(zip(lines, report.cluster_of, strict=True))


def test_a_table_gives_the_same_persons_in_any_order() -> None:
    families = ("smith", "brown", "barlow", "carter", "ashby", "dunton", "marlow")
    lines = [
        f"{n // 2},{families[n // 2 % 7]}{'' if n % 3 else 'e'},{'ann' if n % 4 < 2 else 'joan'},"
        f"19{50 + n // 2 % 40}-0{1 + n // 2 % 9}-1{n // 2 % 9},{5550000 + n // 2 if n % 5 else ''}"
        for n in range(120)
    ]

    def found(order: list[str]) -> set[frozenset[str]]:
        persons_of = evaluated(order)
        return {
            frozenset(line for line in lines if persons_of[line] == person)
            for person in set(persons_of.values())
        }

    assert found(lines) == found(lines[::-1]) == found(sorted(lines, key=lambda line: line[::-1]))


@pytest.mark.parametrize("has_source", [True, False])
def test_a_source_that_has_everybody_once_is_seen_from_the_records(has_source: bool) -> None:  # noqa: FBT001
    """Two who were born a digit apart are two, where each agency has everybody else once."""
    lines = ["person,agency,family,given,born"]
    for number in range(150):
        noise = sha256(str(number).encode()).digest()
        family = "".join("bdgklmnprst"[byte % 11] for byte in noise[:7])
        said = f"{family},{GIVEN[noise[8] % 6]},19{40 + noise[9] % 59}-03-1{noise[10] % 9}"
        lines += [f"{number},{agency},{said}" for agency in "ab"]
    lines += ["x,a,zhukov,petr,1971-03-15", "y,a,zhukov,petr,1974-03-15"]
    columns = {"family_name": "family", "given_name": "given", "birthdate": "born"}
    mapping: dict[str, Any] = {"columns": columns}

    report = evaluate_matching(
        io.StringIO("\n".join(lines)),
        mapping={"source": "agency", **mapping} if has_source else mapping,
        truth=TruthColumn(name="person"),
    )

    assert ("source" in report.features) == has_source
    assert (report.cluster_of[-2] != report.cluster_of[-1]) == has_source
