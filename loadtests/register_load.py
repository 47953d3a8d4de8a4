"""Bulk load: five feeds about the same people through control, matching and sealing.

One process loads; the database has a core of its own, whose time is told, too. Growth is the time
of a record in the last tenth of the people against the first tenth of them: who is compared with
whom must not grow with the register. `population_load` does the same with a million.
"""

import os
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil
import psycopg

import migrations
from kernel.clock import SystemClock
from kernel.db import make_engine, make_sessions, unit_of_work_of
from kernel.keyring import Keyring
from kernel.root_keys import LocalKeyFile
from loadtests.figures import Figure
from loadtests.machine import ROOT, Machine, database_cpu_seconds
from loadtests.register_feeds import ROLES, Country, agency_of
from population_register.api import FeedFormat, FeedReport, add_agency, load_feed

PEOPLE = 20_000
QUICK_PEOPLE = 500
QUICK_SECONDS = 1.0
TARGET = 3_000
KEY_FILE = "register-root"
_MIB = 1 << 20


def run(machine: Machine, _earlier: dict[str, Figure]) -> list[Figure]:
    """Load five feeds in a process on the server's core."""
    people = int(os.environ.get("CIVITAS_BENCH_PEOPLE", PEOPLE))
    if machine.seconds < QUICK_SECONDS:
        people = QUICK_PEOPLE
    url = machine.database("register_load")
    migrations.upgrade(url)
    LocalKeyFile.create(machine.folder / KEY_FILE)
    for role in ROLES:
        Country().write(machine.folder / f"{role.value}.ndjson", role, range(people))
    arguments = [
        sys.executable, "-m", "loadtests.register_load", url, str(machine.folder), str(people),
    ]  # fmt: skip
    database_before = database_cpu_seconds(url)
    with machine.on_core(machine.cores.server):
        done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"The measurement failed:\n{done.stderr[-4000:]}")
    seconds, cpu, memory, growth, pace = map(float, done.stdout.splitlines()[-1].split())
    database = database_cpu_seconds(url) - database_before
    rate = (records := people * len(ROLES)) / seconds
    return [
        Figure(
            name="register.load",
            value=rate,
            unit="records/s",
            ratio=rate / TARGET,
            against=f"{TARGET} a second; {people:,} people, five feeds, one process",
        ),
        Figure(
            name="register.load_cpu",
            value=cpu / records * 1e6,
            unit="us/record",
            against="of the loading process",
        ),
        Figure(
            name="register.load_database_cpu",
            value=database / records * 1e6,
            unit="us/record",
            against="of the database's processes, beside it",
        ),
        Figure(
            name="register.load_growth",
            value=pace,
            unit="x",
            against="a new person in the last tenth of the first feed and in the first",
        ),
        Figure(name="register.load_memory", value=memory / _MIB, unit="MiB", against="peak"),
        Figure(
            name="register.load_memory_growth",
            value=growth,
            unit="x",
            against="most of a feed's last four fifths, and at their beginning",
        ),
        Figure(
            name="register.bytes_per_person",
            value=stored_bytes(url) / people,
            unit="bytes",
            against="all tables and indexes, after VACUUM FULL",
        ),
    ]


def stored_bytes(url: str, *, is_packed: bool = True) -> int:
    """Return how much the database holds; packed, once nothing dead is in it."""
    with psycopg.connect(url, autocommit=True) as connection:
        if is_packed:
            connection.execute("VACUUM FULL")
        row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    assert row is not None
    return int(row[0])


def main() -> None:
    """Load the feeds of a folder; print seconds, processor time, memory and growth, pace."""
    url, folder, people = sys.argv[1:]
    clock = SystemClock()
    sessions = make_sessions(make_engine(url))
    keyring = Keyring.open(LocalKeyFile.open(Path(folder) / KEY_FILE), sessions, at=clock.now())
    with unit_of_work_of(sessions) as session:
        for role in ROLES:
            add_agency(session, agency_of(role), datetime.now(UTC))
    begun, begun_cpu = time.perf_counter(), time.process_time()
    paces: list[tuple[int, float]] = [(0, begun)]
    process = psutil.Process()
    growth = 1.0
    for role in ROLES:
        held: list[int] = []

        def tell(report: FeedReport, held: list[int] = held) -> None:
            paces.append((report.lines, time.perf_counter()))
            held.append(process.memory_info().rss)

        with (Path(folder) / f"{role.value}.ndjson").open("rb") as file:
            load_feed(
                sessions,
                keyring,
                clock,
                agency_id=agency_of(role).agency_id,
                file=file,
                feed_format=FeedFormat.NDJSON,
                progress=tell,
            )
        warm = len(held) // 5
        growth = max(growth, max(held[warm:]) / held[warm])
    seconds, cpu = time.perf_counter() - begun, time.process_time() - begun_cpu
    first = [pace for pace in paces if pace[0] <= int(people)]
    first = first[: next((n for n, pace in enumerate(first) if pace[0] == int(people)), 1) + 1]
    tenth = max(1, len(first) // 10)
    print(  # noqa: T201
        seconds,
        cpu,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        growth,
        _pace(first[-tenth - 1 :]) / _pace(first[: tenth + 1]),
    )


def _pace(part: list[tuple[int, float]]) -> float:
    """Return the seconds of a row in a part of a feed."""
    return (part[-1][1] - part[0][1]) / max(1, part[-1][0] - part[0][0])


if __name__ == "__main__":
    main()
