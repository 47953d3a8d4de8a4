"""The monthly check over a register of a hundred thousand people, each with two parents in it.

One process checks; the database has a core of its own. What is measured is the check, not the
loading before it. Parents are some twenty-five years older; one child in a thousand has parents who
are younger.
"""

import resource
import subprocess
import sys
import time
from bisect import bisect_left
from datetime import UTC, datetime
from pathlib import Path

import orjson
import psycopg

import migrations
from kernel.clock import SystemClock
from kernel.db import make_engine, make_sessions, unit_of_work_of
from kernel.keyring import Keyring
from kernel.root_keys import LocalKeyFile
from loadtests.figures import Figure
from loadtests.machine import ROOT, Machine
from loadtests.register_feeds import Country, agency_of
from population_register.api import AgencyRole, FeedFormat, add_agency, check_register, load_feed
from population_register.sealed_forms import record_digest

PEOPLE = 100_000
QUICK_PEOPLE = 500
QUICK_SECONDS = 1.0
ROLE = AgencyRole.CIVIL_REGISTRY
KEY_FILE = "register-root"
FEED = "check.ndjson"
_MIB = 1 << 20

WRONG = 1000
"""One child in so many has parents who are younger."""
_GENERATION = 25  # years


def run(machine: Machine, _earlier: dict[str, Figure]) -> list[Figure]:
    """Check a register in a process on the server's core."""
    people = QUICK_PEOPLE if machine.seconds < QUICK_SECONDS else PEOPLE
    url = machine.database("register_check")
    migrations.upgrade(url)
    LocalKeyFile.create(machine.folder / KEY_FILE)
    Country().write(machine.folder / FEED, ROLE, range(people))
    arguments = [sys.executable, "-m", "loadtests.register_check", url, str(machine.folder)]
    with machine.on_core(machine.cores.server):
        done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"The measurement failed:\n{done.stderr[-4000:]}")
    seconds, cpu, memory, checked, opened = map(float, done.stdout.splitlines()[-1].split())
    return [
        Figure(
            name="register.check",
            value=checked / seconds,
            unit="persons/s",
            against=f"{checked:,.0f} people with two parents each, {opened:,.0f} findings",
        ),
        Figure(name="register.check_cpu", value=cpu / checked * 1e6, unit="us/person"),
        Figure(name="register.check_memory", value=memory / _MIB, unit="MiB", against="peak"),
    ]


def link(url: str, keyring: Keyring, feed: Path) -> None:
    """Give everybody two parents out of those who are a generation older, if there are any."""
    rows = [orjson.loads(line) for line in feed.read_bytes().splitlines()]
    rows.sort(key=lambda row: str(row["birthdate"]))
    years = [int(str(row["birthdate"])[:4]) for row in rows]
    agency_id = agency_of(ROLE).agency_id
    refs = [record_digest(keyring, agency_id, row["record_number"]) for row in rows]
    with psycopg.connect(url, autocommit=True) as connection:
        known: dict[bytes, object] = dict(
            connection.execute("SELECT record_digest, person_id FROM record_links").fetchall()
        )
        found: list[tuple[object, object, str]] = []
        for place, ref in enumerate(refs):
            older = bisect_left(years, years[place] - _GENERATION)
            if place % WRONG == 0:
                older = min(place + 3, len(refs))
            for number, role in enumerate(("mother", "father"), start=1):
                if older >= number and ref in known and refs[older - number] in known:
                    found.append((known[ref], known[refs[older - number]], role))
        with (
            connection.cursor() as cursor,
            cursor.copy("COPY kinships (person_id, parent_id, role) FROM STDIN") as copy,
        ):
            for row in {
                (child, parent): role for child, parent, role in found if child != parent
            }.items():
                copy.write_row((*row[0], row[1]))
        connection.execute("VACUUM ANALYZE")


def main() -> None:
    """Load a feed, link its people, check them; print seconds, processor time, memory, counts."""
    url, folder = sys.argv[1:]
    clock = SystemClock()
    sessions = make_sessions(make_engine(url))
    keyring = Keyring.open(LocalKeyFile.open(Path(folder) / KEY_FILE), sessions, at=clock.now())
    with unit_of_work_of(sessions) as session:
        add_agency(session, agency_of(ROLE), datetime.now(UTC))
    with (Path(folder) / FEED).open("rb") as file:
        load_feed(
            sessions, keyring, clock,
            agency_id=agency_of(ROLE).agency_id, file=file, feed_format=FeedFormat.NDJSON,
        )  # fmt: skip
    link(url, keyring, Path(folder) / FEED)
    begun, begun_cpu = time.perf_counter(), time.process_time()
    counts = check_register(sessions, keyring, clock)
    print(  # noqa: T201
        time.perf_counter() - begun,
        time.process_time() - begun_cpu,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        counts.people,
        counts.opened,
    )


if __name__ == "__main__":
    main()
