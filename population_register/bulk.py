"""Many rows at once: COPY into a table, arrays in a condition."""

from collections.abc import Iterable, Sequence
from typing import Any

from psycopg import Connection
from sqlalchemy import ColumnElement, LargeBinary, Table, Uuid, any_, bindparam
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from kernel.ids import PersonId

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


def any_of(digests: Sequence[bytes]) -> ColumnElement[Any]:
    """Return `ANY(array)` of digests: one statement, and one plan, for any number of them."""
    return any_(bindparam(None, list(digests), ARRAY(LargeBinary), unique=True))


def any_id_of(person_ids: Iterable[PersonId]) -> ColumnElement[Any]:
    """Return `ANY(array)` of persons."""
    return any_(bindparam(None, list(person_ids), ARRAY(Uuid), unique=True))
