"""Take a feed that is sent over the network, keep it sealed until it is loaded, and load it.

A file arrives in pieces of one size, each sealed and committed by itself. When the last one is
here, the feed is begun and a job enqueued in one transaction; from then on the sender need not be
there any more. A worker that is killed is followed by another, which goes on where the feed is.
"""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import BinaryIO, Final, Literal, cast
from uuid import UUID

from sqlalchemy.orm import Session, sessionmaker
from typing_extensions import override

from kernel.clock import Clock
from kernel.db import unit_of_work_of
from kernel.envelope import associated_data
from kernel.errors import InvalidRequest, Undecryptable
from kernel.ids import AgencyId, new_id
from kernel.jobs import enqueue
from kernel.keyring import Keyring
from population_register import upload_store
from population_register.errors import FeedRefused, UnknownAgency, UnknownFeed
from population_register.feed_formats import FeedFormat
from population_register.mapping import parse_mapping
from population_register.model import FeedReport
from population_register.service.agencies import get_agency
from population_register.service.feeds import begin_feed, continue_feed, get_feed, list_feeds
from population_register.upload_store import Upload

CHUNK_BYTES: Final = 1 << 20
"""Of the file in one piece; the last may be shorter. Two of them are in memory at a time."""

LOAD_TASK: Final = "population_register.feed.load"

ABANDONED_AFTER: Final = timedelta(days=1)
"""An upload that is not here as a whole by then was given up by its sender."""


def _place(upload_id: UUID, ordinal: int) -> bytes:
    return associated_data("feed_chunks", "chunk_sealed", upload_id, ordinal)


# Sending


@dataclass(slots=True)
class Receiving:
    """An upload while it arrives. Used by one request; `put` and `end` run in worker threads."""

    sessions: sessionmaker[Session]
    keyring: Keyring
    upload: Upload
    _rest: bytearray = field(default_factory=bytearray)
    _content: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    _size: int = 0
    _chunks: int = 0

    def take(self, part: bytes) -> bool:
        """Take a part of the file; tell whether a whole piece is to be `put`."""
        self._rest += part
        return len(self._rest) >= CHUNK_BYTES

    def put(self, *, is_last: bool = False) -> None:
        """Seal and keep what makes whole pieces; of the last part, what is left.

        Transaction:
            One for each piece.
        """
        while len(self._rest) >= CHUNK_BYTES or (is_last and self._rest):
            piece = bytes(self._rest[:CHUNK_BYTES])
            del self._rest[:CHUNK_BYTES]
            self._content.update(piece)
            self._size += len(piece)
            sealed = self.keyring.seal_system(
                piece, associated_data=_place(self.upload.upload_id, self._chunks)
            )
            with unit_of_work_of(self.sessions) as session:
                upload_store.insert_chunk(session, self.upload.upload_id, self._chunks, sealed)
            self._chunks += 1

    def end(self, *, expected_sha256: bytes | None, at: datetime) -> FeedReport:
        """Take the file as a whole, and have it loaded.

        Args:
            expected_sha256: Of the file, as the sender says; None if nothing is said.
            at: Now.

        Returns:
            How far the feed is: finished already, if the same was loaded before.

        Raises:
            InvalidRequest: 400. The file is empty, or not the one that the sender has.

        Transaction:
            One: the feed is begun with the job that loads it, or neither is.
        """
        self.put(is_last=True)
        if self._size == 0:
            raise InvalidRequest("The file is empty.")
        if expected_sha256 is not None and expected_sha256 != self._content.digest():
            raise InvalidRequest("The file is not the one that Content-Digest names.")
        upload = self.upload
        with unit_of_work_of(self.sessions) as session:
            report = begin_feed(
                session,
                upload.agency_id,
                content=self._content,
                mapping=upload.mapping,
                feed_format=FeedFormat(upload.feed_format),
                size=self._size,
                at=at,
            )
            waiting = any(
                each.ended_at is None
                for each in upload_store.find_uploads_of(session, report.feed_id)
            )
            if report.finished_at is not None or waiting:
                upload_store.delete_upload(session, upload.upload_id)
                return report
            upload_store.attach_upload(
                session, upload.upload_id, feed_id=report.feed_id, size=self._size
            )
            enqueue(
                session,
                LOAD_TASK,
                lock=f"feeds:{upload.agency_id}",  # one after another, as they were sent
                upload_id=str(upload.upload_id),
            )
        return report

    def discard(self) -> None:
        """Forget what came: the sender went away, or sent too much."""
        with unit_of_work_of(self.sessions) as session:
            upload_store.delete_upload(session, self.upload.upload_id)


