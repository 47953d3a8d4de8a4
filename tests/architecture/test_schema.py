"""The schema distributes by person, and contexts don't hold on to each other."""

from collections.abc import Iterator
from importlib import import_module

import pytest
from sqlalchemy import Engine, ForeignKeyConstraint, Table, UniqueConstraint, text

from kernel.db import metadata

CONTEXTS = (
    "kernel",
    "audit",
    "population_register",
    "consent",
    "vault",
    "idp",
    "partner_api",
)


def tables_by_context() -> dict[str, str]:
    """Which context each table belongs to: the one whose import brought it."""
    owner: dict[str, str] = {}
    for context in CONTEXTS:
        module = import_module(f"{context}.tables")
        for value in vars(module).values():
            if isinstance(value, Table):
                owner.setdefault(value.key, context)
    return owner


OWNER = tables_by_context()
TABLES = [metadata.tables[key] for key in sorted(OWNER)]


def unique_column_sets(table: Table) -> Iterator[tuple[str, set[str]]]:
    yield "primary key", {column.name for column in table.primary_key}
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            yield str(constraint.name), {column.name for column in constraint}
    for index in table.indexes:
        if index.unique:
            yield str(index.name), {column.name for column in index.columns}


def test_every_context_has_tables() -> None:
    assert set(OWNER.values()) == set(CONTEXTS)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.key)
def test_no_foreign_key_crosses_a_context(table: Table) -> None:
    for constraint in table.constraints:
        if isinstance(constraint, ForeignKeyConstraint):
            assert OWNER[constraint.referred_table.key] == OWNER[table.key]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.key)
def test_person_scoped_table_has_the_person_in_every_key(table: Table) -> None:
    """A table found by something other than a person says so in its `info`."""
    if "person_id" not in table.c or table.info.get("lookup"):
        return

    for name, columns in unique_column_sets(table):
        assert "person_id" in columns, f"{name} of {table.key}"


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.key)
def test_lookup_table_is_not_keyed_by_a_person_after_all(table: Table) -> None:
    if table.info.get("lookup"):
        assert "person_id" not in {column.name for column in table.primary_key}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.key)
def test_tables_are_plural_and_instants_are_aware(table: Table) -> None:
    assert table.name.endswith("s") or table.name.endswith("_state"), table.name
    for column in table.columns:
        if column.name.endswith("_at"):
            assert getattr(column.type, "timezone", None) is True, column


CONSTRAINTS = text("""
    SELECT r.relname, c.conname, pg_get_constraintdef(c.oid)
    FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid
    WHERE r.relnamespace = CAST(:schema AS regnamespace) AND c.contype <> 'n'
""")


def test_migrated_constraints_are_the_declared_ones(fresh_engine: Engine) -> None:
    """Names and rules: Alembic's own comparison does not look at checks."""
    with fresh_engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA declared"))
        connection.execute(text("SET LOCAL search_path = declared"))
        metadata.create_all(connection)
        found = {
            schema: {
                (table, name, rule.replace(f"{schema}.", ""))
                for table, name, rule in connection.execute(CONSTRAINTS, {"schema": schema})
                if table in metadata.tables
            }
            for schema in ("public", "declared")
        }

    assert found["public"] == found["declared"]
