"""The hot lane's connections: lent for one statement each, the one that came back last first.

asyncpg's own pool starts a task and two timers for each use, and asks the server to reset what the
use may have left: three quarters of what a statement costs this process. Hot statements leave
nothing behind: each is one statement, committed by itself, with no SET, no temporary table and no
session lock. So a connection is handed on as it is, by a list and a queue.

When every connection is lent, statements wait, not those who ask. Whoever gives a connection back
leaves it to a task that runs what waits, one statement after another: the next one is sent in the
very step that took the answer of the one before. If each had to be woken for its turn, the
connection would rest meanwhile, for as long as everything else that the loop has to do takes.

Concurrency: one per process; used from its event loop only.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import asyncpg

if TYPE_CHECKING:
    _Connection = asyncpg.Connection[asyncpg.Record]
    _Place: TypeAlias = tuple[_Connection | None, float]
    """A connection and when it came back; None stands for one that is still to be opened."""

LONGEST_IDLE_SECONDS = 300.0
"""A firewall may have forgotten a connection that rested for longer; it is opened anew."""

_STATEMENTS = 256  # prepared at a time, on each connection
_SETTINGS = {"jit": "off", "plan_cache_mode": "force_generic_plan"}


class HotPool:
    """A fixed number of connections. Use as an async context manager, or `close` it."""

    def __init__(self, url: str, *, size: int) -> None:
        """Begin with nothing open; `make_hot_pool` opens.

        Args:
            url: `postgresql://…`.
            size: Connections at most, and as many statements at a time.
        """
        self._url = url
        self._size = size
        self._idle: list[_Place] = [(None, 0.0)] * size
        self._waiting: deque[tuple[_Statement, asyncio.Future[Any]]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()  # the loop itself does not keep them alive
        self._is_closed = False
        self._loop = asyncio.get_running_loop()

    async def open(self) -> Self:
        """Open every connection: a process that starts is ready."""
        opened = await asyncio.gather(*(self._connect() for _ in range(self._size)))
        self._idle = [(connection, self._loop.time()) for connection in opened]
        return self

    async def fetchrow(self, query: str, *args: Any) -> asyncpg.Record | None:  # noqa: ANN401
        """Run one statement and return its first row, or None."""
        row: asyncpg.Record | None = await self._answer(_Statement(query, args, is_row=True))
        return row

    async def fetch(self, query: str, *args: Any) -> list[asyncpg.Record]:  # noqa: ANN401
        """Run one statement and return all rows."""
        rows: list[asyncpg.Record] = await self._answer(_Statement(query, args, is_row=False))
        return rows

    async def close(self) -> None:
        """Close what is idle now, and everything else as it comes back."""
        self._is_closed = True
        idle, self._idle = self._idle, []
        for _, answer in self._waiting:
            if not answer.done():
                answer.set_exception(asyncpg.InterfaceError("the pool is closed"))
        self._waiting.clear()
        for connection, _ in idle:
            if connection is not None and not connection.is_closed():
                await connection.close()

    async def __aenter__(self) -> Self:
        """Return the pool."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        await self.close()

    async def _connect(self) -> "_Connection":
        return await asyncpg.connect(
            self._url, statement_cache_size=_STATEMENTS, server_settings=_SETTINGS
        )

    def _answer(self, statement: "_Statement") -> Awaitable[Any]:
        return self._run(statement) if self._idle else self._wait(statement)

    async def _run(self, statement: "_Statement") -> Any:  # noqa: ANN401
        """Run a statement on an idle connection, and give it back."""
        connection: _Connection | None = None
        try:
            connection = await self._usable(self._idle.pop())
            return await statement.run(connection)
        except asyncio.CancelledError:
            if connection is not None:
                connection.terminate()  # the server may still be at work on it
            raise
        finally:
            self._give(connection)

    async def _wait(self, statement: "_Statement") -> Any:  # noqa: ANN401
        """Leave a statement to whoever gives a connection back."""
        if self._is_closed:
            raise asyncpg.InterfaceError("the pool is closed")
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._waiting.append((statement, answer))
        try:
            return await answer
        except asyncio.CancelledError:
            if statement.runs_on is not None:
                statement.runs_on.terminate()
            raise

    async def _run_waiting(self, connection: "_Connection | None") -> None:
        """Run what waits, first come, first served; then let the connection rest."""
        place = (connection, self._loop.time())
        while self._waiting:
            statement, answer = self._waiting.popleft()
            if answer.done():
                continue  # who asked has gone
            try:
                connection = None
                connection = statement.runs_on = await self._usable(place)
                row = await statement.run(connection)
            except Exception as error:  # noqa: BLE001  # whatever it is, it is theirs who asked
                if not answer.done():
                    answer.set_exception(error)
            else:
                if not answer.done():
                    answer.set_result(row)
            finally:
                statement.runs_on = None
            place = (_alive(connection), self._loop.time())
        self._give(place[0])

    async def _usable(self, place: "_Place") -> "_Connection":
        """Return the connection of a place, opened anew if it is closed or has rested long."""
        connection, since = place
        if (
            connection is not None
            and not connection.is_closed()
            and self._loop.time() - since < LONGEST_IDLE_SECONDS
        ):
            return connection
        if connection is not None:
            connection.terminate()
        return await self._connect()

    def _give(self, connection: "_Connection | None") -> None:
        """Hand a connection to what waits, or keep it; None: its place is to be opened anew."""
        connection = _alive(connection)
        if self._is_closed:
            if connection is not None:
                connection.terminate()
        elif self._waiting:
            task = self._loop.create_task(self._run_waiting(connection))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self._idle.append((connection, self._loop.time()))


def _alive(connection: "_Connection | None") -> "_Connection | None":
    return None if connection is None or connection.is_closed() else connection


class _Statement:
    """A statement and its values.

    Attributes:
        runs_on: The connection on which it runs for somebody who waits.
    """

    __slots__ = ("args", "is_row", "query", "runs_on")

    def __init__(self, query: str, args: tuple[Any, ...], *, is_row: bool) -> None:
        self.query = query
        self.args = args
        self.is_row = is_row
        self.runs_on: _Connection | None = None

    def run(self, connection: "_Connection") -> Awaitable[Any]:
        """Run it."""
        if self.is_row:
            return connection.fetchrow(self.query, *self.args)
        return connection.fetch(self.query, *self.args)


async def make_hot_pool(url: str, *, size: int = 8) -> HotPool:
    """Open the hot lane's connections.

    Args:
        url: `postgresql://…`; the same as for `make_engine`.
        size: Connections, all opened at once.
    """
    return await HotPool(url, size=size).open()
