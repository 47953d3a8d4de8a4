"""The database of the tests, and the clock.

One embedded server serves the whole run: each pytest-xdist worker starts it or finds it running,
and the last one to leave stops it. A template is migrated once; every worker clones it, and each
test runs in a transaction that is rolled back. Tests that need real commits clone their own.
"""

import fcntl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

import migrations
from kernel.clock import FrozenClock
from kernel.db import make_engine, make_sessions
from kernel.postgres import EmbeddedPostgres
from kernel.secret import random_bytes

TEMPLATE = "civitas_template"


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The folder that all workers of this run share."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@pytest.fixture(scope="session")
def server_url(run_folder: Path) -> Iterator[str]:
    """Start the server, or join it, and see to the migrated template."""
    with EmbeddedPostgres(run_folder / "pg", durable=False) as server:
        with (run_folder / "template.lock").open("wb") as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            with psycopg.connect(server.url, autocommit=True) as connection:
                known = connection.execute(
                    "SELECT FROM pg_database WHERE datname = %s", (TEMPLATE,)
                ).fetchone()
                if known is None:
                    connection.execute("DROP DATABASE IF EXISTS unfinished")
                    url = create_database(server.url, "unfinished", template="template0")
                    migrations.upgrade(url)
                    connection.execute(f"ALTER DATABASE unfinished RENAME TO {TEMPLATE}")
        yield server.url


@pytest.fixture(scope="session")
def database_url(server_url: str, worker_id: str) -> str:
    """The migrated database of this worker; what a test writes into it is rolled back."""
    return create_database(server_url, f"civitas_{worker_id}")


@pytest.fixture(scope="session")
def engine(database_url: str) -> Iterator[Engine]:
    """The engine of this worker's database."""
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def sessions(engine: Engine) -> Iterator[sessionmaker[Session]]:
    """A factory of sessions whose commits are savepoints: all of them vanish after the test."""
    with engine.connect() as connection:
        everything = connection.begin()
        yield sessionmaker(
            bind=connection, expire_on_commit=False, join_transaction_mode="create_savepoint"
        )
        everything.rollback()


@pytest.fixture
def session(sessions: sessionmaker[Session]) -> Iterator[Session]:
    """One session in the transaction that is rolled back."""
    with sessions() as session:
        yield session


@pytest.fixture
def fresh_database(server_url: str) -> Iterator[str]:
    """A migrated database of the test's own: for races, faults and real processes."""
    name = f"civitas_{random_bytes(8).hex()}"
    yield create_database(server_url, name)
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def fresh_engine(fresh_database: str) -> Iterator[Engine]:
    """An engine of the test's own database, closed before that is dropped."""
    engine = make_engine(fresh_database)
    yield engine
    engine.dispose()


@pytest.fixture
def fresh_sessions(fresh_engine: Engine) -> sessionmaker[Session]:
    """A factory of sessions that really commit, into the test's own database."""
    return make_sessions(fresh_engine)


@pytest.fixture
def clock() -> FrozenClock:
    """A clock that stands at noon of 23 November 2026, UTC."""
    return FrozenClock(datetime(2026, 11, 23, 12, tzinfo=UTC))


def create_database(server_url: str, name: str, *, template: str = TEMPLATE) -> str:
    """Clone `template` and return the clone's address."""
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
    return server_url.replace("@/civitas?", f"@/{name}?")
