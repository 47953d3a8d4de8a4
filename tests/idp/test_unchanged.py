"""Clients are looked up together, and each as of after it asked."""

import asyncio
from typing import Any

import pytest

from idp.hot.unchanged import UnchangedClients
from kernel.ids import ClientId

A, B = ClientId("a"), ClientId("b")


class Pool:
    """Answers when it is told to, with what is so when the statement begins."""

    def __init__(self, *live: tuple[str, int]) -> None:
        self.live = set(live)
        self.begun: list[list[tuple[str, int]]] = []
        self.may_answer = asyncio.Event()
        self.failure: Exception | None = None

    async def fetch(self, _query: str, *args: Any) -> Any:  # noqa: ANN401  # as asyncpg's
        client_ids, revisions = args
        asked = list(zip(client_ids, revisions, strict=True))
        self.begun.append(asked)
        found = [{"client_id": c, "revision": r} for c, r in asked if (c, r) in self.live]
        await self.may_answer.wait()
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        return found

    async def fetchrow(self, _query: str, *_: Any) -> Any:  # noqa: ANN401
        raise NotImplementedError


async def later() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_only_the_revision_that_is_stored_is_unchanged() -> None:
    async def run() -> None:
        pool, unchanged = Pool(("a", 1)), UnchangedClients()
        pool.may_answer.set()

        assert await unchanged.ask(pool, A, 1)
        assert not await unchanged.ask(pool, A, 2)
        assert not await unchanged.ask(pool, B, 1)

    asyncio.run(run())


def test_who_asks_meanwhile_is_looked_up_together_after_it() -> None:
    async def run() -> None:
        pool, unchanged = Pool(("a", 1), ("b", 1)), UnchangedClients()
        first = asyncio.create_task(unchanged.ask(pool, A, 1))
        await later()
        pool.live = {("b", 1)}  # a is disabled while the first statement is under way
        asking = [asyncio.create_task(unchanged.ask(pool, who, 1)) for who in (A, B, A)]
        await later()
        assert pool.begun == [[("a", 1)]]

        pool.may_answer.set()

        assert await first
        assert await asyncio.gather(*asking) == [False, True, False]
        assert pool.begun == [[("a", 1)], [("a", 1), ("b", 1)]]

    asyncio.run(run())


def test_failure_is_told_to_all_and_does_not_stay() -> None:
    async def run() -> None:
        pool, unchanged = Pool(("a", 1)), UnchangedClients()
        pool.failure = ConnectionError()
        asking = [asyncio.create_task(unchanged.ask(pool, A, 1)) for _ in range(2)]
        await later()
        pool.may_answer.set()

        outcomes = await asyncio.gather(*asking, return_exceptions=True)

        assert [type(each) for each in outcomes] == [ConnectionError, ConnectionError]
        assert await unchanged.ask(pool, A, 1)

    asyncio.run(run())


def test_one_that_goes_away_takes_nobody_along() -> None:
    async def run() -> None:
        pool, unchanged = Pool(("a", 1)), UnchangedClients()
        gone, stays = (asyncio.create_task(unchanged.ask(pool, A, 1)) for _ in range(2))
        await later()
        gone.cancel()
        pool.may_answer.set()

        assert await stays
        with pytest.raises(asyncio.CancelledError):
            await gone

    asyncio.run(run())


def test_connection_that_does_not_answer_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        pool, unchanged = Pool(("a", 1)), UnchangedClients()

        with pytest.raises(TimeoutError):
            await unchanged.ask(pool, A, 1)
        pool.may_answer.set()
        assert await unchanged.ask(pool, A, 1)

    monkeypatch.setattr("idp.hot.unchanged.PATIENCE_SECONDS", 0.01)
    asyncio.run(run())
