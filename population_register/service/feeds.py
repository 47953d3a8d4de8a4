"""Load a feed: row by row through control, batch by batch into the register, from where it stopped.

The progress of a feed lies in the transaction of the rows it speaks of. So a process that is killed
loses nothing and doubles nothing: whatever was not committed is read again, whatever was is not.
"""

import csv
import gc
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime
from itertools import count as count_from
from typing import BinaryIO
from uuid import UUID

from sqlalchemy.orm import Session, sessionmaker

from kernel.behind import Writer
from kernel.clock import Clock
from kernel.db import commit_lazily, unit_of_work_of
from kernel.ids import AgencyId, new_id
from kernel.keyring import Keyring
from population_register import feed_store
from population_register.errors import FeedRefused, UnknownFeed
from population_register.feed_formats import FeedFormat, Position
from population_register.mapping import FeedMapping, parse_mapping
from population_register.model import (
    Accepted,
    FeedCounts,
    FeedReport,
    FieldProblem,
    Held,
    JSONValue,
    LinkOutcome,
    RecordOutcome,
    Refused,
    Unchanged,
)
from population_register.service.accepting import accept_incoming
from population_register.service.agencies import get_agency
from population_register.service.reading_ahead import Batch, FeedReader
from population_register.values import MAX_PROBLEMS_PER_ROW

BATCH_ROWS = 1_000
"""Rows per transaction: enough to make a commit cheap, few enough to hold locks for a moment."""

_BATCHES_PER_COLLECTION = 4
_CHUNK_BYTES = 1 << 20

Progress = Callable[[FeedReport], None]


def load_feed(
    sessions: sessionmaker[Session],
    keyring: Keyring,
    clock: Clock,
    *,
    agency_id: AgencyId,
    file: BinaryIO,
    feed_format: FeedFormat,
    progress: Progress | None = None,
) -> FeedReport:
    """Load a feed into the register, or the rest of it.

    A file that was loaded before, with the same mapping, is recognised by its content: an
    unfinished one goes on where it stopped, a finished one is not read again and its report is
    returned. Two processes that load the same file share the work.

    Args:
        sessions: Opens a transaction per batch.
        keyring: Seals and finds.
        clock: Tells when each batch arrives.
        agency_id: Who sends it.
        file: Seekable; read twice, with flat memory.
        feed_format: How it is written.
        progress: Called after each batch was committed.

    Returns:
        The report; its rejected rows are read with `write_rejections`.

    Raises:
        UnknownAgency: 404. Nobody by this identifier may send records.
        FeedRefused: 400. The header can't be read; no row was taken.
    """
    with unit_of_work_of(sessions) as session:
        agency = get_agency(session, agency_id)
        mapping = parse_mapping(agency.mapping)
        report = begin_feed(
            session,
            agency_id,
            content=_content_digest(file),
            mapping=agency.mapping,
            feed_format=feed_format,
            size=file.seek(0, io.SEEK_END),
            at=clock.now(),
        )
    return continue_feed(
        sessions,
        keyring,
        clock,
        report=report,
        mapping=mapping,
        file=file,
        feed_format=feed_format,
        progress=progress,
    )


def begin_feed(
    session: Session,
    agency_id: AgencyId,
    *,
    content: "hashlib._Hash",
    mapping: Mapping[str, JSONValue],
    feed_format: FeedFormat,
    size: int,
    at: datetime,
) -> FeedReport:
    """Begin a feed, or find it again: the same bytes, read in the same way, are the same feed.

    Args:
        session: The transaction.
        agency_id: Who sends it.
        content: SHA-256 over the file; it is changed.
        mapping: How it is read.
        feed_format: How it is written.
        size: Of the file, in bytes.
        at: Now.
    """
    read_as = {"format": feed_format.value, "mapping": dict(mapping)}
    content.update(json.dumps(read_as, sort_keys=True).encode())
    return feed_store.begin_feed(
        session,
        feed_id=new_id(at),
        agency_id=agency_id,
        content_digest=content.digest(),
        feed_format=feed_format,
        size=size,
        at=at,
    )


def continue_feed(
    sessions: sessionmaker[Session],
    keyring: Keyring,
    clock: Clock,
    *,
    report: FeedReport,
    mapping: FeedMapping,
    file: BinaryIO,
    feed_format: FeedFormat,
    progress: Progress | None = None,
) -> FeedReport:
    """Load what is left of a feed that was begun; see `load_feed`.

    Raises:
        UnknownAgency: 404. The agency was closed meanwhile; what was taken of it stays.
        FeedRefused: 400. The header can't be read; no row was taken.
    """
    with Writer.start() as writer, _collections_between() as collect:
        reader = FeedReader(
            keyring=keyring,
            clock=clock,
            agency_id=report.agency_id,
            mapping=mapping,
            file=file,
            feed_format=feed_format,
            most_rows=BATCH_ROWS,
            idle=writer.idle,
        )
        while report.finished_at is None:
            start = Position(report.offset, report.lines)
            with closing(reader.batches(start)) as batches:
                for batch in batches:
                    report = _load_batch(
                        sessions,
                        keyring,
                        clock,
                        mapping=mapping,
                        report=report,
                        batch=batch,
                        writer=writer,
                    )
                    collect()
                    if progress is not None:
                        progress(report)
                    if report.offset != batch.end.offset:
                        break  # another process loads the same feed: go on from where it is
    return report


