"""The worker as an operator runs it: its database goes away and comes back; it is told to stop."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from kernel.db import unit_of_work_of
from tests.audit.audit_builders import record_many

pytestmark = [pytest.mark.db, pytest.mark.slow, pytest.mark.timeout(90)]

Worker: TypeAlias = "subprocess.Popen[bytes]"


@pytest.fixture
def worker(fresh_database: str, tmp_path: Path) -> Iterator[Worker]:
    environment = os.environ | {
        "CIVITAS_MODE": "test",
        "CIVITAS_PASSWORD_PROFILE": "test",
        "CIVITAS_DATABASE_URL": fresh_database,
        "CIVITAS_DATA": str(tmp_path / "data"),
    }
    process = subprocess.Popen([sys.executable, "-m", "app.cli", "worker"], env=environment)
    yield process
    process.kill()
    process.wait()


def wait_until_sequenced(sessions: sessionmaker[Session], size: int) -> None:
    give_up_at = time.monotonic() + 40
    largest = None
    while time.monotonic() < give_up_at:
        with sessions() as session:
            largest = session.scalar(text("SELECT max(tree_size) FROM audit_checkpoints"))
        if largest == size:
            return
        time.sleep(0.1)
    raise AssertionError(f"sequenced {largest} of {size}")


def fill(sessions: sessionmaker[Session], count: int) -> None:
    with unit_of_work_of(sessions) as session:
        record_many(session, count)


def test_worker_survives_the_loss_of_its_connections(
    worker: Worker, fresh_sessions: sessionmaker[Session]
) -> None:
    fill(fresh_sessions, 3)
    wait_until_sequenced(fresh_sessions, 3)

    with fresh_sessions() as session:
        session.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    fill(fresh_sessions, 2)

    wait_until_sequenced(fresh_sessions, 5)
    assert worker.poll() is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_worker_stops_when_told(
    worker: Worker, fresh_sessions: sessionmaker[Session], number: signal.Signals
) -> None:
    fill(fresh_sessions, 1)
    wait_until_sequenced(fresh_sessions, 1)

    worker.send_signal(number)

    assert worker.wait(20) == 0
    with fresh_sessions() as session:
        assert not session.scalar(text("SELECT count(*) FROM procrastinate_workers"))
