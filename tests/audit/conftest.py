"""What the tests of audit share."""

from pathlib import Path

import pytest
from sqlalchemy.orm import Session, sessionmaker

from kernel.root_keys import LocalKeyFile
from kernel.signing import SigningKeys
from tests.audit.audit_builders import NOON


@pytest.fixture
def root_keys(tmp_path: Path) -> LocalKeyFile:
    return LocalKeyFile.create(tmp_path / "root.key")


@pytest.fixture
def signing(root_keys: LocalKeyFile, sessions: sessionmaker[Session]) -> SigningKeys:
    return SigningKeys.open(root_keys, sessions, at=NOON)


@pytest.fixture
def fresh_signing(root_keys: LocalKeyFile, fresh_sessions: sessionmaker[Session]) -> SigningKeys:
    """The signing keys of the test's own database."""
    return SigningKeys.open(root_keys, fresh_sessions, at=NOON)
