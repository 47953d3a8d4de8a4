"""One application for the tests of a module; each test makes its own people and clients."""

from collections.abc import Iterator
from typing import Any

import pytest

from kernel.clock import FrozenClock
from tests.databases import KnownKeys
from tests.idp.certificates import Certificate, an_authority, behind_mutual_tls
from tests.idp.idp_world import NOON, IdpWorld, idp_world_of_its_own


@pytest.fixture(scope="module")
def authority() -> Certificate:
    """Whose certificates authenticate clients, in modules with `mutual_tls`."""
    return an_authority()


@pytest.fixture(scope="module")
def mutual_tls(authority: Certificate, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The `world_settings` of modules whose clients come with certificates."""
    return behind_mutual_tls(authority, tmp_path_factory.mktemp("authorities"))


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
    with idp_world_of_its_own(server_url, known_keys, tmp_path_factory, **world_settings) as world:
        yield world


@pytest.fixture
def world(opened_world: IdpWorld) -> IdpWorld:
    """The world at noon."""
    opened_world.clock = opened_world.app.state.clock = FrozenClock(NOON)
    return opened_world