def begin_upload(
    sessions: sessionmaker[Session],
    keyring: Keyring,
    agency_id: AgencyId,
    feed_format: FeedFormat,
    *,
    at: datetime,
) -> Receiving:
    """Announce a file that an agency begins to send.

    Raises:
        UnknownAgency: 404. Closed.
    """
    with unit_of_work_of(sessions) as session:
        agency = get_agency(session, agency_id)
        upload = Upload(
            upload_id=new_id(at),
            agency_id=agency_id,
            feed_format=feed_format.value,
            mapping=agency.mapping,
            begun_at=at,
        )
        upload_store.insert_upload(session, upload)
    return Receiving(sessions, keyring, upload)


# Loading


class _StoredFile(io.RawIOBase):
    """An upload as a file that can be read from anywhere; one piece is in memory."""

    def __init__(
        self, sessions: sessionmaker[Session], keyring: Keyring, upload_id: UUID, size: int
    ) -> None:
        self._sessions = sessions
        self._keyring = keyring
        self._upload_id = upload_id
        self._size = size
        self._offset = 0
        self._held: tuple[int, bytes] = (-1, b"")

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._offset, io.SEEK_END: self._size}[whence]
        self._offset = max(0, base + offset)
        return self._offset

    @override
    def readinto(self, buffer: object, /) -> int:
        view = memoryview(cast("bytearray", buffer))
        if self._offset >= self._size:
            return 0
        ordinal, begin = divmod(self._offset, CHUNK_BYTES)
        part = self._chunk(ordinal)[begin : begin + len(view)]
        view[: len(part)] = part
        self._offset += len(part)
        return len(part)

    def _chunk(self, ordinal: int) -> bytes:
        if self._held[0] != ordinal:
            with self._sessions() as session:
                sealed = upload_store.find_chunk(session, self._upload_id, ordinal)
            if sealed is None:
                raise Undecryptable(reason="a piece of an upload is missing")
            place = _place(self._upload_id, ordinal)
            self._held = ordinal, self._keyring.unseal_system(sealed, associated_data=place)
        return self._held[1]


def load_upload(
    sessions: sessionmaker[Session], keyring: Keyring, clock: Clock, upload_id: UUID
) -> None:
    """Load an upload into the register, or what is left of it; a second time nothing happens.

    A file whose header can't be read is refused, and the agency sees why; so is the rest of one
    whose agency was closed. Sent again when the agency is open again, it goes on where it stopped.
    """
    with sessions() as session:
        upload = upload_store.find_upload(session, upload_id)
        if upload is None or upload.feed_id is None or upload.ended_at is not None:
            return
        report = get_feed(session, upload.feed_id)
    assert upload.size is not None
    raw = _StoredFile(sessions, keyring, upload_id, upload.size)
    refused: str | None = None
    try:
        continue_feed(
            sessions,
            keyring,
            clock,
            report=report,
            mapping=parse_mapping(upload.mapping),
            file=cast("BinaryIO", io.BufferedReader(raw, CHUNK_BYTES)),
            feed_format=FeedFormat(upload.feed_format),
        )
    except FeedRefused as refusal:
        refused = refusal.detail
    except UnknownAgency:
        refused = "The agency was closed; the rest was not taken."
    with unit_of_work_of(sessions) as session:
        upload_store.end_upload(session, upload_id, refused=refused, at=clock.now())


def sweep_uploads(sessions: sessionmaker[Session], *, at: datetime) -> int:
    """Forget uploads that were given up while they were sent; return how many."""
    with unit_of_work_of(sessions) as session:
        return upload_store.delete_abandoned(session, before=at - ABANDONED_AFTER)


# Telling


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedStatus:
    """How far a feed is, as its agency sees it.

    Attributes:
        refused: Why not a row of it can be read.
    """

    report: FeedReport
    refused: str | None = None

    @property
    def state(self) -> Literal["waiting", "loading", "finished", "refused"]:
        """What is being done with it."""
        if self.report.finished_at is not None:
            return "finished"
        if self.refused is not None:
            return "refused"
        return "loading" if self.report.offset else "waiting"


def get_feed_status(session: Session, agency_id: AgencyId, feed_id: UUID) -> FeedStatus:
    """Return how far a feed of an agency is.

    Raises:
        UnknownFeed: 404. No such feed, or another agency's: the two look the same.
    """
    report = get_feed(session, feed_id)
    if report.agency_id != agency_id:
        raise UnknownFeed(feed_id=str(feed_id))
    return _statuses(session, [report])[0]


def list_feed_statuses(
    session: Session, agency_id: AgencyId, *, limit: int = 50
) -> Sequence[FeedStatus]:
    """Return an agency's feeds, latest first."""
    return _statuses(session, list_feeds(session, agency_id, limit=limit))


def _statuses(session: Session, reports: Sequence[FeedReport]) -> list[FeedStatus]:
    refusals = upload_store.find_refusals(session, [report.feed_id for report in reports])
    return [FeedStatus(report=report, refused=refusals.get(report.feed_id)) for report in reports]
