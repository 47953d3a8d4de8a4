"""What a person did with their own data, as the access log names it."""

from dataclasses import dataclass
from typing import ClassVar, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordViewed:
    """A person looked at what the state knows about them."""

    action: ClassVar[str] = "portal.record.viewed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentsListed:
    """A person looked at the names of their documents."""

    action: ClassVar[str] = "portal.documents.listed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRead:
    """A person opened a document of theirs, or a part of it."""

    action: ClassVar[str] = "portal.document.read"


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentsExported:
    """A person took all of their documents along, as one file."""

    action: ClassVar[str] = "portal.documents.exported"


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentStored:
    """A person put a document into their vault."""

    action: ClassVar[str] = "portal.document.stored"


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentDeleted:
    """A person deleted a document of theirs for ever."""

    action: ClassVar[str] = "portal.document.deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildViewed:
    """A parent looked at what the state knows about their child."""

    action: ClassVar[str] = "portal.child.viewed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueDisputed:
    """A person disputed a value that an agency says of them."""

    action: ClassVar[str] = "portal.value.disputed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputesViewed:
    """A person looked at what they dispute, and at what agencies answered."""

    action: ClassVar[str] = "portal.disputes.viewed"


OwnEvent: TypeAlias = (
    type[RecordViewed]
    | type[ValueDisputed]
    | type[DisputesViewed]
    | type[DocumentsListed]
    | type[DocumentRead]
    | type[DocumentStored]
    | type[DocumentsExported]
    | type[DocumentDeleted]
)
"""An event of this module; the access entry carries its `action`."""
