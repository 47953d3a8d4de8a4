"""The worker: takes jobs, runs them in threads, survives a lost database and its own end.

Any number of workers take jobs (`SKIP LOCKED`); the jobs of a worker that died are handed out
again within two minutes, by whichever worker looks first. What a job is, and how one is enqueued,
is in `jobs.py`.
"""

import asyncio
import functools
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import procrastinate
import structlog
from procrastinate import exceptions as queue_errors
from procrastinate.jobs import DeleteJobCondition, Job, Status
from procrastinate.manager import JobManager

from kernel.jobs import QUEUE, JobContext, Task, Tasks
from kernel.signing import RELOADED_EVERY

log = structlog.get_logger("civitas.jobs")

_CONTEXT = "civitas"

STALLED_AFTER_SECONDS = 60
GRACEFUL_SECONDS = 10
GIVE_UP_SECONDS = 5  # after those
RECONNECT_SECONDS = 3
FAILED_KEPT_HOURS = 7 * 24

# As procrastinate's own `retry_job`, but from one worker only.
_TAKE_BACK = """
UPDATE procrastinate_jobs
SET status = (CASE WHEN abort_requested THEN 'failed' ELSE 'todo' END)::procrastinate_job_status,
    attempts = attempts + 1, scheduled_at = now()
WHERE id = %(job_id)s AND status = 'doing'
  AND worker_id IS NOT DISTINCT FROM CAST(%(worker_id)s AS bigint)
RETURNING id
"""


def make_queue(tasks: Iterable[Tasks], *, database_url: str, size: int = 4) -> procrastinate.App:
    """Return procrastinate's application with every task registered; not open yet.

    Args:
        tasks: Of every context.
        database_url: `postgresql://…`.
        size: Connections to the queue; tasks use those of their own `sessions`.
    """
    queue = procrastinate.App(
        connector=procrastinate.PsycopgConnector(
            conninfo=database_url, min_size=1, max_size=max(2, size)
        )
    )
    for task in (each for context in tasks for each in context):
        registered = queue.task(
            name=task.name,
            queue=QUEUE,
            pass_context=True,
            retry=task.retry or False,
            queueing_lock=task.name if task.cron else None,
        )(_run(task))
        if task.cron:
            queue.periodic(cron=task.cron)(registered)
    keeper = queue.task(
        name="kernel.queue.keep", queue=QUEUE, pass_context=True, queueing_lock="kernel.queue.keep"
    )(_keep_queue)
    queue.periodic(cron="* * * * *")(keeper)
    return queue


def run_worker(
    context: JobContext,
    tasks: Iterable[Tasks],
    *,
    database_url: str,
    concurrency: int = 4,
    until_idle: bool = False,
) -> None:
    """Take jobs until SIGTERM or SIGINT, then finish those that run.

    Args:
        context: Handed to every task.
        tasks: Of every context.
        database_url: `postgresql://…`; LISTEN needs a session, not a transaction pooler.
        concurrency: Jobs at the same time, each in a thread.
        until_idle: Return when nothing is left to do; for tests and scripts.
    """
    # It logs every job with its arguments at INFO.
    logging.getLogger("procrastinate").setLevel(logging.WARNING)
    queue = make_queue(tasks, database_url=database_url, size=concurrency + 2)
    asyncio.run(_work(queue, context, concurrency=concurrency, until_idle=until_idle))


async def _work(
    queue: procrastinate.App, context: JobContext, *, concurrency: int, until_idle: bool
) -> None:
    """Take jobs; when the database goes away, wait and come back."""
    with _cancelled_by_signals():
        async with queue.open_async():
            reloading = asyncio.create_task(_reload_keys(context))
            log.info("worker.started", tasks=len(queue.tasks))
            try:
                while not await _take_jobs(
                    queue, context, concurrency=concurrency, until_idle=until_idle
                ):
                    log.warning("worker.queue.lost", again_in_seconds=RECONNECT_SECONDS)
                    await asyncio.sleep(RECONNECT_SECONDS)
            except asyncio.CancelledError:
                pass  # by a signal; the jobs that ran have been waited for
            finally:
                reloading.cancel()
                with suppress(asyncio.CancelledError):
                    await reloading
                log.info("worker.stopped")


