"""Many rows at once: COPY into a table, arrays in a condition, rows to select from.

Arrays go to the server in its binary format, packed here: as text, every byte of a sealed value
would be written as two digits, quoted and read again.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from struct import Struct
from typing import Any, Final, LiteralString
from uuid import UUID

import psycopg
from psycopg.adapt import Dumper
from psycopg.errors import UniqueViolation
from psycopg.pq import Format
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Executable,
    FromClause,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    any_,
    bindparam,
    column,
    func,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine, UserDefinedType
from typing_extensions import override

from kernel.behind import at_once, later

_COPY_TYPES: Final = {
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

    A violated constraint ends the transaction, as with INSERT. Under `kernel.behind`, the rows are
    written behind it.
    """
    rows = list(rows)
    if rows:
        later(session, partial(_copy, table, rows))


def _copy(table: Table, rows: Iterable[Sequence[object]], on: Connection) -> None:
    statement, types = _copy_statement(table)
    connection = on.connection.driver_connection
    assert isinstance(connection, psycopg.Connection)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


def copy_new_rows(session: Session, table: Table, rows: Iterable[Sequence[object]]) -> bool:
    """Insert many rows as `copy_rows` does; tell whether all of them were new.

    Transaction:
        Waits for whoever is inserting one of them, in the order of the rows. If one is there
        already, nothing goes until the caller's savepoint is rolled back.
    """
    rows = list(rows)
    try:
        if rows:
            with at_once(session) as connection:
                _copy(table, rows, connection)
    except UniqueViolation:
        return False
    return True


def execute_later(session: Session, statement: Executable) -> None:
    """Run a statement of which no answer is wanted; under `kernel.behind`, behind the rest."""

    def execute(on: Connection) -> None:
        on.execute(statement)

    later(session, execute)


@lru_cache(64)
def _copy_statement(table: Table) -> tuple[LiteralString, Sequence[str]]:
    """Return the statement of a table, and the types of its columns."""
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    statement = f'COPY "{table.name}" ({columns}) FROM STDIN (FORMAT BINARY)'
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    types = [_COPY_TYPES[column.type.compile(dialect).lower()] for column in table.columns]
    return statement, types


# Arrays


class Tid(UserDefinedType[bytes]):
    """Where a row lies (`tidsend(ctid)`): six bytes. A row that changes lies elsewhere then."""

    cache_ok = True

    @override
    def get_col_spec(self, **_options: object) -> str:
        """Return the name of the type."""
        return "TID"


class _Packed:
    """An array as the server reads it."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


class _PackedDumper(Dumper):
    """Sends a packed array as it is; the statement's cast says of what it is."""

    format = Format.BINARY

    @override
    def dump(self, obj: _Packed) -> bytes:
        return obj.data


_HEAD: Final = Struct("!iiIii")  # dimensions, has nulls, type of elements, length, lower bound
_LENGTH: Final = Struct("!i").pack
_NULL: Final = _LENGTH(-1)
_SIXTEEN: Final = _LENGTH(16)


def _packing(oid: int, frame: Callable[[Any], bytes]) -> Callable[[Sequence[object]], _Packed]:
    def pack(values: Sequence[object]) -> _Packed:
        if not values:
            return _Packed(_HEAD.pack(0, 0, oid, 0, 0)[:12])
        head = _HEAD.pack(1, 1, oid, len(values), 1)
        return _Packed(
            head + b"".join([_NULL if value is None else frame(value) for value in values])
        )

    return pack


def _framed_uuid(value: UUID) -> bytes:
    return _SIXTEEN + value.bytes


def _framed_bytes(value: bytes) -> bytes:
    return _LENGTH(len(value)) + value


def _framed_text(value: str) -> bytes:
    return _framed_bytes(value.encode())


_ARRAYS: Final = {
    Uuid: ("UUID[]", _packing(2950, _framed_uuid)),
    LargeBinary: ("BYTEA[]", _packing(17, _framed_bytes)),
    Text: ("TEXT[]", _packing(25, _framed_text)),
    BigInteger: ("BIGINT[]", _packing(20, partial(Struct("!iq").pack, 8))),
    Integer: ("INTEGER[]", _packing(23, partial(Struct("!ii").pack, 4))),
    Tid: ("TID[]", _packing(27, partial(Struct("!i6s").pack, 6))),
}
"""By type of element: how the array is called in SQL, and how it is packed."""


class _Array(UserDefinedType[Sequence[object]]):
    """An array that is packed here; a cast tells the server what it is."""

    cache_ok = True
    render_bind_cast = True

    def __init__(self, element: type[TypeEngine[Any]]) -> None:
        self.element = element

    @override
    def get_col_spec(self, **_options: object) -> str:
        """Return the name of the type."""
        return _ARRAYS[self.element][0]

    @override
    def bind_processor(self, dialect: Dialect) -> Callable[[Any], _Packed]:
        """Return what packs the values."""
        return _ARRAYS[self.element][1]


psycopg.adapters.register_dumper(_Packed, _PackedDumper)


def any_of(element: type[TypeEngine[Any]], values: Iterable[object]) -> ColumnElement[Any]:
    """Return `ANY(array)`: one statement, and one plan, for any number of values."""
    return any_(bindparam(None, list(values), _Array(element), unique=True))


def rows_of(**columns: tuple[type[TypeEngine[Any]], Sequence[object]]) -> FromClause:
    """Return many rows as something to select from: names, with the type and values of each."""
    return (
        func.unnest(
            *(
                bindparam(None, list(values), _Array(element), unique=True)
                for element, values in columns.values()
            )
        )
        .table_valued(*(column(name, element()) for name, (element, _) in columns.items()))
        .render_derived()
    )
