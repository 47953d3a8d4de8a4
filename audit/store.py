"""Queries of the access log, and its part of composed statements."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    FromClause,
    LargeBinary,
    Select,
    Table,
    Uuid,
    bindparam,
    column,
    delete,
    exists,
    func,
    insert,
    literal_column,
    null,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from audit.checkpoint import Checkpoint
from audit.leaf import decode_leaf
from audit.model import LoggedEntry
from audit.tables import audit_checkpoints, audit_entries, audit_tiles, audit_waiting_entries
from audit.tiles import TilePlace
from kernel.bulk import copy_rows
from kernel.ids import EntryId, PersonId

ENTRY_ID_BIND = "audit_entry_id"
LEAF_BIND = "audit_leaf"
LEAF_HEAD_BIND = "audit_leaf_head"
LEAF_TAIL_BIND = "audit_leaf_tail"

_HIGHEST_LEVEL = 7  # of a tree whose places have 63 bits; PostgreSQL shifts by six bits only


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedCheckpoint:
    """A checkpoint as it is stored; the note is what counts, the columns are for finding it."""

    tree_size: int
    root_hash: bytes
    note: str
    signed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafRow:
    """An entry's row, as verification and sequencing read it; without a place, it waits."""

    person_id: PersonId
    entry_id: EntryId
    leaf: bytes
    leaf_index: int | None


# Entries


def insert_entry(session: Session, *, person_id: PersonId, entry_id: EntryId, leaf: bytes) -> None:
    """Append one entry."""
    session.execute(
        insert(audit_waiting_entries).values(person_id=person_id, entry_id=entry_id, leaf=leaf)
    )


def insert_entries(session: Session, rows: Sequence[tuple[PersonId, EntryId, bytes]]) -> None:
    """Append many entries, given as person, entry and leaf, in one statement."""
    copy_rows(session, audit_waiting_entries, rows)


def append_entry(
    person_id: ColumnElement[object],
    *,
    source: FromClause,
    subject: ColumnElement[str] | None = None,
) -> CTE:
    """Return audit's part of a composed statement: append one entry per row of `source`.

    The binds are those of `entry_binds`, or with a subject those of `OfficialEntryForm`. Columns
    `entry_id`, `person_id`. No row of `source`, no entry: what is refused is recorded by
    `record_access` in the ordinary lane.

    Args:
        person_id: Whose entry; a column of `source`.
        source: What must hold for the access to happen: at most one row.
        subject: The entry's subject, where only the statement finds out whose data it is about:
            a text of `source` that JSON needs not escape.
    """
    leaf: ColumnElement[bytes] = bindparam(LEAF_BIND, type_=LargeBinary())
    if subject is not None:
        head = bindparam(LEAF_HEAD_BIND, type_=LargeBinary())
        tail = bindparam(LEAF_TAIL_BIND, type_=LargeBinary())
        named = func.convert_to(subject, literal_column("'UTF8'"), type_=LargeBinary())
        joined = head.op("||", return_type=LargeBinary())(named)
        leaf = joined.op("||", return_type=LargeBinary())(tail)
    return (
        insert(audit_waiting_entries)
        .from_select(
            ["person_id", "entry_id", "leaf"],
            select(
                person_id,
                bindparam(ENTRY_ID_BIND, type_=Uuid()),
                leaf,
            ).select_from(source),
            include_defaults=False,
        )
        .returning(audit_waiting_entries.c.entry_id, audit_waiting_entries.c.person_id)
        .cte("appended_entry")
    )


def list_entries(
    session: Session, person_id: PersonId, *, before: EntryId | None, limit: int
) -> Sequence[LoggedEntry]:
    """Return a person's entries, the newest first, whether they wait or rest."""
    newest = []
    for table in (audit_waiting_entries, audit_entries):
        statement = _logged(table).where(table.c.person_id == person_id)
        if before is not None:
            statement = statement.where(table.c.entry_id < before)
        # Limited here already, so that each is read from its own key and no further.
        newest.append(statement.order_by(table.c.entry_id.desc()).limit(limit).subquery())
    found = union_all(*(select(each) for each in newest)).subquery()
    return [
        LoggedEntry(entry=decode_leaf(leaf), leaf=leaf, leaf_index=leaf_index)
        for _, leaf, leaf_index in session.execute(
            select(found).order_by(found.c.entry_id.desc()).limit(limit)
        )
    ]


