"""What agencies ask, as JSON, and what they are answered. No I/O."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec

from kernel.errors import InvalidRequest
from kernel.ids import AgencyId
from kernel.secret import Unprinted
from population_register.api import (
    MANDATE_FIELDS,
    Description,
    GivenValue,
    Nobody,
    Outcome,
    Possible,
    read_description,
)

LONGEST_QUESTION: Final = 16 * 1024  # bytes
_PURPOSE: Final = re.compile(r"[\w .,:;/()№-]{1,100}")
_LEGAL_BASIS: Final = re.compile("[a-z][a-z0-9_.-]{1,63}")


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """What a question rests on; a batch has one for all of its questions.

    Attributes:
        legal_basis: Code of the law.
        purpose: The number of a case or the name of a procedure; stands in the access log.
        fields: Of which values are wanted, in the order of the request; None for all that there is
            a mandate for.
    """

    legal_basis: str
    purpose: str
    fields: tuple[str, ...] | None


class _Question(Unprinted, frozen=True, kw_only=True, forbid_unknown_fields=True):
    legal_basis: str
    purpose: str
    fields: tuple[str, ...] | None = None
    identifiers: dict[str, Any] | None = None
    attributes: dict[str, Any] | None = None
    pseudonym: str | None = None


_LineNumber = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""What can be written back as it came."""


