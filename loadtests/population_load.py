"""Load a population as large as one likes, and tell what it took, part by part.

    python -m loadtests.population_load --people 200000
    python -m loadtests.population_load --people 1000000 --feeds 1 --then 200000

The first loads five feeds about as many people. The second makes a register of a million persons
from one feed, and then loads another agency's records about some of them: what a register does on
most of its days.

One process loads. Processor time is told apart: the loading process's, and that of all processes of
the database. Nothing is pinned to a core, so that it can run beside other work.
"""

import argparse
import json
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

import migrations
from kernel.clock import SystemClock
from kernel.db import make_engine, make_sessions, unit_of_work_of
from kernel.keyring import Keyring
from kernel.postgres import EmbeddedPostgres
from kernel.root_keys import LocalKeyFile
from loadtests.figures import RESULTS
from loadtests.machine import database_cpu_seconds
from loadtests.register_feeds import ROLES, Country, agency_of
from loadtests.register_load import KEY_FILE, stored_bytes
from population_register.api import FeedFormat, FeedReport, add_agency, load_feed
from population_register.model import AgencyRole

_MIB = 1 << 20
_LINES_PER_FEED = 10

Feeds = list[tuple[AgencyRole, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What some records took.

    Attributes:
        feed: Whose they are.
        records: How many there are in the register now.
        rate: Records a second.
        loader_us: Processor time of the loading process for each record.
        database_us: Processor time of the database's processes for each record.
        memory_mib: What the loading process holds now.
    """

    feed: str
    records: int
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

    def __init__(self, url: str) -> None:
        self._url = url
        self._process = psutil.Process()
        self.records = 0
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
    parser.add_argument("--output", type=Path, default=RESULTS / "population_load.json")
    arguments = parser.parse_args()
    feeds = [(role, arguments.people) for role in ROLES[: arguments.feeds]]
    if arguments.then:
        feeds.append((ROLES[arguments.feeds], arguments.then))
    RESULTS.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=RESULTS) as name, EmbeddedPostgres(Path(name) / "data") as server:
        folder = Path(name)
        for role, rows in feeds:
            Country().write(folder / f"{role.value}.ndjson", role, range(rows))
        migrations.upgrade(server.url)
        parts = load(server.url, folder, feeds)
        size = stored_bytes(server.url)
    print(f"{size:,} bytes, {size / arguments.people:,.0f} a person")  # noqa: T201
    document = {
        "people": arguments.people,
        "bytes": size,
        "parts": [asdict(part) for part in parts],
    }
    arguments.output.write_text(json.dumps(document, indent=1) + "\n")


def load(url: str, folder: Path, feeds: Feeds) -> list[Part]:
    """Load feeds that lie in a folder, and tell of each part as it is done."""
    clock = SystemClock()
    engine = make_engine(url)
    sessions = make_sessions(engine)
    LocalKeyFile.create(folder / KEY_FILE)
    keyring = Keyring.open(LocalKeyFile.open(folder / KEY_FILE), sessions, at=clock.now())
    with unit_of_work_of(sessions) as session:
        for role, _ in feeds:
            add_agency(session, agency_of(role), datetime.now(UTC))
    parts: list[Part] = []
    whole, watch = Watch(url), Watch(url)
    loaded = 0
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