def find_entry(session: Session, person_id: PersonId, entry_id: EntryId) -> LoggedEntry | None:
    """Return one entry of one person, whether it waits or rests."""
    row = session.execute(
        union_all(
            *(
                _logged(table).where(table.c.person_id == person_id, table.c.entry_id == entry_id)
                for table in (audit_waiting_entries, audit_entries)
            )
        )
    ).one_or_none()
    if row is None:
        return None
    return LoggedEntry(entry=decode_leaf(row.leaf), leaf=row.leaf, leaf_index=row.leaf_index)


def _logged(table: Table) -> Select[Any]:
    place = table.c.leaf_index if table is audit_entries else null().cast(BigInteger)
    return select(table.c.entry_id, table.c.leaf, place.label("leaf_index"))


def list_waiting(session: Session, *, limit: int) -> Sequence[LeafRow]:
    """Return committed entries that have no place in the tree, sorted by their time.

    Which ones, when more wait than `limit`, is the database's choice: it reads them as they lie.
    """
    rows = session.execute(select(audit_waiting_entries).limit(limit))
    waiting = [
        LeafRow(person_id=person_id, entry_id=entry_id, leaf=leaf, leaf_index=None)
        for person_id, entry_id, leaf in rows
    ]
    return sorted(waiting, key=lambda row: row.entry_id)


def place_leaves(session: Session, rows: Sequence[LeafRow], *, first: int) -> int:
    """Move `rows` from those that wait to those that rest, at consecutive places from `first`.

    Returns:
        How many of them were there to be moved.

    Raises:
        IntegrityError: One of them rests already.
    """
    placed = (
        func.unnest(
            bindparam("person_ids", [row.person_id for row in rows], type_=ARRAY(Uuid)),
            bindparam("entry_ids", [row.entry_id for row in rows], type_=ARRAY(Uuid)),
            bindparam("places", list(range(first, first + len(rows))), type_=ARRAY(BigInteger)),
        )
        .table_valued(
            column("person_id", Uuid()), column("entry_id", Uuid()), column("place", BigInteger())
        )
        .render_derived()
    )
    moved = (
        delete(audit_waiting_entries)
        .where(
            audit_waiting_entries.c.person_id == placed.c.person_id,
            audit_waiting_entries.c.entry_id == placed.c.entry_id,
        )
        .returning(
            audit_waiting_entries.c.person_id,
            audit_waiting_entries.c.entry_id,
            audit_waiting_entries.c.leaf,
            placed.c.place,
        )
        .cte("moved")
    )
    placed_now = session.execute(
        insert(audit_entries)
        .from_select(
            ["person_id", "entry_id", "leaf", "leaf_index"], select(moved), include_defaults=False
        )
        .returning(audit_entries.c.leaf_index)
    )
    return len(placed_now.all())


def list_leaves(session: Session, *, start: int, end: int) -> Sequence[LeafRow]:
    """Return the entries whose places are from `start` up to, not including, `end`, in order."""
    rows = session.execute(
        select(
            audit_entries.c.person_id,
            audit_entries.c.entry_id,
            audit_entries.c.leaf,
            audit_entries.c.leaf_index,
        )
        .where(audit_entries.c.leaf_index >= start, audit_entries.c.leaf_index < end)
        .order_by(audit_entries.c.leaf_index, audit_entries.c.entry_id)
    )
    return [
        LeafRow(person_id=person_id, entry_id=entry_id, leaf=leaf, leaf_index=leaf_index)
        for person_id, entry_id, leaf, leaf_index in rows
    ]


def find_highest_place(session: Session) -> int:
    """Return the highest place of an entry; -1 when none has one."""
    highest: int | None = session.scalar(select(func.max(audit_entries.c.leaf_index)))
    return -1 if highest is None else highest


# Tiles


