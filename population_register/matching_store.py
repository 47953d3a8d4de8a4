"""Queries of matching, one function each: bearers of keys, pairs that may be one, merges."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    LargeBinary,
    Uuid,
    and_,
    delete,
    func,
    literal_column,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from kernel.ids import PersonId
from kernel.tables import person_keys
from population_register.bulk import (
    Tid,
    any_id_of,
    any_key_of,
    copy_new_rows,
    copy_rows,
    execute_later,
    rows_of,
)
from population_register.standings import Ref
from population_register.tables import account_holders, linking_keys, match_pairs, persons

# Keys


class Borne(NamedTuple):
    """Who bears a key, as stored, and where that is stored."""

    bearers: bytes
    place: bytes


def find_bearers(session: Session, keys: Iterable[int]) -> dict[int, Borne]:
    """Return who bears each key; a key that nobody has is absent."""
    wanted = list(keys)
    if not wanted:
        return {}
    rows = session.execute(
        select(
            linking_keys.c.key,
            linking_keys.c.bearers,
            func.tidsend(literal_column("linking_keys.ctid")),
        ).where(linking_keys.c.key == any_key_of(wanted))
    ).all()
    return {key: Borne(bearers, place) for key, bearers, place in rows}


def insert_keys(session: Session, bearers: Mapping[int, bytes]) -> bool:
    """Store keys that nobody had; tell whether nobody had any of them indeed.

    Transaction:
        In ascending order; waits for whoever is inserting one of them. Within a savepoint that is
        rolled back if somebody had one.
    """
    return copy_new_rows(session, linking_keys, sorted(bearers.items()))


def are_as_read(session: Session, read: Sequence[tuple[int, bytes, bytes]]) -> bool:
    """Tell whether keys, each with its bearers and place, are as when they were read.

    They are looked for where they lay, a quarter of the work of looking keys up: one that has
    changed lies elsewhere.
    """
    if not read:
        return True
    keys, bearers, places = zip(*read, strict=True)
    then = rows_of(key=(BigInteger, keys), bearers=(LargeBinary, bearers), place=(Tid, places))
    same = session.scalar(
        select(func.count())
        .select_from(linking_keys)
        .join(
            then,
            and_(
                literal_column("linking_keys.ctid") == then.c.place,
                then.c.key == linking_keys.c.key,
                then.c.bearers == linking_keys.c.bearers,
            ),
        )
    )
    return same == len(read)


def lock_keys(session: Session, keys: Iterable[int]) -> dict[int, bytes]:
    """Lock keys that somebody has, and return who bears each now.

    Transaction:
        Locks in ascending order.
    """
    rows = session.execute(
        select(linking_keys.c.key, linking_keys.c.bearers)
        .where(linking_keys.c.key == any_key_of(keys))
        .order_by(linking_keys.c.key)
        .with_for_update()
    ).all()
    return dict(map(tuple, rows))


def update_keys(session: Session, bearers: Mapping[int, bytes]) -> None:
    """Replace who bears keys; of which nobody bears any, the key goes."""
    kept = {key: stored for key, stored in bearers.items() if stored}
    if kept:
        ordered = sorted(kept)
        now = rows_of(
            key=(BigInteger, ordered), bearers=(LargeBinary, [kept[key] for key in ordered])
        )
        execute_later(
            session,
            update(linking_keys)
            .where(linking_keys.c.key == now.c.key)
            .values(bearers=now.c.bearers),
        )
    if len(kept) < len(bearers):
        gone = [key for key in bearers if key not in kept]
        session.execute(delete(linking_keys).where(linking_keys.c.key == any_key_of(gone)))


# Persons as they are compared


class PersonRow(NamedTuple):
    """A person's row as matching reads it; `wrapped_key` is None when the key was destroyed."""

    person_id: PersonId
    record_version: int
    group_id: PersonId | None
    standings_sealed: bytes | None
    wrapped_key: bytes | None


def find_persons(session: Session, person_ids: Iterable[PersonId]) -> list[PersonRow]:
    """Return persons as they are compared, not locked."""
    rows = session.execute(
        select(
            persons.c.person_id,
            persons.c.record_version,
            persons.c.group_id,
            persons.c.standings_sealed,
            person_keys.c.wrapped_key,
        )
        .join(person_keys, person_keys.c.person_id == persons.c.person_id)
        .where(persons.c.person_id == any_id_of(person_ids))
    ).all()
    return [PersonRow(*row) for row in rows]


def next_persons(
    session: Session, after: PersonId | None, limit: int, *, only_missing: bool
) -> list[PersonId]:
    """Return the next persons whose data was not destroyed, by identifier.

    Args:
        session: The transaction.
        after: The last one of the part before.
        limit: At most so many.
        only_missing: Only those who have no standings.
    """
    statement = (
        select(persons.c.person_id)
        .join(person_keys, person_keys.c.person_id == persons.c.person_id)
        .where(person_keys.c.wrapped_key.is_not(None))
        .order_by(persons.c.person_id)
        .limit(limit)
    )
    if only_missing:
        statement = statement.where(persons.c.standings_sealed.is_(None))
    if after is not None:
        statement = statement.where(persons.c.person_id > after)
    return [PersonId(person_id) for person_id in session.scalars(statement)]


