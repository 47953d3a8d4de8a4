"""How agencies' questions are read, and answers signed: no database, no network."""

import json
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from kernel.errors import InvalidRequest
from kernel.ids import AgencyId
from partner_api.agencies.questions import (
    LONGEST_ID,
    Conversion,
    Converted,
    Frame,
    Matched,
    NoneAnswer,
    PossibleAnswer,
    make_frame,
    read_batch_line,
    read_conversion,
    read_question,
    signed_claims,
    unmatched,
)
from population_register.errors import QuestionRefused
from population_register.identifiers import Identifier, IdentifierKind
from population_register.mandate import FIELDS, GivenValue
from population_register.resolving import Description, Nobody, Possible
from tests.population_register.register_builders import NOON

ASKED: dict[str, Any] = {
    "legal_basis": "tax_code_85",
    "purpose": "дело № 12/345",
    "fields": ["inn", "birthdate"],
    "identifiers": {"snils": "900-000-002 83"},
}
FRAME = Frame(legal_basis="tax_code_85", purpose="дело № 12/345", fields=("inn", "birthdate"))
MEANT = Description(identifiers=(Identifier(kind=IdentifierKind.SNILS, value="90000000283"),))
PSEUDONYM = "A" * 22


def body(**changed: Any) -> bytes:  # noqa: ANN401 - JSON
    said = ASKED | changed
    return json.dumps({name: value for name, value in said.items() if value != ...}).encode()


class TestQuestion:
    def test_frame_and_description_are_read(self) -> None:
        assert read_question(body()) == (FRAME, MEANT)

    def test_without_fields_all_that_there_is_a_mandate_for_is_asked(self) -> None:
        frame, _ = read_question(body(fields=...))

        assert frame.fields is None
        assert read_question(body(fields=[]))[0].fields == ()

    @pytest.mark.parametrize(
        ("question", "says"),
        [
            (b"", "it is not JSON."),
            (b"\xff", "it is not JSON."),
            (b'{"identifiers": {"a": ' + b"[" * 10_000, "it is not JSON."),
            (b"[]", "Expected 'object', got 'array'."),
            (body(purpose=...), "it lacks 'purpose'."),
            (body(legal_basis=1), "Expected 'str', got 'int' - at '$.legal_basis'."),
            (body(shoe=44), "it may not have 'shoe'."),
        ],
        ids=range(7),
    )
    def test_what_is_not_of_its_form_is_told_without_a_value(
        self, question: bytes, says: str
    ) -> None:
        for read in (read_question, read_batch_line, read_conversion):
            with pytest.raises(InvalidRequest):
                read(question)
        with pytest.raises(InvalidRequest) as refusal:
            read_question(question)

        assert refusal.value.detail == f"The question is not of its form: {says}"

    def test_description_that_means_nobody_is_refused(self) -> None:
        with pytest.raises(QuestionRefused):
            read_question(body(identifiers={"snils": "1"}))


class TestBatch:
    @pytest.mark.parametrize("line_id", ["x", "x" * LONGEST_ID, 7, -(2**63), 2**63 - 1])
    def test_line_has_an_identifier_of_its_own(self, line_id: str | int) -> None:
        line = json.dumps({"id": line_id, "pseudonym": PSEUDONYM}).encode()

        assert read_batch_line(line) == (line_id, Description(pseudonym=PSEUDONYM))

    @pytest.mark.parametrize("line_id", ["", "x" * (LONGEST_ID + 1), 2**63, 1.5, None, True, []])
    def test_line_without_one_is_refused(self, line_id: object) -> None:
        with pytest.raises(InvalidRequest):
            read_batch_line(json.dumps({"id": line_id, "pseudonym": PSEUDONYM}).encode())

    def test_line_has_no_frame_of_its_own(self) -> None:
        with pytest.raises(InvalidRequest):
            read_batch_line(body(id="7"))

    def test_name_and_birth_date_of_a_line_are_read(self) -> None:
        named = {"family_name": "Волкова", "birthdate": "1986"}

        _, description = read_batch_line(json.dumps({"id": 1, "attributes": named}).encode())

        assert description == Description(attributes=named)


