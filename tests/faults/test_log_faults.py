"""Break one thing at one point, look at the log, mend it, look again.

The database breaks where it is told to: a trigger refuses a write of the sequencer's, or its
connection is cut between two statements. Nothing of ours is patched.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from audit.api import sequence, verify_log
from kernel.db import unit_of_work_of
from kernel.signing import SigningKeys
from tests.audit.audit_builders import NOON, ORIGIN, record_many
from tests.audit.log_oracle import check_log
from tests.databases import KnownKeys

pytestmark = [pytest.mark.db, pytest.mark.timeout(60)]

WRITES = {
    "waiting": ("audit_waiting_entries", "DELETE"),
    "entries": ("audit_entries", "INSERT"),
    "tiles": ("audit_tiles", "INSERT OR UPDATE"),
    "checkpoint": ("audit_checkpoints", "INSERT"),
}


@pytest.fixture
def signing(known_keys: KnownKeys, fresh_sessions: sessionmaker[Session]) -> SigningKeys:
    return known_keys.open_signing(fresh_sessions)


def sign(sessions: sessionmaker[Session], signing: SigningKeys) -> int:
    with unit_of_work_of(sessions) as session:
        return sequence(session, signing, origin=ORIGIN, at=NOON)


def fill(sessions: sessionmaker[Session], count: int) -> None:
    with unit_of_work_of(sessions) as session:
        record_many(session, count)


@contextmanager
def broken(sessions: sessionmaker[Session], write: str) -> Iterator[None]:
    """Make the database refuse one kind of write."""
    table, operation = WRITES[write]
    with sessions.begin() as session:
        session.execute(
            text(
                "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN RAISE 'the disk is full' USING ERRCODE = 'disk_full'; END $$"
            )
        )
        session.execute(
            text(
                f"CREATE TRIGGER broken BEFORE {operation} ON {table}"
                " FOR EACH ROW EXECUTE FUNCTION broken()"
            )
        )
    try:
        yield
    finally:
        with sessions.begin() as session:
            session.execute(text("DROP FUNCTION broken CASCADE"))


@pytest.mark.parametrize("before", [0, 3, 256])
@pytest.mark.parametrize("write", WRITES)
def test_failed_write_leaves_the_log_as_it_was(
    fresh_sessions: sessionmaker[Session], signing: SigningKeys, write: str, before: int
) -> None:
    sign(fresh_sessions, signing)
    fill(fresh_sessions, before)
    sign(fresh_sessions, signing)
    fill(fresh_sessions, 5)

    with broken(fresh_sessions, write):
        for _ in range(2):  # twice at the same size
            with pytest.raises(DBAPIError, match="disk is full"):
                sign(fresh_sessions, signing)
            with fresh_sessions() as session:
                check_log(session, signing, size=before + 5)
                assert verify_log(session, signing).waiting == 5
    assert sign(fresh_sessions, signing) == 5  # mended, at the same size

    fill(fresh_sessions, 2)
    assert sign(fresh_sessions, signing) == 2  # and at another
    with fresh_sessions() as session:
        check_log(session, signing, size=before + 7)


@pytest.mark.parametrize("statement", range(10))
def test_connection_cut_between_two_statements(
    fresh_sessions: sessionmaker[Session], signing: SigningKeys, statement: int
) -> None:
    sign(fresh_sessions, signing)
    fill(fresh_sessions, 5)
    seen = 0

    with fresh_sessions() as session:

        @event.listens_for(session.connection(), "before_cursor_execute")
        def cut(*_: object) -> None:
            nonlocal seen
            seen += 1
            if seen == statement + 1:
                pid = session.connection().connection.dbapi_connection.info.backend_pid  # type: ignore[union-attr]
                with fresh_sessions.begin() as killer:
                    killer.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})

        try:
            sequence(session, signing, origin=ORIGIN, at=NOON)
            session.commit()
        except DBAPIError:
            was_cut = True
            session.invalidate()
        else:
            was_cut = False

    assert was_cut == (seen > statement)
    with fresh_sessions() as session:
        check_log(session, signing, size=5)
    assert sign(fresh_sessions, signing) == (5 if was_cut else 0)
    with fresh_sessions() as session:
        check_log(session, signing, size=5)
        assert verify_log(session, signing).is_sound


def test_commit_that_succeeded_but_was_not_heard_of(
    fresh_sessions: sessionmaker[Session], signing: SigningKeys
) -> None:
    """Failed but persisted: the round is repeated, and finds its work done."""
    fill(fresh_sessions, 5)
    sign(fresh_sessions, signing)  # its answer was lost

    assert sign(fresh_sessions, signing) == 0

    with fresh_sessions() as session:
        check_log(session, signing, size=5)
