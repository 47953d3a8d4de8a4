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
ORIGIN = "benchmark.example/log"


def run(machine: Machine, _earlier: dict[str, Figure]) -> list[Figure]:
    """Measure sequencing and verification, in a process of their own on the server's core."""
    count = QUICK_ENTRIES if machine.seconds < QUICK_SECONDS else ENTRIES
    url = machine.database("log_sequencing")
    migrations.upgrade(url)
    with machine.on_core(machine.cores.server):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "loadtests.log_sequencing",
                url,
                str(machine.folder),
                str(count),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"The measurement failed:\n{done.stderr[-4000:]}")
    sequenced, verified, memory = (float(each) for each in done.stdout.splitlines()[-1].split())
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


def main() -> None:
    """Fill a log, sequence it, verify it; print seconds, seconds and MiB."""
    url, folder, count = sys.argv[1:]
    sessions = make_sessions(make_engine(url))
    at = datetime.now(UTC)
    root_keys = LocalKeyFile.create(Path(folder) / "log-root.key")
    signing = SigningKeys.open(root_keys, sessions, at=at)
    fill(sessions, int(count), at)

    started = time.perf_counter()
    added = 1
    while added:
        with unit_of_work_of(sessions) as session:
            added = sequence(session, signing, origin=ORIGIN, at=at)
    sequenced = time.perf_counter() - started

    before = psutil.Process().memory_info().rss
    peak = before

    def watch(_done: int, _of: int) -> None:
        nonlocal peak
        peak = max(peak, psutil.Process().memory_info().rss)

    started = time.perf_counter()
    with sessions() as session:
        report = verify_log(session, signing, progress=watch)
    verified = time.perf_counter() - started
    assert report.is_sound
    assert report.tree_size == int(count)
    print(sequenced, verified, (peak - before) / 2**20)  # noqa: T201


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
