"""The signing keys of the tests of audit: made once per run, stored again for each test."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import insert, select
from sqlalchemy.orm import Session, sessionmaker

from kernel.root_keys import LocalKeyFile
from kernel.signing import SigningKeys
from kernel.tables import signing_keys
from tests.audit.audit_builders import NOON

OpenSigning = Callable[[sessionmaker[Session]], SigningKeys]


@pytest.fixture(scope="session")
def open_signing(tmp_path_factory: pytest.TempPathFactory) -> OpenSigning:
    """Open the same signing keys in any database."""
    root_keys = LocalKeyFile.create(tmp_path_factory.mktemp("audit") / "root.key")
    rows: list[dict[str, Any]] = []

    def open_in(sessions: sessionmaker[Session]) -> SigningKeys:
        if rows:
            with sessions.begin() as session:
                session.execute(insert(signing_keys), rows)
        signing = SigningKeys.open(root_keys, sessions, at=NOON)
        if not rows:
            rows.extend(_stored(sessions))
        return signing

    return open_in


@pytest.fixture
def signing(open_signing: OpenSigning, sessions: sessionmaker[Session]) -> SigningKeys:
    """The signing keys of the test's transaction."""
    return open_signing(sessions)


@pytest.fixture
def fresh_signing(open_signing: OpenSigning, fresh_sessions: sessionmaker[Session]) -> SigningKeys:
    """The signing keys of the test's own database."""
    return open_signing(fresh_sessions)


def _stored(sessions: sessionmaker[Session]) -> Sequence[dict[str, Any]]:
    with sessions() as session:
        return [dict(row) for row in session.execute(select(signing_keys)).mappings()]
