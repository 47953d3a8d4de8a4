"""How findings and answers lie in the database: JSON, sealed under the person's key.

The form carries its version in `v`. Fields are added with a default.
"""

from typing import Literal
from uuid import UUID

import msgspec

from kernel.envelope import associated_data
from kernel.ids import AgencyId, PersonId
from kernel.keyring import Keyring, PersonKey
from kernel.secret import Unprinted
from population_register.model import JSONValue


class FindingContent(Unprinted, frozen=True, kw_only=True, omit_defaults=True):
    """What was found, or is disputed.

    Attributes:
        attributes: Whose values are concerned.
        sources: The records to look at: agency, and its own record number.
        source: Of a dispute: the agency that says the value.
        value: Of a dispute: the value.
        words: Of a dispute: what is wrong, in the person's words.
        suggested: Of a dispute: what it should be.
    """

    v: Literal[1] = 1
    attributes: tuple[str, ...]
    sources: tuple[tuple[AgencyId, str], ...]
    source: AgencyId | None = None
    value: JSONValue = None
    words: str = ""
    suggested: str = ""


class AnswerContent(Unprinted, frozen=True, kw_only=True):
    """What an agency says to a finding."""

    v: Literal[1] = 1
    explanation: str


_encoder = msgspec.json.Encoder()
_findings = msgspec.json.Decoder(FindingContent)
_answers = msgspec.json.Decoder(AnswerContent)


def _finding_place(person_id: PersonId, finding_id: UUID) -> bytes:
    return associated_data("findings", "content_sealed", person_id, finding_id)


def _answer_place(person_id: PersonId, agency_id: AgencyId, finding_id: UUID) -> bytes:
    return associated_data("work_items", "answer_sealed", person_id, agency_id, finding_id)


def seal_finding(key: PersonKey, finding_id: UUID, content: FindingContent) -> bytes:
    """Seal a finding for its row."""
    place = _finding_place(key.person_id, finding_id)
    return key.seal(_encoder.encode(content), associated_data=place)


def unseal_finding(key: PersonKey, finding_id: UUID, sealed: bytes) -> FindingContent:
    """Open a finding.

    Raises:
        Undecryptable: Another person's, another row's, or changed.
    """
    place = _finding_place(key.person_id, finding_id)
    return _findings.decode(key.unseal(sealed, associated_data=place))


def seal_answer(
    key: PersonKey, agency_id: AgencyId, finding_id: UUID, answer: AnswerContent
) -> bytes:
    """Seal an agency's answer for its row."""
    place = _answer_place(key.person_id, agency_id, finding_id)
    return key.seal(_encoder.encode(answer), associated_data=place)


def unseal_answer(
    key: PersonKey, agency_id: AgencyId, finding_id: UUID, sealed: bytes
) -> AnswerContent:
    """Open an agency's answer.

    Raises:
        Undecryptable: Another person's, another row's, or changed.
    """
    place = _answer_place(key.person_id, agency_id, finding_id)
    return _answers.decode(key.unseal(sealed, associated_data=place))


def identity_digest(keyring: Keyring, identity: str) -> bytes:
    """Return the digest by which the same finding is recognised."""
    return keyring.blind_index("finding", identity)
