"""Promise 2 under load, with real commits: a read that starts after a withdrawal is refused."""

import asyncio
from dataclasses import dataclass, field
from math import inf
from time import perf_counter

import anyio.to_thread
import httpx
import pytest

from consent.model import ConsentRecord
from tests.partner_api.partner_world import DOCUMENTS, ISSUER, PERSON, Access, World

pytestmark = pytest.mark.db

READERS = 8
ROUNDS = 5


@dataclass(frozen=True)
class Read:
    """One read, and when it began."""

    started: float
    status: int


@dataclass
class Race:
    """Readers of one consent, and the moment at which its withdrawal had committed."""

    world: World
    path: str
    access: Access
    consent: ConsentRecord
    withdrawn: float = inf
    has_read: asyncio.Event = field(default_factory=asyncio.Event)

    async def read_on(self, client: httpx.AsyncClient) -> list[Read]:
        """Read until three reads have begun after the withdrawal."""
        reads: list[Read] = []
        while sum(read.started > self.withdrawn for read in reads) < 3:
            headers = self.world.headers(self.access, self.path)
            started = perf_counter()
            response = await client.get(self.path, headers=headers)
            reads.append(Read(started, response.status_code))
            self.has_read.set()
        return reads

    def withdraw(self) -> None:
        self.world.withdraw(self.consent)
        self.withdrawn = perf_counter()

    async def run(self) -> list[Read]:
        transport = httpx.ASGITransport(app=self.world.app)
        async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as client:
            readers = [asyncio.create_task(self.read_on(client)) for _ in range(READERS)]
            await self.has_read.wait()
            await anyio.to_thread.run_sync(self.withdraw)
            return [read for reader in readers for read in await reader]


@pytest.mark.parametrize("path", [PERSON, DOCUMENTS], ids=["person", "documents"])
def test_no_read_that_starts_after_the_withdrawal_gets_anything(world: World, path: str) -> None:
    for _ in range(ROUNDS):
        access = world.a_grant()
        race = Race(world, path, access, world.consent(access))

        reads = world.portal.call(race.run)

        late = [read.status for read in reads if read.started > race.withdrawn]
        assert set(late) == {403}
        assert len(late) >= 3 * READERS
        early = [read.status for read in reads if read.started <= race.withdrawn]
        assert early.count(200) > 0
        assert set(early) <= {200, 403}
        outcomes = [entry.outcome for entry in world.logged(access)]
        assert outcomes.count("allowed") == early.count(200)
        assert outcomes.count("refused") == len(late) + early.count(403)
