"""One application for the tests of a module; each test makes its own people and clients."""

from collections.abc import Iterator
from typing import Any

import pytest

from kernel.clock import FrozenClock
from tests.databases import WITH_KEYS, KnownKeys, temporary_database
from tests.idp.idp_world import NOON, IdpWorld, open_idp_world


@pytest.fixture(scope="module")
def world_settings() -> dict[str, Any]:
    """What the application of a module is set up with; a module may have its own."""
    return {}


@pytest.fixture(scope="module")
def opened_world(
    server_url: str,
    known_keys: KnownKeys,
    tmp_path_factory: pytest.TempPathFactory,
    world_settings: dict[str, Any],
) -> Iterator[IdpWorld]:
    folder = tmp_path_factory.mktemp("civitas")
    known_keys.put_root_key_into(folder)
    with (
        temporary_database(server_url, template=WITH_KEYS) as url,
        open_idp_world(url, folder, **world_settings) as world,
    ):
        yield world


@pytest.fixture
def world(opened_world: IdpWorld) -> IdpWorld:
    """The world at noon."""
    opened_world.clock = opened_world.app.state.clock = FrozenClock(NOON)
    return opened_world
