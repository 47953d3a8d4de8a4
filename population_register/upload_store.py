"""Queries of uploaded feeds, one function each: what waits to be loaded, sealed, in pieces."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from kernel.ids import AgencyId
from population_register.model import JSONValue
from population_register.tables import feed_chunks, feed_uploads


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file that an agency sent, and how it is read.

    Attributes:
        mapping: The agency's when it began to send; the feed is read with this one.
        feed_id: None while it is being sent.
        size: Bytes of the file; None while it is being sent.
        refused: Why not a row of it can be read.
        ended_at: When it was loaded, or refused.
    """

    upload_id: UUID
    agency_id: AgencyId
    feed_format: str
    mapping: Mapping[str, JSONValue]
    begun_at: datetime
    feed_id: UUID | None = None
    size: int | None = None
    refused: str | None = None
    ended_at: datetime | None = None


def insert_upload(session: Session, upload: Upload) -> None:
    """Announce an upload."""
    session.execute(
        insert(feed_uploads).values(
            upload_id=upload.upload_id,
            agency_id=upload.agency_id,
            feed_format=upload.feed_format,
            mapping=dict(upload.mapping),
            begun_at=upload.begun_at,
        )
    )


def insert_chunk(session: Session, upload_id: UUID, ordinal: int, sealed: bytes) -> None:
    """Keep a piece of an upload."""
    session.execute(
        insert(feed_chunks).values(upload_id=upload_id, ordinal=ordinal, chunk_sealed=sealed)
    )


def find_chunk(session: Session, upload_id: UUID, ordinal: int) -> bytes | None:
    """Return a piece of an upload."""
    c = feed_chunks.c
    return session.scalar(
        select(c.chunk_sealed).where(c.upload_id == upload_id, c.ordinal == ordinal)
    )


def attach_upload(session: Session, upload_id: UUID, *, feed_id: UUID, size: int) -> None:
    """Say which feed an upload is."""
    session.execute(
        update(feed_uploads)
        .where(feed_uploads.c.upload_id == upload_id)
        .values(feed_id=feed_id, size=size)
    )


def end_upload(session: Session, upload_id: UUID, *, refused: str | None, at: datetime) -> None:
    """Say that nothing is left to do with an upload, and forget its pieces."""
    session.execute(
        update(feed_uploads)
        .where(feed_uploads.c.upload_id == upload_id)
        .values(refused=refused, ended_at=at)
    )
    session.execute(delete(feed_chunks).where(feed_chunks.c.upload_id == upload_id))


def delete_upload(session: Session, upload_id: UUID) -> None:
    """Forget an upload that came to nothing, with its pieces."""
    session.execute(delete(feed_uploads).where(feed_uploads.c.upload_id == upload_id))


def find_upload(session: Session, upload_id: UUID) -> Upload | None:
    """Return an upload."""
    row = session.execute(
        select(feed_uploads).where(feed_uploads.c.upload_id == upload_id)
    ).one_or_none()
    return None if row is None else _upload(row._asdict())


def find_uploads_of(session: Session, feed_id: UUID) -> list[Upload]:
    """Return the uploads of a feed, latest first."""
    rows = session.execute(
        select(feed_uploads)
        .where(feed_uploads.c.feed_id == feed_id)
        .order_by(feed_uploads.c.begun_at.desc(), feed_uploads.c.upload_id.desc())
        .limit(10)
    )
    return [_upload(row._asdict()) for row in rows]


def find_refusals(session: Session, feed_ids: Iterable[UUID]) -> dict[UUID, str | None]:
    """Return why the latest upload of each feed was refused; None if it was not."""
    u = feed_uploads.c
    rows = session.execute(
        select(u.feed_id, u.refused)
        .ext(distinct_on(u.feed_id))
        .where(u.feed_id.in_(list(feed_ids)))
        .order_by(u.feed_id, u.begun_at.desc(), u.upload_id.desc())
    )
    return {row.feed_id: row.refused for row in rows}


def delete_abandoned(session: Session, *, before: datetime) -> int:
    """Forget uploads that began before an instant and were never sent to their end."""
    u = feed_uploads.c
    deleted = session.execute(
        delete(feed_uploads).where(u.feed_id.is_(None), u.begun_at < before).returning(u.upload_id)
    )
    return len(deleted.all())


def _upload(values: Mapping[str, object]) -> Upload:
    return Upload(**values)  # type: ignore[arg-type]  # the columns are the fields