def find_erased(session: Session, person_ids: Iterable[PersonId]) -> set[PersonId]:
    """Return those of the persons whose key was destroyed."""
    wanted = list(person_ids)
    if not wanted:
        return set()
    return set(
        session.scalars(
            select(person_keys.c.person_id).where(
                person_keys.c.person_id == any_id_of(wanted), person_keys.c.wrapped_key.is_(None)
            )
        )
    )


def lock_versions(
    session: Session, person_ids: Iterable[PersonId]
) -> dict[PersonId, tuple[int, bool]]:
    """Lock persons; return the versions of their records, and whether their data was destroyed.

    Transaction:
        Locks in ascending order of `person_id`, as `kernel.db` asks. Keys are not locked: what is
        written after one was destroyed can't be opened by anybody.
    """
    rows = session.execute(
        select(persons.c.person_id, persons.c.record_version, person_keys.c.wrapped_key.is_(None))
        .join(person_keys, person_keys.c.person_id == persons.c.person_id)
        .where(persons.c.person_id == any_id_of(person_ids))
        .order_by(persons.c.person_id)
        .with_for_update(of=persons)
    )
    return {PersonId(person_id): (version, is_erased) for person_id, version, is_erased in rows}


def group_members(
    session: Session, group_ids: Iterable[PersonId]
) -> dict[PersonId, list[PersonId]]:
    """Return the persons of groups, by group, each list sorted."""
    found: dict[PersonId, list[PersonId]] = {}
    wanted = list(group_ids)
    if not wanted:
        return found
    for person_id, group_id in session.execute(
        select(persons.c.person_id, persons.c.group_id)
        .where(persons.c.group_id == any_id_of(wanted))
        .order_by(persons.c.person_id)
    ):
        found.setdefault(PersonId(group_id), []).append(PersonId(person_id))
    return found


def find_groups(session: Session, person_ids: Iterable[PersonId]) -> dict[PersonId, PersonId]:
    """Return who answers for persons: themselves, or the oldest of those they are merged with."""
    rows = session.execute(
        select(persons.c.person_id, persons.c.group_id).where(
            persons.c.person_id == any_id_of(person_ids)
        )
    )
    return {PersonId(person_id): PersonId(group_id or person_id) for person_id, group_id in rows}


# Confirmed accounts


def find_account_holders(
    session: Session, person_ids: Iterable[PersonId]
) -> dict[PersonId, datetime]:
    """Return since when persons have a confirmed account; who has none is absent."""
    table = account_holders.c
    rows = session.execute(
        select(table.person_id, table.since).where(table.person_id == any_id_of(person_ids))
    )
    return {PersonId(person_id): since for person_id, since in rows}


def set_account_holder(session: Session, person_id: PersonId, since: datetime | None) -> None:
    """Note since when a person has a confirmed account; None if there is none any more."""
    if since is None:
        session.execute(delete(account_holders).where(account_holders.c.person_id == person_id))
        return
    session.execute(
        upsert(account_holders)
        .values(person_id=person_id, since=since)
        .on_conflict_do_update(index_elements=["person_id"], set_={"since": since})
    )


# Pairs


class Pair(NamedTuple):
    """Two records of two persons that may be one, from one side."""

    person_id: PersonId
    ref: Ref
    other_ref: Ref
    other_person_id: PersonId
    bits: float
    found_at: datetime

    @property
    def sides(self) -> tuple[Ref, Ref]:
        """Return both records, in order: the same from either side."""
        return (
            (self.ref, self.other_ref) if self.ref < self.other_ref else (self.other_ref, self.ref)
        )


def find_pairs(session: Session, person_ids: Iterable[PersonId]) -> list[Pair]:
    """Return the pairs of persons, from the side of each."""
    wanted = list(person_ids)
    if not wanted:
        return []
    rows = session.execute(select(match_pairs).where(match_pairs.c.person_id == any_id_of(wanted)))
    return [Pair(*row) for row in rows]


def insert_pairs(session: Session, pairs: Iterable[Pair]) -> None:
    """Store pairs, given from one side each, from both sides."""
    copy_rows(
        session,
        match_pairs,
        (
            row
            for pair in pairs
            for row in (
                pair,
                (pair.other_person_id, pair.other_ref, pair.ref, pair.person_id, *pair[4:]),
            )
        ),
    )


def delete_pairs(session: Session, pairs: Iterable[Pair]) -> None:
    """Forget pairs, given from one side each, on both sides."""
    gone = [
        row
        for pair in pairs
        for row in (
            (pair.person_id, pair.ref, pair.other_ref),
            (pair.other_person_id, pair.other_ref, pair.ref),
        )
    ]
    if gone:
        key = tuple_(
            match_pairs.c.person_id, match_pairs.c.record_digest, match_pairs.c.other_digest
        )
        named = rows_of(
            person_id=(Uuid, [row[0] for row in gone]),
            record_digest=(LargeBinary, [row[1] for row in gone]),
            other_digest=(LargeBinary, [row[2] for row in gone]),
        )
        session.execute(delete(match_pairs).where(key.in_(select(named))))
