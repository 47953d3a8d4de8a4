"""The database: one metadata, one way to open a transaction, and the hot lane's statements.

Locks are taken in this order, and in no other:

1. advisory locks, by the numbers in `AdvisoryLock`, ascending;
2. a feed's row, then new rows of `record_links` and of `linking_keys`, then known rows of
   `linking_keys`, each ascending: whose records may be about one person;
3. `person_keys`, `persons`, then other person-scoped rows, by `person_id` ascending;
4. rows of clients, partners and agencies;
5. the audit log's append, which takes no lock that another writer waits for.
"""

from collections.abc import Awaitable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import Annotated, Any, Protocol

import asyncpg
import psycopg
from fastapi import Depends, Request
from psycopg.rows import dict_row
from sqlalchemy import DateTime, Engine, MetaData, create_engine, text
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ClauseElement

from kernel.behind import at_once
from kernel.errors import DomainError

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Instant = DateTime(timezone=True)
"""Column type of every instant: `timestamptz`, read back timezone-aware."""


class AdvisoryLock(IntEnum):
    """Every transaction-scoped advisory lock there is, in the order in which they are taken."""

    MIGRATION = 1
    KEY_ROTATION = 2
    LOG_SEQUENCER = 3
    EARLY_WITHDRAWALS = 4
    ACCOUNTS = 5
    WAITING_REQUESTS = 6


def lock(session: Session, which: AdvisoryLock, key: int = 0) -> None:
    """Wait for an advisory lock; it is released when the transaction ends.

    Args:
        session: The open transaction.
        which: The kind of lock.
        key: Which one of its kind; 32 bits, signed.
    """
    session.execute(
        text("SELECT pg_advisory_xact_lock(:which, :key)"), {"which": int(which), "key": key}
    )


def lock_shared(session: Session, which: AdvisoryLock, key: int = 0) -> None:
    """Wait for an advisory lock together with others: nobody has it alone until all have ended."""
    session.execute(
        text("SELECT pg_advisory_xact_lock_shared(:which, :key)"), {"which": int(which), "key": key}
    )


def commit_lazily(session: Session) -> None:
    """Let this transaction's commit answer before it is on the disk.

    What is committed later is on the disk only together with it. So this is for work of which a
    crash may lose the last part: whoever does it finds out where it stopped, and goes on.
    """
    session.execute(text("SET LOCAL synchronous_commit TO off"))


def make_engine(url: str, *, pool_size: int = 10) -> Engine:
    """Make the ordinary lane's engine over psycopg 3.

    Args:
        url: `postgresql://…`, as libpq understands it; the driver is chosen here.
        pool_size: Connections kept; as many again may be opened at a peak.
    """
    return create_engine(
        sqlalchemy_url(url),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        hide_parameters=True,  # exceptions would repeat the values of a statement
    )


