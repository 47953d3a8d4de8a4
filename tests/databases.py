"""The databases of the tests: a migrated one, and one that has keys too, to make copies of."""

import fcntl
import pickle
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import insert, select
from sqlalchemy.orm import Session, sessionmaker

import migrations
from kernel.db import make_engine, make_sessions
from kernel.keyring import Keyring
from kernel.root_keys import LocalKeyFile
from kernel.secret import random_bytes
from kernel.signing import SigningKeys
from kernel.tables import signing_keys

MIGRATED = "civitas_migrated"
WITH_KEYS = "civitas_with_keys"

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class KnownKeys:
    """Keys that were made once for the whole run: making them anew takes a quarter of a second."""

    def __init__(self, folder: Path) -> None:
        self._key_file = folder / "known.key"
        self._rows = folder / "known_signing_keys.pickle"

    def make(self, url: str) -> None:
        """Make the keys, in a database that has none."""
        root_keys = LocalKeyFile.create(self._key_file)
        engine = make_engine(url)
        sessions = make_sessions(engine)
        Keyring.open(root_keys, sessions, at=NOON)
        SigningKeys.open(root_keys, sessions, at=NOON)
        with sessions() as session:
            rows = [dict(row) for row in session.execute(select(signing_keys)).mappings()]
        self._rows.write_bytes(pickle.dumps(rows))
        engine.dispose()

    @property
    def root_keys(self) -> LocalKeyFile:
        """The root under which they are sealed."""
        return LocalKeyFile.open(self._key_file)

    def put_root_key_into(self, data: Path) -> None:
        """Let a data folder go with a copy of the database that has the keys."""
        shutil.copy(self._key_file, data / "root.key")

    def open_signing(self, sessions: sessionmaker[Session], *, at: datetime = NOON) -> SigningKeys:
        """Store the signing keys in a database that has none, and open them."""
        with sessions.begin() as session:
            session.execute(insert(signing_keys), pickle.loads(self._rows.read_bytes()))
        return SigningKeys.open(self.root_keys, sessions, at=at)


def make_templates(server_url: str, folder: Path) -> None:
    """Make the databases that others are copies of, unless another worker was here first."""
    with (folder / "templates.lock").open("wb") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        with psycopg.connect(server_url, autocommit=True) as connection:
            known = connection.execute("SELECT datname FROM pg_database").fetchall()
            if (WITH_KEYS,) in known:
                return
            migrations.upgrade(create_database(server_url, "unfinished", template="template0"))
            connection.execute(f"ALTER DATABASE unfinished RENAME TO {MIGRATED}")
            KnownKeys(folder).make(create_database(server_url, "unfinished"))
            connection.execute(f"ALTER DATABASE unfinished RENAME TO {WITH_KEYS}")


def create_database(server_url: str, name: str, *, template: str = MIGRATED) -> str:
    """Copy `template` and return the copy's address."""
    # Copying files is the quickest where nothing has to survive a crash.
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
    return server_url.replace("@/civitas?", f"@/{name}?")


@contextmanager
def temporary_database(server_url: str, *, template: str = MIGRATED) -> Iterator[str]:
    """Copy `template`, and drop the copy at the end."""
    name = f"civitas_{random_bytes(8).hex()}"
    yield create_database(server_url, name, template=template)
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(drop)
