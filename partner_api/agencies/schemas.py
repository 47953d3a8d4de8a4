"""What agencies receive as JSON. Names are those of the published description."""

from datetime import date, datetime
from typing import Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from population_register.api import RULE_WORDS, FeedStatus, LifeEventKind, WorkItem


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


class RuleWords(BaseModel):
    """What an item is about, in words."""

    ru: str
    en: str


class WorkItemState(BaseModel):
    """One item of an agency's work list.

    `record_numbers` are the agency's own; `agencies` the others that have the item. Of a dispute,
    `words` and `suggested` are the person's.
    """

    model_config = ConfigDict(from_attributes=True)

    item_id: UUID
    rule: str
    title: RuleWords
    attributes: list[str]
    record_numbers: list[str]
    agencies: list[str]
    words: str
    suggested: str
    pseudonym: str
    opened_at: datetime
    due_on: date
    status: Literal["open", "overdue", "answered", "corrected"]
    answered_at: datetime | None
    answer: Literal["corrected", "refused"] | None
    explanation: str

    @classmethod
    def of(cls, item: WorkItem) -> Self:
        """Return an item as its agency sees it."""
        ru, en = RULE_WORDS[item.rule]
        return cls(
            item_id=item.item_id,
            rule=item.rule,
            title=RuleWords(ru=ru, en=en),
            attributes=list(item.attributes),
            record_numbers=list(item.record_numbers),
            agencies=list(item.agencies),
            words=item.words,
            suggested=item.suggested,
            pseudonym=item.pseudonym,
            opened_at=item.opened_at,
            due_on=item.due_on,
            status=item.status,
            answered_at=item.answered_at,
            answer=item.answer,
            explanation=item.explanation,
        )


class WorkList(BaseModel):
    """A part of an agency's work list, the oldest first; `next` is the `after` of what follows."""

    items: list[WorkItemState]
    next: UUID | None
