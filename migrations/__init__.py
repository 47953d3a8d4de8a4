"""Alembic revisions, and the one function that applies them."""

from pathlib import Path

from alembic import command
from alembic.config import Config


def configuration(url: str) -> Config:
    """Return Alembic's configuration for the database at `url`, whatever folder we run in."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["url"] = url
    return config


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the database at `url` to `revision`; nothing happens when it is there already.

    Transaction:
        All revisions in one, under an advisory lock: of two processes that start at once, the
        second waits and then finds nothing to do.
    """
    command.upgrade(configuration(url), revision)


def downgrade(url: str, revision: str) -> None:
    """Take the database at `url` back to `revision`; `base` empties it."""
    command.downgrade(configuration(url), revision)
