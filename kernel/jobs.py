"""Background work: a queue in PostgreSQL (procrastinate), filled in the caller's transaction.

A job is enqueued in the transaction that makes it necessary: it is there when that commits, and
was never there when it does not. What a worker had when it died is handed out again
(`worker.py`). So a job may run twice, and its task is written for that: what it does, it does once,
or doing it again changes nothing.

Arguments of jobs are identifiers, codes and instants, never personal data: they lie in the clear.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeAlias, TypeVar

import orjson
import procrastinate
from obstore.store import ObjectStore
from procrastinate.retry import BaseRetryStrategy
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from kernel.clock import Clock
from kernel.db import Instant
from kernel.keyring import Keyring
from kernel.settings import Settings
from kernel.signing import SigningKeys

JobArgument: TypeAlias = str | int | bool | None

QUEUE: Final = "civitas"

_MOST_ARGUMENT_BYTES = 4096
_QUEUEING_LOCK = "procrastinate_jobs_queueing_lock_idx_v1"

# The same function, with the same arguments, as procrastinate's own `defer_jobs` query calls.
_DEFER = text(
    "SELECT (procrastinate_defer_jobs_v1(ARRAY[ROW(:queue, :task, 0, :lock, :queueing_lock,"
    " CAST(:args AS jsonb), :run_at)::procrastinate_job_to_defer_v1]))[1]"
).bindparams(bindparam("args", type_=JSONB), bindparam("run_at", type_=Instant))


@dataclass(frozen=True, slots=True, kw_only=True)
class JobContext:
    """What a task works with; made once, when the worker starts.

    Attributes:
        settings: As everywhere.
        clock: Where tasks learn the time.
        sessions: For `kernel.db.unit_of_work_of`: a task opens its own transactions.
        keyring: Person keys, given an access entry.
        signing: Signing keys.
        blobs: The blob store.
    """

    settings: Settings
    clock: Clock
    sessions: sessionmaker[Session]
    keyring: Keyring
    signing: SigningKeys
    blobs: ObjectStore


TaskFunction: TypeAlias = Callable[..., None]
_F = TypeVar("_F", bound=TaskFunction)

STEADY: Final = procrastinate.RetryStrategy(max_attempts=12, exponential_wait=3)
"""Again after 3, 9, 27 … seconds; the twelfth and last time after six days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A function that runs as a job.

    Attributes:
        name: `context.subject.verb`; what `enqueue` is given.
        function: Called with the `JobContext` and the job's arguments as keywords.
        cron: When it runs by itself: five fields, and a sixth for seconds; None: when enqueued.
        retry: What happens after an exception; None: nothing.
    """

    name: str
    function: TaskFunction
    cron: str | None
    retry: BaseRetryStrategy | None


@dataclass(frozen=True, slots=True)
class Tasks:
    """The tasks of one context; its `jobs.py` holds one and fills it by decorating.

    ```python
    tasks = Tasks()

    @tasks.task("audit.log.sequence", cron="* * * * * */2")
    def sequence_log(context: JobContext) -> None: ...
    ```
    """

    _tasks: dict[str, Task] = field(default_factory=dict)

    def task(
        self,
        name: str,
        *,
        cron: str | None = None,
        retry: BaseRetryStrategy | None = STEADY,
    ) -> Callable[[_F], _F]:
        """Register the decorated function under `name`; the function itself stays as it is.

        Args:
            name: Unique over all contexts.
            cron: Makes it periodic. At most one waits at a time, however many workers there are,
                and a failed one is not retried: the next one comes.
            retry: For jobs that are enqueued.
        """
        if name in self._tasks:
            raise ValueError(f"two tasks are named {name}")

        def register(function: _F) -> _F:
            self._tasks[name] = Task(
                name=name, function=function, cron=cron, retry=None if cron else retry
            )
            return function

        return register

    def __iter__(self) -> Iterator[Task]:
        return iter(self._tasks.values())


def enqueue(
    session: Session,
    task_name: str,
    *,
    lock: str | None = None,
    queueing_lock: str | None = None,
    run_at: datetime | None = None,
    **args: JobArgument,
) -> int | None:
    """Enqueue a job in the caller's transaction.

    Args:
        session: The transaction that makes the job necessary.
        task_name: As registered in some context's `Tasks`; not checked here, because the context
            that enqueues need not know the one that works.
        lock: Jobs of one lock run one after another, in the order in which they were enqueued.
        queueing_lock: At most one job of a queueing lock waits. When one does already, nothing is
            enqueued. That job may start before this transaction commits and miss what it wrote:
            only for work that a periodic task also finds.
        run_at: Not before; timezone-aware. At once otherwise.
        **args: Identifiers, codes, instants as text. No personal data.

    Returns:
        The job's number; None if a job of this queueing lock waits already.

    Raises:
        ValueError: Arguments of more than 4 KiB: a job names things, it does not carry them.
    """
    if len(orjson.dumps(args)) > _MOST_ARGUMENT_BYTES:
        raise ValueError("the arguments of a job are identifiers, not data")
    values = {
        "queue": QUEUE,
        "task": task_name,
        "lock": lock,
        "queueing_lock": queueing_lock,
        "args": args,
        "run_at": run_at,
    }
    if queueing_lock is None:
        return _number(session.scalar(_DEFER, values))
    try:
        with session.begin_nested():
            return _number(session.scalar(_DEFER, values))
    except IntegrityError as error:
        if _QUEUEING_LOCK not in str(error.orig):
            raise
        return None


def _number(value: object) -> int:
    assert isinstance(value, int)
    return value
