"""A vault on the database of the tests, with a folder of its own for blobs."""

from pathlib import Path

import pytest
from obstore.store import LocalStore
from sqlalchemy.orm import Session, sessionmaker

from kernel.keyring import Keyring
from kernel.root_keys import LocalKeyFile
from tests.vault.vault_builders import NOON, Vault


@pytest.fixture
def root(tmp_path: Path) -> LocalKeyFile:
    return LocalKeyFile.create(tmp_path / "root.key")


@pytest.fixture
def blobs(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "blobs", mkdir=True)


@pytest.fixture
def vault(sessions: sessionmaker[Session], root: LocalKeyFile, blobs: LocalStore) -> Vault:
    """A vault whose every commit vanishes after the test."""
    return Vault(sessions, Keyring.open(root, sessions, at=NOON), blobs)


@pytest.fixture
def real_vault(
    fresh_sessions: sessionmaker[Session], root: LocalKeyFile, blobs: LocalStore
) -> Vault:
    """A vault that commits, for what two transactions do to each other."""
    return Vault(fresh_sessions, Keyring.open(root, fresh_sessions, at=NOON), blobs)
