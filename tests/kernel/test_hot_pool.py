"""The hot lane's connections: lent one statement at a time, handed on, opened anew when dead."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import asyncpg
import pytest

from kernel.hot_pool import HotPool, make_hot_pool

T = TypeVar("T")

WHO = "SELECT pg_backend_pid()"
PREPARED = "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement LIKE $1"


def run(url: str, use: Callable[[HotPool], Awaitable[T]], *, size: int = 1) -> T:
    async def once() -> T:
        async with await make_hot_pool(url, size=size) as pool:
            return await use(pool)

    return asyncio.run(once())


async def who(pool: HotPool) -> int:
    row = await pool.fetchrow(WHO)
    assert row is not None
    return int(row[0])


def test_what_came_back_last_is_lent_first(database_url: str) -> None:
    async def use(pool: HotPool) -> set[int]:
        return {await who(pool) for _ in range(4)}

    assert len(run(database_url, use, size=3)) == 1


def test_more_statements_than_connections_wait_for_their_turn(database_url: str) -> None:
    async def use(pool: HotPool) -> list[int]:
        return await asyncio.gather(*(who(pool) for _ in range(20)))

    pids = run(database_url, use, size=2)

    assert len(pids) == 20
    assert len(set(pids)) == 2


def test_nobody_overtakes_who_waits(database_url: str) -> None:
    async def use(pool: HotPool) -> list[int]:
        done: list[int] = []

        async def ask(number: int) -> None:
            await who(pool)
            done.append(number)

        await asyncio.gather(*(ask(number) for number in range(8)))
        return done

    assert run(database_url, use) == list(range(8))


def test_a_connection_that_the_server_ended_is_opened_anew(database_url: str) -> None:
    async def use(pool: HotPool) -> tuple[int, int]:
        before = await who(pool)
        with pytest.raises(asyncpg.PostgresError):
            await pool.fetchrow("SELECT pg_terminate_backend(pg_backend_pid())")
        return before, await who(pool)

    before, after = run(database_url, use)

    assert before != after


def test_a_failed_statement_gives_its_connection_back(database_url: str) -> None:
    async def use(pool: HotPool) -> tuple[int, int]:
        before = await who(pool)
        for _ in range(3):
            with pytest.raises(asyncpg.PostgresError):
                await pool.fetch("SELECT 1 / 0")
        return before, await who(pool)

    before, after = run(database_url, use)

    assert before == after


def test_a_cancelled_statement_does_not_reach_who_comes_next(database_url: str) -> None:
    async def use(pool: HotPool) -> tuple[int, int]:
        before = await who(pool)
        asking = asyncio.ensure_future(pool.fetchrow("SELECT pg_sleep(60)"))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        return before, await who(pool)

    before, after = run(database_url, use)

    assert before != after


def test_a_statement_that_waited_and_is_cancelled_does_not_reach_who_comes_next(
    database_url: str,
) -> None:
    async def use(pool: HotPool) -> tuple[int, int]:
        first = asyncio.ensure_future(who(pool))
        sleeping = asyncio.ensure_future(pool.fetchrow("SELECT pg_sleep(60)"))
        last = asyncio.ensure_future(who(pool))
        before = await first
        for _ in range(3):
            await asyncio.sleep(0)  # it is sent as soon as the first has its answer
        sleeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sleeping
        return before, await last

    before, after = run(database_url, use)

    assert before != after


def test_what_fails_fails_for_who_asked_and_for_nobody_else(database_url: str) -> None:
    async def use(pool: HotPool) -> list[Any]:
        asked: list[Awaitable[Any]] = [
            who(pool),
            pool.fetch("SELECT 1 / 0"),
            pool.fetch("SELECT pg_terminate_backend(pg_backend_pid())"),
            who(pool),
            pool.fetch("SELECT n FROM generate_series(1, 2) n"),
        ]
        return await asyncio.gather(*asked, return_exceptions=True)

    first, failed, ended, last, rows = run(database_url, use)

    assert isinstance(failed, asyncpg.DivisionByZeroError)
    assert isinstance(ended, asyncpg.PostgresError)
    assert isinstance(first, int)
    assert isinstance(last, int)
    assert first != last
    assert isinstance(rows, list)
    assert [row["n"] for row in rows] == [1, 2]


def test_who_stops_waiting_leaves_the_turn_to_the_next(database_url: str) -> None:
    async def use(pool: HotPool) -> int:
        first = asyncio.ensure_future(who(pool))
        await asyncio.sleep(0)
        impatient, patient = (asyncio.ensure_future(who(pool)) for _ in range(2))
        await asyncio.sleep(0)
        impatient.cancel()
        return await first - await patient

    assert run(database_url, use) == 0


def test_who_stops_waiting_at_the_very_turn_hands_it_on(database_url: str) -> None:
    async def use(pool: HotPool) -> int:
        async def first() -> int:
            pid = await who(pool)  # gives the connection to who is impatient
            impatient.cancel()
            return pid

        started = asyncio.ensure_future(first())
        await asyncio.sleep(0)
        impatient, patient = (asyncio.ensure_future(who(pool)) for _ in range(2))
        return await started - await patient

    assert run(database_url, use) == 0


def test_a_closed_pool_lends_nothing(database_url: str) -> None:
    async def use(pool: HotPool) -> None:
        asking = asyncio.ensure_future(who(pool))
        waiting = asyncio.ensure_future(who(pool))
        await asyncio.sleep(0)
        await pool.close()
        assert await asking > 0
        for late in (waiting, who(pool)):
            with pytest.raises(asyncpg.InterfaceError):
                await late

    run(database_url, use)


def test_a_statement_is_planned_once_and_for_all_values(database_url: str) -> None:
    statement = "SELECT count(*) FROM grants WHERE grant_id = ANY($1::uuid[])"

    async def use(pool: HotPool) -> tuple[int, int]:
        for _ in range(9):
            await pool.fetchrow(statement, [])
        row = await pool.fetchrow(PREPARED, f"{statement}%")
        assert row is not None
        return tuple(row)

    assert run(database_url, use) == (9, 0)
