"""The signing keys of the tests of audit."""

import pytest
from sqlalchemy.orm import Session, sessionmaker

from kernel.signing import SigningKeys
from tests.databases import KnownKeys


@pytest.fixture
def signing(known_keys: KnownKeys, sessions: sessionmaker[Session]) -> SigningKeys:
    """The signing keys of the test's transaction."""
    return known_keys.open_signing(sessions)
