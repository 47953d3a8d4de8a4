"""Questions to the database that are asked together: one statement at a time for all who ask.

Who asks while no statement is under way is looked up at once. Who asks meanwhile is looked up in
the next, together with everybody who has asked by then. A statement begins after each of those it
is for has asked: what committed before that is obeyed, as if each had one of their own.

For statements that only read. One that spends something is what a request does, and its own.

Concurrency: used from one event loop only.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeAlias, TypeVar

from kernel.db import Fetcher

Question = TypeVar("Question")
Answer = TypeVar("Answer")

Look: TypeAlias = Callable[[Fetcher, Sequence[Question]], Awaitable[Mapping[Question, Answer]]]
"""One statement: the answer to each of some questions, all of which differ."""

PATIENCE_SECONDS = 5.0
"""A connection that does not answer for so long holds nobody up any longer."""


class Together(Generic[Question, Answer]):
    """Asks the database; one per process and kind of question, which is hashable."""

    def __init__(self, look: Look[Question, Answer]) -> None:
        self._look = look
        self._waiting: dict[Question, list[asyncio.Future[Answer]]] = {}
        self._running: asyncio.Task[None] | None = None

    async def ask(self, on: Fetcher, question: Question) -> Answer:
        """Return the answer as of some instant after the question.

        Args:
            on: What to run on.
            question: Whoever asks the same gets the same.

        Raises:
            TimeoutError: The database does not answer.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._waiting.setdefault(question, []).append(answer)
        if self._running is None:
            self._running = loop.create_task(self._run(on))
        return await answer

    async def _run(self, on: Fetcher) -> None:
        """Look up whatever was asked, until nobody waits."""
        try:
            while self._waiting:
                asked, self._waiting = self._waiting, {}
                await self._answer(on, asked)
        finally:
            self._running = None

    async def _answer(
        self, on: Fetcher, asked: Mapping[Question, Sequence["asyncio.Future[Answer]"]]
    ) -> None:
        """Give each its answer, or what went wrong; who has gone needs none."""
        waiting = [future for futures in asked.values() for future in futures]
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                found = await self._look(on, list(asked))
                answers = [(futures, found[question]) for question, futures in asked.items()]
        except Exception as error:  # noqa: BLE001  # of the driver: each of them is told
            for future in waiting:
                if not future.done():
                    future.set_exception(error)
        except BaseException:
            for future in waiting:
                future.cancel()
            raise
        else:
            for futures, answer in answers:
                for future in futures:
                    if not future.done():
                        future.set_result(answer)
