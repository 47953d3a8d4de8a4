"""The load generator: HTTP/1.1 over keep-alive connections, in its own process on its own core.

    python -m loadtests.client PORT REQUESTS --connections 32 --seconds 5

REQUESTS is a file of whole requests, each behind its length (`loadtests.machine` writes it). By
default each is sent once, so that what must be unique (a DPoP proof, an assertion) is; `--repeat`
sends them round and round. It answers with one line of JSON. It does as little as it can per
request, so that the core it shares with the database is the database's.
"""

import argparse
import asyncio
import json
import struct
import time
from array import array
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import cast

import uvloop
from typing_extensions import override

from app.supervisor import die_with_parent

_HEADER_END = b"\r\n\r\n"
_PATIENCE_SECONDS = 20.0


def read_requests(path: Path) -> list[bytes]:
    """Return the requests of a file."""
    data = path.read_bytes()
    requests = []
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        requests.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    return requests


def write_requests(path: Path, requests: Sequence[bytes]) -> None:
    """Write a file of requests."""
    with path.open("wb") as file:
        for request in requests:
            file.write(struct.pack(">I", len(request)) + request)


class Load:
    """What all connections share: what is sent next, and what came back."""

    def __init__(self, requests: Sequence[bytes], *, seconds: float, repeat: bool) -> None:
        self.requests = requests
        self.repeat = repeat
        self.seconds = seconds
        self.ends_at = time.perf_counter() + seconds
        self.sent = 0
        self.statuses: Counter[bytes] = Counter()
        self.failures = 0
        self.latencies = array("d")

    def next_request(self) -> bytes | None:
        """Return what to send; None when time or requests have run out."""
        number = self.sent
        if time.perf_counter() >= self.ends_at:
            return None
        if number >= len(self.requests):
            if not self.repeat:
                return None
            number %= len(self.requests)
        self.sent += 1
        return self.requests[number]


class Connection(asyncio.Protocol):
    """Sends a request, waits for the whole answer, sends the next."""

    def __init__(self, load: Load, done: "asyncio.Future[None]") -> None:
        self.load = load
        self.done = done
        self.buffer = b""
        self.started = 0.0

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        self.send()

    def send(self) -> None:
        request = self.load.next_request()
        if request is None:
            self.finish()
            return
        self.started = time.perf_counter()
        self.transport.write(request)

    @override
    def data_received(self, data: bytes) -> None:
        if self.buffer:
            data = self.buffer + data
        end = data.find(_HEADER_END)
        if end < 0 or len(data) < end + 4 + _content_length(data, end):
            self.buffer = data
            return
        self.buffer = b""
        load = self.load
        load.latencies.append(time.perf_counter() - self.started)
        load.statuses[data[9:12]] += 1
        self.send()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.load.failures += 1
            self.done.set_result(None)

    def finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)
        self.transport.close()


def _content_length(data: bytes, end: int) -> int:
    lower = data[:end].lower()
    at = lower.find(b"\r\ncontent-length:")
    if at < 0:
        if lower[9:12] in {b"204", b"304"}:
            return 0
        raise ValueError("an answer without Content-Length")
    stop = lower.find(b"\r\n", at + 2)
    return int(lower[at + 17 : stop if stop >= 0 else end])


async def run(port: int, load: Load, connections: int) -> dict[str, object]:
    """Send everything, and sum up."""
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    pending = []
    for _ in range(connections):
        done: asyncio.Future[None] = loop.create_future()
        await loop.create_connection(partial(Connection, load, done), "127.0.0.1", port)
        pending.append(done)
    await asyncio.wait_for(asyncio.gather(*pending), load.seconds + _PATIENCE_SECONDS)
    seconds = time.perf_counter() - started
    ordered = sorted(load.latencies)
    return {
        "requests": len(ordered),
        "seconds": seconds,
        "statuses": {key.decode(): count for key, count in load.statuses.items()},
        "failures": load.failures,
        "p50_ms": 1000 * ordered[len(ordered) // 2] if ordered else 0.0,
        "p95_ms": 1000 * ordered[int(len(ordered) * 0.95)] if ordered else 0.0,
        "p99_ms": 1000 * ordered[int(len(ordered) * 0.99)] if ordered else 0.0,
    }


def main() -> None:
    """Run the command."""
    die_with_parent()
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("requests", type=Path)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--repeat", action="store_true")
    arguments = parser.parse_args()
    requests = read_requests(arguments.requests)

    async def once() -> dict[str, object]:
        load = Load(requests, seconds=arguments.seconds, repeat=arguments.repeat)
        return await run(arguments.port, load, arguments.connections)

    print(json.dumps(uvloop.run(once())))  # noqa: T201


if __name__ == "__main__":
    main()
