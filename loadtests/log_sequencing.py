"""The access log by itself: how fast entries become signed leaves, and how fast all is verified.

The sequencer must outrun the reads that make entries; verification must not need memory that grows
with the log.
"""

import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

import migrations
from audit.api import Actor, NewEntry, record_accesses, sequence, verify_log
from kernel.db import make_engine, make_sessions, unit_of_work_of
from kernel.ids import EntryId, PersonId, new_id
from kernel.root_keys import LocalKeyFile
from kernel.secret import random_b64url
from kernel.signing import SigningKeys
from loadtests.figures import Figure
from loadtests.machine import ROOT, Machine

ENTRIES = 200_000
QUICK_ENTRIES = 10_000
QUICK_SECONDS = 1.0
BATCH = 5_000
KEY_FILE = "log-root"
ORIGIN = "benchmark.example/log"


def run(machine: Machine, _earlier: dict[str, Figure]) -> list[Figure]:
    """Measure sequencing and verification, each in a process of its own on the server's core."""
    count = QUICK_ENTRIES if machine.seconds < QUICK_SECONDS else ENTRIES
    url = machine.database("log_sequencing")
    migrations.upgrade(url)
    LocalKeyFile.create(machine.folder / KEY_FILE)
    fill_log(machine, url, count)
    (sequenced,) = in_a_process(machine, "sequence", url)
    verified, memory, verified_size = in_a_process(machine, "verify", url)
    assert verified_size == count
    return [
        Figure(name="log.sequenced", value=count / sequenced, unit="entries/s"),
        Figure(name="log.verified", value=count / verified, unit="entries/s"),
        Figure(
            name="log.verification_memory",
            value=memory,
            unit="MiB",
            against=f"above the idle process, for {count} entries",
        ),
    ]


def in_a_process(machine: Machine, what: str, url: str) -> list[float]:
    """Run one part in a fresh process on the server's core; return what it printed."""
    arguments = [sys.executable, "-m", "loadtests.log_sequencing", what, url, str(machine.folder)]
    with machine.on_core(machine.cores.server):
        done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"The measurement failed:\n{done.stderr[-4000:]}")
    return [float(each) for each in done.stdout.splitlines()[-1].split()]


def main() -> None:
    """Do one part of it; print what was measured."""
    what, url, folder = sys.argv[1:]
    sessions = make_sessions(make_engine(url))
    root_keys = LocalKeyFile.open(Path(folder) / KEY_FILE)
    signing = SigningKeys.open(root_keys, sessions, at=datetime.now(UTC))
    parts = {"sequence": sequence_all, "verify": verify_all}
    print(*parts[what](sessions, signing))  # noqa: T201


def sequence_all(sessions: sessionmaker[Session], signing: SigningKeys) -> list[float]:
    """Sequence everything; return the seconds."""
    started = time.perf_counter()
    added = 1
    while added:
        with unit_of_work_of(sessions) as session:
            added = sequence(session, signing, origin=ORIGIN, at=datetime.now(UTC))
    return [time.perf_counter() - started]


def verify_all(sessions: sessionmaker[Session], signing: SigningKeys) -> list[float]:
    """Verify everything; return seconds, MiB above the idle process, and leaves."""
    process = psutil.Process()
    with sessions() as session:
        session.execute(text("SELECT 1"))
    before = peak = process.memory_info().rss

    def watch(_done: int, _of: int) -> None:
        nonlocal peak
        peak = max(peak, process.memory_info().rss)

    started = time.perf_counter()
    with sessions() as session:
        report = verify_log(session, signing, progress=watch)
    assert report.is_sound
    return [time.perf_counter() - started, (peak - before) / 2**20, report.tree_size]


def fill_log(machine: Machine, url: str, count: int) -> None:
    """Append `count` entries."""
    with machine.on_core(machine.cores.server):
        engine = make_engine(url)
        fill(make_sessions(engine), count, datetime.now(UTC))
        engine.dispose()


def fill(sessions: sessionmaker[Session], count: int, at: datetime) -> None:
    """Append entries like those of a partner's reads."""
    for start in range(0, count, BATCH):
        accesses = []
        for number in range(start, min(start + BATCH, count)):
            occurred_at = at + timedelta(milliseconds=number)
            entry = NewEntry(
                entry_id=EntryId(new_id(occurred_at)),
                action="partner_api.person.read",
                outcome="allowed",
                actor=Actor(kind="partner", id="bench"),
                subject=random_b64url(32),
                occurred_at=occurred_at,
                purpose="account_opening",
                items=("family_name", "given_name", "birthdate"),
            )
            accesses.append((entry, PersonId(new_id(occurred_at))))
        with unit_of_work_of(sessions) as session:
            record_accesses(session, accesses)


if __name__ == "__main__":
    main()
