"""Take a document in: sealed while it arrives, never whole in memory, never in the clear on a disk.

Receiving has no transaction of its own to hold open: a slow sender holds a buffer, not a database
connection. What was received is worth nothing until it is filed (`vault.service.filing`).
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker
from typing_extensions import Buffer

from kernel.db import unit_of_work_of
from kernel.errors import PayloadTooLarge
from kernel.ids import DocumentId, PersonId, new_id
from kernel.secret import Secret, random_bytes
from vault import blobs as blob_store
from vault import store
from vault.digest import StreamDigest
from vault.formats import HEAD_BYTES, check_suitable
from vault.model import UPLOAD_LIFETIME, DocumentKind, ReceivedDocument, stream_place
from vault.stream import KEY_BYTES, seal_chunks

if TYPE_CHECKING:
    from obstore.store import ObjectStore


def receive_document(
    sessions: sessionmaker[Session],
    blobs: "ObjectStore",
    *,
    person_id: PersonId,
    kind: DocumentKind,
    chunks: Iterable[Buffer],
    limit: int,
    at: datetime,
    document_id: DocumentId | None = None,
) -> ReceivedDocument:
    """Seal a document into a fresh blob while it arrives.

    Args:
        sessions: For a short transaction before the first byte, and one more if it fails.
        blobs: The store.
        person_id: Whose document it will be; it can be opened as nobody else's.
        kind: Decides which formats are taken.
        chunks: The plaintext, in any cut; read one at a time, never kept.
        limit: Largest number of bytes taken.
        at: Now.
        document_id: The document of which this will be the next version; None for a new one.

    Raises:
        PayloadTooLarge: 413. More than `limit` bytes; found while reading, nothing is kept.
        UnsuitableDocument: 400. Empty, or not of a format for its kind; found in the first bytes.
        StorageUnavailable: 503. The store is full or down; nothing is kept.

    Transaction:
        The blob's key is committed to `loose_blobs` before its first byte is written. Whatever
        happens afterwards, down to a power cut, somebody knows that the blob may have to go.
    """
    blob_key = blob_store.new_blob_key()
    data_key = random_bytes(KEY_BYTES)
    document_id = document_id or DocumentId(new_id(at))
    media_type, plaintext = _recognised(kind, _limited(chunks, limit))
    with unit_of_work_of(sessions) as session:
        store.announce_blob(session, blob_key, due_at=at + UPLOAD_LIFETIME)

    place = stream_place(person_id, document_id, blob_key)
    try:
        parts = seal_chunks(data_key, plaintext, associated_data=place)
        length, digest = _write(blobs, blob_key, parts)
    except BaseException:
        # The blob is gone already, unless removing it failed too: the sweeper looks again, now, or
        # when its time is up if the database is what failed.
        with suppress(SQLAlchemyError), unit_of_work_of(sessions) as session:
            store.discard_blob(session, blob_key, due_at=at)
        raise
    return ReceivedDocument(
        person_id=person_id,
        document_id=document_id,
        blob_key=blob_key,
        data_key=Secret(data_key),
        kind=kind,
        media_type=media_type,
        ciphertext_length=length,
        ciphertext_digest=digest,
        received_at=at,
    )


def _write(blobs: "ObjectStore", blob_key: str, parts: Iterable[memoryview]) -> tuple[int, bytes]:
    """Write a blob; return how long it is, and its digest."""
    digest, length = StreamDigest(), 0
    with blob_store.writing(blobs, blob_key) as writer:
        for part in parts:
            digest.update(part)
            length += part.nbytes
            writer.write(part)
    return length, digest.digest()


def _limited(chunks: Iterable[Buffer], limit: int) -> Iterator[Buffer]:
    """Pass the chunks on until they are more than `limit` bytes together."""
    taken = 0
    for chunk in chunks:
        taken += memoryview(chunk).nbytes
        if taken > limit:
            raise PayloadTooLarge(limit=limit)
        yield chunk


def _recognised(kind: DocumentKind, chunks: Iterator[Buffer]) -> tuple[str, Iterator[Buffer]]:
    """Look at the first bytes; return what they are, and all the chunks."""
    head = bytearray()
    first: list[Buffer] = []
    for chunk in chunks:
        # A copy, at most a few bytes more than needed: the source may use its buffer again.
        first.append(bytes(chunk))
        head += first[-1]
        if len(head) >= HEAD_BYTES:
            break
    return check_suitable(kind, bytes(head[:HEAD_BYTES])), chain(first, chunks)
