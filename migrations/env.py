"""Alembic's environment: every context's tables, and nothing else of them."""

import importlib
import importlib.util
import os

from alembic import context
from sqlalchemy import Connection, create_engine, pool, text

from kernel.db import AdvisoryLock, metadata, sqlalchemy_url

CONTEXTS = (
    "kernel",
    "audit",
    "population_register",
    "consent",
    "vault",
    "idp",
    "partner_api",
)

for name in CONTEXTS:
    if importlib.util.find_spec(f"{name}.tables") is not None:
        importlib.import_module(f"{name}.tables")


def is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """Leave the job queue's own tables out of comparisons."""
    return not (kind == "table" and (name or "").startswith("procrastinate_"))


def run_on(connection: Connection) -> None:
    """Run the revisions that are asked for, in one transaction."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_server_default=True,
        include_name=is_ours,
    )
    with context.begin_transaction():
        connection.execute(
            text("SELECT pg_advisory_xact_lock(:which, 0)"), {"which": int(AdvisoryLock.MIGRATION)}
        )
        context.run_migrations()


def run() -> None:
    """Connect to the database that we were given, or to CIVITAS_DATABASE_URL."""
    attributes = context.config.attributes
    given = attributes.get("connection")
    if isinstance(given, Connection):
        run_on(given)
        return
    url = attributes.get("url") or os.environ.get("CIVITAS_DATABASE_URL")
    if not url:
        raise SystemExit("Set CIVITAS_DATABASE_URL to the database to migrate.")
    engine = create_engine(sqlalchemy_url(url), poolclass=pool.NullPool)
    with engine.connect() as connection:
        run_on(connection)
        connection.commit()


if context.is_offline_mode():
    raise SystemExit("Revisions need a database to run against; SQL files are not written.")
run()
