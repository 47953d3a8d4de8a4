"""Whether clients still are what this process knows of them, asked for all who ask at once.

Who asks while no statement is under way is looked up alone, at once. Who asks meanwhile is looked
up in the next, together with everybody who has asked by then. A statement begins after everyone it
is for has asked: what committed before that is obeyed, as if each had one of their own.
"""

import asyncio
from typing import Any

from sqlalchemy import ARRAY, bindparam, func, select
from sqlalchemy.types import Integer, Text
from starlette.requests import Request

from idp.tables import clients, partners
from kernel.db import Fetcher, HotStatement
from kernel.ids import ClientId

PATIENCE_SECONDS = 5.0
"""A connection that does not answer for so long holds nobody up any longer."""

_ASKED = (
    func.unnest(
        bindparam("client_ids", type_=ARRAY(Text)), bindparam("revisions", type_=ARRAY(Integer))
    )
    .table_valued("client_id", "revision")
    .render_derived()
)

_UNCHANGED = HotStatement(
    select(clients.c.client_id, clients.c.revision)
    .join(
        _ASKED,
        (clients.c.client_id == _ASKED.c.client_id) & (clients.c.revision == _ASKED.c.revision),
    )
    .join(partners, partners.c.partner_id == clients.c.partner_id)
    .where(clients.c.disabled_at.is_(None), partners.c.disabled_at.is_(None))
)


class UnchangedClients:
    """Asks the database; one per process, used from its event loop only."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[ClientId, int], asyncio.Future[bool]] = {}
        self._running: asyncio.Task[None] | None = None

    async def ask(self, pool: Fetcher, client_id: ClientId, revision: int) -> bool:
        """Tell whether a client has this revision, and may act."""
        key = (client_id, revision)
        answer = self._waiting.get(key)
        if answer is None:
            answer = self._waiting[key] = asyncio.get_running_loop().create_future()
        if self._running is None:
            self._running = asyncio.create_task(self._run(pool))
        return await asyncio.shield(answer)  # others may be waiting for it too

    async def _run(self, pool: Fetcher) -> None:
        """Look up whoever waits, until nobody does."""
        try:
            while self._waiting:
                asked, self._waiting = self._waiting, {}
                await _answer(pool, asked)
        finally:
            self._running = None


async def _answer(pool: Fetcher, asked: dict[tuple[ClientId, int], "asyncio.Future[bool]"]) -> None:
    """Give each its answer, or what went wrong."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            rows: list[Any] = await _UNCHANGED.fetch(
                pool,
                client_ids=[client_id for client_id, _ in asked],
                revisions=[revision for _, revision in asked],
            )
    except Exception as error:  # noqa: BLE001  # of the driver: each of them is told
        for answer in asked.values():
            answer.set_exception(error)
    except BaseException:
        for answer in asked.values():
            answer.cancel()
        raise
    else:
        unchanged = {(row["client_id"], row["revision"]) for row in rows}
        for key, answer in asked.items():
            answer.set_result(key in unchanged)


def unchanged_clients_of(request: Request) -> UnchangedClients:
    """Return what asks in this process."""
    state = request.app.state
    unchanged: UnchangedClients | None = getattr(state, "unchanged_clients", None)
    if unchanged is None:
        unchanged = state.unchanged_clients = UnchangedClients()
    return unchanged
