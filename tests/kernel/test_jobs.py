"""The queue: in the caller's transaction or not at all, and no job lost with its worker."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import procrastinate
import pytest
from obstore.store import LocalStore
from procrastinate.exceptions import ConnectorException
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from kernel.clock import FrozenClock
from kernel.db import unit_of_work_of
from kernel.jobs import JobArgument, JobContext, Tasks, enqueue
from kernel.keyring import Keyring
from kernel.root_keys import LocalKeyFile
from kernel.settings import Settings
from kernel.signing import SigningKeys
from kernel.worker import _hand_out_again, _take_jobs, make_queue, run_worker

pytestmark = pytest.mark.db

Work = Callable[[Tasks], None]


class StoredJob(NamedTuple):
    task_name: str
    args: dict[str, object]
    lock: str | None
    queueing_lock: str | None
    scheduled_at: datetime | None
    status: str
    attempts: int


def jobs_in(session: Session) -> list[StoredJob]:
    rows = session.execute(
        text(
            "SELECT task_name, args, lock, queueing_lock, scheduled_at, status::text, attempts"
            " FROM procrastinate_jobs ORDER BY id"
        )
    )
    return [StoredJob(*row) for row in rows]


@pytest.fixture
def work(
    tmp_path: Path,
    clock: FrozenClock,
    fresh_database: str,
    fresh_sessions: sessionmaker[Session],
) -> Work:
    """Run a worker until nothing is left to do."""
    root_keys = LocalKeyFile.create(tmp_path / "root.key")
    context = JobContext(
        settings=Settings(mode="test"),
        clock=clock,
        sessions=fresh_sessions,
        keyring=Keyring(root_keys, fresh_sessions),
        signing=SigningKeys(root_keys, fresh_sessions),
        blobs=LocalStore(tmp_path),
    )

    def run(tasks: Tasks) -> None:
        run_worker(context, [tasks], database_url=fresh_database, until_idle=True)

    return run


class TestEnqueue:
    def test_job_says_what_it_was_given(self, session: Session, clock: FrozenClock) -> None:
        later = clock.now() + timedelta(hours=1)

        number = enqueue(session, "vault.blob.erase", lock="a", run_at=later, blob="x", at=None)

        assert number is not None
        assert jobs_in(session) == [
            ("vault.blob.erase", {"blob": "x", "at": None}, "a", None, later, "todo", 0)
        ]

    def test_rolled_back_transaction_enqueued_nothing(self, session: Session) -> None:
        nested = session.begin_nested()
        enqueue(session, "vault.blob.erase")

        nested.rollback()

        assert jobs_in(session) == []

    def test_one_job_of_a_queueing_lock_waits(self, session: Session) -> None:
        first = enqueue(session, "a.b.c", queueing_lock="one")
        second = enqueue(session, "a.b.c", queueing_lock="one")

        assert first is not None
        assert second is None
        assert len(jobs_in(session)) == 1

    def test_refused_queueing_lock_leaves_the_transaction_usable(self, session: Session) -> None:
        enqueue(session, "a.b.c", queueing_lock="one")
        enqueue(session, "a.b.c", queueing_lock="one")

        enqueue(session, "a.b.d")

        assert [job.task_name for job in jobs_in(session)] == ["a.b.c", "a.b.d"]

    def test_data_is_no_argument(self, session: Session) -> None:
        with pytest.raises(ValueError, match="identifiers"):
            enqueue(session, "a.b.c", document="x" * 5000)

    def test_same_row_as_procrastinates_own(
        self, fresh_database: str, fresh_sessions: sessionmaker[Session], clock: FrozenClock
    ) -> None:
        """If this fails after an upgrade, its `defer_jobs` query has changed: follow it."""
        at = clock.now()
        app = procrastinate.App(
            connector=procrastinate.SyncPsycopgConnector(conninfo=fresh_database)
        )
        with app.open():
            deferrer = app.configure_task(
                "a.b.c", queue="civitas", lock="l", queueing_lock="theirs", schedule_at=at
            )
            deferrer.defer(one="1", two=2)

        with unit_of_work_of(fresh_sessions) as session:
            enqueue(session, "a.b.c", lock="l", queueing_lock="ours", run_at=at, one="1", two=2)

        with fresh_sessions() as session:
            theirs, ours = session.execute(
                text("SELECT to_jsonb(j) - 'id' - 'queueing_lock' FROM procrastinate_jobs j")
            ).all()
        assert theirs == ours


class TestWorker:
    def test_job_runs_with_its_arguments(
        self, work: Work, clock: FrozenClock, fresh_sessions: sessionmaker[Session]
    ) -> None:
        tasks, seen = Tasks(), []

        @tasks.task("test.thing.do")
        def do(context: JobContext, *, thing: JobArgument) -> None:
            seen.append((thing, context.clock.now()))

        with unit_of_work_of(fresh_sessions) as session:
            enqueue(session, "test.thing.do", thing="a")

        work(tasks)

        assert seen == [("a", clock.now())]
        with fresh_sessions() as session:
            assert jobs_in(session) == []

    def test_failed_job_waits_for_another_attempt(
        self, work: Work, fresh_sessions: sessionmaker[Session]
    ) -> None:
        tasks = Tasks()

        @tasks.task("test.thing.fail")
        def fail(_context: JobContext) -> None:
            raise RuntimeError("the database is away")

        with unit_of_work_of(fresh_sessions) as session:
            enqueue(session, "test.thing.fail")

        work(tasks)

        with fresh_sessions() as session:
            (job,) = jobs_in(session)
        assert (job.status, job.attempts) == ("todo", 1)
        assert job.scheduled_at is not None

    def test_writes_of_a_failed_job_are_rolled_back(
        self, work: Work, fresh_sessions: sessionmaker[Session]
    ) -> None:
        tasks = Tasks()

        @tasks.task("test.thing.fail", retry=None)
        def fail(context: JobContext) -> None:
            with unit_of_work_of(context.sessions) as session:
                enqueue(session, "test.thing.follow")
                raise RuntimeError

        with unit_of_work_of(fresh_sessions) as session:
            enqueue(session, "test.thing.fail")

        work(tasks)

        with fresh_sessions() as session:
            assert [(job.task_name, job.status) for job in jobs_in(session)] == [
                ("test.thing.fail", "failed")
            ]

    def test_periodic_task_runs_by_itself(self, work: Work) -> None:
        tasks, seen = Tasks(), []

        @tasks.task("test.clock.tick", cron="* * * * * *")
        def tick(_context: JobContext) -> None:
            seen.append("tick")

        work(tasks)
        work(tasks)

        assert seen

    def test_failed_periodic_task_leaves_nothing_and_comes_again(
        self, work: Work, fresh_sessions: sessionmaker[Session]
    ) -> None:
        tasks, seen = Tasks(), []

        @tasks.task("test.clock.tick", cron="* * * * * *")
        def tick(_context: JobContext) -> None:
            seen.append("tick")
            raise RuntimeError

        give_up_at = time.monotonic() + 8
        while len(seen) < 2 and time.monotonic() < give_up_at:
            work(tasks)

        assert len(seen) >= 2
        with fresh_sessions() as session:
            assert jobs_in(session) == []

    def test_jobs_of_one_lock_run_in_order(
        self, work: Work, fresh_sessions: sessionmaker[Session]
    ) -> None:
        tasks, seen = Tasks(), []

        @tasks.task("test.thing.do")
        def do(_context: JobContext, *, number: int) -> None:
            seen.append(number)

        with unit_of_work_of(fresh_sessions) as session:
            for number in range(10):
                enqueue(session, "test.thing.do", lock="one", number=number)

        work(tasks)

        assert seen == list(range(10))

    def test_two_tasks_of_one_name_are_a_mistake(self) -> None:
        tasks = Tasks()
        tasks.task("a.b.c")(lambda _context: None)

        with pytest.raises(ValueError, match=r"a\.b\.c"):
            tasks.task("a.b.c")

    def test_jobs_of_a_dead_worker_are_handed_out_again(
        self, work: Work, fresh_sessions: sessionmaker[Session]
    ) -> None:
        tasks, seen = Tasks(), []

        @tasks.task("test.thing.do")
        def do(_context: JobContext) -> None:
            seen.append("done")

        with unit_of_work_of(fresh_sessions) as session:
            enqueue(session, "test.thing.do")
            let_the_worker_die(session)
            enqueue(session, "kernel.queue.keep", timestamp=0)  # what the minute brings, now

        work(tasks)

        assert seen == ["done"]
        with fresh_sessions() as session:
            assert jobs_in(session) == []

    def test_job_that_another_keeper_handed_out_is_left_to_its_new_worker(
        self, fresh_database: str, fresh_sessions: sessionmaker[Session]
    ) -> None:
        """Two keepers find the same dead worker; in between a living one took its job."""
        with unit_of_work_of(fresh_sessions) as session:
            enqueue(session, "test.thing.do")
            let_the_worker_die(session)

        async def keep_too_late() -> bool:
            queue = make_queue([], database_url=fresh_database, size=2)
            async with queue.open_async():
                manager = queue.job_manager
                (job,) = await manager.get_stalled_jobs()
                assert await _hand_out_again(manager, job)
                living = await manager.register_worker()
                assert await manager.fetch_job(queues=None, worker_id=living)
                return await _hand_out_again(manager, job)

        assert not asyncio.run(keep_too_late())
        with fresh_sessions() as session:
            assert [job.status for job in jobs_in(session)] == ["doing"]

    def test_job_of_a_dead_worker_gives_way_to_the_one_that_waits(
        self, work: Work, clock: FrozenClock, fresh_sessions: sessionmaker[Session]
    ) -> None:
        in_a_century = clock.now() + timedelta(days=36525)
        with unit_of_work_of(fresh_sessions) as session:
            enqueue(session, "test.thing.do", queueing_lock="one")
            let_the_worker_die(session)
            enqueue(session, "test.thing.do", queueing_lock="one", run_at=in_a_century)
            enqueue(session, "kernel.queue.keep", timestamp=0)

        work(Tasks())

        with fresh_sessions() as session:
            (job,) = jobs_in(session)
        assert (job.scheduled_at, job.status) == (in_a_century, "todo")


def let_the_worker_die(session: Session) -> None:
    """Do to all jobs what `kill -9` of the worker that took them does."""
    session.execute(
        text(
            "WITH dead AS (INSERT INTO procrastinate_workers (last_heartbeat)"
            " VALUES (now() - interval '1 hour') RETURNING id)"
            " UPDATE procrastinate_jobs SET status = 'doing', worker_id = dead.id FROM dead"
        )
    )


def test_worker_that_is_told_to_stop_stops_though_its_database_is_gone() -> None:
    """Procrastinate writes that it stops; when that fails, the cancellation must not be lost."""

    class Queue:
        async def run_worker_async(self, **_: object) -> None:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                raise ConnectorException from None

    async def stop() -> None:
        unused: Any = None
        queue: Any = Queue()
        taking = asyncio.create_task(_take_jobs(queue, unused, concurrency=1, until_idle=False))
        await asyncio.sleep(0)
        taking.cancel()
        await taking

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(stop())
