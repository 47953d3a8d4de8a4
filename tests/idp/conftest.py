"""One application for the tests of a module; each test makes its own people and clients."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from kernel.clock import FrozenClock
from kernel.secret import random_bytes
from tests.conftest import create_database
from tests.idp.idp_world import NOON, IdpWorld, open_idp_world


@pytest.fixture(scope="module")
def opened_world(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[IdpWorld]:
    name = f"civitas_{random_bytes(8).hex()}"
    url = create_database(server_url, name)
    with open_idp_world(url, tmp_path_factory.mktemp("civitas")) as world:
        yield world
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def world(opened_world: IdpWorld) -> IdpWorld:
    """The world at noon."""
    opened_world.clock = opened_world.app.state.clock = FrozenClock(NOON)
    return opened_world
