"""Two of everything at once, with real commits; and a process killed in the middle."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random  # noqa: TID251 - the order of rows, from a seed
from threading import Barrier
from typing import TypeVar

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from kernel.clock import FrozenClock
from kernel.db import unit_of_work_of
from kernel.ids import AgencyId
from kernel.keyring import Keyring
from kernel.root_keys import LocalKeyFile
from population_register.feed_formats import FeedFormat
from population_register.model import (
    Accepted,
    FeedCounts,
    FeedReport,
    RecordOutcome,
    SourceRecord,
    Unchanged,
)
from population_register.service import feeds as service
from population_register.service.accepting import accept_record
from population_register.service.feeds import list_feeds, load_feed
from population_register.tables import (
    feed_rejections,
    person_identifiers,
    persons,
    source_records,
)
from tests.population_register.register_builders import ANNA, NOON, a_record, add_agencies, read
from tests.population_register.test_feeds import a_row, ndjson

pytestmark = [pytest.mark.db, pytest.mark.timeout(60)]

Sessions = sessionmaker[Session]
T = TypeVar("T")
AGENCIES = ("civil_registry", "interior", "tax", "pension", "health", "defence", "education")
TABLES = {"persons": persons, "records": source_records, "numbers": person_identifiers}


@pytest.fixture
def register(fresh_sessions: Sessions) -> tuple[Sessions, Keyring]:
    """A register of the test's own, with agencies."""
    with unit_of_work_of(fresh_sessions) as session:
        add_agencies(session)
    keyring = Keyring.open(LocalKeyFile(bytes(range(32))), fresh_sessions, at=NOON)
    return fresh_sessions, keyring


def at_once(*works: Callable[[], T]) -> list[T]:
    """Run all of them at the same moment, each in a thread of its own."""
    barrier = Barrier(len(works))

    def run(work: Callable[[], T]) -> T:
        barrier.wait()
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def counted(sessions: Sessions) -> dict[str, int]:
    with sessions() as session:
        return {
            name: session.scalar(select(func.count()).select_from(table)) or 0
            for name, table in TABLES.items()
        }


def accepting(
    register: tuple[Sessions, Keyring], record: SourceRecord
) -> Callable[[], RecordOutcome]:
    sessions, keyring = register

    def work() -> RecordOutcome:
        with unit_of_work_of(sessions) as session:
            return accept_record(session, keyring, record, NOON)

    return work


def loading(
    register: tuple[Sessions, Keyring], agency: str, path: Path
) -> Callable[[], FeedReport]:
    sessions, keyring = register

    def work() -> FeedReport:
        with path.open("rb") as file:
            return load_feed(
                sessions,
                keyring,
                FrozenClock(NOON),
                agency_id=AgencyId(agency),
                file=file,
                feed_format=FeedFormat.NDJSON,
            )

    return work


@pytest.mark.parametrize("attempt", range(3))
def test_one_new_person_from_seven_agencies_at_once_is_one_person(
    register: tuple[Sessions, Keyring], attempt: int
) -> None:
    records = [a_record(agency, str(attempt)) for agency in AGENCIES]

    outcomes = at_once(*(accepting(register, record) for record in records))

    person_ids = {outcome.person_id for outcome in outcomes if isinstance(outcome, Accepted)}
    assert len(person_ids) == 1
    assert counted(register[0]) == {"persons": 1, "records": 7, "numbers": 1}


def test_one_version_sent_seven_times_at_once_is_one_record(
    register: tuple[Sessions, Keyring],
) -> None:
    outcomes = at_once(*(accepting(register, a_record()) for _ in range(7)))

    assert outcomes.count(Unchanged()) == 6
    assert counted(register[0])["records"] == 1


def test_two_people_with_one_number_are_two_however_often_they_come_at_once(
    register: tuple[Sessions, Keyring],
) -> None:
    """The second person shares a known number: whoever is second to decide must see the first."""
    stranger = {**ANNA, "family_name": "Ким", "given_name": "Олег", "birthdate": "1955-01-01"}
    accepting(register, a_record())()

    records = [a_record(agency, "2", attributes=stranger) for agency in AGENCIES]

    at_once(*(accepting(register, record) for record in records))

    assert counted(register[0])["persons"] == 2


