"""What agencies receive as JSON. Names are those of the published description."""

from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from population_register.api import FeedStatus, LifeEventKind


class RecordReceipt(BaseModel):
    """What became of a record; the same for every time that it is sent."""

    model_config = ConfigDict(from_attributes=True)

    record_number: str
    version: int
    status: Literal["accepted", "held"]
    received_at: datetime
    pseudonym: str | None


class FeedCounted(BaseModel):
    """What became of the rows of a feed; each is counted once."""

    model_config = ConfigDict(from_attributes=True)

    linked: int
    new: int
    ask: int
    held: int
    unchanged: int
    rejected: int


class FeedState(BaseModel):
    """How far a feed is; `refused` says why not a row of it can be read."""

    feed_id: UUID
    state: Literal["waiting", "loading", "finished", "refused"]
    size: int
    done_bytes: int
    done_lines: int
    counts: FeedCounted
    started_at: datetime
    finished_at: datetime | None
    refused: str | None

    @classmethod
    def of(cls, status: FeedStatus) -> Self:
        """Return a feed as its agency sees it."""
        report = status.report
        return cls(
            feed_id=report.feed_id,
            state=status.state,
            size=report.size,
            done_bytes=report.offset,
            done_lines=report.lines,
            counts=FeedCounted.model_validate(report.counts),
            started_at=report.started_at,
            finished_at=report.finished_at,
            refused=status.refused,
        )


class FeedList(BaseModel):
    """An agency's feeds, latest first."""

    feeds: list[FeedState]


class ToldEvent(BaseModel):
    """A life event of a person, in the agency's words for who that is."""

    model_config = ConfigDict(from_attributes=True)

    position: int
    event_id: UUID
    kind: LifeEventKind
    occurred_on: str
    happened_at: datetime
    pseudonym: str
    relative: str | None


class ToldEvents(BaseModel):
    """A part of the agency's sequence of life events."""

    model_config = ConfigDict(from_attributes=True)

    events: list[ToldEvent]
    position: int
