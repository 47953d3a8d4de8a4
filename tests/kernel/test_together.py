"""What is asked together is answered to each, as of after it asked."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from kernel.db import Fetcher
from kernel.together import Together


class Database:
    """Answers when it is told to, with what is so when the statement begins."""

    def __init__(self, **so: int) -> None:
        self.so = so
        self.begun: list[list[str]] = []
        self.may_answer = asyncio.Event()
        self.failure: BaseException | None = None
        self.questions: Together[str, int | None] = Together(self.look)

    async def ask(self, question: str) -> int | None:
        return await self.questions.ask(NOWHERE, question)

    async def look(self, _on: Fetcher, asked: Sequence[str]) -> Mapping[str, int | None]:
        self.begun.append(list(asked))
        found = {question: self.so.get(question) for question in asked}
        await self.may_answer.wait()
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        return found


class Nowhere:
    async def fetch(self, _query: str, *_: Any) -> Any:  # noqa: ANN401  # as asyncpg's
        raise NotImplementedError

    async def fetchrow(self, _query: str, *_: Any) -> Any:  # noqa: ANN401
        raise NotImplementedError


NOWHERE = Nowhere()


async def later() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_who_asks_alone_is_looked_up_at_once() -> None:
    async def run() -> None:
        database = Database(a=1)
        database.may_answer.set()

        assert await database.ask("a") == 1
        database.so["a"] = 2
        assert await database.ask("a") == 2
        assert await database.ask("b") is None
        assert database.begun == [["a"], ["a"], ["b"]]

    asyncio.run(run())


def test_who_asks_meanwhile_is_looked_up_together_after_it() -> None:
    async def run() -> None:
        database = Database(a=1, b=1)
        first = asyncio.create_task(database.ask("a"))
        await later()
        database.so["a"] = 2  # it changes while the first statement is under way
        asking = [asyncio.create_task(database.ask(question)) for question in "aba"]
        await later()
        assert database.begun == [["a"]]

        database.may_answer.set()

        assert await first == 1
        assert await asyncio.gather(*asking) == [2, 1, 2]
        assert database.begun == [["a"], ["a", "b"]]

    asyncio.run(run())


def test_failure_is_told_to_all_and_does_not_stay() -> None:
    async def run() -> None:
        database = Database(a=1)
        database.failure = ConnectionError()
        asking = [asyncio.create_task(database.ask(question)) for question in "ab"]
        await later()
        database.may_answer.set()

        outcomes = await asyncio.gather(*asking, return_exceptions=True)

        assert [type(each) for each in outcomes] == [ConnectionError, ConnectionError]
        assert await database.ask("a") == 1

    asyncio.run(run())


def test_answer_that_is_missing_is_a_failure_of_all_and_not_a_wait() -> None:
    async def look(_on: Fetcher, _asked: Sequence[str]) -> Mapping[str, int]:
        return {}

    async def run() -> None:
        with pytest.raises(KeyError):
            await Together(look).ask(NOWHERE, "a")

    asyncio.run(run())


def test_one_that_goes_away_takes_nobody_along() -> None:
    async def run() -> None:
        database = Database(a=1)
        gone, stays = (asyncio.create_task(database.ask("a")) for _ in range(2))
        await later()
        gone.cancel()
        database.may_answer.set()

        assert await stays == 1
        with pytest.raises(asyncio.CancelledError):
            await gone

    asyncio.run(run())


def test_server_that_stops_leaves_nobody_waiting() -> None:
    async def run() -> None:
        database = Database(a=1)
        database.failure = asyncio.CancelledError()
        asking = asyncio.create_task(database.ask("a"))
        await later()
        database.may_answer.set()

        with pytest.raises(asyncio.CancelledError):
            await asking

    asyncio.run(run())


def test_connection_that_does_not_answer_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        database = Database(a=1)

        with pytest.raises(TimeoutError):
            await database.ask("a")
        database.may_answer.set()
        assert await database.ask("a") == 1

    monkeypatch.setattr("kernel.together.PATIENCE_SECONDS", 0.01)
    asyncio.run(run())
