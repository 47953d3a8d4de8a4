"""A person's documents: list, read, store, erase, take them all along."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Uuid, literal, select
from sqlalchemy.orm import Session, sessionmaker

from consent.api import ITEMS, ItemName
from kernel.db import unit_of_work_of
from kernel.errors import NotFound
from kernel.ids import DocumentId, PersonId
from kernel.keyring import Keyring
from kernel.languages import Language, _
from portal.events import (
    DocumentDeleted,
    DocumentRead,
    DocumentsExported,
    DocumentsListed,
    DocumentStored,
)
from portal.service.visiting import Visit, agency_names, write_down
from vault.api import (
    EXPORTED_ITEMS,
    PDF,
    Document,
    DocumentKind,
    Export,
    OpenedDocument,
    SealedVersion,
    asked_range,
    delete_document,
    document_version,
    export_documents,
    file_document,
    get_document,
    list_documents,
    open_document,
    parse_kind,
    receive_document,
    sealed_version,
)

if TYPE_CHECKING:
    from obstore.store import ObjectStore
    from starlette.requests import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentView:
    """One document as it is listed."""

    document_id: DocumentId
    title: str
    kind: str
    length: int
    source: str
    stored_at: datetime
    is_pdf: bool


def view_documents(session: Session, keyring: Keyring, visit: Visit) -> list[DocumentView]:
    """Return the person's documents, the latest stored first."""
    agencies = agency_names(session, visit.language)
    documents = [
        document
        for member in visit.members
        for document in list_documents(
            session, keyring, write_down(session, keyring, visit, DocumentsListed, owner=member)
        )
    ]
    documents.sort(key=lambda document: document.current.stored_at, reverse=True)
    return [_document_view(document, agencies, visit.language) for document in documents]


def view_document(
    session: Session, keyring: Keyring, visit: Visit, document_id: DocumentId
) -> DocumentView:
    """Return one document of the person, as it is listed.

    Raises:
        NotFound: 404. This person has no such document; somebody else may.
    """
    owner, _sealed = _find_version(session, visit, document_id)
    entry = write_down(session, keyring, visit, DocumentsListed, owner=owner)
    document, _versions = get_document(session, keyring, entry, document_id)
    return _document_view(document, agency_names(session, visit.language), visit.language)


def read_document(
    session: Session,
    keyring: Keyring,
    blobs: "ObjectStore",
    visit: Visit,
    document_id: DocumentId,
    *,
    request: "Request",
) -> tuple[OpenedDocument, str]:
    """Open a document of the person; return it with its title.

    Args:
        session: The open transaction; what is returned is read after it ended.
        keyring: For the keys.
        blobs: The store.
        visit: Who asks.
        document_id: As it stands in the address.
        request: Says which part is asked for.

    Raises:
        NotFound: 404. This person has no such document; somebody else may. Nothing is written.
        RangeNotSatisfiable: 416. The part is outside of the document.
    """
    owner, sealed = _find_version(session, visit, document_id)
    asked = asked_range(request, sealed)
    items = (sealed.kind.item,)
    entry = write_down(session, keyring, visit, DocumentRead, items, owner=owner)
    document, _versions = get_document(session, keyring, entry, document_id)
    return open_document(keyring, entry, sealed, blobs, asked), document.title


def read_whole_document(
    session: Session,
    keyring: Keyring,
    blobs: "ObjectStore",
    visit: Visit,
    document_id: DocumentId,
) -> tuple[OpenedDocument, DocumentView]:
    """Open a document of the person from its beginning to its end; return it as it is listed, too.

    Args:
        session: The open transaction; what is returned is read after it ended.
        keyring: For the keys.
        blobs: The store.
        visit: Who asks.
        document_id: As it stands in the address.

    Raises:
        NotFound: 404. This person has no such document; somebody else may. Nothing is written.
    """
    owner, sealed = _find_version(session, visit, document_id)
    items = (sealed.kind.item,)
    entry = write_down(session, keyring, visit, DocumentRead, items, owner=owner)
    document, _versions = get_document(session, keyring, entry, document_id)
    view = _document_view(document, agency_names(session, visit.language), visit.language)
    return open_document(keyring, entry, sealed, blobs), view


