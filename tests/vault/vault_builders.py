"""What the tests of the vault store, and who does it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from obstore.store import LocalStore, ObjectStore
from sqlalchemy.orm import Session, sessionmaker

from audit.api import Actor, NewEntry, RecordedEntry, record_access
from kernel.db import unit_of_work_of
from kernel.ids import AgencyId, ConsentId, DocumentId, EntryId, PersonId, new_id
from kernel.keyring import Keyring, insert_person_key
from vault.api import (
    ByteRange,
    Document,
    DocumentKind,
    DocumentVersion,
    ReceivedDocument,
    file_document,
    file_version,
    get_version,
    open_document,
    receive_document,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
PDF = b"%PDF-1.7\n"
MIB = 1 << 20
LIMIT = 64 * MIB

CLINIC = AgencyId("clinic")
BANK_CONSENT = ConsentId(new_id(NOON))


def a_pdf(length: int = 5000) -> bytes:
    """Bytes that begin like a PDF; the same for the same length."""
    return (PDF + bytes(i * 7 % 251 for i in range(997)) * (length // 997 + 1))[:length]


def a_dicom(length: int = 5000) -> bytes:
    """Bytes that begin like a DICOM file."""
    return (bytes(128) + b"DICM" + bytes(range(256)) * (length // 256 + 1))[:length]


def in_chunks(content: bytes, size: int = 64 * 1024) -> Iterator[bytes]:
    """Cut `content` as a network would."""
    for start in range(0, len(content), size):
        yield content[start : start + size]


def an_entry(
    *,
    kind: DocumentKind = DocumentKind.INCOME_CERTIFICATE,
    actor: Literal["person", "partner", "agency", "operator", "system"] = "person",
    actor_id: str = "pseudonym",
    outcome: Literal["allowed", "refused"] = "allowed",
    items: tuple[str, ...] | None = None,
    consent_id: ConsentId | None = None,
    at: datetime = NOON,
) -> NewEntry:
    """An entry that accounts for one kind of document."""
    return NewEntry(
        entry_id=EntryId(new_id(at)),
        action="vault.document.opened",
        outcome=outcome,
        reason="consent_missing" if outcome == "refused" else None,
        actor=Actor(kind=actor, id=actor_id),
        subject="pseudonym",
        items=(kind.item,) if items is None else items,
        consent_id=consent_id,
        occurred_at=at,
    )


@dataclass(frozen=True)
class Vault:
    """A keyring, a store of blobs and a database; each method is one transaction."""

    sessions: sessionmaker[Session]
    keyring: Keyring
    blobs: "ObjectStore"

    @property
    def folder(self) -> Path:
        """Where the blobs of a local store lie."""
        assert isinstance(self.blobs, LocalStore)
        assert self.blobs.prefix is not None
        return Path(self.blobs.prefix)

    def a_person(self) -> PersonId:
        person_id = PersonId(new_id(NOON))
        with unit_of_work_of(self.sessions) as session:
            insert_person_key(session, self.keyring.new_person_key(person_id), at=NOON)
        return person_id

    def receive(
        self,
        person_id: PersonId,
        content: bytes,
        *,
        kind: DocumentKind = DocumentKind.INCOME_CERTIFICATE,
        limit: int = LIMIT,
        document_id: DocumentId | None = None,
        at: datetime = NOON,
    ) -> ReceivedDocument:
        return receive_document(
            self.sessions,
            self.blobs,
            person_id=person_id,
            kind=kind,
            chunks=in_chunks(content),
            limit=limit,
            document_id=document_id,
            at=at,
        )

    def store(
        self,
        person_id: PersonId,
        content: bytes,
        *,
        kind: DocumentKind = DocumentKind.INCOME_CERTIFICATE,
        title: str = "Справка о доходах",
        source: AgencyId | None = None,
        at: datetime = NOON,
    ) -> Document:
        received = self.receive(person_id, content, kind=kind, at=at)
        return self.file(received, title=title, source=source, at=at)

    def file(
        self,
        received: ReceivedDocument,
        *,
        title: str = "Справка о доходах",
        source: AgencyId | None = None,
        at: datetime = NOON,
    ) -> Document:
        with unit_of_work_of(self.sessions) as session:
            entry = record_access(
                session, _storing(received.kind, source), person_id=received.person_id
            )
            return file_document(
                session, self.keyring, entry, received, title=title, source=source, at=at
            )

    def store_version(
        self, document: Document, content: bytes, *, at: datetime = NOON
    ) -> DocumentVersion:
        received = self.receive(
            document.person_id,
            content,
            kind=document.kind,
            document_id=document.document_id,
            at=at,
        )
        with unit_of_work_of(self.sessions) as session:
            entry = record_access(
                session, _storing(document.kind, document.source), person_id=document.person_id
            )
            return file_version(
                session, self.keyring, entry, received, source=document.source, at=at
            )

    def entry(self, person_id: PersonId, entry: NewEntry | None = None) -> RecordedEntry:
        with unit_of_work_of(self.sessions) as session:
            return record_access(session, entry or an_entry(), person_id=person_id)

    def read(
        self,
        document: Document,
        *,
        entry: NewEntry | None = None,
        of: PersonId | None = None,
        version: int | None = None,
        asked: ByteRange | None = None,
    ) -> bytes:
        """Open a document as the person does and read it to the end."""
        with unit_of_work_of(self.sessions) as session:
            recorded = record_access(
                session,
                entry or an_entry(kind=document.kind),
                person_id=of or document.person_id,
            )
            sealed = get_version(session, recorded, document.document_id, version)
            return b"".join(open_document(self.keyring, recorded, sealed, self.blobs, asked))

    def blob_files(self) -> list[str]:
        """Every blob in the folder, finished or not."""
        return sorted(
            str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()
        )


def _storing(kind: DocumentKind, source: AgencyId | None) -> NewEntry:
    if source is None:
        return an_entry(kind=kind)
    return an_entry(kind=kind, actor="agency", actor_id=source)
