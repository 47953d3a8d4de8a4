"""The signing keys of the tests of consent."""

from pathlib import Path

import pytest
from sqlalchemy.orm import Session, sessionmaker

from kernel.root_keys import LocalKeyFile
from kernel.signing import SigningKeys
from tests.consent.consent_builders import NOON


@pytest.fixture
def signing(tmp_path: Path, sessions: sessionmaker[Session]) -> SigningKeys:
    return SigningKeys.open(LocalKeyFile.create(tmp_path / "root.key"), sessions, at=NOON)
