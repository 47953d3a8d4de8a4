"""What bare ASGI routes have in common: the pool of the hot lane, opened and closed with them."""

import asyncio

from starlette.types import Receive, Send

from kernel.hot_pool import HotPool, make_hot_pool


class BareRoute:
    """An application without a framework; a subclass answers requests."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.pool: HotPool | None = None
        self.count = 0

    async def lifespan(self, receive: Receive, send: Send) -> None:
        """Open the pool; close it."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self.pool = await make_hot_pool(self.url)
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                if self.pool is not None:
                    await asyncio.wait_for(self.pool.close(), 5)
                await send({"type": "lifespan.shutdown.complete"})
                return
