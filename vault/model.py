"""Documents and their versions, as values. No I/O."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from kernel.envelope import associated_data
from kernel.errors import InvalidRequest
from kernel.ids import AgencyId, DocumentId, PersonId
from kernel.secret import Secret
from vault.stream import LAYOUT

STREAM_FORMAT_TINK_1_MIB: Final = 1
"""`vault.stream` with segments of 1 MiB. A number is never given another meaning."""

ITEM_PREFIX: Final = "document:"
MAX_TITLE_CHARACTERS: Final = 200
UPLOAD_LIFETIME: Final = timedelta(hours=24)
"""Between the first byte of an upload and its row; what takes longer is swept."""


class DocumentKind(StrEnum):
    """What a document is. Names are part of the contract with partners: added, never renamed."""

    PASSPORT_SCAN = "passport_scan"
    INCOME_CERTIFICATE = "income_certificate"
    CT_SCAN = "ct_scan"
    MEDICAL_REPORT = "medical_report"
    OTHER = "other"  # kept for the person alone; no consent can name it

    @property
    def item(self) -> str:
        """The name under which a consent and an access entry speak of such documents."""
        return ITEM_PREFIX + self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentVersion:
    """One state of a document.

    Attributes:
        version: 1 for the first; gaps do not occur.
        media_type: Recognised from the content, not claimed by the sender.
        length: Of the plaintext, in bytes.
        stored_at: When it was put into the vault.
    """

    version: int
    media_type: str
    length: int
    stored_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document as its person sees it in a list.

    Attributes:
        title: In the words of whoever stored it.
        source: The agency that issued it; None if the person put it in.
        current: The latest version.
    """

    person_id: PersonId
    document_id: DocumentId
    kind: DocumentKind
    title: str
    source: AgencyId | None
    created_at: datetime
    current: DocumentVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedDocument:
    """A blob that was written, and that no row names yet.

    It is swept `UPLOAD_LIFETIME` after `received_at` unless it is filed before. Its data key is in
    this value only: when the process dies, the blob can't be read by anyone.
    """

    person_id: PersonId
    document_id: DocumentId
    blob_key: str
    data_key: Secret[bytes]
    kind: DocumentKind
    media_type: str
    ciphertext_length: int
    ciphertext_digest: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedVersion:
    """A version as it is stored: everything needed to open it, but the person's key.

    Attributes:
        wrapped_key: The person's key, wrapped by a zone key.
        wrapped_data_key: Sealed under the person's key for `data_key_place()`.
        ciphertext_digest: SHA-256 over the whole stream.
    """

    person_id: PersonId
    document_id: DocumentId
    kind: DocumentKind
    source: AgencyId | None
    version: int
    media_type: str
    stored_at: datetime
    stream_format: int
    blob_key: str
    wrapped_data_key: bytes
    ciphertext_length: int
    ciphertext_digest: bytes
    wrapped_key: bytes

    @property
    def length(self) -> int:
        """Bytes of the plaintext.

        Raises:
            Undecryptable: The stored length is that of no stream.
        """
        return LAYOUT.plaintext_length(self.ciphertext_length)


def stream_place(person_id: PersonId, document_id: DocumentId, blob_key: str) -> bytes:
    """Name the place of a blob: the associated data of its stream."""
    return associated_data("document_versions", "blob", person_id, document_id, blob_key)


def data_key_place(
    *,
    person_id: PersonId,
    document_id: DocumentId,
    kind: DocumentKind,
    source: AgencyId | None,
    version: int,
    media_type: str,
    stream_format: int,
    blob_key: str,
    ciphertext_length: int,
    ciphertext_digest: bytes,
) -> bytes:
    """Name the place of a wrapped data key: the associated data of its envelope.

    It holds every column that decides what the bytes are and who may have them. Whoever can write
    to the database but has no key can't pass a CT scan off as an income certificate, the person's
    own file as an agency's, an old version as the latest, or another blob as this one.
    """
    return associated_data(
        "document_versions",
        "wrapped_data_key",
        person_id,
        document_id,
        kind.value,
        source or "",
        version,
        media_type,
        stream_format,
        blob_key,
        ciphertext_length,
        ciphertext_digest,
    )


def title_place(person_id: PersonId, document_id: UUID) -> bytes:
    """Name the place of a title."""
    return associated_data("documents", "title_sealed", person_id, document_id)


def parse_title(text: str) -> str:
    """Return a title without blanks around it.

    Raises:
        InvalidRequest: 400. Empty, over 200 characters, or with control characters.
    """
    title = " ".join(text.split())
    if not title or len(title) > MAX_TITLE_CHARACTERS or not title.isprintable():
        raise InvalidRequest(f"A title has 1 to {MAX_TITLE_CHARACTERS} printable characters.")
    return title


def parse_kind(text: str) -> DocumentKind:
    """Return the kind of that name.

    Raises:
        InvalidRequest: 400. There is no such kind.
    """
    try:
        return DocumentKind(text)
    except ValueError as error:
        raise InvalidRequest("There is no such kind of document.") from error
