"""Two copies of the application on one database, behind a balancer; one is killed on the way.

The processes are started by the commands that the containers run: migrate, serve, serve, worker.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from app.demo.documents import digests
from app.demo.journey import Journey
from app.demo.world import make_whole
from app.ports import free_port
from kernel.settings import Settings
from tests.journeys.balancer import Balancer, balanced

pytestmark = [
    pytest.mark.slow,
    pytest.mark.db,
    pytest.mark.timeout(400),
]


@dataclass
class Copies:
    """A running deployment."""

    issuer: str
    bank: str
    people: list[Mapping[str, object]]
    servers: list["subprocess.Popen[bytes]"]
    balancer: Balancer
    log: Path

    def kill_one(self) -> None:
        """Pull the plug of the first copy: its main process and its workers."""
        first = self.servers[0]
        os.killpg(first.pid, signal.SIGKILL)
        first.wait(10)


def wait_for(url: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            if httpx2.get(url, timeout=5).status_code == 200:
                return
        except httpx2.TransportError:
            pass
        assert time.monotonic() < deadline, url
        time.sleep(0.1)


@pytest.fixture
def copies(fresh_database: str, tmp_path: Path) -> Iterator[Copies]:
    port, bank_port = free_port(), free_port()
    backends = [free_port(), free_port()]
    issuer, bank = f"http://localhost:{port}", f"http://localhost:{bank_port}"
    clean = {k: v for k, v in os.environ.items() if not k.startswith("CIVITAS_")}
    environment = {
        **clean,
        "CIVITAS_DATABASE_URL": fresh_database,
        "CIVITAS_DATA": str(tmp_path),
        "CIVITAS_ISSUER": issuer,
    }
    log = tmp_path / "processes.log"
    civitas = [sys.executable, "-m", "app.cli"]
    started: list[subprocess.Popen[bytes]] = []

    def begin(*arguments: str, **more: str) -> "subprocess.Popen[bytes]":
        with log.open("ab") as out:
            process = subprocess.Popen(
                arguments,
                env={**environment, **more},
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        started.append(process)
        return process

    subprocess.run([*civitas, "migrate"], env=environment, check=True, capture_output=True)
    settings = Settings.model_validate(
        {"database_url": fresh_database, "data": tmp_path, "issuer": issuer}
    )
    people = make_whole(settings, lambda _text: None, bank=bank)
    try:
        servers = [begin(*civitas, "serve", CIVITAS_PORT=str(each)) for each in backends]
        begin(*civitas, "worker")
        for each in backends:
            wait_for(f"http://127.0.0.1:{each}/readyz")
        with balanced(port, backends) as balancer:
            begin(
                *(sys.executable, "-m", "app.demo.bank", "--issuer", issuer),
                *("--port", str(bank_port), "--folder", str(tmp_path / "bank")),
            )
            wait_for(f"{bank}/bank.css")
            yield Copies(issuer, bank, people, servers, balancer, log)
    finally:
        for process in started:
            if process.poll() is None:
                process.terminate()
        for process in started:
            process.wait(20)


def test_journey_holds_while_one_of_two_copies_is_killed(copies: Copies) -> None:
    """No copy holds state: keys, sessions, codes and proofs are in the database."""
    key_sets = {httpx2.get(f"http://127.0.0.1:{port}/jwks").text for port in copies.balancer.served}
    walk = Journey(
        issuer=copies.issuer,
        bank=copies.bank,
        person={name: str(value) for name, value in copies.people[0].items()},
        documents=digests(),
        tell=lambda _line: None,
    )
    walk.discover()
    walk.deny()
    application = walk.sign_in_and_allow()
    served_by_both = dict(copies.balancer.served)

    copies.kill_one()
    walk.read_attributes(walk.browser.open(f"{copies.bank}/application"))
    walk.read_documents(application)
    walk.look_into_the_account()
    walk.withdraw()
    walk.read_again()
    walk.see_the_refusal_and_verify_the_log()
    walk.browser.close()

    assert len(key_sets) == 1
    assert all(count > 0 for count in served_by_both.values())
    assert "request.defect" not in copies.log.read_text(errors="replace")
