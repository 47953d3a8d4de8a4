"""Queries of the register, one function each. Persons are locked by `person_id` ascending."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from sqlalchemy import (
    CTE,
    ColumnElement,
    LargeBinary,
    Table,
    Uuid,
    any_,
    bindparam,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from kernel.ids import AgencyId, PersonId
from kernel.tables import person_keys
from population_register.model import Agency, AgencyRole, LinkOutcome
from population_register.tables import (
    agencies,
    early_withdrawals,
    link_decisions,
    linking_keys,
    person_identifiers,
    person_traits,
    persons,
    record_links,
    source_records,
)

_COPY_TYPES = {
    "uuid": "uuid",
    "bytea": "bytea",
    "text": "text",
    "integer": "int4",
    "bigint": "int8",
    "timestamp with time zone": "timestamptz",
    "jsonb": "jsonb",
}


def copy_rows(session: Session, table: Table, rows: Iterable[Sequence[object]]) -> None:
    """Insert many rows in the order of the table's columns, by COPY in the session's transaction.

    A violated constraint ends the transaction, as with INSERT.
    """
    rows = list(rows)
    if not rows:
        return
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    connection = session.connection().connection.driver_connection
    assert isinstance(connection, Connection)
    dialect = session.get_bind().dialect
    with (
        connection.cursor() as cursor,
        cursor.copy(f'COPY "{table.name}" ({columns}) FROM STDIN (FORMAT BINARY)') as copy,
    ):
        copy.set_types(
            [_COPY_TYPES[column.type.compile(dialect).lower()] for column in table.columns]
        )
        for row in rows:
            copy.write_row(row)


# Agencies


def upsert_agency(session: Session, agency: Agency, at: datetime) -> None:
    """Store an agency, or replace what is known of it."""
    values = {
        "role": agency.role.value,
        "name_ru": agency.name_ru,
        "name_en": agency.name_en,
        "mapping": dict(agency.mapping),
        "is_active": agency.is_active,
    }
    session.execute(
        upsert(agencies)
        .values(agency_id=agency.agency_id, created_at=at, **values)
        .on_conflict_do_update(index_elements=[agencies.c.agency_id], set_=values)
    )


def list_agencies(session: Session) -> list[Agency]:
    """Return all agencies by identifier; they are a few hundred at most."""
    rows = session.execute(select(agencies).order_by(agencies.c.agency_id))
    return [
        Agency(
            agency_id=AgencyId(row.agency_id),
            role=AgencyRole(row.role),
            name_ru=row.name_ru,
            name_en=row.name_en,
            mapping=row.mapping,
            is_active=row.is_active,
        )
        for row in rows
    ]


# Linking


def lock_linking_keys(session: Session, digests: Iterable[bytes]) -> None:
    """Lock identifiers and record numbers, known or not, until the transaction ends.

    Transaction:
        Called once per transaction, before any person is locked. First the unknown keys are
        inserted in ascending order, which waits for whoever is inserting the same; then the known
        ones are locked in ascending order. Nobody who waits in the first step holds a lock of the
        second, so that two callers never wait for each other.
    """
    ordered = sorted(set(digests))
    key = func.unnest(bindparam("digests", ordered, ARRAY(LargeBinary))).column_valued("key")
    session.execute(
        upsert(linking_keys)
        .from_select(["digest"], select(key).order_by(key))
        .on_conflict_do_nothing()
    )
    session.execute(
        select(linking_keys.c.digest)
        .where(linking_keys.c.digest == _any_of(ordered))
        .order_by(linking_keys.c.digest)
        .with_for_update()
    )


def find_record_links(
    session: Session, agency_id: AgencyId, digests: Iterable[bytes]
) -> dict[bytes, PersonId]:
    """Return whom an agency's records are about; unknown records are absent."""
    rows = session.execute(
        select(record_links.c.record_digest, record_links.c.person_id).where(
            record_links.c.agency_id == agency_id,
            record_links.c.record_digest == _any_of(list(digests)),
        )
    )
    return {row.record_digest: PersonId(row.person_id) for row in rows}


