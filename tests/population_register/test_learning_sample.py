"""One person with very many rows teaches nobody that everybody is like them."""

import io
from hashlib import sha256

import pytest

from population_register.comparison import Profile
from population_register.labelled_tables import TruthColumn
from population_register.learning_sample import LEAST_KEPT, taking_part
from population_register.service.evaluating import MatchingReport, evaluate_matching

KINDS = {"family_name": "name", "given_name": "name", "birthdate": "date", "place": "place"}
GIVEN = ("ivan", "petr", "anna", "olga", "igor", "vera", "yuri", "nina")


def a_person(number: int, town: str = "") -> Profile:
    """Return one of many people, none of whom is like another."""
    noise = sha256(str(number).encode()).digest()
    said = {
        "family_name": "".join("bdgklmnprst"[byte % 11] for byte in noise[:7]),
        "given_name": GIVEN[noise[8] % 8],
        "birthdate": f"19{40 + noise[9] % 59}-{1 + noise[10] % 12:02d}-{1 + noise[11] % 28:02d}",
    }
    return {
        **{name: (value,) for name, value in said.items()},
        **({"place": (town,)} if town else {}),
    }


class TestWhoTakesPart:
    def test_is_everybody_where_nobody_has_very_many_rows(self) -> None:
        records = [a_person(number // 6) for number in range(600)]

        assert taking_part(records, KINDS) == list(range(600))

    def test_is_a_few_records_of_whoever_has_half_of_them(self) -> None:
        others = [a_person(number) for number in range(200)]
        records = [*others, *([a_person(1_000)] * 200)]

        found = taking_part(records, KINDS)

        assert found[:200] == list(range(200))
        assert len(found) == 200 + LEAST_KEPT

    def test_is_every_namesake_and_everybody_of_one_town(self) -> None:
        records = [
            {**a_person(number, "|london|"), "family_name": ("smith",)} for number in range(200)
        ]

        assert taking_part(records, KINDS) == list(range(200))


def table(giant: int) -> str:
    """Return 80 people twice, the second time with an error, and one who is there very often."""
    lines = ["person,family,given,born"]
    for number in (*range(80), *([1_000] * (giant // 2))):
        said = [values[0] for values in a_person(number).values()]
        wrong = [*said]
        place = len(lines) % 3
        wrong[place] = wrong[place][:-1] + ("7" if wrong[place][-1] != "7" else "1")
        lines += [f"{number},{','.join(said)}", f"{number},{','.join(wrong)}"]
    return "\n".join(lines)


def matched(text: str) -> MatchingReport:
    columns = {"family_name": "family", "given_name": "given", "birthdate": "born"}
    return evaluate_matching(
        io.StringIO(text), mapping={"columns": columns}, truth=TruthColumn(name="person")
    )


@pytest.mark.parametrize("giant", [0, 400])
def test_a_table_is_put_together_however_many_rows_one_person_has(giant: int) -> None:
    report = matched(table(giant))

    assert report.clusters.f1 > 0.95
    assert abs(report.persons - 81) <= 6
