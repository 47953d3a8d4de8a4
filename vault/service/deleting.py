"""Delete documents, and destroy a person's key: deleting means deleting (promise 7)."""

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session, sessionmaker

from audit.api import RecordedEntry
from kernel.db import unit_of_work_of
from kernel.errors import NotFound
from kernel.ids import DocumentId
from kernel.person_keys import shred_person_key
from vault import blobs as blob_store
from vault import store
from vault.errors import StorageUnavailable

if TYPE_CHECKING:
    from obstore.store import ObjectStore

SWEEP_AT_ONCE = 100


def delete_document(
    session: Session, entry: RecordedEntry, document_id: DocumentId, *, at: datetime
) -> None:
    """Delete a document of the person whom `entry` is about, with all of its versions.

    The wrapped data keys go with the rows, so the blobs are unreadable from the commit on; the
    sweeper removes them.

    Raises:
        NotFound: 404. No such document, or another person's.
    """
    if store.delete_documents(session, entry.person_id, document_id, at=at) == 0:
        raise NotFound(document_id=str(document_id))


def shred_person(session: Session, entry: RecordedEntry, *, at: datetime) -> int:
    """Destroy the key of the person whom `entry` is about; return how many documents went with it.

    Afterwards nothing that was sealed for the person opens: not here, not in any backup of rows or
    blobs that is kept without the key. The log still verifies.

    Raises:
        NotFound: 404. There is no such person, or there is no key any more.

    Transaction:
        Locks the person's key first, so that a document that is being filed is either filed before,
        and goes too, or not filed at all.
    """
    shred_person_key(session, entry.person_id, at=at)
    return store.delete_documents(session, entry.person_id, None, at=at)


def sweep_loose_blobs(
    sessions: sessionmaker[Session],
    blobs: "ObjectStore",
    *,
    at: datetime,
    limit: int = SWEEP_AT_ONCE,
) -> int:
    """Delete blobs that no version names and whose time is up; return how many.

    A blob that can't be deleted now stays on the list. Any number of workers may sweep.

    Transaction:
        One; holds the rows of the blobs while they are deleted, so that filing one of them waits
        and then refuses. If it does not commit, the next sweep deletes what is gone already, which
        is no failure.
    """
    with unit_of_work_of(sessions) as session:
        gone = []
        for blob_key in store.lock_due_blobs(session, at=at, limit=limit):
            try:
                blob_store.delete(blobs, blob_key)
            except StorageUnavailable:
                continue
            gone.append(blob_key)
        store.forget_blobs(session, gone)
    return len(gone)
