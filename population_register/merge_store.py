"""Queries of merges: which persons were found to be one, by whom, and what was taken back."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias
from uuid import UUID

from sqlalchemy import and_, select, update
from sqlalchemy.orm import Session

from kernel.ids import PersonId
from population_register.bulk import any_id_of, copy_rows
from population_register.tables import person_merges

MergeKind: TypeAlias = Literal["automatic", "decided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """Two persons that are one.

    Attributes:
        merge_id: Names it.
        persons: The two.
        kind: Whether the records said so, or a human.
        decided_by: Who; of an automatic one, the model.
        confirmed_by: The second official, where one is asked for.
        undone_at: Since when it does not count any more.
    """

    merge_id: UUID
    persons: tuple[PersonId, PersonId]
    kind: MergeKind
    decided_at: datetime
    decided_by: str
    reason: str
    confirmed_by: str | None = None
    undone_at: datetime | None = None
    undone_by: str | None = None
    undone_reason: str | None = None


def find_merges(
    session: Session, person_ids: Iterable[PersonId], *, at: datetime | None = None
) -> list[Merge]:
    """Return the merges of persons, each once, that count now, or counted at an instant."""
    table = person_merges.c
    counts = (
        table.undone_at.is_(None)
        if at is None
        else and_(table.decided_at <= at, table.undone_at.is_(None) | (table.undone_at > at))
    )
    found: dict[UUID, Merge] = {}
    for row in session.execute(
        select(person_merges).where(table.person_id == any_id_of(person_ids), counts)
    ):
        found[row.merge_id] = _merge(row)
    return sorted(found.values(), key=lambda merge: merge.merge_id)


def list_merges(session: Session, person_id: PersonId) -> list[Merge]:
    """Return every merge a person was ever in, the undone ones too, in order of time."""
    rows = session.execute(select(person_merges).where(person_merges.c.person_id == person_id))
    return sorted(map(_merge, rows), key=lambda merge: merge.merge_id)


def find_merge(session: Session, merge_id: UUID) -> Merge | None:
    """Return a merge, undone or not."""
    row = session.execute(
        select(person_merges).where(person_merges.c.merge_id == merge_id).limit(1)
    ).one_or_none()
    return None if row is None else _merge(row)


def _merge(row: Any) -> Merge:  # noqa: ANN401 - a row
    one, other = sorted((row.person_id, row.other_person_id))
    return Merge(
        merge_id=row.merge_id,
        persons=(PersonId(one), PersonId(other)),
        kind=row.kind,
        decided_at=row.decided_at,
        decided_by=row.decided_by,
        reason=row.reason,
        confirmed_by=row.confirmed_by,
        undone_at=row.undone_at,
        undone_by=row.undone_by,
        undone_reason=row.undone_reason,
    )


def insert_merges(session: Session, merges: Iterable[Merge]) -> None:
    """Store merges, from both sides."""
    copy_rows(
        session,
        person_merges,
        (
            (
                one, merge.merge_id, other, merge.kind, merge.decided_at, merge.decided_by,
                merge.confirmed_by, merge.reason, merge.undone_at, merge.undone_by,
                merge.undone_reason,
            )
            for merge in merges
            for one, other in (merge.persons, merge.persons[::-1])
        ),
    )  # fmt: skip


def undo_merges(
    session: Session, merges: Sequence[Merge], *, at: datetime, by: str, reason: str
) -> int:
    """Let merges count no more; return how many counted until now."""
    if not merges:
        return 0
    done = session.execute(
        update(person_merges)
        .where(
            person_merges.c.person_id == any_id_of({p for m in merges for p in m.persons}),
            person_merges.c.merge_id.in_([merge.merge_id for merge in merges]),
            person_merges.c.undone_at.is_(None),
        )
        .values(undone_at=at, undone_by=by, undone_reason=reason)
    )
    return int(done.rowcount) // 2  # type: ignore[attr-defined]
