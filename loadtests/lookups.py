"""The control of `growth`: a bare route that reads as many rows by their keys, and nothing else.

No framework, no decision: one asyncpg statement that looks up a text, a UUID and a digest, as
introspection does, each in a table of its own of a given size. What this costs more at a million
rows than at a thousand is what PostgreSQL and this machine's memory take for deeper indexes and
colder caches; whatever is beyond is ours.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

import psycopg
from starlette.types import Receive, Scope, Send

from loadtests.bare_route import BareRoute
from loadtests.machine import Load, Machine, http_request

URL, SIZE, ASKED = "LOOKUPS_DATABASE_URL", "LOOKUPS_SIZE", "LOOKUPS_ASKED"

_SCHEMA = """
CREATE TABLE texts (id text PRIMARY KEY, revision integer, payload bytea);
CREATE TABLE uuids (id uuid PRIMARY KEY, payload bytea);
CREATE TABLE digests (slot smallint, id bytea, PRIMARY KEY (slot, id));
"""
_FILL = (
    # As wide as a client and a grant are.
    """
    INSERT INTO texts
    SELECT 'filler-' || n, 1, decode(repeat('5a', 800), 'hex') FROM generate_series(1, %s) n
    """,
    """
    INSERT INTO uuids
    SELECT md5('grant ' || n)::uuid, decode(repeat('5a', 200), 'hex') FROM generate_series(1, %s) n
    """,
    """
    INSERT INTO digests
    SELECT 1, sha256(convert_to(n::text, 'UTF8')) FROM generate_series(1, %s) n
    """,
)
_STATEMENT = """
SELECT EXISTS (SELECT FROM texts WHERE id = $1 AND revision = 1),
  EXISTS (SELECT FROM digests WHERE slot = 1 AND id = $3), length(uuids.payload)
FROM uuids WHERE uuids.id = md5($2)::uuid
"""
_HEADERS = [(b"content-type", b"text/plain"), (b"content-length", b"2")]


def spread(size: int, count: int) -> list[int]:
    """Return as many numbers from 1 to `size`, evenly spread; no number twice."""
    count = min(size, count)
    return [1 + step * (size - 1) // max(1, count - 1) for step in range(count)]


class Lookups(BareRoute):
    """The bare route."""

    def __init__(self, url: str, size: int, asked: int) -> None:
        super().__init__(url)
        # The digest is of none: nobody's access token was revoked.
        self.keys = [
            (f"filler-{number}", f"grant {number}", sha256(b"none %d" % number).digest())
            for number in spread(size, asked)
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or the lifespan."""
        if scope["type"] != "http":
            await self.lifespan(receive, send)
            return
        assert self.pool is not None
        self.count += 1
        row = await self.pool.fetchrow(_STATEMENT, *self.keys[self.count % len(self.keys)])
        assert row is not None
        assert tuple(row)[:2] == (True, False)
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await send({"type": "http.response.body", "body": b"ok"})


def make_app() -> Lookups:
    """Make the application; the server calls it."""
    return Lookups(os.environ[URL], int(os.environ[SIZE]), int(os.environ[ASKED]))


@contextmanager
def serve_lookups(machine: Machine, size: int, asked: int) -> Iterator[Load]:
    """Serve the bare route over tables of `size` rows, asked about `asked` of them."""
    url = machine.database(f"lookups_{size}")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        connection.execute(_SCHEMA)
        for statement in _FILL:
            connection.execute(statement, (size,))
    machine.settle(url)
    request = http_request("GET", "/", host="127.0.0.1")
    environment = {URL: url, SIZE: str(size), ASKED: str(asked)}
    with machine.serve("loadtests.lookups:make_app", environment=environment) as server:
        yield Load(server, [request], repeat=True)
