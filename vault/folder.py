"""A local folder as a store of blobs: what obstore's own local store leaves to be wished.

It returns before the bytes are on the disk (observed with obstore 0.12: no fsync), and a row that
survives a power cut must not name an empty file. It also takes fresh memory for every read, which
measured a third of the time in which a document is opened.
"""

import os
from collections.abc import Iterable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Final

from typing_extensions import Buffer

from vault.stream import SEGMENT_BYTES

FLUSH_BYTES: Final = 8 * SEGMENT_BYTES


class FileWriter:
    """Writes a file of its own, readable by its owner only."""

    def __init__(self, folder: Path, blob_key: str) -> None:
        self._path = folder / blob_key
        # Only the last folder is made: if the whole store is missing, it is not mounted, and the
        # documents must not land on the disk below.
        self._is_new_folder = _make_folder(self._path.parent)
        self._file = open(  # noqa: SIM115  # Path.open takes no opener; closed by finish or abandon
            self._path, "xb", buffering=0, opener=_open_private
        )
        self._written = 0
        self._flushed = 0

    def write(self, part: Buffer) -> None:
        """Write a part; its buffer may be used again as soon as this returns."""
        rest = memoryview(part).cast("B")
        while rest:
            written = self._file.write(rest) or 0
            self._written += written
            rest = rest[written:]
        if self._written - self._flushed >= FLUSH_BYTES:
            begin_flush(self._file.fileno(), self._flushed, self._written)
            self._flushed = self._written

    def finish(self) -> None:
        """Return when the file would survive a power cut."""
        os.fsync(self._file.fileno())
        self._file.close()
        _sync_folder(self._path.parent)
        if self._is_new_folder:
            _sync_folder(self._path.parent.parent)

    def abandon(self) -> None:
        """Remove the file."""
        self._file.close()
        self._path.unlink(missing_ok=True)


def read_spans(path: Path, spans: Iterable[tuple[int, int]]) -> Iterator[memoryview]:
    """Read parts of a file, each from its first offset to its second, exclusive.

    Yields:
        Two buffers are used in turn: a part is valid until the one after the next is asked for. A
        part is shorter than its span when the file ends in it. The file stays open meanwhile, so a
        blob that is deleted now can be read to its end.
    """
    buffers = cycle([memoryview(bytearray(SEGMENT_BYTES)) for _ in range(2)])
    with path.open("rb", buffering=0) as file:
        for (start, end), buffer in zip(spans, buffers, strict=False):
            length = 0
            while start + length < end:
                read = os.preadv(file.fileno(), [buffer[length : end - start]], start + length)
                if read == 0:
                    break
                length += read
            yield buffer[:length]


def begin_flush(descriptor: int, start: int, stop: int) -> None:
    """Let the disk begin to write, while we go on with what follows.

    The advice also keeps a large document from pushing everybody else's pages out of memory.
    """
    os.posix_fadvise(descriptor, start, stop - start, os.POSIX_FADV_DONTNEED)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, mode=0o600)


def _make_folder(folder: Path) -> bool:
    """Make a folder if it is not there; tell whether it was made."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return False
    return True


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