def export_all(
    session: Session, keyring: Keyring, blobs: "ObjectStore", visit: Visit, *, part: int
) -> Export:
    """Return all documents as one ZIP file, written while it is sent.

    Args:
        session: The open transaction; what is returned is read after it ended.
        keyring: For the keys.
        blobs: The store.
        visit: Who asks.
        part: From 1; who is one person with others has a file for each of them.

    Raises:
        NotFound: 404. There is no such part.
    """
    if not 0 < part <= len(visit.members):
        raise NotFound(part=part)
    owner = visit.members[part - 1]
    entry = write_down(session, keyring, visit, DocumentsExported, EXPORTED_ITEMS, owner=owner)
    return export_documents(session, keyring, entry, blobs, at=visit.at)


def erase_document(
    session: Session, keyring: Keyring, visit: Visit, document_id: DocumentId
) -> None:
    """Delete a document of the person for ever.

    Raises:
        NotFound: 404. This person has no such document; somebody else may. Nothing is written.
    """
    owner, sealed = _find_version(session, visit, document_id)
    items = (sealed.kind.item,)
    entry = write_down(session, keyring, visit, DocumentDeleted, items, owner=owner)
    delete_document(session, entry, document_id, at=visit.at)


def store_document(
    sessions: sessionmaker[Session],
    keyring: Keyring,
    blobs: "ObjectStore",
    visit: Visit,
    chunks: Iterator[bytes],
    *,
    kind: str,
    title: str,
    limit: int,
) -> None:
    """Seal a document while it arrives, and file it.

    Args:
        sessions: No transaction is open while the person's line delivers the document.
        keyring: For the person's key.
        blobs: The store.
        visit: Who stores it.
        chunks: The document as it arrives.
        kind: As the form sent it.
        title: As the form sent it.
        limit: Largest number of bytes taken.

    Raises:
        InvalidRequest: 400. No such kind, or no title.
        UnsuitableDocument: 400. Empty, or not of a format for its kind.
        PayloadTooLarge: 413. Longer than the limit; nothing is kept.
    """
    document_kind = parse_kind(kind)
    received = receive_document(
        sessions,
        blobs,
        person_id=visit.person_id,
        kind=document_kind,
        chunks=chunks,
        limit=limit,
        at=visit.at,
    )
    with unit_of_work_of(sessions) as session:
        items = (document_kind.item,)
        entry = write_down(session, keyring, visit, DocumentStored, items)
        file_document(session, keyring, entry, received, title=title, source=None, at=visit.at)


def kind_label(kind: DocumentKind, language: Language) -> str:
    """Name a kind of document in the person's words."""
    item = ITEMS.get(ItemName(kind.item))
    if item is None:
        return language.text(_("Another document, for yourself only"))
    return item.label.of(language.code)


def _document_view(
    document: Document, agencies: Mapping[str, str], language: Language
) -> DocumentView:
    source = document.source
    return DocumentView(
        document_id=document.document_id,
        title=document.title,
        kind=kind_label(document.kind, language),
        length=document.current.length,
        source=language.text(_("You")) if source is None else agencies.get(source, source),
        stored_at=document.current.stored_at,
        is_pdf=document.current.media_type == PDF,
    )


def _find_version(
    session: Session, visit: Visit, document_id: DocumentId
) -> tuple[PersonId, SealedVersion]:
    """Return a document of the person, and whose it is of those who are this person."""
    for member in visit.members:
        found = document_version(person_id=literal(member, Uuid), document_id=document_id)
        row = session.execute(select(found)).mappings().first()
        if row is not None:
            return member, sealed_version(row)
    raise NotFound(document_id=str(document_id))