@contextmanager
def _collections_between() -> Iterator[Callable[[], None]]:
    """Let the interpreter look for cycles between batches only, of which few have any.

    A batch makes many objects, which a search for cycles would walk through again and again: an
    eighth of the time of a load. What a batch has opened is in no cycle, and goes with it.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    batches = count_from(1)

    def collect() -> None:
        if next(batches) % _BATCHES_PER_COLLECTION == 0:
            gc.collect(1)

    try:
        yield collect
    finally:
        if was_enabled:
            gc.enable()


def _content_digest(file: BinaryIO) -> "hashlib._Hash":
    digest = hashlib.sha256()
    file.seek(0)
    while chunk := file.read(_CHUNK_BYTES):
        digest.update(chunk)
    return digest


def _load_batch(
    sessions: sessionmaker[Session],
    keyring: Keyring,
    clock: Clock,
    *,
    mapping: FeedMapping,
    report: FeedReport,
    batch: Batch,
    writer: Writer,
) -> FeedReport:
    """Accept a batch and store the progress with it; return how far the feed is now.

    Transaction:
        One. Locks the feed first: a batch that another process has loaded already is left out.
    """
    with unit_of_work_of(sessions) as session, writer.behind(session):
        get_agency(session, report.agency_id)
        now = feed_store.lock_feed(session, report.feed_id)
        if (now.offset, now.finished_at) != (report.offset, None):
            return now
        if not batch.is_last:
            commit_lazily(session)  # lost, it is read again; the end of a feed is never lost
        outcomes = accept_incoming(
            session,
            keyring,
            report.agency_id,
            [item for _, item in batch.records],
            at=clock.now(),
            request_id=f"feed:{report.feed_id}",
        )
        rejected = list(batch.rejected)
        for (line, _), outcome in zip(batch.records, outcomes, strict=True):
            if isinstance(outcome, Refused):
                rejected.append((line, outcome.problems))
        feed_store.insert_rejections(
            session,
            report.feed_id,
            ((line, _in_their_words(problems, mapping)) for line, problems in rejected),
        )
        done = replace(
            report,
            offset=batch.end.offset,
            lines=batch.end.lines,
            counts=report.counts + count(outcomes) + FeedCounts(rejected=len(batch.rejected)),
            finished_at=clock.now() if batch.is_last else None,
        )
        feed_store.update_feed(session, done)
    return done


def _in_their_words(
    problems: Sequence[FieldProblem], mapping: FeedMapping
) -> tuple[FieldProblem, ...]:
    """Name fields as the agency does, for whoever mends the row."""
    return tuple(
        replace(problem, field=mapping.their_name(problem.field))
        for problem in problems[:MAX_PROBLEMS_PER_ROW]
    )


def count(outcomes: Sequence[RecordOutcome]) -> FeedCounts:
    """Return how many outcomes there are of each sort."""
    tally = {"linked": 0, "new": 0, "ask": 0, "held": 0, "unchanged": 0, "rejected": 0}
    for outcome in outcomes:
        match outcome:
            case Accepted(outcome=LinkOutcome() as link):
                tally[link.value] += 1
            case Held():
                tally["held"] += 1
            case Unchanged():
                tally["unchanged"] += 1
            case Refused():
                tally["rejected"] += 1
    return FeedCounts(**tally)


def guess_format(name: str) -> FeedFormat:
    """Return the format that a file name's ending tells.

    Raises:
        FeedRefused: 400. Neither `.ndjson`, `.jsonl` nor `.csv`.
    """
    match name.lower().rpartition(".")[2]:
        case "ndjson" | "jsonl":
            return FeedFormat.NDJSON
        case "csv":
            return FeedFormat.CSV
        case _:
            raise FeedRefused("The name of a feed ends in .ndjson, .jsonl or .csv.")


def list_feeds(session: Session, agency_id: AgencyId, *, limit: int = 50) -> list[FeedReport]:
    """Return an agency's feeds, latest first."""
    return feed_store.list_feeds(session, agency_id, limit=limit)


def get_feed(session: Session, feed_id: UUID) -> FeedReport:
    """Return how far a feed is.

    Raises:
        UnknownFeed: 404. No such feed.
    """
    report = feed_store.find_feed(session, feed_id)
    if report is None:
        raise UnknownFeed(feed_id=str(feed_id))
    return report


def write_rejections(session: Session, feed_id: UUID, feed_format: FeedFormat) -> Iterator[str]:
    """Return the report of rejected rows line by line, as CSV with a header or as NDJSON.

    Columns: `line`, `field`, `reason`, `advice`. Values of people are not in it.
    """
    if feed_format is FeedFormat.CSV:
        yield "line,field,reason,advice\r\n"
    for rejection in feed_store.stream_rejections(session, feed_id):
        problem = rejection.problem
        cells = {
            "line": rejection.line,
            "field": problem.field,
            "reason": problem.reason,
            "advice": problem.advice,
        }
        if feed_format is FeedFormat.NDJSON:
            yield json.dumps(cells, ensure_ascii=False) + "\n"
        else:
            line = io.StringIO()
            csv.writer(line).writerow(cells.values())
            yield line.getvalue()
