"""What a person did with their own data: actions of the access log."""

from enum import StrEnum


class OwnAction(StrEnum):
    """An action of a person in their own account; stable, shown in the log in words."""

    RECORD_VIEWED = "portal.record.viewed"
    DOCUMENTS_LISTED = "portal.documents.listed"
    DOCUMENT_READ = "portal.document.read"
    DOCUMENT_STORED = "portal.document.stored"
    DOCUMENT_ERASED = "portal.document.erased"
