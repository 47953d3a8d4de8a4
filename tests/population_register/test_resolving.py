"""Who a question is about: how it is read, and what is answered."""

from typing import Any
from uuid import UUID

import pytest

from kernel.ids import PersonId
from population_register.errors import QuestionRefused
from population_register.identifiers import Identifier, IdentifierKind
from population_register.resolving import (
    Match,
    Nobody,
    Outcome,
    Possible,
    decide_by_counts,
    decide_by_likeness,
    decide_by_numbers,
    read_description,
)

ANNA, OLEG, VERA = (PersonId(UUID(int=number)) for number in (1, 2, 3))
NAMED = {"family_name": "Волкова", "birthdate": "1986-03"}
SNILS = {"snils": "900-000-002 83"}
PSEUDONYM = "A" * 21 + "Q"


class TestReading:
    def test_numbers_are_read_into_their_canonical_form(self) -> None:
        read = read_description({"identifiers": {**SNILS, "passport": "45 10 123456"}})

        assert read.identifiers == (
            Identifier(kind=IdentifierKind.SNILS, value="90000000283"),
            Identifier(kind=IdentifierKind.PASSPORT, value="4510123456"),
        )
        assert (read.attributes, read.pseudonym, read.is_by_name) == ({}, None, False)

    def test_every_kind_of_number_may_be_in_one_question(self) -> None:
        numbers = {
            **SNILS,
            "inn": "500100732259",
            "enp": "9900000000000010",
            "passport": "4510 123456",
            "foreign_passport": "UZB:AB1234567",
            "birth_certificate": "IV-МЮ 123456",
        }

        assert len(read_description({"identifiers": numbers}).identifiers) == len(IdentifierKind)

    def test_description_is_read_into_its_canonical_form(self) -> None:
        read = read_description({"attributes": {**NAMED, "given_name": " Анна "}})

        assert read.attributes == {**NAMED, "given_name": "Анна"}
        assert read.is_by_name

    @pytest.mark.parametrize("last", "AQgw")
    def test_pseudonym_stands_alone(self, last: str) -> None:
        read = read_description({"pseudonym": "A" * 21 + last})

        assert read.pseudonym == "A" * 21 + last
        assert not read.is_by_name

    @pytest.mark.parametrize(
        ("document", "problems"),
        [
            ({}, {"attributes": "not_recognisable"}),
            ({"identifiers": {}, "attributes": {}}, {"attributes": "not_recognisable"}),
            ({"attributes": {"family_name": "Ким"}}, {"attributes": "not_recognisable"}),
            ({"attributes": {"birthdate": "1986"}}, {"attributes": "not_recognisable"}),
            ({"identifiers": {"snils": "1"}}, {"identifiers.snils": "length"}),
            ({"identifiers": {"snils": 1}}, {"identifiers.snils": "not_text"}),
            ({"identifiers": {"shoe": "44"}}, {"identifiers": "unknown_field"}),
            ({"identifiers": ["1"]}, {"identifiers": "not_an_object"}),
            (
                {"identifiers": dict.fromkeys("abcdefg", "1")},
                {"identifiers": "not_an_object"},
            ),
            ({"attributes": ["Ким"]}, {"attributes": "not_an_object"}),
            (
                {"identifiers": SNILS, "attributes": {"shoe": 44, "birthdate": "86"}},
                {"attributes": "unknown_field", "attributes.birthdate": "not_a_date"},
            ),
            ({"attributes": {**NAMED, "inn": "500100732259"}}, {"attributes": "unknown_field"}),
            ({"pseudonym": "A" * 22 + "Q"}, {"pseudonym": "form"}),
            ({"pseudonym": "A" * 21 + "B"}, {"pseudonym": "form"}),
            ({"pseudonym": 1}, {"pseudonym": "form"}),
            ({"pseudonym": PSEUDONYM, "identifiers": SNILS}, {"pseudonym": "not_alone"}),
            ({"pseudonym": PSEUDONYM, "attributes": NAMED}, {"pseudonym": "not_alone"}),
            (
                {"pseudonym": "?", "identifiers": {"inn": "1"}, "attributes": {"gender": "x"}},
                {
                    "pseudonym": "form",
                    "identifiers.inn": "length",
                    "attributes.gender": "not_in_list",
                },
            ),
        ],
        ids=range(18),
    )
    def test_question_that_asks_about_nobody_is_refused_with_every_problem(
        self, document: dict[str, Any], problems: dict[str, str]
    ) -> None:
        with pytest.raises(QuestionRefused) as refusal:
            read_description(document)

        assert {each.field: each.reason for each in refusal.value.problems} == problems


class TestByNumbers:
    @pytest.mark.parametrize(
        ("holders", "outcome"),
        [
            ({}, Nobody()),
            ({b"snils": [ANNA]}, Possible(1)),
            ({b"snils": [ANNA], b"inn": [ANNA]}, Match(ANNA)),
            ({b"snils": [ANNA, OLEG], b"inn": [VERA, OLEG]}, Match(OLEG)),
            ({b"snils": [ANNA], b"inn": [OLEG]}, Possible(2)),
            ({b"snils": [ANNA, OLEG], b"inn": [OLEG, ANNA, VERA]}, Possible(2)),
        ],
        ids=["nobody", "one of two", "both", "one of three has both", "different", "two have both"],
    )
    def test_match_is_the_one_who_alone_has_all(
        self, holders: dict[bytes, list[PersonId]], outcome: Outcome
    ) -> None:
        assert decide_by_numbers(holders, [b"snils", b"inn"]) == outcome

    def test_counts_say_the_same(self) -> None:
        assert decide_by_counts(whole=0, partial=0, person_id=None) == Nobody()
        assert decide_by_counts(whole=1, partial=4, person_id=ANNA) == Match(ANNA)
        assert decide_by_counts(whole=2, partial=4, person_id=ANNA) == Possible(2)
        assert decide_by_counts(whole=0, partial=4, person_id=None) == Possible(4)


class TestByLikeness:
    @pytest.mark.parametrize(
        ("likest", "having", "outcome"),
        [
            ({}, [], Nobody()),
            ({ANNA: 8.0, OLEG: 7.9}, [], Match(ANNA)),
            ({ANNA: 8.0, OLEG: 9.0, VERA: 1.0}, [VERA], Possible(2)),
            ({ANNA: 7.9, OLEG: -3.0}, [], Possible(2)),
            ({ANNA: 7.9}, [ANNA, OLEG], Possible(2)),
            ({}, [OLEG], Possible(1)),
        ],
        ids=["nobody", "alike enough", "two alike", "none alike", "others' number", "number"],
    )
    def test_match_is_the_one_who_alone_is_alike_enough(
        self, likest: dict[PersonId, float], having: list[PersonId], outcome: Outcome
    ) -> None:
        assert decide_by_likeness(likest, link=8.0, having=having) == outcome
