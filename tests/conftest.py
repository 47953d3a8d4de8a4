"""The database of the tests, the clock, and a whole running instance.

One embedded server serves the whole run: each pytest-xdist worker starts it or finds it running,
and the last one to leave stops it. A template is migrated once; every worker clones it, and each
test runs in a transaction that is rolled back. Tests that need real commits clone their own.
"""

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from app.demo.instance import Instance, fresh_instance
from kernel.clock import FrozenClock
from kernel.db import make_engine, make_sessions
from kernel.postgres import EmbeddedPostgres
from tests.commands import logging_kept
from tests.databases import NOON, KnownKeys, create_database, make_templates, temporary_database

pytest_plugins = ["tests.sharing"]

# How long an example takes, or making it, says something about the machine and nothing about us.
hypothesis.settings.register_profile(
    "tests", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("tests")

PROPERTY_SECONDS = 60


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let a property, which is a hundred tests, take as long as some of them."""
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker(pytest.mark.timeout(PROPERTY_SECONDS))


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The folder that all workers of this run share."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@pytest.fixture(scope="session")
def server_url(run_folder: Path) -> Iterator[str]:
    """Start the server, or join it, and see to the templates."""
    with EmbeddedPostgres(run_folder / "pg", durable=False) as server:
        make_templates(server.url, run_folder)
        yield server.url


@pytest.fixture(scope="session")
def known_keys(run_folder: Path, server_url: str) -> KnownKeys:  # noqa: ARG001  # which makes them
    """Keys that were made once for the whole run."""
    return KnownKeys(run_folder)


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
    with temporary_database(server_url) as url:
        yield url


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
def logging_as_before() -> Iterator[None]:
    """A command configures logging for its process, which here is the tests'."""
    with logging_kept():
        yield


@pytest.fixture(scope="session")
def instance() -> Iterator[Instance]:
    """A whole instance, as `make run` gives one: embedded database, server, worker, bank.

    One for all tests that leave it as they found it; their modules go to one worker (sharing.py).
    """
    with fresh_instance({"CIVITAS_LOG_LEVEL": "DEBUG"}) as instance:
        yield instance


@pytest.fixture
def clock() -> FrozenClock:
    """A clock that stands at noon of 23 November 2026, UTC."""
    return FrozenClock(NOON)
