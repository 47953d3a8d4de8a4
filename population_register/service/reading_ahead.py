"""Read a feed in batches: rows through control, records with all that can be known of each alone.

The next batch is made in a thread of its own, while whoever loads waits for the database. Which
record is about whom is not decided here, nothing is read but the file, and nothing is written.
"""

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import BinaryIO, Final

from kernel.behind import Idle
from kernel.clock import Clock
from kernel.ids import AgencyId
from kernel.keyring import Keyring
from population_register.control import read_record
from population_register.feed_formats import FeedFormat, Position, RawRow, read_rows
from population_register.mapping import FeedMapping
from population_register.model import FieldProblem, SourceRecord
from population_register.service.incoming import Incoming, incoming_of

MOST_BYTES: Final = 4 << 20
"""Most bytes of feed in a batch; ends one of unusually long rows early. Two are in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Rows that went through control: records and rejections, each with the number of its line."""

    records: list[tuple[int, Incoming]]
    rejected: list[tuple[int, tuple[FieldProblem, ...]]]
    end: Position
    is_last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedReader:
    """Reads one feed.

    Attributes:
        agency_id: Who sends it.
        file: Seekable; its position is moved, by another thread.
        most_rows: In a batch.
        idle: Open while whoever loads waits.
    """

    keyring: Keyring
    clock: Clock
    agency_id: AgencyId
    mapping: FeedMapping
    file: BinaryIO
    feed_format: FeedFormat
    most_rows: int
    idle: Idle

    def batches(self, start: Position) -> Generator[Batch, None, None]:
        """Return the rest of a feed in batches; the last one may be empty.

        The file is at rest when the iterator has ended, or was closed.

        Raises:
            FeedRefused: 400. The header can't be read.
        """
        batches = self._batches(start)
        with ThreadPoolExecutor(1, "feed-reader") as thread:
            try:
                following = thread.submit(next, batches, None)
                while (batch := self._wait_for(following)) is not None:
                    following = thread.submit(next, batches, None)
                    yield batch
            finally:
                self.idle.open()  # or the thread would not end

    def _wait_for(self, following: "Future[Batch | None]") -> Batch | None:
        with self.idle.while_waiting():
            return following.result()

    def _batches(self, start: Position) -> Iterator[Batch]:
        rows: list[RawRow] = []
        begin = start
        for row in read_rows(self.file, self.feed_format, self.mapping, start):
            self.idle.wait()
            rows.append(row)
            if len(rows) >= self.most_rows or row.end.offset - begin.offset >= MOST_BYTES:
                yield self._controlled(rows, begin=begin, is_last=False)
                rows, begin = [], row.end
        yield self._controlled(rows, begin=begin, is_last=True)

    def _controlled(self, rows: Sequence[RawRow], *, begin: Position, is_last: bool) -> Batch:
        """Send rows through format-and-logic control."""
        at = self.clock.now()
        records: list[tuple[int, Incoming]] = []
        rejected: list[tuple[int, tuple[FieldProblem, ...]]] = []
        is_ours = self.feed_format is FeedFormat.NDJSON and self.mapping.is_identity
        for row in rows:
            self.idle.wait()
            if row.cells is None:
                assert row.problem is not None
                rejected.append((row.line, (row.problem,)))
                continue
            cells = row.cells if is_ours else self.mapping.nested(row.cells)
            read = read_record(cells, agency_id=self.agency_id, at=at)
            if isinstance(read, SourceRecord):
                records.append((row.line, incoming_of(self.keyring, read, is_new=True)))
            else:
                rejected.append((row.line, read))
        end = rows[-1].end if rows else begin
        return Batch(records=records, rejected=rejected, end=end, is_last=is_last)
