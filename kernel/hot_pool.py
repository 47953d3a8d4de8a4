"""The hot lane's connections: lent for one statement each, the one that came back last first.

asyncpg's own pool starts a task and two timers for each use, and asks the server to reset what the
use may have left: three quarters of what a statement costs this process. Hot statements leave
nothing behind: each is one statement, committed by itself, with no SET, no temporary table and no
session lock. So a connection is handed on as it is, by a list and a queue.

Concurrency: one per process; used from its event loop only.
"""

import asyncio
from collections import deque
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
        self._waiting: deque[asyncio.Future[_Place]] = deque()
        self._is_closed = False
        self._loop = asyncio.get_running_loop()

    async def open(self) -> Self:
        """Open every connection: a process that starts is ready."""
        opened = await asyncio.gather(*(self._connect() for _ in range(self._size)))
        self._idle = [(connection, self._loop.time()) for connection in opened]
        return self

    async def fetchrow(self, query: str, *args: Any) -> asyncpg.Record | None:  # noqa: ANN401
        """Run one statement and return its first row, or None."""
        connection = await self._take()
        try:
            return await connection.fetchrow(query, *args)
        except asyncio.CancelledError:
            connection.terminate()  # the server may still be at work on it
            raise
        finally:
            self._give(connection)

    async def fetch(self, query: str, *args: Any) -> list[asyncpg.Record]:  # noqa: ANN401
        """Run one statement and return all rows."""
        connection = await self._take()
        try:
            return await connection.fetch(query, *args)
        except asyncio.CancelledError:
            connection.terminate()
            raise
        finally:
            self._give(connection)

    async def close(self) -> None:
        """Close what is idle now, and everything else as it comes back."""
        self._is_closed = True
        idle, self._idle = self._idle, []
        for turn in self._waiting:
            if not turn.done():
                turn.set_exception(asyncpg.InterfaceError("the pool is closed"))
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

    async def _take(self) -> "_Connection":
        place = self._idle.pop() if self._idle else await self._wait()
        connection, since = place
        if (
            connection is not None
            and not connection.is_closed()
            and self._loop.time() - since < LONGEST_IDLE_SECONDS
        ):
            return connection
        try:
            if connection is not None:
                connection.terminate()
            return await self._connect()
        except BaseException:
            self._put(None)  # the place is free again, and its connection still to be opened
            raise

    async def _wait(self) -> "_Place":
        if self._is_closed:
            raise asyncpg.InterfaceError("the pool is closed")
        turn: asyncio.Future[_Place] = self._loop.create_future()
        self._waiting.append(turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._put(turn.result()[0])  # it came too late: it becomes another's
            raise

    def _give(self, connection: "_Connection") -> None:
        self._put(None if connection.is_closed() else connection)

    def _put(self, connection: "_Connection | None") -> None:
        """Hand a place to whoever has waited longest, or keep it."""
        if self._is_closed:
            if connection is not None:
                connection.terminate()
            return
        place = (connection, self._loop.time())
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(place)
                return
        self._idle.append(place)


async def make_hot_pool(url: str, *, size: int = 8) -> HotPool:
    """Open the hot lane's connections.

    Args:
        url: `postgresql://…`; the same as for `make_engine`.
        size: Connections, all opened at once.
    """
    return await HotPool(url, size=size).open()
