"""Alembic revisions, and the one function that applies them."""

from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from alembic.config import Config

FOLDER = Path(__file__).parent


def configuration(url: str) -> "Config":
    """Return Alembic's configuration for the database at `url`, whatever folder we run in."""
    # Alembic loads the tables of every context, which a start that has nothing to migrate can do
    # without.
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["url"] = url
    return config


def newest() -> str:
    """Return the newest revision: files are named after theirs, and numbered in their order."""
    return max(file.stem for file in (FOLDER / "versions").glob("[0-9]*.py"))


def is_newest(url: str) -> bool:
    """Tell whether the database at `url` is there, and at the newest revision."""
    try:
        with psycopg.connect(url) as connection:
            rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    except (psycopg.errors.UndefinedTable, psycopg.OperationalError):
        return False
    return rows == [(newest(),)]


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the database at `url` to `revision`; nothing happens when it is there already.

    Transaction:
        All revisions in one, under an advisory lock: of two processes that start at once, the
        second waits and then finds nothing to do.
    """
    if revision == "head" and is_newest(url):
        return
    from alembic import command  # noqa: PLC0415

    command.upgrade(configuration(url), revision)


def downgrade(url: str, revision: str) -> None:
    """Take the database at `url` back to `revision`; `base` empties it."""
    from alembic import command  # noqa: PLC0415

    command.downgrade(configuration(url), revision)
