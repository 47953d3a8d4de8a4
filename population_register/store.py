"""Queries of the register, one function each. Persons are locked by `person_id` ascending."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    Exists,
    Integer,
    LargeBinary,
    Text,
    Uuid,
    bindparam,
    delete,
    exists,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from kernel.ids import AgencyId, PersonId
from kernel.tables import person_keys
from population_register.bulk import any_id_of, any_of, copy_rows, execute_later, rows_of
from population_register.model import Agency, AgencyRole
from population_register.tables import (
    agencies,
    persons,
    source_records,
)

# Agencies


def upsert_agency(session: Session, agency: Agency, at: datetime) -> tuple[str, int]:
    """Store an agency, or replace what is known of it; return its sector and its new revision.

    The sector of an agency that is known stays.
    """
    values = {
        "role": agency.role.value,
        "name_ru": agency.name_ru,
        "name_en": agency.name_en,
        "mapping": dict(agency.mapping),
        "is_active": agency.is_active,
    }
    row = session.execute(
        upsert(agencies)
        .values(
            agency_id=agency.agency_id,
            created_at=at,
            sector=agency.pseudonym_sector,
            revision=1,
            **values,
        )
        .on_conflict_do_update(
            index_elements=[agencies.c.agency_id],
            set_={**values, "revision": agencies.c.revision + 1},
        )
        .returning(agencies.c.sector, agencies.c.revision)
    ).one()
    return row.sector, row.revision


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
            sector=row.sector,
            revision=row.revision,
        )
        for row in rows
    ]


def find_versions(
    session: Session, agency_id: AgencyId, links: Mapping[bytes, PersonId]
) -> dict[tuple[bytes, int], bytes]:
    """Return the content digest of every known version of the given records."""
    table = source_records.c
    rows = session.execute(
        select(table.record_digest, table.version, table.content_digest).where(
            table.person_id == any_id_of(set(links.values())),
            table.agency_id == agency_id,
            table.record_digest == any_of(list(links)),
        )
    )
    return {(row.record_digest, row.version): row.content_digest for row in rows}


# Source records


class SourceRecordRow(NamedTuple):
    """A stored version of a source record, sealed; in the order of the table's columns."""

    person_id: PersonId
    agency_id: AgencyId
    record_digest: bytes
    version: int
    content_digest: bytes
    body_sealed: bytes
    arrived_at: datetime
    entry_id: UUID


def insert_source_records(session: Session, rows: Iterable[SourceRecordRow]) -> None:
    """Store new versions of source records."""
    copy_rows(session, source_records, rows)


def source_records_of(
    session: Session, person_ids: Sequence[PersonId], *, arrived_by: datetime | None = None
) -> dict[PersonId, list[SourceRecordRow]]:
    """Return all versions of all records of persons that had arrived by an instant, inclusive."""
    found: dict[PersonId, list[SourceRecordRow]] = {}
    if not person_ids:
        return found
    statement = select(source_records).where(source_records.c.person_id == any_id_of(person_ids))
    if arrived_by is not None:
        statement = statement.where(source_records.c.arrived_at <= arrived_by)
    for row in session.execute(statement):
        found.setdefault(PersonId(row.person_id), []).append(SourceRecordRow(*row))
    return found


def delete_source_records(session: Session, rows: Iterable[SourceRecordRow]) -> None:
    """Remove versions that are stored as another person's from now on."""
    gone = list(rows)
    if gone:
        table = source_records.c
        key = tuple_(table.person_id, table.agency_id, table.record_digest, table.version)
        named = rows_of(
            person_id=(Uuid, [row.person_id for row in gone]),
            agency_id=(Text, [row.agency_id for row in gone]),
            record_digest=(LargeBinary, [row.record_digest for row in gone]),
            version=(Integer, [row.version for row in gone]),
        )
        session.execute(delete(source_records).where(key.in_(select(named))))


# Persons

DerivedRow: TypeAlias = tuple[PersonId, int, bytes, bytes, PersonId | None]
"""Person, version, sealed record, sealed standings, and who answers for the person if merged."""


def insert_persons(session: Session, rows: Iterable[DerivedRow], at: datetime) -> None:
    """Store new persons."""
    copy_rows(session, persons, ((p, at, at, *rest) for p, *rest in rows))


def update_persons(session: Session, rows: Sequence[DerivedRow], at: datetime) -> None:
    """Replace derived records."""
    if rows:
        person_ids, versions, records, standings, groups = zip(*rows, strict=True)
        now = rows_of(
            person_id=(Uuid, person_ids),
            record_version=(Integer, versions),
            record_sealed=(LargeBinary, records),
            standings_sealed=(LargeBinary, standings),
            group_id=(Uuid, groups),
        )
        execute_later(
            session,
            update(persons)
            .where(persons.c.person_id == now.c.person_id)
            .values(
                derived_at=at,
                record_version=now.c.record_version,
                record_sealed=now.c.record_sealed,
                standings_sealed=now.c.standings_sealed,
                group_id=now.c.group_id,
            ),
        )


def find_records(session: Session, person_ids: Iterable[PersonId]) -> dict[PersonId, bytes]:
    """Return the derived records of persons who are locked, sealed."""
    wanted = list(person_ids)
    if not wanted:
        return {}
    rows = session.execute(
        select(persons.c.person_id, persons.c.record_sealed).where(
            persons.c.person_id == any_id_of(wanted)
        )
    )
    return {PersonId(person_id): sealed for person_id, sealed in rows}


def has_data(person_id: ColumnElement[Any]) -> Exists:
    """Return the condition that a person's data was not destroyed."""
    keys = person_keys.c
    return exists().where(keys.person_id == person_id, keys.wrapped_key.is_not(None))


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
