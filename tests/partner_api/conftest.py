"""One application for all tests of a module; each test makes its own people and clients."""

from collections.abc import Iterator

import pytest

from kernel.clock import FrozenClock
from tests.databases import WITH_KEYS, KnownKeys, temporary_database
from tests.partner_api.partner_world import NOON, World, open_world


@pytest.fixture(scope="module")
def opened_world(
    server_url: str, known_keys: KnownKeys, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("civitas")
    known_keys.put_root_key_into(folder)
    with (
        temporary_database(server_url, template=WITH_KEYS) as url,
        open_world(url, folder) as world,
    ):
        yield world


@pytest.fixture
def world(opened_world: World) -> World:
    """The world at noon."""
    clock = FrozenClock(NOON)
    opened_world.clock = opened_world.app.state.clock = clock
    return opened_world
