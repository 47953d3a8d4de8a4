"""What partners did, as the access log names it."""

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
