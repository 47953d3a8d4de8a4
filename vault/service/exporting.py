"""Hand a person everything they have in the vault: one ZIP file, written while it is sent."""

import json
import zipfile
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, final

import anyio.to_thread
from sqlalchemy.orm import Session
from typing_extensions import Buffer

from audit.api import RecordedEntry
from kernel.errors import DomainError
from kernel.ids import DocumentId
from kernel.keyring import Keyring
from vault import store
from vault.digest import StreamDigest
from vault.formats import EXTENSIONS
from vault.model import DocumentKind, SealedVersion
from vault.service.listing import list_documents
from vault.service.opening import check_opening, open_document

if TYPE_CHECKING:
    from obstore.store import ObjectStore

MANIFEST: Final = "manifest.json"
FORMAT: Final = "civitas-vault-export/1"
EXPORTED_ITEMS: Final = tuple(kind.item for kind in DocumentKind)
"""What the access entry of an export names: everything."""

_LONGEST_NAME: Final = 100
_UNIX_READABLE: Final = 0o600 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    """A version of a document and the name of its file."""

    name: str
    title: str
    sealed: SealedVersion


@final
class Export:
    """A ZIP file that is written while it is read, once; memory stays flat at any size.

    Iterate it in a thread, or in a coroutine with `async for`.
    """

    __slots__ = ("_parts",)

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        """Write in this thread."""
        return self._parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Write in worker threads, one part at a time."""
        while (part := await anyio.to_thread.run_sync(next, self._parts, None)) is not None:
            yield part


def export_documents(
    session: Session,
    keyring: Keyring,
    entry: RecordedEntry,
    blobs: "ObjectStore",
    *,
    at: datetime,
) -> Export:
    """Export every version of every document of the person whom `entry` is about.

    The last file, `manifest.json`, tells of each one what it is, where it came from, and its
    SHA-256. A blob that turns out damaged ends its file there, and the manifest says so: the rest
    is still handed over.

    Args:
        session: The transaction in which `entry` was written; it may end before the export is read.
        keyring: For the keys.
        entry: The access entry of the export; names `EXPORTED_ITEMS`.
        blobs: The store.
        at: Now; stands in the manifest and as the date of the files.

    Raises:
        NotFound: 404. The entry does not name all kinds that there are, or is a refusal's.
    """
    titles = {each.document_id: each.title for each in list_documents(session, keyring, entry)}
    versions = store.list_sealed_versions(session, entry.person_id)
    for sealed in versions:
        check_opening(entry, sealed)
    return Export(_write(keyring, entry, blobs, _name_members(titles, versions), at))


class _Sink:
    """What the ZIP file is written to: keeps what was written until it is taken."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, data: Buffer) -> int:
        self._written.append(bytes(data))
        return len(self._written[-1])

    def flush(self) -> None:
        """Nothing is held back."""

    def take(self) -> bytes:
        taken = b"".join(self._written)
        self._written.clear()
        return taken


def _write(
    keyring: Keyring,
    entry: RecordedEntry,
    blobs: "ObjectStore",
    members: Sequence[_Member],
    at: datetime,
) -> Iterator[bytes]:
    sink = _Sink()
    manifest = []
    # Stored, not deflated: a scan or a PDF is compressed already, and the other side has the rest.
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:  # type: ignore[call-overload]
        for member in members:
            digest, length, is_complete = StreamDigest(), 0, True
            with archive.open(_info(member.name, at), "w", force_zip64=True) as file:
                try:
                    for part in open_document(keyring, entry, member.sealed, blobs):
                        digest.update(part)
                        length += len(part)
                        file.write(part)
                        yield sink.take()
                except DomainError:
                    is_complete = False
            manifest.append(_describe(member, digest.digest(), length, is_complete=is_complete))
        document = {"format": FORMAT, "exported_at": at.isoformat(), "documents": manifest}
        archive.writestr(_info(MANIFEST, at), json.dumps(document, ensure_ascii=False, indent=2))
    yield sink.take()


def _describe(
    member: _Member, digest: bytes, length: int, *, is_complete: bool
) -> dict[str, object]:
    sealed = member.sealed
    return {
        "file": member.name,
        "title": member.title,
        "kind": sealed.kind.value,
        "source": sealed.source,
        "version": sealed.version,
        "media_type": sealed.media_type,
        "stored_at": sealed.stored_at.isoformat(),
        "length": length,
        "sha256": digest.hex(),
        "is_complete": is_complete,
    }


def _name_members(
    titles: dict[DocumentId, str], versions: Sequence[SealedVersion]
) -> list[_Member]:
    """Give each version a file name of its own, made from its title."""
    latest = {sealed.document_id: sealed.version for sealed in reversed(versions)}
    members, taken = [], {MANIFEST}
    for sealed in versions:
        title = titles.get(sealed.document_id, sealed.kind.value)
        name = "".join("_" if each in '/\\:*?"<>|' else each for each in title)[:_LONGEST_NAME]
        if latest[sealed.document_id] > 1:
            name += f" (v{sealed.version})"
        name = name.strip(". ") or sealed.kind.value
        extension = EXTENSIONS.get(sealed.media_type, "")
        candidate, number = name + extension, 1
        while candidate.casefold() in taken:
            number += 1
            candidate = f"{name} {number}{extension}"
        taken.add(candidate.casefold())
        members.append(_Member(name=candidate, title=title, sealed=sealed))
    return members


def _info(name: str, at: datetime) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, (at.year, at.month, at.day, at.hour, at.minute, at.second))
    info.external_attr = _UNIX_READABLE
    return info
