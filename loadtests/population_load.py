"""Load a population as large as one likes, and tell what it took, part by part.

    python -m loadtests.population_load --people 200000
    python -m loadtests.population_load --people 1000000 --feeds 1 --data million
    python -m loadtests.population_load --people 1000000 --feeds 1 --then 200000 --data copy

The first loads five feeds about as many people. The second makes a register of a million persons
from one feed and keeps it. The third loads another agency's records about some of them into a copy
of that register (`cp -a`): what a register does on most of its days. With `--data`, feeds that are
in already are not loaded again, and bytes are told with what is dead in them.

One process loads, on a core of its own, as a server does in the other benchmarks; the database has
the last core. Processor time is told apart: the loading process's, and that of all processes of the
database. Memory grows while what is remembered of names and days fills; so it is held against what
it was after a fifth of a feed.
"""

import argparse
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import psycopg

import migrations
from kernel.clock import SystemClock
from kernel.db import make_engine, make_sessions, unit_of_work_of
from kernel.keyring import Keyring
from kernel.postgres import EmbeddedPostgres
from kernel.root_keys import LocalKeyFile
from loadtests.figures import RESULTS
from loadtests.machine import Cores, database_cpu_seconds
from loadtests.register_feeds import ROLES, Country, agency_of
from loadtests.register_load import KEY_FILE, stored_bytes
from population_register.api import FeedFormat, FeedReport, add_agency, load_feed
from population_register.model import AgencyRole

_MIB = 1 << 20
_LINES_PER_FEED = 10
_WARM = _LINES_PER_FEED // 5

Feeds = list[tuple[AgencyRole, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What some records took.

    Attributes:
        feed: Whose they are.
        records: How many there are in the register now.
        seconds: By the clock.
        rate: Records a second.
        loader_us: Processor time of the loading process for each record.
        database_us: Processor time of the database's processes for each record.
        memory_mib: What the loading process holds now.
    """

    feed: str
    records: int
    seconds: float
    rate: float
    loader_us: float
    database_us: float
    memory_mib: float

    def line(self) -> str:
        """Return the part as a line."""
        return (
            f"{self.feed:16} {self.records:>10,} {self.rate:>9,.0f}/s {self.loader_us:>8.0f} us"
            f" {self.database_us:>8.0f} us {self.memory_mib:>8.0f} MiB"
        )


class Watch:
    """Tells what records took since the watch was last read."""

    def __init__(self, url: str, records: int) -> None:
        self._url = url
        self._process = psutil.Process()
        self.records = records
        self._then = self._now()

    def _now(self) -> tuple[float, float, float]:
        return time.perf_counter(), time.process_time(), database_cpu_seconds(self._url)

    def read(self, feed: str, records: int) -> Part:
        """Tell what it took to come to so many records in the register."""
        now = self._now()
        new = records - self.records
        seconds, loader, database = (b - a for a, b in zip(self._then, now, strict=True))
        self._then, self.records = now, records
        return Part(
            feed=feed,
            records=records,
            seconds=seconds,
            rate=new / seconds,
            loader_us=1e6 * loader / new,
            database_us=1e6 * database / new,
            memory_mib=self._process.memory_info().rss / _MIB,
        )


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Load a population.")
    parser.add_argument("--people", type=int, default=20_000)
    parser.add_argument("--feeds", type=int, default=len(ROLES), help="how many agencies send one")
    parser.add_argument("--then", type=int, default=0, help="rows of the next agency's feed")
    parser.add_argument("--data", type=Path, help="keep the register here, or load into it")
    parser.add_argument("--output", type=Path, default=RESULTS / "population_load.json")
    arguments = parser.parse_args()
    feeds = [(role, arguments.people) for role in ROLES[: arguments.feeds]]
    if arguments.then:
        feeds.append((ROLES[arguments.feeds], arguments.then))
    RESULTS.mkdir(parents=True, exist_ok=True)
    cores = Cores.choose()
    os.sched_setaffinity(0, {cores.load})  # whoever is started from now on stays there
    with (
        TemporaryDirectory(dir=RESULTS) as name,
        EmbeddedPostgres(arguments.data or Path(name) / "data") as server,
    ):
        os.sched_setaffinity(0, {cores.server})
        folder = Path(name)
        migrations.upgrade(server.url)
        feeds = [(role, rows) for role, rows in feeds if role not in loaded_already(server.url)]
        for role, rows in feeds:
            Country().write(folder / f"{role.value}.ndjson", role, range(rows))
        parts = load(server.url, folder, feeds, (arguments.data or folder) / KEY_FILE)
        size = stored_bytes(server.url, is_packed=arguments.data is None)
    whole, growth = parts[-1], memory_growth(parts)
    both = whole.loader_us + whole.database_us
    print(  # noqa: T201
        f"{whole.records:,} records in the register; {whole.seconds:,.0f} s, {whole.rate:,.0f}/s;"
        f" {both:.0f} us of both, {1e6 / both:,.0f} a second and core\n"
        f"memory after a fifth of a feed times {growth:.2f} at most\n"
        f"{size:,} bytes, {size / arguments.people:,.0f} a person"
    )
    document = {
        "people": arguments.people,
        "bytes": size,
        "memory_growth": growth,
        "parts": [asdict(part) for part in parts],
    }
    arguments.output.write_text(json.dumps(document, indent=1) + "\n")


def loaded_already(url: str) -> set[AgencyRole]:
    """Return whose feeds are in a register."""
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT agency_id FROM feeds WHERE finished_at IS NOT NULL")
        return {AgencyRole(agency_id) for (agency_id,) in rows}


def memory_growth(parts: Sequence[Part]) -> float:
    """Return how many times the memory after a fifth of a feed there is at most later in it."""
    growth = 1.0
    for _, part in groupby(parts[:-1], attrgetter("feed")):
        of_feed = [one.memory_mib for one in part]
        warm = of_feed[min(_WARM, len(of_feed)) - 1]
        growth = max(growth, max(of_feed[_WARM - 1 :], default=warm) / warm)
    return growth


def already(url: str) -> int:
    """Return how many records a register has."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM record_links").fetchone()
    assert row is not None
    return int(row[0])


def load(url: str, folder: Path, feeds: Feeds, key_file: Path) -> list[Part]:
    """Load feeds that lie in a folder, and tell of each part as it is done."""
    clock = SystemClock()
    engine = make_engine(url)
    sessions = make_sessions(engine)
    if not key_file.exists():
        LocalKeyFile.create(key_file)
    keyring = Keyring.open(LocalKeyFile.open(key_file), sessions, at=clock.now())
    with unit_of_work_of(sessions) as session:
        for role, _ in feeds:
            add_agency(session, agency_of(role), datetime.now(UTC))
    parts: list[Part] = []
    loaded = already(url)
    whole, watch = Watch(url, loaded), Watch(url, loaded)
    for role, rows in feeds:
        step = max(1, rows // _LINES_PER_FEED)

        def tell(report: FeedReport, before: int = loaded, step: int = step) -> None:
            done = before + report.lines
            if done - watch.records >= step:
                parts.append(watch.read(report.agency_id, done))
                print(parts[-1].line(), flush=True)  # noqa: T201

        with (folder / f"{role.value}.ndjson").open("rb") as file:
            load_feed(
                sessions,
                keyring,
                clock,
                agency_id=agency_of(role).agency_id,
                file=file,
                feed_format=FeedFormat.NDJSON,
                progress=tell,
            )
        loaded += rows
    parts.append(whole.read("all", loaded))
    print(parts[-1].line())  # noqa: T201
    engine.dispose()
    return parts


if __name__ == "__main__":
    main()
