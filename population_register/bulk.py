"""Many rows at once: COPY into a table, arrays in a condition."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, LiteralString

from psycopg import Connection
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    LargeBinary,
    Table,
    Uuid,
    any_,
    bindparam,
    column,
    func,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine

from kernel.ids import PersonId

_COPY_TYPES = {
    "uuid": "uuid",
    "bytea": "bytea",
    "text": "text",
    "integer": "int4",
    "bigint": "int8",
    "double precision": "float8",
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
    statement, types = _copy_statement(table)
    connection = session.connection().connection.driver_connection
    assert isinstance(connection, Connection)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


@lru_cache(64)
def _copy_statement(table: Table) -> tuple[LiteralString, Sequence[str]]:
    """Return the statement of a table, and the types of its columns."""
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    statement = f'COPY "{table.name}" ({columns}) FROM STDIN (FORMAT BINARY)'
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    types = [_COPY_TYPES[column.type.compile(dialect).lower()] for column in table.columns]
    return statement, types


def any_of(digests: Sequence[bytes]) -> ColumnElement[Any]:
    """Return `ANY(array)` of digests: one statement, and one plan, for any number of them."""
    return any_(bindparam(None, list(digests), ARRAY(LargeBinary), unique=True))


def any_id_of(person_ids: Iterable[PersonId]) -> ColumnElement[Any]:
    """Return `ANY(array)` of persons."""
    return any_(bindparam(None, list(person_ids), ARRAY(Uuid), unique=True))


def any_key_of(keys: Iterable[int]) -> ColumnElement[Any]:
    """Return `ANY(array)` of blocking keys."""
    return any_(bindparam(None, list(keys), ARRAY(BigInteger), unique=True))


def rows_of(**columns: tuple[TypeEngine[Any], Sequence[object]]) -> FromClause:
    """Return many rows as something to select from: names, with the type and values of each."""
    return (
        func.unnest(
            *(
                bindparam(None, list(values), ARRAY(kind), unique=True)
                for kind, values in columns.values()
            )
        )
        .table_valued(*(column(name, kind) for name, (kind, _) in columns.items()))
        .render_derived()
    )