async def _take_jobs(
    queue: procrastinate.App, context: JobContext, *, concurrency: int, until_idle: bool
) -> bool:
    """Take jobs until cancelled, or none is left; tell whether that was meant."""
    while True:
        try:
            await queue.run_worker_async(
                queues=[QUEUE],
                concurrency=concurrency,
                wait=not until_idle,
                listen_notify=not until_idle,
                install_signal_handlers=False,
                delete_jobs=DeleteJobCondition.SUCCESSFUL,
                additional_context={_CONTEXT: context},
                stalled_worker_timeout=STALLED_AFTER_SECONDS,
                shutdown_graceful_timeout=GRACEFUL_SECONDS,
            )
            # Told to wait, it returns only when a side task failed. Otherwise it also returns
            # when the next job waits for the lock of one that runs.
            if not until_idle or not await _is_work_left(queue):
                return until_idle
        except queue_errors.ConnectorException as error:
            if until_idle:
                raise
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                # We were told to stop, and without a database stopping fails too.
                raise asyncio.CancelledError from error
            return False


@contextmanager
def _cancelled_by_signals() -> Iterator[None]:
    """Cancel the current task on SIGTERM and SIGINT; procrastinate then waits for what runs."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None

    def stop() -> None:
        task.cancel()
        loop.call_later(GRACEFUL_SECONDS + GIVE_UP_SECONDS, _give_up)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def _give_up() -> None:
    """End at once: who lost the database too could wait for it for ever.

    As after `kill -9`, the jobs that ran are handed out again.
    """
    log.warning("worker.gave_up")
    os._exit(1)


async def _is_work_left(queue: procrastinate.App) -> bool:
    row = await queue.connector.execute_query_one_async(
        "SELECT EXISTS (SELECT FROM procrastinate_jobs WHERE status = 'todo'"
        " AND queue_name = %(queue)s AND coalesce(scheduled_at, now()) <= now()) AS is_left",
        queue=QUEUE,
    )
    return bool(row["is_left"])


async def _reload_keys(context: JobContext) -> None:
    """Read the signing keys again now and then: another process may have rotated them."""
    while True:
        await asyncio.sleep(RELOADED_EVERY.total_seconds())
        try:
            await asyncio.to_thread(context.signing.reload, at=context.clock.now())
        except Exception as error:  # noqa: BLE001  # the database is away: try again in a while
            log.warning("worker.keys.not_reloaded", error=type(error).__name__)


def _run(task: Task) -> Callable[..., None]:
    """Return what procrastinate calls: the task's function, with our context and our log."""

    @functools.wraps(task.function)
    def run(job_context: procrastinate.JobContext, **args: Any) -> None:  # noqa: ANN401
        if task.cron:
            args.pop("timestamp", None)
        context: JobContext = job_context.additional_context[_CONTEXT]
        try:
            task.function(context, **args)
        except Exception:  # whatever the task raises
            log.warning(
                "job.failed",
                task=task.name,
                job=job_context.job.id,
                attempt=job_context.job.attempts + 1,
                exc_info=True,
            )
            # A periodic task comes again by itself: its failed jobs are not kept, or a log that
            # can't be sequenced would leave a row every two seconds. The others are tried again.
            if not task.cron:
                raise

    return run


async def _keep_queue(job_context: procrastinate.JobContext, timestamp: int) -> None:
    """Hand out again the jobs of workers that died; forget jobs that failed long ago."""
    del timestamp
    manager = job_context.app.job_manager
    for job in await manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_AFTER_SECONDS):
        if not await _hand_out_again(manager, job):
            continue  # another keeper was faster, or the worker lives after all and finished it
        log.warning("job.handed_out_again", task=job.task_name, job=job.id)
    await manager.delete_old_jobs(nb_hours=FAILED_KEPT_HOURS, queue=QUEUE, include_failed=True)


async def _hand_out_again(manager: JobManager, job: Job) -> bool:
    """Take a job from the worker that had it; tell whether it still had it.

    Transaction:
        One statement: the job that another keeper handed out is another worker's by now, and is
        not run beside it.
    """
    try:
        taken = await manager.connector.execute_query_all_async(
            _TAKE_BACK, job_id=job.id, worker_id=job.worker_id
        )
    except queue_errors.UniqueViolation:
        # Another one of its queueing lock waits already and will do the work.
        await _finish(manager, job)
        return True
    return bool(taken)


async def _finish(manager: JobManager, job: Job) -> None:
    with suppress(queue_errors.ConnectorException):  # as above
        await manager.finish_job(job, status=Status.FAILED, delete_job=True)
