"""What is written behind a transaction is in it: in order, whole, and seen by what follows."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from psycopg.errors import UniqueViolation
from sqlalchemy import Connection, delete, func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from kernel.behind import Idle, Writer, at_once, later
from kernel.bulk import copy_new_rows, copy_rows, execute_later
from kernel.db import unit_of_work_of
from kernel.tables import zone_keys

pytestmark = pytest.mark.db

FIRST = 1_000
NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def rows(*versions: int) -> list[tuple[object, ...]]:
    return [(version, "test", b"", NOON) for version in versions]


def stored(session: Session) -> set[int]:
    found = session.scalars(select(zone_keys.c.key_version).where(zone_keys.c.zone == "test"))
    return {version - FIRST for version in found}


def slow(on: Connection) -> None:
    on.execute(text("SELECT pg_sleep(0.02)"))


@pytest.fixture
def writer() -> Iterator[Writer]:
    with Writer.start() as writer:
        yield writer


def test_what_follows_sees_what_was_said(session: Session, writer: Writer) -> None:
    with writer.behind(session):
        later(session, slow)
        copy_rows(session, zone_keys, rows(FIRST, FIRST + 1))
        execute_later(session, delete(zone_keys).where(zone_keys.c.key_version == FIRST))

        assert stored(session) == {1}


def test_it_is_written_by_another_thread(session: Session, writer: Writer) -> None:
    threads: list[str] = []
    with writer.behind(session):
        later(session, lambda _: threads.append(threading.current_thread().name))
    later(session, lambda _: threads.append(threading.current_thread().name))

    assert threads[0] != threads[1] == threading.current_thread().name


def test_end_of_the_transaction_waits(
    fresh_sessions: sessionmaker[Session], writer: Writer
) -> None:
    with unit_of_work_of(fresh_sessions) as session, writer.behind(session):
        later(session, slow)
        copy_rows(session, zone_keys, rows(FIRST))

    with fresh_sessions() as session:
        assert stored(session) == {0}


def test_what_goes_wrong_ends_the_transaction_and_all_of_it_goes(
    fresh_sessions: sessionmaker[Session], writer: Writer
) -> None:
    def write() -> None:
        with unit_of_work_of(fresh_sessions) as session, writer.behind(session):
            copy_rows(session, zone_keys, rows(FIRST, FIRST))
            copy_rows(session, zone_keys, rows(FIRST + 1))

    with pytest.raises(UniqueViolation):
        write()

    with fresh_sessions() as session:
        assert stored(session) == set()


def test_what_goes_wrong_shows_at_the_next_statement(session: Session, writer: Writer) -> None:
    def write() -> None:
        with writer.behind(session):
            copy_rows(session, zone_keys, rows(FIRST, FIRST))
            stored(session)
            pytest.fail("the statement ran")

    with pytest.raises(IntegrityError, match="duplicate key"):
        write()


def test_rollback_waits_for_what_was_begun(
    fresh_sessions: sessionmaker[Session], writer: Writer
) -> None:
    def write() -> None:
        with unit_of_work_of(fresh_sessions) as session, writer.behind(session):
            later(session, slow)
            copy_rows(session, zone_keys, rows(FIRST))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()

    with unit_of_work_of(fresh_sessions) as session, writer.behind(session):
        copy_rows(session, zone_keys, rows(FIRST + 1))
        assert stored(session) == {1}


def test_savepoint_begins_after_what_was_said_before_it(session: Session, writer: Writer) -> None:
    with writer.behind(session):
        later(session, slow)
        copy_rows(session, zone_keys, rows(FIRST))
        with session.begin_nested() as savepoint:
            copy_rows(session, zone_keys, rows(FIRST + 1))
            savepoint.rollback()

        assert stored(session) == {0}


def test_rows_of_which_one_is_there_are_told_and_undone_by_the_savepoint(
    session: Session, writer: Writer
) -> None:
    with writer.behind(session):
        copy_rows(session, zone_keys, rows(FIRST))
        for versions, are_new in (((2, 1, 0), False), ((2, 1), True), ((), True)):
            with session.begin_nested() as savepoint:
                found = copy_new_rows(session, zone_keys, rows(*(FIRST + v for v in versions)))
                assert found is are_new
                if not found:
                    savepoint.rollback()

        assert stored(session) == {0, 1, 2}


def test_what_goes_past_sqlalchemy_comes_after_it(session: Session, writer: Writer) -> None:
    with writer.behind(session):
        later(session, slow)
        copy_rows(session, zone_keys, rows(FIRST))
        with at_once(session) as on:
            cursor = on.connection.cursor()
            cursor.execute("SELECT count(*) FROM zone_keys WHERE zone = 'test'")
            assert cursor.fetchone() == (1,)


def test_others_run_while_the_transaction_waits_and_not_before(
    session: Session, writer: Writer
) -> None:
    ran = threading.Event()

    def run() -> None:
        writer.idle.wait()
        ran.set()

    other = threading.Thread(target=run)
    with writer.behind(session):
        other.start()
        assert not ran.wait(0.02)
        session.scalar(select(func.pg_sleep(0.02)))
        other.join()

    assert ran.is_set()


def test_idle_closes_after_the_wait() -> None:
    idle = Idle()
    with idle.while_waiting():
        idle.wait()

    waiting = threading.Thread(target=idle.wait, daemon=True)
    waiting.start()
    waiting.join(0.01)

    assert waiting.is_alive()
    idle.open()
    waiting.join()