class _BatchQuestion(Unprinted, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: str | _LineNumber
    identifiers: dict[str, Any] | None = None
    attributes: dict[str, Any] | None = None
    pseudonym: str | None = None


class _Conversion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    legal_basis: str
    purpose: str
    pseudonym: str
    to_sector: str


_decode_question = msgspec.json.Decoder(_Question).decode
_decode_batch_question = msgspec.json.Decoder(_BatchQuestion).decode
_decode_conversion = msgspec.json.Decoder(_Conversion).decode
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises: the last for a thousand lists in one another."""

LONGEST_ID: Final = 64  # characters


def read_question(body: bytes) -> tuple[Frame, Description]:
    """Read one question.

    Raises:
        InvalidRequest: 400. Not JSON, an unknown member, or the frame is not of its form.
        QuestionRefused: 422. What describes the person is not as it has to be.
    """
    try:
        asked = _decode_question(body)
    except _UNREADABLE as error:
        raise InvalidRequest(f"The question is not of its form: {_what(error)}") from error
    frame = make_frame(asked.legal_basis, asked.purpose, asked.fields)
    return frame, _description(asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """A pseudonym of the agency's sector, and the sector in which it is asked for."""

    frame: Frame
    description: Description
    to_sector: str


def read_conversion(body: bytes) -> Conversion:
    """Read a request to convert a pseudonym.

    Raises:
        InvalidRequest: 400. Not JSON, an unknown member, or not of its form.
        QuestionRefused: 422. What was sent as a pseudonym is none.
    """
    try:
        asked = _decode_conversion(body)
    except _UNREADABLE as error:
        raise InvalidRequest(f"The request is not of its form: {_what(error)}") from error
    frame = make_frame(asked.legal_basis, asked.purpose, ())
    description = read_description({"pseudonym": asked.pseudonym})
    return Conversion(frame=frame, description=description, to_sector=asked.to_sector)


def read_batch_line(line: bytes) -> tuple[str | int, Description]:
    """Read one line of a batch: its own identifier, and who is meant.

    Raises:
        InvalidRequest: 400. Not JSON, an unknown member, or no identifier of the line.
        QuestionRefused: 422. What describes the person is not as it has to be.
    """
    try:
        asked = _decode_batch_question(line)
    except _UNREADABLE as error:
        raise InvalidRequest(f"The line is not a question of its form: {_what(error)}") from error
    if isinstance(asked.id, str) and not 0 < len(asked.id) <= LONGEST_ID:
        raise InvalidRequest("The id of a line has 1 to 64 characters.")
    return asked.id, _description(asked)


def _what(error: Exception) -> str:
    """Say what is wrong: which member is missing, unknown, or of another type; never a value."""
    if not isinstance(error, msgspec.ValidationError):
        return "it is not JSON."
    said = f"{error}.".replace("Object missing required field", "it lacks")
    return said.replace("Object contains unknown field", "it may not have").replace("`", "'")


def _description(asked: _Question | _BatchQuestion) -> Description:
    return read_description(
        {
            "identifiers": asked.identifiers,
            "attributes": asked.attributes,
            "pseudonym": asked.pseudonym,
        }
    )


def make_frame(legal_basis: str, purpose: str, fields: Sequence[str] | None) -> Frame:
    """Return what a question rests on, every part of its form.

    Raises:
        InvalidRequest: 400. A part is missing or not of its form, or a field does not exist: such
            a name is never written into the log.
    """
    if not _LEGAL_BASIS.fullmatch(legal_basis):
        raise InvalidRequest("legal_basis is the code of a law.")
    if not _PURPOSE.fullmatch(purpose) or not purpose.strip():
        raise InvalidRequest("purpose is the number of a case or the name of a procedure.")
    if fields is not None:
        if len(set(fields)) != len(fields):
            raise InvalidRequest("A field is named twice.")
        for number, name in enumerate(fields, start=1):
            if name not in MANDATE_FIELDS:
                raise InvalidRequest(f"There is no such field: number {number} of fields.")
    return Frame(
        legal_basis=legal_basis, purpose=purpose, fields=None if fields is None else tuple(fields)
    )


# Answers


class Matched(msgspec.Struct, frozen=True, kw_only=True, tag="match", tag_field="outcome"):
    """It is this person.

    Attributes:
        pseudonym: In the agency's sector.
        fields: What the mandate gives, and the register says.
        entry_id: The entry in the person's access log.
    """

    pseudonym: str
    fields: Mapping[str, GivenValue]
    entry_id: UUID


class Converted(msgspec.Struct, frozen=True, kw_only=True, tag="match", tag_field="outcome"):
    """The person's pseudonym in the other sector."""

    pseudonym: str
    sector: str
    entry_id: UUID


class PossibleAnswer(
    msgspec.Struct, frozen=True, kw_only=True, tag="possible", tag_field="outcome"
):
    """Somebody may be meant; how many there are."""

    how_many: int


class NoneAnswer(msgspec.Struct, frozen=True, kw_only=True, tag="none", tag_field="outcome"):
    """Nobody is meant."""


Answer = Matched | Converted | PossibleAnswer | NoneAnswer


def unmatched(outcome: Outcome) -> PossibleAnswer | NoneAnswer:
    """Return the answer when not exactly one person is meant."""
    if isinstance(outcome, Possible):
        return PossibleAnswer(how_many=outcome.how_many)
    assert isinstance(outcome, Nobody)
    return NoneAnswer()


ANSWER_TYPE: Final = "civitas-resolve+jwt"
KEY_USE: Final = "register"

encode = msgspec.json.Encoder().encode


class SignedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The claims of a signed answer: who asked what on which ground, and what was answered.

    Attributes:
        question_digest: SHA-256 of the body of the question, base64url: whoever keeps the question
            beside the answer can show that they belong together.
    """

    iss: str
    aud: str
    iat: int
    jti: str
    official: str
    legal_basis: str
    purpose: str
    question_digest: str
    answer: Answer


def signed_claims(
    answer: Answer,
    *,
    issuer: str,
    agency_id: AgencyId,
    official: str,
    frame: Frame,
    question_digest: str,
    request_id: str,
    at: datetime,
) -> bytes:
    """Return the claims as they are signed."""
    return encode(
        SignedAnswer(
            iss=issuer,
            aud=agency_id,
            iat=int(at.timestamp()),
            jti=request_id,
            official=official,
            legal_basis=frame.legal_basis,
            purpose=frame.purpose,
            question_digest=question_digest,
            answer=answer,
        )
    )
