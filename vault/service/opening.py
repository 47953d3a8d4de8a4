"""Open a document: who asks, may they, open; that it was written down is what the entry proves.

The order never varies: the entry is compared with what is to be opened, then the keys are
unwrapped, then the blob is measured, then the first segment is opened. Only after that does the
caller hold anything, so nearly every damage is a clear refusal and not half an answer.
"""

from collections.abc import AsyncIterator, Iterator
from itertools import chain
from typing import TYPE_CHECKING, final

import anyio.to_thread
from sqlalchemy.orm import Session

from audit.api import RecordedEntry
from kernel.errors import NotFound, Undecryptable
from kernel.ids import DocumentId
from kernel.keyring import Keyring
from kernel.secret import equal
from vault import blobs as blob_store
from vault import store
from vault.access_policy import Denied, Holding, decide_opening
from vault.digest import StreamDigest
from vault.errors import RangeNotSatisfiable
from vault.model import (
    STREAM_FORMAT_TINK_1_MIB,
    DocumentKind,
    SealedVersion,
    data_key_place,
    stream_place,
)
from vault.ranges import ByteRange
from vault.service.access import access_of
from vault.stream import LAYOUT, StreamOpener

if TYPE_CHECKING:
    from obstore.store import ObjectStore


@final
class OpenedDocument:
    """The plaintext of a document, or of a part of it, to be read once from beginning to end.

    Iterate it in a thread, or in a coroutine with `async for`; each part is at most 1 MiB and may
    be kept. A blob that turns out damaged on the way raises `Undecryptable`; when the whole
    document is read, its last part is only given out after the digest of everything was found
    right.

    Attributes:
        kind: What it is.
        version: Which version.
        media_type: For `Content-Type`.
        length: Bytes of the whole document.
        range: The part that is read.
    """

    __slots__ = ("_parts", "kind", "length", "media_type", "range", "version")

    def __init__(self, sealed: SealedVersion, asked: ByteRange, parts: Iterator[bytes]) -> None:
        self.kind: DocumentKind = sealed.kind
        self.version = sealed.version
        self.media_type = sealed.media_type
        self.length = sealed.length
        self.range = asked
        self._parts = parts

    @property
    def is_partial(self) -> bool:
        """Whether less than the whole document is read."""
        return self.range.length != self.length

    def __iter__(self) -> Iterator[bytes]:
        """Read in this thread."""
        return self._parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Read in a coroutine: each part is opened in a worker thread, one at a time."""
        while (part := await anyio.to_thread.run_sync(next, self._parts, None)) is not None:
            yield part


def open_document(
    keyring: Keyring,
    entry: RecordedEntry,
    sealed: SealedVersion,
    blobs: "ObjectStore",
    asked: ByteRange | None = None,
) -> OpenedDocument:
    """Open a version of a document, because the access was written down.

    Blocks for the store's first answer: a coroutine calls it in a thread.

    Args:
        keyring: For the keys.
        entry: Of this person, allowed, and naming `document:<kind>`.
        sealed: From `document_version` or `get_version`.
        blobs: The store.
        asked: The part to read; None for the whole. Only its segments are fetched, and the digest
            of the whole is not checked: each segment is authenticated by itself.

    Raises:
        NotFound: 404. The entry is about something else; which rule failed is `context`.
        RangeNotSatisfiable: 416. The range is not within the document.
        Undecryptable: Missing, truncated, changed, another row's blob, another person's key: the
            caller cannot tell which.
        StorageUnavailable: 503. The blob store does not answer.

    Security:
        Promise 1: without the entry there is no key.
    """
    check_opening(entry, sealed)
    data_key = _unwrap_data_key(keyring, entry, sealed)
    whole = ByteRange(0, sealed.length)
    if asked is not None and not 0 <= asked.start < asked.stop <= whole.stop:
        raise RangeNotSatisfiable(length=whole.stop)

    blob_store.check_length(blobs, sealed.blob_key, sealed.ciphertext_length)
    header = blob_store.read_header(blobs, sealed.blob_key)
    opener = StreamOpener(
        data_key,
        associated_data=stream_place(sealed.person_id, sealed.document_id, sealed.blob_key),
        header=header,
        ciphertext_length=sealed.ciphertext_length,
    )
    if asked is None or asked == whole:
        parts = _read_whole(blobs, sealed, opener, header)
        return OpenedDocument(sealed, whole, chain([next(parts)], parts))
    parts = _read_part(blobs, sealed, opener, asked)
    return OpenedDocument(sealed, asked, chain([next(parts)], parts))


def check_opening(entry: RecordedEntry, sealed: SealedVersion) -> None:
    """Check that the entry accounts for opening this.

    Raises:
        NotFound: 404. It is about something else; which rule failed is `context`.
    """
    decision = decide_opening(
        access_of(entry),
        Holding(person_id=sealed.person_id, kind=sealed.kind, source=sealed.source),
    )
    if isinstance(decision, Denied):
        raise NotFound(reason=decision.reason, entry_id=str(entry.entry_id))


def get_version(
    session: Session,
    entry: RecordedEntry,
    document_id: DocumentId,
    version: int | None = None,
) -> SealedVersion:
    """Return a version of a document of the person whom `entry` is about, still sealed.

    Raises:
        NotFound: 404. No such document or version, another person's, or shredded.
    """
    return store.get_version(session, entry.person_id, document_id, version)


def _unwrap_data_key(keyring: Keyring, entry: RecordedEntry, sealed: SealedVersion) -> bytes:
    if sealed.stream_format != STREAM_FORMAT_TINK_1_MIB:
        raise Undecryptable(reason="unknown stream format", found=sealed.stream_format)
    person_key = keyring.person_key(sealed.person_id, sealed.wrapped_key, because=entry)
    return person_key.unseal(
        sealed.wrapped_data_key,
        associated_data=data_key_place(
            person_id=sealed.person_id,
            document_id=sealed.document_id,
            kind=sealed.kind,
            source=sealed.source,
            version=sealed.version,
            media_type=sealed.media_type,
            stream_format=sealed.stream_format,
            blob_key=sealed.blob_key,
            ciphertext_length=sealed.ciphertext_length,
            ciphertext_digest=sealed.ciphertext_digest,
        ),
    )


def _read_whole(
    blobs: "ObjectStore", sealed: SealedVersion, opener: StreamOpener, header: bytes
) -> Iterator[bytes]:
    """Open every segment; hold the last one back until the digest is known to be right."""
    digest = StreamDigest(header)
    last = opener.segment_count - 1
    segments = blob_store.read_segments(
        blobs,
        sealed.blob_key,
        first=0,
        last=last,
        ciphertext_length=sealed.ciphertext_length,
    )
    for index, segment in enumerate(segments):
        digest.update(segment)
        plaintext = opener.open_segment(index, segment)
        if index == last and not equal(digest.digest(), sealed.ciphertext_digest):
            raise Undecryptable(reason="digest")
        yield plaintext


def _read_part(
    blobs: "ObjectStore", sealed: SealedVersion, opener: StreamOpener, asked: ByteRange
) -> Iterator[bytes]:
    """Open the segments that the range touches; cut what lies outside of it."""
    first, last = LAYOUT.segment_at(asked.start), LAYOUT.segment_at(asked.stop - 1)
    segments = blob_store.read_segments(
        blobs,
        sealed.blob_key,
        first=first,
        last=last,
        ciphertext_length=sealed.ciphertext_length,
    )
    for index, segment in enumerate(segments, first):
        start = LAYOUT.plaintext_start(index)
        plaintext = opener.open_segment(index, segment)
        yield plaintext[max(0, asked.start - start) : asked.stop - start]
