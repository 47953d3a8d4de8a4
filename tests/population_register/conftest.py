"""What the register's tests share: a keyring, and the agencies that send records."""

import pytest
from sqlalchemy.orm import Session, sessionmaker

from kernel.keyring import Keyring
from kernel.root_keys import LocalKeyFile
from tests.population_register.register_builders import NOON, add_agencies


@pytest.fixture
def keyring(sessions: sessionmaker[Session]) -> Keyring:
    return Keyring.open(LocalKeyFile(bytes(range(32))), sessions, at=NOON)


@pytest.fixture
def agencies(session: Session) -> None:
    add_agencies(session)
