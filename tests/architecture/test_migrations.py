"""Revisions lead to the newest and back, and a database that is there already is left alone."""

import subprocess
import sys

import psycopg
import pytest
from alembic.script import ScriptDirectory

import migrations

pytestmark = pytest.mark.db


def test_newest_revision_is_alembics_only_head() -> None:
    script = ScriptDirectory.from_config(migrations.configuration("postgresql://nowhere"))

    assert script.get_heads() == [migrations.newest()]


def test_migrated_database_is_the_newest(database_url: str) -> None:
    assert migrations.is_newest(database_url)


def test_database_that_is_empty_older_or_away_is_not(fresh_database: str) -> None:
    with psycopg.connect(fresh_database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001_kernel'")
    older = migrations.is_newest(fresh_database)
    with psycopg.connect(fresh_database) as connection:
        connection.execute("DROP TABLE alembic_version")

    assert not older
    assert not migrations.is_newest(fresh_database)
    assert not migrations.is_newest(fresh_database.replace("/civitas_", "/not_there_"))


def tables(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT table_name || '.' || column_name || ' ' || data_type"
            " FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1"
        ).fetchall()
    return [str(row[0]) for row in rows]


def test_every_revision_can_be_taken_back(fresh_database: str) -> None:
    before = tables(fresh_database)

    migrations.downgrade(fresh_database, "base")
    nothing = tables(fresh_database)
    migrations.upgrade(fresh_database)

    assert nothing == ["alembic_version.version_num character varying"]
    assert tables(fresh_database) == before


def test_what_starts_others_does_not_load_what_they_do() -> None:
    """A second `make run` waits for this process before any other."""
    script = """
import sys
import app.cli.run
print(*{"alembic", "fastapi", "granian", "procrastinate", "sqlalchemy"} & set(sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == ""