def test_versions_that_share_no_number_are_all_in_the_person_s_record(
    register: tuple[Sessions, Keyring],
) -> None:
    """Nothing but the person's own row keeps them apart."""
    for agency in AGENCIES:
        accepting(register, a_record(agency))()
    without = {name: value for name, value in ANNA.items() if name != "snils"}
    records = [
        a_record(agency, version=2, attributes={**without, "birthplace": agency})
        for agency in AGENCIES
    ]

    at_once(*(accepting(register, record) for record in records))

    sessions, keyring = register
    with sessions() as session:
        person_id = session.scalars(select(persons.c.person_id)).one()
        record = read(session, keyring, person_id)
    assert record.version == 2 * len(AGENCIES)
    assert {value.value for value in record.history["birthplace"]} == set(AGENCIES)


def test_feeds_about_the_same_people_in_other_orders_do_not_deadlock(
    register: tuple[Sessions, Keyring], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "BATCH_ROWS", 25)
    rows = [a_row(number) for number in range(1, 151)]
    works = []
    for agency in AGENCIES[:4]:
        Random(agency).shuffle(rows)
        path = tmp_path / f"{agency}.ndjson"
        path.write_bytes(ndjson(*rows))
        works.append(loading(register, agency, path))

    reports = at_once(*works)

    total = sum((report.counts for report in reports), FeedCounts())
    assert (total.new, total.linked, total.rows) == (150, 450, 600)
    assert counted(register[0]) == {"persons": 150, "records": 600, "numbers": 150}


def test_one_file_loaded_by_three_at_once_is_loaded_once(
    register: tuple[Sessions, Keyring], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "BATCH_ROWS", 10)
    path = tmp_path / "feed.ndjson"
    path.write_bytes(ndjson(*(a_row(number) for number in range(1, 101)), "bad"))

    reports = at_once(*(loading(register, "pension", path) for _ in range(3)))

    assert [report.counts for report in reports] == [FeedCounts(new=100, rejected=1)] * 3
    assert counted(register[0]) == {"persons": 100, "records": 100, "numbers": 100}


_LOAD = """
import sys
from pathlib import Path
from kernel.clock import SystemClock
from kernel.db import make_engine, make_sessions
from kernel.keyring import Keyring
from kernel.root_keys import LocalKeyFile
from population_register.feed_formats import FeedFormat
from population_register.service import feeds

feeds.BATCH_ROWS = 20
sessions = make_sessions(make_engine(sys.argv[1]))
keyring = Keyring.open(LocalKeyFile(bytes(range(32))), sessions, at=SystemClock().now())
with Path(sys.argv[2]).open("rb") as file:
    feeds.load_feed(
        sessions, keyring, SystemClock(), agency_id="pension", file=file,
        feed_format=FeedFormat.NDJSON, progress=lambda report: print(report.lines, flush=True),
    )
"""


def test_killed_feed_goes_on_without_a_row_doubled_or_lost(
    register: tuple[Sessions, Keyring], fresh_database: str, tmp_path: Path
) -> None:
    """`kill -9` at whatever moment, several times; then to the end."""
    rows, bad = 600, 30
    path = tmp_path / "feed.ndjson"
    path.write_bytes(
        ndjson(*("bad" if n % (rows // bad) == 0 else a_row(n) for n in range(1, rows + 1)))
    )
    stopped_at = []
    for delay in (0.0, 0.013, 0.031):
        process = subprocess.Popen(
            [sys.executable, "-c", _LOAD, fresh_database, str(path)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        )
        assert process.stdout is not None
        stopped_at.append(int(process.stdout.readline()))
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()

    report = loading(register, "pension", path)()

    assert stopped_at == sorted(set(stopped_at))
    assert report.counts == FeedCounts(new=rows - bad, rejected=bad)
    assert counted(register[0]) == {"persons": 570, "records": 570, "numbers": 570}
    with register[0]() as session:
        assert session.scalar(select(func.count()).select_from(feed_rejections)) == bad
        assert list_feeds(session, AgencyId("pension")) == [report]
