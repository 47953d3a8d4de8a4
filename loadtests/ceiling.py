"""The ceiling: the least that a request with one durable write and one read can cost here.

A bare ASGI route, no framework, under the server and with the settings of `civitas serve`; one
asyncpg round trip that inserts one row and reads one row, committed, with fsync on.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from starlette.types import Receive, Scope, Send

from loadtests.bare_route import BareRoute
from loadtests.figures import Figure
from loadtests.machine import Load, Machine, http_request

URL = "CEILING_DATABASE_URL"

_SCHEMA = """
CREATE TABLE reads (id integer PRIMARY KEY, payload bytea NOT NULL);
CREATE TABLE writes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, payload bytea NOT NULL);
INSERT INTO reads SELECT n, decode(repeat('5a', 64), 'hex') FROM generate_series(0, 9999) n;
"""
_STATEMENT = """
WITH written AS (INSERT INTO writes (payload) VALUES ($2) RETURNING id)
SELECT written.id, reads.payload FROM reads, written WHERE reads.id = $1
"""
_PAYLOAD = bytes(64)
_HEADERS = [(b"content-type", b"application/octet-stream"), (b"content-length", b"64")]


class Ceiling(BareRoute):
    """The bare route."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or the lifespan."""
        if scope["type"] != "http":
            await self.lifespan(receive, send)
            return
        assert self.pool is not None
        self.count += 1
        row = await self.pool.fetchrow(_STATEMENT, self.count % 10000, _PAYLOAD)
        assert row is not None
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await send({"type": "http.response.body", "body": row[1]})


def make_app() -> Ceiling:
    """Make the application; the server calls it."""
    return Ceiling(os.environ[URL])


@contextmanager
def serve_ceiling(machine: Machine, database: str) -> Iterator[Load]:
    """Serve the bare route on a database of its own; what is sent to it is always the same."""
    url = machine.database(database)
    with psycopg.connect(url) as connection:
        connection.execute(_SCHEMA)
    request = http_request("GET", "/", host="127.0.0.1")
    with machine.serve("loadtests.ceiling:make_app", environment={URL: url}) as server:
        yield Load(server, [request], repeat=True)


def run(machine: Machine, _earlier: dict[str, Figure]) -> list[Figure]:
    """Measure the ceiling."""
    with serve_ceiling(machine, "ceiling") as load:
        (rounds,) = machine.measure_beside(load)
    return [
        Figure(
            name="ceiling.rate",
            value=rounds.rate,
            unit="requests/s",
            spread=rounds.spread,
            against="bare ASGI, one row written and one read, committed, fsync on",
        ),
        Figure(name="ceiling.time", value=1e6 / rounds.rate, unit="us/request"),
        Figure(name="ceiling.server_cpu", value=rounds.cpu_us, unit="us/request"),
        Figure(name="ceiling.p99", value=rounds.p99_ms, unit="ms"),
    ]