def load_tiles(session: Session, places: Iterable[TilePlace]) -> Mapping[TilePlace, bytes]:
    """Return the tiles at `places`, those that exist."""
    wanted = [(place.level, place.index) for place in places]
    if not wanted:
        return {}
    rows = session.execute(
        select(audit_tiles).where(tuple_(audit_tiles.c.level, audit_tiles.c.tile_index).in_(wanted))
    )
    return {TilePlace(level, index): hashes for level, index, hashes in rows}


def save_tiles(session: Session, tiles: Iterable[tuple[TilePlace, bytes]]) -> None:
    """Store new tiles, and those that have grown."""
    values = [
        {"level": place.level, "tile_index": place.index, "hashes": hashes}
        for place, hashes in tiles
    ]
    if not values:
        return
    statement = upsert(audit_tiles)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[audit_tiles.c.level, audit_tiles.c.tile_index],
            set_={"hashes": statement.excluded.hashes},
        ),
        values,
    )


# Checkpoints


def find_latest_checkpoint(session: Session) -> SignedCheckpoint | None:
    """Return the checkpoint of the largest tree."""
    row = (
        session.execute(
            select(audit_checkpoints).order_by(audit_checkpoints.c.tree_size.desc()).limit(1)
        )
        .mappings()
        .one_or_none()
    )
    return None if row is None else SignedCheckpoint(**row)


def insert_checkpoint(session: Session, checkpoint: Checkpoint, *, note: str, at: datetime) -> None:
    """Store a signed checkpoint."""
    session.execute(
        insert(audit_checkpoints).values(
            tree_size=checkpoint.tree_size,
            root_hash=checkpoint.root_hash,
            note=note,
            signed_at=at,
        )
    )


def find_checkpoint(session: Session, tree_size: int) -> SignedCheckpoint | None:
    """Return the checkpoint of the tree of this size."""
    found = list_checkpoints(session, above=tree_size - 1, up_to=tree_size)
    return found[0] if found else None


def list_checkpoints(session: Session, *, above: int, up_to: int) -> Sequence[SignedCheckpoint]:
    """Return the checkpoints of trees larger than `above` and not larger than `up_to`, in order."""
    rows = session.execute(
        select(audit_checkpoints)
        .where(audit_checkpoints.c.tree_size > above, audit_checkpoints.c.tree_size <= up_to)
        .order_by(audit_checkpoints.c.tree_size)
    )
    return [SignedCheckpoint(**row) for row in rows.mappings()]


# Verification


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """The log's extent at one instant.

    Attributes:
        has_checkpoint: Whether any tree was signed.
        tree_size: Leaves of the largest signed tree; 0 when there is none.
        highest_place: The highest place of an entry; -1 when there is none.
        has_tiles_beyond: Whether a tile begins, or reaches, beyond the signed tree.
        waiting: Entries without a place.
    """

    has_checkpoint: bool
    tree_size: int
    highest_place: int
    has_tiles_beyond: bool
    waiting: int


def take_stock(session: Session) -> Stock:
    """Return the log's extent, all of it from one snapshot."""
    latest = select(func.max(audit_checkpoints.c.tree_size)).scalar_subquery()
    size = func.coalesce(latest, 0)
    # Hashes that the level has in a tree of this size: size / 256^level.
    nodes = size.op(">>")(8 * audit_tiles.c.level)
    reach = audit_tiles.c.tile_index * 256 + func.octet_length(audit_tiles.c.hashes) / 32
    row = session.execute(
        select(
            latest.is_not(None),
            size,
            select(func.coalesce(func.max(audit_entries.c.leaf_index), -1)).scalar_subquery(),
            exists(
                select(audit_tiles.c.level).where(
                    or_(reach > nodes, audit_tiles.c.level > _HIGHEST_LEVEL)
                )
            ),
            select(func.count()).select_from(audit_waiting_entries).scalar_subquery(),
        )
    ).one()
    return Stock(
        has_checkpoint=row[0],
        tree_size=row[1],
        highest_place=row[2],
        has_tiles_beyond=row[3],
        waiting=row[4],
    )
