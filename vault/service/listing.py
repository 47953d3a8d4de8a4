"""Tell what a person has in the vault. Titles are sealed, so a list is an access like any other."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row
from sqlalchemy.orm import Session

from audit.api import RecordedEntry
from kernel.errors import NotFound
from kernel.ids import AgencyId, DocumentId, PersonId
from kernel.keyring import Keyring, PersonKey
from kernel.person_keys import load_wrapped_key
from vault import store
from vault.model import Document, DocumentKind, DocumentVersion, title_place
from vault.stream import LAYOUT

MOST_LISTED = 1000
"""More than anybody keeps; a list is bounded."""


def list_documents(
    session: Session,
    keyring: Keyring,
    entry: RecordedEntry,
    *,
    kinds: Sequence[DocumentKind] | None = None,
) -> tuple[Document, ...]:
    """Return the documents of the person whom `entry` is about, the latest stored first.

    Args:
        session: The transaction in which `entry` was written.
        keyring: For the titles.
        entry: The access entry of the listing.
        kinds: Only these kinds, such as those that a consent covers; None for all.
    """
    rows = store.list_rows(
        session, entry.person_id, kinds=kinds, document_id=None, limit=MOST_LISTED
    )
    if not rows:
        return ()
    person_key = _person_key(session, keyring, entry)
    return tuple(_document(row, person_key) for row in rows)


def get_document(
    session: Session, keyring: Keyring, entry: RecordedEntry, document_id: DocumentId
) -> tuple[Document, tuple[DocumentVersion, ...]]:
    """Return one document and all of its versions, the latest first.

    Raises:
        NotFound: 404. No such document, or another person's.
    """
    rows = store.list_rows(session, entry.person_id, kinds=None, document_id=document_id, limit=1)
    if not rows:
        raise NotFound(document_id=str(document_id))
    versions = store.list_version_rows(session, entry.person_id, document_id)
    person_key = _person_key(session, keyring, entry)
    return _document(rows[0], person_key), tuple(_version(row) for row in versions)


def _person_key(session: Session, keyring: Keyring, entry: RecordedEntry) -> PersonKey:
    wrapped = load_wrapped_key(session, entry.person_id)
    return keyring.person_key(entry.person_id, wrapped, because=entry)


def _document(row: Row[Any], person_key: PersonKey) -> Document:
    title = person_key.unseal(
        row.title_sealed, associated_data=title_place(row.person_id, row.document_id)
    )
    return Document(
        person_id=PersonId(row.person_id),
        document_id=DocumentId(row.document_id),
        kind=DocumentKind(row.kind),
        title=title.decode(),
        source=None if row.source is None else AgencyId(row.source),
        created_at=row.created_at,
        current=_version(row),
    )


def _version(row: Row[Any]) -> DocumentVersion:
    return DocumentVersion(
        version=row.version,
        media_type=row.media_type,
        length=LAYOUT.plaintext_length(row.ciphertext_length),
        stored_at=row.stored_at,
    )
