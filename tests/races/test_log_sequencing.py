"""Two of everything at the access log: sequencers, appends while it is sequenced, first rounds."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy.orm import Session, sessionmaker

from audit.api import RecordedEntry, prove_inclusion, sequence, verify_log
from kernel.db import unit_of_work_of
from kernel.ids import EntryId
from kernel.signing import SigningKeys
from tests.audit.audit_builders import NOON, ORIGIN, record, record_many
from tests.audit.log_oracle import check_log
from tests.databases import KnownKeys

pytestmark = [pytest.mark.db, pytest.mark.timeout(60)]


def sign(sessions: sessionmaker[Session], signing: SigningKeys, limit: int = 10_000) -> int:
    with unit_of_work_of(sessions) as session:
        return sequence(session, signing, origin=ORIGIN, at=NOON, limit=limit)


def together(*works: Callable[[], int]) -> list[int]:
    """Start all at one instant, each in its thread."""
    barrier = threading.Barrier(len(works))

    def run(work: Callable[[], int]) -> int:
        barrier.wait()
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


@pytest.fixture
def signing(known_keys: KnownKeys, fresh_sessions: sessionmaker[Session]) -> SigningKeys:
    return known_keys.open_signing(fresh_sessions)


def test_two_sequencers_place_each_entry_once(
    fresh_sessions: sessionmaker[Session], signing: SigningKeys
) -> None:
    for round_number in range(5):
        with unit_of_work_of(fresh_sessions) as session:
            record_many(session, 60)

        added = together(*[lambda: sign(fresh_sessions, signing, limit=25)] * 4)

        assert sum(added) == 60
        with fresh_sessions() as session:
            check_log(session, signing, size=60 * (round_number + 1))


def test_two_first_rounds_begin_one_log(
    fresh_sessions: sessionmaker[Session], signing: SigningKeys
) -> None:
    together(*[lambda: sign(fresh_sessions, signing)] * 4)

    with fresh_sessions() as session:
        check_log(session, signing, size=0)


def test_appends_during_sequencing_are_neither_lost_nor_waited_for(
    fresh_sessions: sessionmaker[Session], signing: SigningKeys
) -> None:
    written: list[RecordedEntry] = []
    is_over = threading.Event()

    def append() -> int:
        for _ in range(80):
            with unit_of_work_of(fresh_sessions) as session:
                written.append(record(session))
        return 0

    def keep_sequencing() -> int:
        total = 0
        while not is_over.is_set():
            total += sign(fresh_sessions, signing, limit=7)
        return total

    with ThreadPoolExecutor(5) as pool:
        sequencers = [pool.submit(keep_sequencing) for _ in range(2)]
        for appender in [pool.submit(append) for _ in range(3)]:
            appender.result()
        is_over.set()
        placed = sum(each.result() for each in sequencers)

    while added := sign(fresh_sessions, signing, limit=100):
        placed += added
    assert placed == len(written) == 240
    with fresh_sessions() as session:
        for entry in written[::17]:
            prove_inclusion(session, entry.person_id, EntryId(entry.entry_id))
        assert verify_log(session, signing).is_sound
        check_log(session, signing, size=240)


def test_entry_whose_transaction_ends_late_gets_a_place(
    fresh_sessions: sessionmaker[Session], signing: SigningKeys
) -> None:
    """Its identifier is older than those placed before it: no high-water mark skips it."""
    with fresh_sessions() as late:
        record(late)
        with unit_of_work_of(fresh_sessions) as session:
            record_many(session, 3)

        assert sign(fresh_sessions, signing) == 3
        late.commit()

    assert sign(fresh_sessions, signing) == 1
    with fresh_sessions() as session:
        check_log(session, signing, size=4)


def test_verification_beside_a_working_sequencer_finds_nothing(
    fresh_sessions: sessionmaker[Session], signing: SigningKeys
) -> None:
    is_over = threading.Event()

    def grow() -> int:
        while not is_over.is_set():
            with unit_of_work_of(fresh_sessions) as session:
                record_many(session, 30)
            sign(fresh_sessions, signing)
        return 0

    def verify() -> int:
        try:
            for _ in range(15):
                with fresh_sessions() as session:
                    report = verify_log(session, signing, leaves_at_once=256)
                    assert report.findings == ()
        finally:
            is_over.set()
        return 0

    together(grow, verify)