def sqlalchemy_url(url: str) -> str:
    """Return `url` with the psycopg 3 driver named, for SQLAlchemy and Alembic."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.partition("+")[0] not in {"postgresql", "postgres"}:
        raise ValueError("the database URL begins with postgresql://")
    return f"postgresql+psycopg://{rest}"


def make_sessions(engine: Engine) -> sessionmaker[Session]:
    """Make the factory of ordinary transactions."""
    return sessionmaker(bind=engine, expire_on_commit=False)


@contextmanager
def unit_of_work_of(sessions: sessionmaker[Session]) -> Iterator[Session]:
    """Open one transaction: committed at the end, rolled back on any exception.

    A `DomainError` that says `keeps_writes` is raised after its writes were committed.
    """
    with sessions() as session:
        try:
            yield session
        except DomainError as refusal:
            if refusal.keeps_writes:
                session.commit()
            raise
        else:
            session.commit()


def unit_of_work(request: Request) -> Iterator[Session]:
    """Open the transaction of this request and close it before the answer is sent."""
    sessions: sessionmaker[Session] = request.app.state.sessions
    with unit_of_work_of(sessions) as session:
        yield session


# scope="function" ends the dependency before the response starts. With the default scope the
# client can hold a 200 for a commit that is about to fail.
UnitOfWork = Annotated[Session, Depends(unit_of_work, scope="function")]


class Fetcher(Protocol):
    """What a hot statement runs on: `kernel.hot_pool`, or a connection of asyncpg."""

    async def fetchrow(self, query: str, *args: Any) -> asyncpg.Record | None:  # noqa: ANN401
        """Return the first row, or None."""
        ...

    async def fetch(self, query: str, *args: Any) -> list[asyncpg.Record]:  # noqa: ANN401
        """Return all rows."""
        ...


class HotStatement:
    """A SQLAlchemy Core statement, compiled once and run over asyncpg.

    Values pass without SQLAlchemy's conversions: give `UUID`, aware `datetime`, `bytes`, `str`,
    `int`, lists of these. `IN` with a list is not supported: use `= ANY(:bind)`.
    """

    __slots__ = ("_binds", "_names", "sql")

    def __init__(self, statement: ClauseElement) -> None:
        compiled = statement.compile(dialect=asyncpg_dialect())  # type: ignore[no-untyped-call]
        assert isinstance(compiled, SQLCompiler)
        if compiled.post_compile_params:
            raise ValueError("a hot statement can't expand a list: use = ANY(:bind)")
        self.sql: str = compiled.string
        names: Sequence[str] = compiled.positiontup or ()
        self._names = tuple(names)
        self._binds: Mapping[str, object] = {
            name: compiled.binds[name].effective_value
            for name in names
            if not compiled.binds[name].required
        }

    def arguments(self, values: Mapping[str, object]) -> list[object]:
        """Return the values in the order of `$1, $2, …`.

        Raises:
            KeyError: A bind has neither a value nor a default: a defect of ours.
        """
        defaults = self._binds
        return [values[name] if name in values else defaults[name] for name in self._names]

    async def fetchrow(self, on: Fetcher, **values: object) -> asyncpg.Record | None:
        """Run and return the first row, or None."""
        return await on.fetchrow(self.sql, *self.arguments(values))

    async def fetch(self, on: Fetcher, **values: object) -> list[asyncpg.Record]:
        """Run and return all rows."""
        return await on.fetch(self.sql, *self.arguments(values))

    def fetchrow_in(self, session: Session, **values: object) -> Mapping[str, Any] | None:
        """Run in an open transaction of the ordinary lane, and return the first row, or None.

        For a rule that has a hot caller and an ordinary one: there is one statement of it.
        """
        with at_once(session) as on:
            connection = on.connection.driver_connection
            assert isinstance(connection, psycopg.Connection)
            with psycopg.RawCursor(connection, row_factory=dict_row) as cursor:
                return cursor.execute(self.sql, self.arguments(values)).fetchone()

    def fixed(self, values: Mapping[str, object]) -> "FixedStatement":
        """Return the statement with some of its values given for good."""
        return FixedStatement(self.sql, self._names, {**self._binds, **values})


class FixedStatement:
    """A hot statement of which most values are the same each time it is run."""

    __slots__ = ("_arguments", "_open", "_sql")

    def __init__(self, sql: str, names: Sequence[str], values: Mapping[str, object]) -> None:
        self._sql = sql
        self._arguments = [values.get(name) for name in names]
        self._open = tuple((at, name) for at, name in enumerate(names) if name not in values)

    def fetchrow(
        self, on: Fetcher, values: Mapping[str, object]
    ) -> Awaitable[asyncpg.Record | None]:
        """Run and return the first row, or None.

        Args:
            on: What to run on.
            values: Those that are not given yet.

        Raises:
            KeyError: One of them is missing: a defect of ours.
        """
        arguments = self._arguments.copy()
        for at, name in self._open:
            arguments[at] = values[name]
        return on.fetchrow(self._sql, *arguments)
