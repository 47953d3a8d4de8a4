"""Queries of de-identified statistics, one function each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from kernel.ids import PersonId
from kernel.tables import person_keys
from population_register.tables import (
    persons,
    statistics_recipients,
    statistics_releases,
    statistics_snapshots,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Who gets statistics.

    Attributes:
        budget_milli: Thousandths of ε that may be spent on answers to it, ever.
        spent_milli: Thousandths of ε that were.
    """

    recipient_id: str
    name: str
    budget_milli: int
    spent_milli: int

    @property
    def left_milli(self) -> int:
        """Return what is left of the budget."""
        return self.budget_milli - self.spent_milli


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedPerson:
    """A person's derived record and key, as they lie."""

    person_id: PersonId
    sealed_record: bytes
    wrapped_key: bytes


def next_persons(session: Session, after: PersonId | None, limit: int) -> list[SealedPerson]:
    """Return the next persons whose data was not destroyed, by identifier."""
    statement = (
        select(persons.c.person_id, persons.c.record_sealed, person_keys.c.wrapped_key)
        .join(person_keys, person_keys.c.person_id == persons.c.person_id)
        .where(
            person_keys.c.wrapped_key.is_not(None),
            # Persons who are one are counted once.
            or_(persons.c.group_id.is_(None), persons.c.group_id == persons.c.person_id),
        )
        .order_by(persons.c.person_id)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(persons.c.person_id > after)
    return [
        SealedPerson(
            person_id=PersonId(row.person_id),
            sealed_record=row.record_sealed,
            wrapped_key=row.wrapped_key,
        )
        for row in session.execute(statement)
    ]


# Recipients


def insert_recipient(
    session: Session, *, recipient_id: str, name: str, budget_milli: int, at: datetime
) -> bool:
    """Enter a recipient; return whether there was none of this identifier."""
    done = session.execute(
        upsert(statistics_recipients)
        .values(recipient_id=recipient_id, name=name, budget_milli=budget_milli, created_at=at)
        .on_conflict_do_nothing()
        .returning(statistics_recipients.c.recipient_id)
    )
    return done.one_or_none() is not None


def list_recipients(session: Session) -> list[Recipient]:
    """Return all recipients by identifier; they are a few."""
    rows = session.execute(
        select(statistics_recipients).order_by(statistics_recipients.c.recipient_id)
    )
    return [_recipient(row) for row in rows]


def find_recipient(session: Session, recipient_id: str) -> Recipient | None:
    """Return a recipient."""
    row = session.execute(
        select(statistics_recipients).where(statistics_recipients.c.recipient_id == recipient_id)
    ).one_or_none()
    return None if row is None else _recipient(row)


def lock_recipient(session: Session, recipient_id: str) -> Recipient | None:
    """Return a recipient, whose answers then wait for this transaction."""
    row = session.execute(
        select(statistics_recipients)
        .where(statistics_recipients.c.recipient_id == recipient_id)
        .with_for_update()
    ).one_or_none()
    return None if row is None else _recipient(row)


def _recipient(row: Any) -> Recipient:  # noqa: ANN401  # a row of the table
    return Recipient(
        recipient_id=row.recipient_id,
        name=row.name,
        budget_milli=row.budget_milli,
        spent_milli=row.spent_milli,
    )


def spend(session: Session, recipient_id: str, epsilon_milli: int) -> bool:
    """Take a price from a recipient's budget; return whether it was covered.

    Transaction:
        One UPDATE with the condition in it: of many at once, as many pass as are covered.
    """
    table = statistics_recipients
    done = session.execute(
        update(table)
        .where(
            table.c.recipient_id == recipient_id,
            table.c.spent_milli + epsilon_milli <= table.c.budget_milli,
        )
        .values(spent_milli=table.c.spent_milli + epsilon_milli)
        .returning(table.c.recipient_id)
    )
    return done.one_or_none() is not None


# Snapshots


def insert_snapshot(
    session: Session, snapshot_id: UUID, *, table_sealed: bytes, at: datetime
) -> None:
    """Store a snapshot."""
    session.execute(
        insert(statistics_snapshots).values(
            snapshot_id=snapshot_id, taken_at=at, table_sealed=table_sealed
        )
    )


def find_latest_snapshot(session: Session) -> tuple[UUID, bytes, datetime] | None:
    """Return the latest snapshot: which, sealed, when."""
    table = statistics_snapshots.c
    row = session.execute(
        select(table.snapshot_id, table.table_sealed, table.taken_at)
        .order_by(table.taken_at.desc(), table.snapshot_id.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else (row.snapshot_id, row.table_sealed, row.taken_at)


# Releases


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Something that was given out."""

    release_id: UUID
    kind: str
    released_at: datetime
    request: Mapping[str, Any]
    report: Mapping[str, Any]
    epsilon_milli: int | None
    answer: Mapping[str, Any] | None


def insert_release(session: Session, values: Mapping[str, object]) -> None:
    """Store what was given out."""
    session.execute(insert(statistics_releases).values(**values))


def find_answer(
    session: Session, recipient_id: str, snapshot_id: UUID, question_digest: bytes
) -> Release | None:
    """Return what a recipient was answered to a question about a snapshot."""
    table = statistics_releases.c
    row = session.execute(
        select(statistics_releases).where(
            table.recipient_id == recipient_id,
            table.snapshot_id == snapshot_id,
            table.question_digest == question_digest,
        )
    ).one_or_none()
    return None if row is None else _release(row)


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenExtract:
    """An extract that a recipient has.

    Attributes:
        people_sealed: Whom it is about; None if it was given before that was kept.
    """

    release_id: UUID
    released_at: datetime
    request: Mapping[str, Any]
    report: Mapping[str, Any]
    people_sealed: bytes | None


def list_extracts(session: Session, recipient_id: str) -> Sequence[GivenExtract]:
    """Return every extract that a recipient was given, the latest first."""
    table = statistics_releases.c
    rows = session.execute(
        select(statistics_releases)
        .where(table.recipient_id == recipient_id, table.kind == "extract")
        .order_by(table.released_at.desc(), table.release_id.desc())
    )
    return [
        GivenExtract(
            release_id=row.release_id,
            released_at=row.released_at,
            request=row.request,
            report=row.report,
            people_sealed=row.people_sealed,
        )
        for row in rows
    ]


def list_releases(session: Session, recipient_id: str, limit: int) -> Sequence[Release]:
    """Return the latest releases to a recipient."""
    table = statistics_releases.c
    rows = session.execute(
        select(statistics_releases)
        .where(table.recipient_id == recipient_id)
        .order_by(table.released_at.desc(), table.release_id.desc())
        .limit(limit)
    )
    return [_release(row) for row in rows]


def _release(row: Any) -> Release:  # noqa: ANN401  # a row of the table
    return Release(
        release_id=row.release_id,
        kind=row.kind,
        released_at=row.released_at,
        request=row.request,
        report=row.report,
        epsilon_milli=row.epsilon_milli,
        answer=row.answer,
    )
