"""Queries of feeds, one function each: progress and rejected rows."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, Select, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from kernel.ids import AgencyId
from population_register.bulk import copy_rows
from population_register.model import FeedCounts, FeedReport, FieldProblem, Rejection
from population_register.tables import feed_rejections, feeds


def begin_feed(
    session: Session,
    *,
    feed_id: UUID,
    agency_id: AgencyId,
    content_digest: bytes,
    feed_format: str,
    size: int,
    at: datetime,
) -> FeedReport:
    """Store a feed, or find the one that was begun with the same content."""
    session.execute(
        upsert(feeds)
        .values(
            feed_id=feed_id,
            agency_id=agency_id,
            content_digest=content_digest,
            format=feed_format,
            size=size,
            offset=0,
            lines=0,
            started_at=at,
            **_columns(FeedCounts()),
        )
        .on_conflict_do_nothing()
    )
    statement = select(feeds).where(
        feeds.c.agency_id == agency_id, feeds.c.content_digest == content_digest
    )
    return _report(session.execute(statement).one())


def lock_feed(session: Session, feed_id: UUID) -> FeedReport:
    """Lock a feed's progress until the transaction ends, and return it."""
    return _report(session.execute(_by_id(feed_id).with_for_update()).one())


def find_feed(session: Session, feed_id: UUID) -> FeedReport | None:
    """Return a feed's progress."""
    row = session.execute(_by_id(feed_id)).one_or_none()
    return None if row is None else _report(row)


def list_feeds(session: Session, agency_id: AgencyId, *, limit: int) -> list[FeedReport]:
    """Return an agency's feeds, latest first."""
    statement = (
        select(feeds)
        .where(feeds.c.agency_id == agency_id)
        .order_by(feeds.c.started_at.desc(), feeds.c.feed_id)
        .limit(limit)
    )
    return [_report(row) for row in session.execute(statement)]


def update_feed(session: Session, report: FeedReport) -> None:
    """Store how far a feed is."""
    session.execute(
        update(feeds)
        .where(feeds.c.feed_id == report.feed_id)
        .values(
            offset=report.offset,
            lines=report.lines,
            finished_at=report.finished_at,
            **_columns(report.counts),
        )
    )


def insert_rejections(
    session: Session, feed_id: UUID, rows: Iterable[tuple[int, Iterable[FieldProblem]]]
) -> None:
    """Keep why rows were rejected, given as line and problems."""
    copy_rows(
        session,
        feed_rejections,
        (
            (feed_id, line, ordinal, problem.field, problem.reason, problem.advice)
            for line, problems in rows
            for ordinal, problem in enumerate(problems)
        ),
    )


def stream_rejections(session: Session, feed_id: UUID) -> Iterator[Rejection]:
    """Return the rejected rows of a feed by line, a few hundred in memory at a time."""
    table = feed_rejections.c
    rows = session.execute(
        select(table.line, table.field, table.reason, table.advice)
        .where(table.feed_id == feed_id)
        .order_by(table.line, table.ordinal)
        .execution_options(yield_per=500)
    )
    for row in rows:
        yield Rejection(
            line=row.line,
            problem=FieldProblem(field=row.field, reason=row.reason, advice=row.advice),
        )


def _by_id(feed_id: UUID) -> Select[tuple[object, ...]]:
    return select(feeds).where(feeds.c.feed_id == feed_id)


def _columns(counts: FeedCounts) -> dict[str, int]:
    return {f"rows_{name}": number for name, number in asdict(counts).items()}


def _report(row: Row[tuple[object, ...]]) -> FeedReport:
    values = row._asdict()
    return FeedReport(
        feed_id=values["feed_id"],
        agency_id=AgencyId(values["agency_id"]),
        size=values["size"],
        offset=values["offset"],
        lines=values["lines"],
        counts=FeedCounts(
            **{name: values[f"rows_{name}"] for name in FeedCounts.__dataclass_fields__}
        ),
        started_at=values["started_at"],
        finished_at=values["finished_at"],
    )
