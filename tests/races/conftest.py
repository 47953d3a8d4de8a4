"""One application for the races of a module, over a database with real commits."""

from collections.abc import Iterator

import pytest

from kernel.clock import FrozenClock
from tests.databases import KnownKeys
from tests.idp.idp_world import NOON, IdpWorld, idp_world_of_its_own


@pytest.fixture(scope="module")
def world(
    server_url: str, known_keys: KnownKeys, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[IdpWorld]:
    """The world at noon."""
    with idp_world_of_its_own(server_url, known_keys, tmp_path_factory) as opened:
        opened.clock = opened.app.state.clock = FrozenClock(NOON)
        yield opened
