"""Let a transaction's thread go on while the database works.

Whoever writes much and needs no answer says so by `later`. Under `Writer.behind` it is written in a
thread beside, in the order in which it was said. Before every other statement of the transaction,
and before its end, all that was said is done; what goes wrong with it, goes wrong there.

While the transaction's own thread waits for the database, an `Idle` is open: whoever prepares what
comes next, in yet another thread, runs then. Before, it would only take turns with the others.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, Self

from psycopg import Cursor
from psycopg.pq import Format
from sqlalchemy import Connection, event
from sqlalchemy.orm import Session

_INFO: Final = "civitas.behind"
_THREAD: Final = "written-behind"


class Idle:
    """Open while somebody waits; whoever has time until then waits for it."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = threading.Event()

    def wait(self) -> None:
        """Wait until somebody waits."""
        if not self._event.is_set():
            self._event.wait()

    def open(self) -> None:
        """Let others run from now on."""
        self._event.set()

    def close(self) -> None:
        """Let others wait from now on."""
        self._event.clear()

    @contextmanager
    def while_waiting(self) -> Iterator[None]:
        """Let others run during what is done under this."""
        self.open()
        try:
            yield
        finally:
            self.close()


class _Behind:
    """What is still to be written in one transaction."""

    __slots__ = ("_idle", "_said", "_thread")

    def __init__(self, thread: ThreadPoolExecutor, idle: Idle) -> None:
        self._thread = thread
        self._idle = idle
        self._said: deque[Future[None]] = deque()

    def say(self, work: Callable[[], None]) -> None:
        self._said.append(self._thread.submit(work))

    def wait(self) -> None:
        """Wait until all that was said is written.

        Raises:
            Exception: The first that was raised; the database refused what came after it.
        """
        while self._said:
            said = self._said.popleft()
            if not said.done():
                with self._idle.while_waiting():
                    said.exception()
            said.result()

    def give_up(self) -> None:
        """Wait until nothing is written any more, however that ends."""
        while self._said:
            self._said.popleft().exception()

    def before_statement(self) -> None:
        if not _is_writer():
            self.wait()
            self._idle.open()

    def after_statement(self) -> None:
        if not _is_writer():
            self._idle.close()


def _is_writer() -> bool:
    return threading.current_thread().name.startswith(_THREAD)


class Writer:
    """A thread that writes behind one transaction after the other.

    Attributes:
        idle: Open while the thread of the transaction waits for the database.
    """

    def __init__(self, thread: ThreadPoolExecutor) -> None:
        self._thread = thread
        self.idle = Idle()

    @classmethod
    @contextmanager
    def start(cls) -> Iterator[Self]:
        """Have a writer; its thread ends with this."""
        with ThreadPoolExecutor(1, _THREAD) as thread:
            yield cls(thread)

    @contextmanager
    def behind(self, session: Session) -> Iterator[None]:
        """Let `later` write behind this transaction, which only the caller's thread uses."""
        connection = session.connection()
        info = connection.info  # a connection that was lost gives it no more
        behind = info[_INFO] = _Behind(self._thread, self.idle)
        try:
            with _in_order(connection, behind):
                yield
                behind.wait()
        finally:
            behind.give_up()
            self.idle.close()
            del info[_INFO]


@contextmanager
def _in_order(connection: Connection, behind: _Behind) -> Iterator[None]:
    """Let every statement, and the end of the transaction, wait for what was said before it."""

    def before_statement(_: Connection, cursor: Cursor[Any], *_more: object) -> None:
        behind.before_statement()
        cursor.format = Format.BINARY  # sealed values as they are, not as digits

    listeners: dict[str, Callable[..., None]] = {
        "before_cursor_execute": before_statement,
        "after_cursor_execute": lambda *_: behind.after_statement(),
        "commit": lambda *_: behind.wait(),
        "rollback": lambda *_: behind.give_up(),
    }
    for name, listener in listeners.items():
        event.listen(connection, name, listener)
    try:
        yield
    finally:
        for name, listener in listeners.items():
            event.remove(connection, name, listener)


def later(session: Session, work: Callable[[Connection], None]) -> None:
    """Write something of which nothing is to be known: at once, or behind the transaction.

    Args:
        session: The transaction.
        work: Writes; no other statement of the transaction runs meanwhile.
    """
    connection = session.connection()
    behind: _Behind | None = connection.info.get(_INFO)
    if behind is None:
        work(connection)
    else:
        behind.say(lambda: work(connection))


@contextmanager
def at_once(session: Session) -> Iterator[Connection]:
    """Have the connection for what goes past SQLAlchemy: all that was said before is done."""
    connection = session.connection()
    behind: _Behind | None = connection.info.get(_INFO)
    if behind is None:
        yield connection
        return
    behind.before_statement()
    try:
        yield connection
    finally:
        behind.after_statement()