class TestConversion:
    ASKED = json.dumps(
        {
            "legal_basis": "tax_code_85",
            "purpose": "дело № 12/345",
            "pseudonym": PSEUDONYM,
            "to_sector": "pension",
        }
    ).encode()

    def test_pseudonym_and_sector_are_read(self) -> None:
        assert read_conversion(self.ASKED) == Conversion(
            frame=Frame(legal_basis="tax_code_85", purpose="дело № 12/345", fields=()),
            description=Description(pseudonym=PSEUDONYM),
            to_sector="pension",
        )

    def test_what_is_no_pseudonym_is_refused(self) -> None:
        with pytest.raises(QuestionRefused):
            read_conversion(self.ASKED.replace(PSEUDONYM.encode(), b"anna"))


class TestFrame:
    @pytest.mark.parametrize("legal_basis", ["ab", "a" + "b" * 63, "a1_.-"])
    @pytest.mark.parametrize("purpose", ["1", "я" * 100, "Case 7: №1/2 (a), b; c.-"])
    def test_parts_of_their_form_are_kept(self, legal_basis: str, purpose: str) -> None:
        frame = make_frame(legal_basis, purpose, FIELDS)

        assert frame == Frame(legal_basis=legal_basis, purpose=purpose, fields=FIELDS)

    @pytest.mark.parametrize(
        ("legal_basis", "purpose", "fields", "says"),
        [
            ("a", "1", None, "legal_basis"),
            ("a" * 65, "1", None, "legal_basis"),
            ("Tax", "1", None, "legal_basis"),
            ("tax", "", None, "purpose"),
            ("tax", "   ", None, "purpose"),
            ("tax", "я" * 101, None, "purpose"),
            ("tax", "a\nb", None, "purpose"),
            ("tax", "<b>", None, "purpose"),
            ("tax", "1", ["inn", "snils", "inn"], "twice"),
            ("tax", "1", ["inn", "shoe_size"], "number 2 of fields"),
            ("tax", "1", ["pseudonym"], "number 1 of fields"),
        ],
    )
    def test_part_that_is_not_of_its_form_is_named(
        self, legal_basis: str, purpose: str, fields: list[str] | None, says: str
    ) -> None:
        with pytest.raises(InvalidRequest, match=says):
            make_frame(legal_basis, purpose, fields)


class TestAnswer:
    def test_not_one_person_is_possible_or_none(self) -> None:
        assert unmatched(Possible(3)) == PossibleAnswer(how_many=3)
        assert unmatched(Nobody()) == NoneAnswer()

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (NoneAnswer(), {"outcome": "none"}),
            (PossibleAnswer(how_many=3), {"outcome": "possible", "how_many": 3}),
            (
                Converted(pseudonym=PSEUDONYM, sector="pension", entry_id=UUID(int=1)),
                {
                    "outcome": "match",
                    "pseudonym": PSEUDONYM,
                    "sector": "pension",
                    "entry_id": "00000000-0000-0000-0000-000000000001",
                },
            ),
            (
                Matched(
                    pseudonym=PSEUDONYM,
                    fields={
                        "inn": GivenValue(value="1", source=AgencyId("tax"), as_of=date(2020, 1, 2))
                    },
                    entry_id=UUID(int=1),
                ),
                {
                    "outcome": "match",
                    "pseudonym": PSEUDONYM,
                    "fields": {"inn": {"value": "1", "source": "tax", "as_of": "2020-01-02"}},
                    "entry_id": "00000000-0000-0000-0000-000000000001",
                },
            ),
        ],
        ids=["none", "possible", "converted", "matched"],
    )
    def test_claims_say_who_asked_what_and_what_was_answered(
        self, answer: Matched | Converted | PossibleAnswer | NoneAnswer, said: dict[str, Any]
    ) -> None:
        claims = signed_claims(
            answer,
            issuer="https://id.example",
            agency_id=AgencyId("tax"),
            official="inspector-7",
            frame=FRAME,
            question_digest="digest",
            request_id="request",
            at=NOON + timedelta(milliseconds=999),
        )

        assert json.loads(claims) == {
            "iss": "https://id.example",
            "aud": "tax",
            "iat": int(NOON.timestamp()),
            "jti": "request",
            "official": "inspector-7",
            "legal_basis": "tax_code_85",
            "purpose": "дело № 12/345",
            "question_digest": "digest",
            "answer": said,
        }
