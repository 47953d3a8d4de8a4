"""What partners and agencies did, as the access log names it."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonRead:
    """A partner received attributes of a person, or was refused them."""

    action: ClassVar[str] = "partner_api.person.read"


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentsListed:
    """A partner was told which documents it may read, or was refused that."""

    action: ClassVar[str] = "partner_api.documents.listed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRead:
    """A partner received a document or a part of it, or was refused it."""

    action: ClassVar[str] = "partner_api.document.read"


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonResolved:
    """An agency asked who somebody is, and it is this person."""

    action: ClassVar[str] = "partner_api.agencies.person.resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonConsidered:
    """What a person is recognised by was opened, to answer an agency's question by name."""

    action: ClassVar[str] = "partner_api.agencies.person.considered"


@dataclass(frozen=True, slots=True, kw_only=True)
class PseudonymConverted:
    """An agency was told this person's pseudonym in another sector."""

    action: ClassVar[str] = "partner_api.agencies.pseudonym.converted"
