"""The signing keys of the tests of consent."""

import pytest
from sqlalchemy.orm import Session, sessionmaker

from kernel.signing import SigningKeys
from tests.databases import KnownKeys


@pytest.fixture
def signing(known_keys: KnownKeys, sessions: sessionmaker[Session]) -> SigningKeys:
    return known_keys.open_signing(sessions)
