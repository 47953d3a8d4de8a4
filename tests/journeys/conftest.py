"""One running instance for all tests that look at it and leave it as it is."""

from collections.abc import Iterator

import pytest

from app.demo.instance import Instance, fresh_instance


@pytest.fixture(scope="session")
def instance() -> Iterator[Instance]:
    """A whole instance, as `make run` gives one: embedded database, server, worker, bank."""
    with fresh_instance({"CIVITAS_LOG_LEVEL": "DEBUG"}) as instance:
        yield instance