def find_versions(
    session: Session, agency_id: AgencyId, links: Mapping[bytes, PersonId]
) -> dict[tuple[bytes, int], bytes]:
    """Return the content digest of every known version of the given records."""
    table = source_records.c
    rows = session.execute(
        select(table.record_digest, table.version, table.content_digest).where(
            table.person_id == _any_id_of(set(links.values())),
            table.agency_id == agency_id,
            table.record_digest == _any_of(list(links)),
        )
    )
    return {(row.record_digest, row.version): row.content_digest for row in rows}


def insert_links(
    session: Session,
    agency_id: AgencyId,
    links: Iterable[tuple[bytes, PersonId, LinkOutcome, list[dict[str, object]]]],
    at: datetime,
) -> None:
    """Store whom records are about and why, given as record digest, person, outcome, evidence."""
    decided = list(links)
    copy_rows(
        session, record_links, ((agency_id, digest, person) for digest, person, *_ in decided)
    )
    copy_rows(
        session,
        link_decisions,
        (
            (person, agency_id, digest, at, outcome.value, evidence)
            for digest, person, outcome, evidence in decided
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyWithdrawal:
    """A withdrawal that waits for its record; the body is sealed under the zone key."""

    record_digest: bytes
    version: int
    content_digest: bytes
    body_sealed: bytes
    arrived_at: datetime


def find_early_withdrawals(
    session: Session, agency_id: AgencyId, digests: Iterable[bytes]
) -> list[EarlyWithdrawal]:
    """Return the withdrawals that wait for the given records."""
    rows = session.execute(
        select(early_withdrawals)
        .where(
            early_withdrawals.c.agency_id == agency_id,
            early_withdrawals.c.record_digest == _any_of(list(digests)),
        )
        .order_by(early_withdrawals.c.record_digest, early_withdrawals.c.version)
    )
    return [
        EarlyWithdrawal(
            record_digest=row.record_digest,
            version=row.version,
            content_digest=row.content_digest,
            body_sealed=row.body_sealed,
            arrived_at=row.arrived_at,
        )
        for row in rows
    ]


def insert_early_withdrawals(
    session: Session, agency_id: AgencyId, withdrawals: Iterable[EarlyWithdrawal]
) -> None:
    """Keep withdrawals until their records arrive."""
    copy_rows(
        session,
        early_withdrawals,
        (
            (agency_id, w.record_digest, w.version, w.content_digest, w.body_sealed, w.arrived_at)
            for w in withdrawals
        ),
    )


def delete_early_withdrawals(
    session: Session, agency_id: AgencyId, digests: Iterable[bytes]
) -> None:
    """Forget the withdrawals of the given records: they are source records now."""
    session.execute(
        delete(early_withdrawals).where(
            early_withdrawals.c.agency_id == agency_id,
            early_withdrawals.c.record_digest == _any_of(list(digests)),
        )
    )


def find_identifier_holders(
    session: Session, digests: Iterable[bytes]
) -> dict[bytes, set[PersonId]]:
    """Return who has or had each identifier; an identifier that nobody has is absent."""
    rows = session.execute(
        select(person_identifiers.c.digest, person_identifiers.c.person_id).where(
            person_identifiers.c.digest == _any_of(list(digests))
        )
    )
    holders: dict[bytes, set[PersonId]] = {}
    for row in rows:
        holders.setdefault(row.digest, set()).add(PersonId(row.person_id))
    return holders


def find_traits(
    session: Session, person_ids: Iterable[PersonId]
) -> dict[PersonId, set[tuple[str, bytes]]]:
    """Return the trait digests of persons, as pairs of field and digest."""
    wanted = set(person_ids)
    traits: dict[PersonId, set[tuple[str, bytes]]] = {person_id: set() for person_id in wanted}
    table = person_traits.c
    for row in session.execute(
        select(table.person_id, table.field, table.digest).where(
            table.person_id == _any_id_of(wanted)
        )
    ):
        traits[PersonId(row.person_id)].add((row.field, row.digest))
    return traits


def find_identifiers(
    session: Session, person_ids: Iterable[PersonId]
) -> dict[PersonId, set[tuple[str, bytes]]]:
    """Return the identifier digests of persons, as pairs of kind and digest."""
    wanted = set(person_ids)
    found: dict[PersonId, set[tuple[str, bytes]]] = {person_id: set() for person_id in wanted}
    table = person_identifiers.c
    for row in session.execute(
        select(table.person_id, table.kind, table.digest).where(
            table.person_id == _any_id_of(wanted)
        )
    ):
        found[PersonId(row.person_id)].add((row.kind, row.digest))
    return found


def insert_identifiers(session: Session, rows: Iterable[tuple[PersonId, str, bytes]]) -> None:
    """Store that persons have identifiers, given as person, kind and digest."""
    copy_rows(
        session, person_identifiers, ((digest, kind, person) for person, kind, digest in rows)
    )


def insert_traits(session: Session, rows: Iterable[tuple[PersonId, str, bytes]]) -> None:
    """Store traits of persons, given as person, field and digest."""
    copy_rows(session, person_traits, rows)


def delete_identifiers(session: Session, rows: Sequence[tuple[PersonId, str, bytes]]) -> None:
    """Forget that persons have identifiers, given as person, kind and digest."""
    if rows:
        table = person_identifiers.c
        session.execute(
            delete(person_identifiers).where(
                table.person_id == bindparam("a_person"),
                table.kind == bindparam("a_kind"),
                table.digest == bindparam("a_digest"),
            ),
            [
                {"a_person": person, "a_kind": kind, "a_digest": digest}
                for person, kind, digest in rows
            ],
        )


def delete_traits(session: Session, rows: Sequence[tuple[PersonId, str, bytes]]) -> None:
    """Forget traits of persons, given as person, field and digest."""
    if rows:
        table = person_traits.c
        session.execute(
            delete(person_traits).where(
                table.person_id == bindparam("a_person"),
                table.field == bindparam("a_field"),
                table.digest == bindparam("a_digest"),
            ),
            [{"a_person": person, "a_field": f, "a_digest": digest} for person, f, digest in rows],
        )


# Persons


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonRow:
    """A person's row and wrapped key; `wrapped_key` is None when the key was destroyed."""

    person_id: PersonId
    record_version: int
    wrapped_key: bytes | None


def lock_persons(session: Session, person_ids: Iterable[PersonId]) -> dict[PersonId, PersonRow]:
    """Lock persons, so that their records are derived by one transaction at a time.

    Transaction:
        Locks in ascending order of `person_id`, as `kernel.db` asks.
    """
    rows = session.execute(
        select(persons.c.person_id, persons.c.record_version, person_keys.c.wrapped_key)
        .join(person_keys, person_keys.c.person_id == persons.c.person_id)
        .where(persons.c.person_id == _any_id_of(set(person_ids)))
        .order_by(persons.c.person_id)
        .with_for_update(of=persons)
    )
    return {
        PersonId(row.person_id): PersonRow(
            person_id=PersonId(row.person_id),
            record_version=row.record_version,
            wrapped_key=row.wrapped_key,
        )
        for row in rows
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRecordRow:
    """A stored version of a source record, sealed."""

    person_id: PersonId
    agency_id: AgencyId
    record_digest: bytes
    version: int
    content_digest: bytes
    body_sealed: bytes
    arrived_at: datetime
    entry_id: UUID

    def values(self) -> tuple[object, ...]:
        """Return the values in the order of the table's columns."""
        return (
            self.person_id,
            self.agency_id,
            self.record_digest,
            self.version,
            self.content_digest,
            self.body_sealed,
            self.arrived_at,
            self.entry_id,
        )


def insert_source_records(session: Session, rows: Iterable[SourceRecordRow]) -> None:
    """Store new versions of source records."""
    copy_rows(session, source_records, (row.values() for row in rows))


def source_records_of(
    session: Session, person_ids: Sequence[PersonId], *, arrived_by: datetime | None = None
) -> dict[PersonId, list[SourceRecordRow]]:
    """Return all versions of all records of persons that had arrived by an instant, inclusive."""
    found: dict[PersonId, list[SourceRecordRow]] = {}
    if not person_ids:
        return found
    statement = select(source_records).where(source_records.c.person_id == _any_id_of(person_ids))
    if arrived_by is not None:
        statement = statement.where(source_records.c.arrived_at <= arrived_by)
    for row in session.execute(statement):
        found.setdefault(PersonId(row.person_id), []).append(
            SourceRecordRow(
                person_id=PersonId(row.person_id),
                agency_id=AgencyId(row.agency_id),
                record_digest=row.record_digest,
                version=row.version,
                content_digest=row.content_digest,
                body_sealed=row.body_sealed,
                arrived_at=row.arrived_at,
                entry_id=row.entry_id,
            )
        )
    return found


def insert_persons(
    session: Session, rows: Iterable[tuple[PersonId, int, bytes]], at: datetime
) -> None:
    """Store new persons, given as person, version and sealed record."""
    copy_rows(session, persons, ((p, at, at, version, sealed) for p, version, sealed in rows))


def update_persons(
    session: Session, rows: Sequence[tuple[PersonId, int, bytes]], at: datetime
) -> None:
    """Replace derived records, given as person, new version and sealed record."""
    if rows:
        session.execute(
            update(persons)
            .where(persons.c.person_id == bindparam("a_person"))
            .values(
                derived_at=at,
                record_version=bindparam("a_version"),
                record_sealed=bindparam("sealed"),
            ),
            [{"a_person": p, "a_version": version, "sealed": s} for p, version, s in rows],
        )


def current_record(person_id: ColumnElement[Any]) -> CTE:
    """Return the register's part of a composed statement; see `api.current_record`."""
    return (
        select(
            persons.c.person_id,
            persons.c.record_sealed.label("sealed_record"),
            persons.c.record_version,
            person_keys.c.wrapped_key,
        )
        .join(person_keys, person_keys.c.person_id == persons.c.person_id)
        .where(persons.c.person_id == person_id, person_keys.c.wrapped_key.is_not(None))
        .cte("current_record")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentRecordRow:
    """A person's sealed record and wrapped key."""

    sealed_record: bytes
    wrapped_key: bytes


def find_current_record(session: Session, person_id: PersonId) -> CurrentRecordRow | None:
    """Return a person's sealed record; None when there is none, or its key was destroyed."""
    row = session.execute(
        select(current_record(bindparam("person_id", person_id, Uuid)))
    ).one_or_none()
    if row is None:
        return None
    return CurrentRecordRow(sealed_record=row.sealed_record, wrapped_key=row.wrapped_key)


def list_link_decisions(session: Session, person_id: PersonId) -> list[Any]:
    """Return why each record was linked to a person, latest first."""
    table = link_decisions.c
    return list(
        session.execute(
            select(table.agency_id, table.decided_at, table.outcome, table.evidence)
            .where(table.person_id == person_id)
            .order_by(table.decided_at.desc(), table.agency_id)
            .limit(1000)
        )
    )


def _any_of(digests: Sequence[bytes]) -> ColumnElement[Any]:
    return any_(bindparam(None, list(digests), ARRAY(LargeBinary), unique=True))


def _any_id_of(person_ids: Iterable[PersonId]) -> ColumnElement[Any]:
    return any_(bindparam(None, list(person_ids), ARRAY(Uuid), unique=True))
