"""`civitas storage`: what takes room in the database, and dropping what has run out."""

import click
from sqlalchemy import text

from app.cli.session import as_json, resources, show, table
from idp.api import delete_expired, empty_rings
from partner_api.api import forget_old

_SIZES = text(
    """
    SELECT coalesce(parent.relname, this.relname) AS name,
           count(*) - count(*) FILTER (WHERE this.relkind = 'p') AS parts,
           sum(greatest(this.reltuples, 0))::bigint AS rows_estimated,
           sum(pg_total_relation_size(this.oid))::bigint AS bytes
    FROM pg_class AS this
    JOIN pg_namespace AS place ON place.oid = this.relnamespace
    LEFT JOIN pg_inherits ON inhrelid = this.oid
    LEFT JOIN pg_class AS parent ON parent.oid = inhparent
    WHERE this.relkind IN ('r', 'p') AND place.nspname IN ('public', 'idp_rings')
    GROUP BY 1 ORDER BY bytes DESC, name
    """
)


@click.group()
def storage() -> None:
    """See what takes room, and drop what has run out."""


@storage.command("show")
@as_json
def show_sizes(*, is_json: bool) -> None:
    """Show each table with its size, the largest first; rows are PostgreSQL's estimate."""
    with resources() as opened, opened.sessions() as session:
        rows = [
            {
                "table": row.name,
                "partitions": row.parts,
                "rows_estimated": row.rows_estimated,
                "bytes": row.bytes,
            }
            for row in session.execute(_SIZES)
        ]
    columns = {
        "table": "TABLE", "bytes": "BYTES", "rows_estimated": "ROWS", "partitions": "PARTS"
    }  # fmt: skip
    show(is_json, rows, lines=table(rows, columns))


@storage.command("drop")
@as_json
def drop(*, is_json: bool) -> None:
    """Drop what has run out, as the worker does every few minutes, and tell what it was.

    Partitions are emptied as a whole, whatever their size; grants, sessions and webhooks are
    deleted in small batches. It may run beside everything else, and at any time.
    """
    with resources() as opened:
        at = opened.clock.now()
        emptied = empty_rings(opened.sessions, at=at)
        deleted = {
            **delete_expired(opened.sessions, at=at), **forget_old(opened.sessions, at=at)
        }  # fmt: skip
    lines = [f"{each.partition}: {each.size:,} bytes" for each in emptied]
    lines += [f"{name}: {count:,} rows" for name, count in sorted(deleted.items())]
    show(
        is_json,
        {
            "partitions": [{"partition": each.partition, "bytes": each.size} for each in emptied],
            "rows": deleted,
        },
        lines=lines or ["Nothing has run out."],
    )
