"""Blobs in the store: a folder of this machine, or anything S3-compatible, through obstore.

A blob is written once, under a fresh random key, and never changed. Nobody reads it before a
committed row names it, so a half-written blob under its final key harms nobody; the row that
announces it (`loose_blobs`) was committed before, so it does not stay either.

A local folder is written and read by `vault.folder`, which says why.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice, tee
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore
from typing_extensions import Buffer

from kernel.errors import Undecryptable
from kernel.secret import random_bytes
from vault.errors import StorageUnavailable
from vault.folder import FileWriter, read_spans
from vault.stream import HEADER_BYTES, LAYOUT, SEGMENT_BYTES

if TYPE_CHECKING:
    from obstore import WritableFile
    from obstore.store import ObjectStore

_KEY_BYTES: Final = 16
_PART_BYTES: Final = 8 * SEGMENT_BYTES  # S3: 5 MiB at least, 10,000 parts at most: 80 GB
_PARTS_AT_ONCE: Final = 1
_READ_SEGMENTS: Final = 8  # a request to S3 waits tens of milliseconds for its first byte


class BlobWriter(Protocol):
    """Writes one blob."""

    def write(self, part: Buffer) -> None:
        """Write a part; its buffer may be used again as soon as this returns."""
        ...

    def finish(self) -> None:
        """Return when the blob is stored whole, and would survive a power cut."""
        ...

    def abandon(self) -> None:
        """Leave nothing behind."""
        ...


class _StoreBlobWriter:
    """Writes through obstore; to S3 as a multipart upload that is aborted if it does not end."""

    def __init__(self, blobs: "ObjectStore", blob_key: str) -> None:
        self._writer: WritableFile = obstore.open_writer(
            blobs, blob_key, buffer_size=_PART_BYTES, max_concurrency=_PARTS_AT_ONCE
        )

    def write(self, part: Buffer) -> None:
        # A copy: obstore keeps the buffer itself until its part is sent (observed: a buffer that is
        # used again ends up in the blob twice).
        self._writer.write(bytes(part))

    def finish(self) -> None:
        self._writer.close()

    def abandon(self) -> None:
        # Leaving its context with an exception is how the writer is told to abort.
        self._writer.__exit__(_Abandoned, _Abandoned(), None)


class _Abandoned(Exception):
    """The blob is not wanted any more."""


def new_blob_key() -> str:
    """Return a fresh key: 128 random bits, in one of 256 folders."""
    name = random_bytes(_KEY_BYTES).hex()
    return f"{name[:2]}/{name}"


@contextmanager
def writing(blobs: "ObjectStore", blob_key: str) -> Iterator[BlobWriter]:
    """Write one blob: stored whole at the end, or not at all.

    Raises:
        StorageUnavailable: 503. The store is full, down, or refuses us.
    """
    with _writing():
        writer = _open_writer(blobs, blob_key)
    try:
        yield _Translating(writer)
        with _writing():
            writer.finish()
    except BaseException:
        # Also for a client that went away and for a process that is told to stop.
        with suppress(OSError, BaseError):
            writer.abandon()
        raise


def _open_writer(blobs: "ObjectStore", blob_key: str) -> BlobWriter:
    folder = _folder_of(blobs)
    return _StoreBlobWriter(blobs, blob_key) if folder is None else FileWriter(folder, blob_key)


def _folder_of(blobs: "ObjectStore") -> Path | None:
    """Return the folder that a local store is."""
    if not isinstance(blobs, LocalStore) or blobs.prefix is None:
        return None
    return Path(blobs.prefix)


class _Translating:
    """A writer whose failures are refusals."""

    def __init__(self, writer: BlobWriter) -> None:
        self._writer = writer

    def write(self, part: Buffer) -> None:
        with _writing():
            self._writer.write(part)

    def finish(self) -> None:
        with _writing():
            self._writer.finish()

    def abandon(self) -> None:
        with _writing():
            self._writer.abandon()


def check_length(blobs: "ObjectStore", blob_key: str, length: int) -> None:
    """Check that a blob is there, and that it is as long as it was.

    Raises:
        Undecryptable: It is missing, shorter or longer.
        StorageUnavailable: 503. The store does not answer.
    """
    with _reading():
        found = obstore.head(blobs, blob_key)["size"]
    if found != length:
        raise Undecryptable(reason="length of blob", stored=length, found=found)


def read_header(blobs: "ObjectStore", blob_key: str) -> bytes:
    """Return the first `HEADER_BYTES` of a blob.

    Raises:
        Undecryptable: The blob is missing.
        StorageUnavailable: 503. The store does not answer.
    """
    with _reading():
        return bytes(obstore.get_range(blobs, blob_key, start=0, length=HEADER_BYTES))


def read_segments(
    blobs: "ObjectStore",
    blob_key: str,
    *,
    first: int,
    last: int,
    ciphertext_length: int,
) -> Iterator[Buffer]:
    """Read segments `first` to `last`, inclusive; segment 0 without its header.

    Yields:
        Two buffers may be used in turn: a segment is valid until the one after the next is asked
        for.

    Raises:
        Undecryptable: The blob is missing, or ends before the asked range.
        StorageUnavailable: 503. The store does not answer.
    """
    # Twice, and never as a list: a stream may have any number of segments.
    spans, expected = tee(LAYOUT.span(index, ciphertext_length) for index in range(first, last + 1))
    folder = _folder_of(blobs)
    segments = (
        read_spans(folder / blob_key, spans)
        if folder is not None
        else _read_remote(blobs, blob_key, spans)
    )
    with _reading():
        for (start, end), segment in zip(expected, segments, strict=True):
            if segment.nbytes != end - start:
                raise Undecryptable(reason="blob ends early", expected=end, found=segment.nbytes)
            yield segment


def _read_remote(
    blobs: "ObjectStore", blob_key: str, spans: Iterator[tuple[int, int]]
) -> Iterator[memoryview]:
    """Read through obstore, a few segments a request.

    A reader that is slow, or gone, holds no connection to the store and no more memory than that.
    """
    while together := list(islice(spans, _READ_SEGMENTS)):
        offset, stop = together[0][0], together[-1][1]
        block = memoryview(obstore.get_range(blobs, blob_key, start=offset, end=stop))
        for start, end in together:
            yield block[start - offset : end - offset]


def delete(blobs: "ObjectStore", blob_key: str) -> None:
    """Delete a blob; one that is not there is no failure.

    Raises:
        StorageUnavailable: 503. The store does not answer.
    """
    with suppress(Undecryptable), _reading():
        obstore.delete(blobs, blob_key)


@contextmanager
def _writing() -> Iterator[None]:
    """Translate what the store raises when it is written."""
    try:
        yield
    except (OSError, BaseError) as error:
        # The text of obstore's errors holds addresses and paths: only the class goes to the log.
        raise StorageUnavailable(reason=type(error).__name__) from error


@contextmanager
def _reading() -> Iterator[None]:
    """Translate what the store raises when it is read; a missing blob can't be opened."""
    try:
        with _writing():
            yield
    except StorageUnavailable as refusal:
        if isinstance(refusal.__cause__, FileNotFoundError):
            raise Undecryptable(reason="blob missing") from refusal.__cause__
        raise
