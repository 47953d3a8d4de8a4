"""Where benchmarks run: which core does what, the database, servers, the load generator."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPResponse
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import psycopg
from psycopg import sql

from kernel.postgres import EmbeddedPostgres
from loadtests.client import write_requests
from loadtests.figures import RESULTS
from loadtests.rounds import Round, Rounds

ROOT = Path(__file__).parent.parent
_START_SECONDS = 60.0
_WARM_UP_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cores:
    """Which core does what; with two cores the database shares the load generator's."""

    server: int
    database: int
    load: int

    @classmethod
    def choose(cls) -> "Cores":
        """Take the first cores that this process may use."""
        allowed = sorted(os.sched_getaffinity(0))
        if len(allowed) < 2:  # noqa: PLR2004
            raise SystemExit("The benchmarks need two cores: one for the server, one for the rest.")
        return cls(server=allowed[0], database=allowed[1], load=allowed[-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A server that answers."""

    port: int
    process: "subprocess.Popen[bytes]"

    def cpu_seconds(self) -> float:
        """Return the processor time of the server and its children so far."""
        return _cpu_seconds(self.process.pid)


def _cpu_seconds(pid: int) -> float:
    tree = psutil.Process(pid)
    total = 0.0
    for each in [tree, *tree.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            total += times.user + times.system
    return total


class Machine:
    """The two or three cores, and what runs on them. Use as a context manager."""

    def __init__(self, *, rounds: int = 5, seconds: float = 4.0, connections: int = 32) -> None:
        self.cores = Cores.choose()
        self.rounds = rounds
        self.seconds = seconds
        self.connections = connections
        self._stack = ExitStack()
        self._numbers = count()

    def __enter__(self) -> Self:
        RESULTS.mkdir(parents=True, exist_ok=True)
        # On the disk, not in memory: the database has to wait for it as it would anywhere.
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(dir=RESULTS)))
        self._database: str | None = None
        self._servers: list[EmbeddedPostgres] = []
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    # Databases

    def database(self, name: str) -> str:
        """Make an empty database on the durable embedded server and return its address."""
        if self._database is None:
            self._database = self._start_database()
        with psycopg.connect(self._database, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url_of(name)

    def copied_database(self, folder: Path) -> str:
        """Copy a folder that `EmbeddedPostgres` has filled, and start the database of the copy.

        What was given stays as it is. Its owner may be somebody else, so that `cp` has to copy it.
        """
        copy = self.folder / "copied"
        subprocess.run(["cp", "-a", "--reflink=auto", folder, copy], check=True)
        return self._start(copy).url

    def url_of(self, name: str) -> str:
        """Return the address of a database that was made."""
        assert self._database is not None
        return self._database.replace("@/civitas?", f"@/{name}?")

    def database_seconds(self) -> float:
        """Return the processor time of the databases so far."""
        return sum(_cpu_seconds(each.pid) for each in self._servers if each.pid is not None)

    def settle(self, url: str) -> None:
        """Do what autovacuum does soon after filling: without statistics, plans are guesses.

        Args:
            url: The database that was filled.
        """
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
            connection.execute("CHECKPOINT")

    def _start_database(self) -> str:
        server = self._start(self.folder / "data")
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            with psycopg.connect(server.url) as connection:
                (value,) = connection.execute(f"SHOW {setting}").fetchone() or ("?",)
                assert value == "on", f"{setting} is {value}: the figures would be worth nothing"
        return server.url

    def _start(self, folder: Path) -> EmbeddedPostgres:
        with self.on_core(self.cores.database):  # its processes inherit the core
            server = self._stack.enter_context(EmbeddedPostgres(folder))
        self._servers.append(server)
        return server

    # Cores

    @contextmanager
    def on_core(self, *cores: int) -> Iterator[None]:
        """Run what is inside on one core, or on some, and what it starts."""
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, cores)
        try:
            yield
        finally:
            os.sched_setaffinity(0, before)

    # Servers

    @contextmanager
    def process(
        self, arguments: Sequence[str], *, port: int, environment: Mapping[str, str], ready: str
    ) -> Iterator[Running]:
        """Run a server on the server's core until the block ends.

        Args:
            arguments: The command.
            port: Where it will listen.
            environment: Beside ours.
            ready: The path that answers anything below 500 once it is up.
        """
        log_path = self.folder / f"server-{port}.log"
        with self.on_core(self.cores.server), log_path.open("wb") as log:
            process = subprocess.Popen(
                arguments,
                cwd=ROOT,
                env=os.environ | dict(environment),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self._wait(process, port, ready, log_path)
            yield Running(port=port, process=process)
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def serve(
        self, target: str, *, environment: Mapping[str, str], ready: str = "/"
    ) -> AbstractContextManager[Running]:
        """Serve an ASGI application factory as `civitas serve` does, on the server's core."""
        port = free_port()
        arguments = [sys.executable, "-m", "loadtests.server", str(port), target]
        return self.process(arguments, port=port, environment=environment, ready=ready)

    def _wait(self, process: "subprocess.Popen[bytes]", port: int, ready: str, log: Path) -> None:
        give_up_at = time.monotonic() + _START_SECONDS
        while time.monotonic() < give_up_at and process.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}{ready}", timeout=5).close()
            except urllib.error.HTTPError as answer:
                if answer.code < HTTPStatus.INTERNAL_SERVER_ERROR:
                    return
            except OSError:
                pass
            else:
                return
            time.sleep(0.1)
        raise RuntimeError(f"The server did not start:\n{log.read_text(errors='replace')[-4000:]}")

    # Load

    def load(
        self,
        server: Running,
        requests: Sequence[bytes],
        *,
        repeat: bool = False,
        seconds: float | None = None,
        connections: int | None = None,
    ) -> Round:
        """Send requests to `server` from the load generator's core.

        Args:
            server: Where to.
            requests: Whole HTTP requests; see `http_request`.
            repeat: Send them round and round; otherwise each is sent once at most.
            seconds: Not longer than this; `self.seconds` by default.
            connections: As many at a time; `self.connections` by default.
        """
        path = self.folder / f"requests-{next(self._numbers)}"
        write_requests(path, requests)
        arguments = [
            sys.executable,
            "-m",
            "loadtests.client",
            str(server.port),
            str(path),
            f"--connections={connections or self.connections}",
            f"--seconds={seconds or self.seconds}",
            *(["--repeat"] if repeat else []),
        ]
        before, before_database = server.cpu_seconds(), self.database_seconds()
        with self.on_core(self.cores.load):
            done = subprocess.run(
                arguments, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
            )
        path.unlink()
        if done.returncode:
            raise RuntimeError(f"The load generator failed:\n{done.stderr[-4000:]}")
        return Round(
            cpu_seconds=server.cpu_seconds() - before,
            database_seconds=self.database_seconds() - before_database,
            **json.loads(done.stdout),
        )

    def measure(
        self, server: Running, requests: Sequence[bytes], *, repeat: bool = False
    ) -> Rounds:
        """Warm up, then run `self.rounds` rounds; see `measure_beside`."""
        (rounds,) = self.measure_beside(Load(server, requests, repeat=repeat))
        return rounds

    def measure_beside(self, *loads: "Load") -> list[Rounds]:
        """Warm up, then run `self.rounds` rounds of each, taking turns.

        What is to be compared is measured in turns, so that whatever else the machine does meets
        all of them alike.

        Raises:
            RuntimeError: An answer was not 200, or a connection broke: what was measured is not
                what was meant.
        """
        prepare = [load.preparation(self.rounds + 1) for load in loads]
        taken: list[list[Round]] = [[] for _ in loads]
        for number in range(self.rounds + 1):
            seconds = self.seconds if number else min(self.seconds, _WARM_UP_SECONDS)
            for load, prepared, rounds in zip(loads, prepare, taken, strict=True):
                requests = prepared(number)
                done = self.load(load.server, requests, repeat=load.repeat, seconds=seconds)
                if not set(done.statuses) <= {"200", "201"} or done.failures:
                    raise RuntimeError(f"not what was meant: {done.statuses}, {done.failures}")
                if number:
                    rounds.append(done)
        return [Rounds(rounds) for rounds in taken]


@dataclass(frozen=True, slots=True)
class Load:
    """Requests for a server.

    Attributes:
        requests: Divided into a share for each round and one to warm up, so that none is sent
            twice. Or a function that makes a round's requests just before it, for those that must
            not be old.
        repeat: All rounds send all requests, round and round.
    """

    server: Running
    requests: Sequence[bytes] | Callable[[], Sequence[bytes]]
    repeat: bool = False

    def preparation(self, count: int) -> Callable[[int], Sequence[bytes]]:
        """Return what gives the requests of each of `count` rounds."""
        requests = self.requests
        if callable(requests):
            return lambda _number: requests()
        if self.repeat:
            return lambda _number: requests
        size = len(requests) // count
        return lambda number: requests[number * size : (number + 1) * size]


def database_cpu_seconds(url: str) -> float:
    """Return the processor time of all processes of a database on this machine so far."""
    with psycopg.connect(url) as connection:
        server = psutil.Process(connection.info.backend_pid).parent()
        assert server is not None
        ended = server.cpu_times()
        total: float = ended.user + ended.system + ended.children_user + ended.children_system
        for each in server.children():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = each.cpu_times()
                total += times.user + times.system
    return total


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def http_request(
    method: str,
    path: str,
    *,
    host: str,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> bytes:
    """Return a whole HTTP/1.1 request."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def send_once(server: Running, request: bytes) -> bytes:
    """Send one request and return the body of its answer.

    Raises:
        RuntimeError: The answer is not 200.
    """
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(request)
        answer = HTTPResponse(connection)
        answer.begin()
        body = answer.read()
    if answer.status not in (HTTPStatus.OK, HTTPStatus.CREATED):
        raise RuntimeError(f"{answer.status}: {body[:2000]!r}")
    return body
