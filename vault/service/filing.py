"""File what was received: the row that makes a blob a document, or its next version."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session, sessionmaker
from typing_extensions import Buffer

from audit.api import RecordedEntry
from kernel.errors import NotFound
from kernel.ids import AgencyId, PersonId
from kernel.keyring import Keyring, PersonKey
from kernel.person_keys import lock_person_key
from vault import store
from vault.access_policy import Denied, Holding, decide_filing
from vault.errors import UploadExpired
from vault.model import (
    STREAM_FORMAT_TINK_1_MIB,
    UPLOAD_LIFETIME,
    Document,
    DocumentKind,
    DocumentVersion,
    ReceivedDocument,
    data_key_place,
    parse_title,
    title_place,
)
from vault.service.access import access_of
from vault.service.receiving import receive_document
from vault.stream import LAYOUT

if TYPE_CHECKING:
    from obstore.store import ObjectStore


def file_document(
    session: Session,
    keyring: Keyring,
    entry: RecordedEntry,
    received: ReceivedDocument,
    *,
    title: str,
    source: AgencyId | None,
    at: datetime,
) -> Document:
    """Make what was received a new document of the person.

    Args:
        session: The transaction in which `entry` was written.
        keyring: For the person's key.
        entry: The access entry of the storing: of this person, allowed, naming `document:<kind>`,
            by the person, an operator for the person, or the agency that is `source`.
        received: From `receive_document`; filed once.
        title: 1 to 200 characters, as the person will see it.
        source: The agency that issued the document; None if the person brought it.
        at: Now.

    Raises:
        InvalidRequest: 400. The title is empty, too long, or not printable.
        UploadExpired: 409. Received more than `UPLOAD_LIFETIME` ago, or filed already.
        NotFound: 404. There is no such person, the person's data was shredded, or the entry is
            about something else; which of them is `context`.

    Transaction:
        Holds the person's key row against shredding until it ends. If it does not commit, the blob
        stays loose, and is swept.
    """
    title = parse_title(title)
    person_id, document_id = received.person_id, received.document_id
    person_key = _claim(session, keyring, entry, received, source=source, at=at)
    store.insert_document(
        session,
        person_id=person_id,
        document_id=document_id,
        kind=received.kind,
        source=source,
        title_sealed=person_key.seal(
            title.encode(), associated_data=title_place(person_id, document_id)
        ),
        at=at,
    )
    current = _insert_version(session, person_key, entry, received, version=1, source=source, at=at)
    return Document(
        person_id=person_id,
        document_id=document_id,
        kind=received.kind,
        title=title,
        source=source,
        created_at=at,
        current=current,
    )


def file_version(
    session: Session,
    keyring: Keyring,
    entry: RecordedEntry,
    received: ReceivedDocument,
    *,
    source: AgencyId | None,
    at: datetime,
) -> DocumentVersion:
    """Make what was received the next version of the document for which it was received.

    Args:
        session: The transaction in which `entry` was written.
        keyring: For the person's key.
        entry: As for `file_document`.
        received: From `receive_document` with the `document_id` of an existing document.
        source: Who sends it; must be who sent the first version.
        at: Now.

    Raises:
        NotFound: 404. No such document, another person's, of another kind or source, shredded, or
            the entry is about something else.
        UploadExpired: 409. Received more than `UPLOAD_LIFETIME` ago, or filed already.

    Transaction:
        Versions of one document are stored one after the other, in the order of their numbers.
    """
    person_key = _claim(session, keyring, entry, received, source=source, at=at)
    version = store.next_version(
        session, received.person_id, received.document_id, kind=received.kind, source=source
    )
    return _insert_version(
        session, person_key, entry, received, version=version, source=source, at=at
    )


def store_document(
    session: Session,
    blobs: "ObjectStore",
    keyring: Keyring,
    *,
    person_id: PersonId,
    entry: RecordedEntry,
    kind: DocumentKind,
    title: str,
    source: AgencyId | None,
    chunks: Iterable[Buffer],
    limit: int,
    at: datetime,
) -> Document:
    """Receive and file a document at once: for a source that does not keep a transaction waiting.

    What a person uploads over a slow line goes through `receive_document` and `file_document`.

    Raises:
        As `receive_document` and `file_document`. Nothing is kept, whichever refuses.

    Transaction:
        The blob is announced in a transaction of its own, on another connection of the same engine.
    """
    parse_title(title)
    received = receive_document(
        sessionmaker(session.get_bind(), join_transaction_mode="create_savepoint"),
        blobs,
        person_id=person_id,
        kind=kind,
        chunks=chunks,
        limit=limit,
        at=at,
    )
    return file_document(session, keyring, entry, received, title=title, source=source, at=at)


def _claim(
    session: Session,
    keyring: Keyring,
    entry: RecordedEntry,
    received: ReceivedDocument,
    *,
    source: AgencyId | None,
    at: datetime,
) -> PersonKey:
    """Check the entry, then take the person's key, and the blob from the sweeper."""
    decision = decide_filing(
        access_of(entry),
        Holding(person_id=received.person_id, kind=received.kind, source=source),
    )
    if isinstance(decision, Denied):
        raise NotFound(reason=decision.reason, entry_id=str(entry.entry_id))
    if at >= received.received_at + UPLOAD_LIFETIME:
        raise UploadExpired(blob_key=received.blob_key)
    wrapped_key = lock_person_key(session, received.person_id)
    store.claim_blob(session, received.blob_key)
    return keyring.person_key(received.person_id, wrapped_key, because=entry)


def _insert_version(
    session: Session,
    person_key: PersonKey,
    entry: RecordedEntry,
    received: ReceivedDocument,
    *,
    version: int,
    source: AgencyId | None,
    at: datetime,
) -> DocumentVersion:
    place = data_key_place(
        person_id=received.person_id,
        document_id=received.document_id,
        kind=received.kind,
        source=source,
        version=version,
        media_type=received.media_type,
        stream_format=STREAM_FORMAT_TINK_1_MIB,
        blob_key=received.blob_key,
        ciphertext_length=received.ciphertext_length,
        ciphertext_digest=received.ciphertext_digest,
    )
    store.insert_version(
        session,
        {
            "person_id": received.person_id,
            "document_id": received.document_id,
            "version": version,
            "media_type": received.media_type,
            "stream_format": STREAM_FORMAT_TINK_1_MIB,
            "blob_key": received.blob_key,
            "wrapped_data_key": person_key.seal(received.data_key.reveal(), associated_data=place),
            "ciphertext_length": received.ciphertext_length,
            "ciphertext_digest": received.ciphertext_digest,
            "entry_id": entry.entry_id,
            "stored_at": at,
        },
    )
    return DocumentVersion(
        version=version,
        media_type=received.media_type,
        length=LAYOUT.plaintext_length(received.ciphertext_length),
        stored_at=at,
    )
