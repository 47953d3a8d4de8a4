"""A synchronous client for an ASGI application, in the test's own process, with cookies."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from starlette.types import ASGIApp
from typing_extensions import override


class _Transport(httpx.BaseTransport):
    """Hands each request to the application in the event loop of another thread."""

    def __init__(self, app: ASGIApp, portal: BlockingPortal) -> None:
        self._inner = httpx.ASGITransport(app=app)
        self._portal = portal

    @override
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._portal.call(self._handle, request)

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        body = request.read()
        outward = httpx.Request(request.method, request.url, headers=request.headers, content=body)
        answer = await self._inner.handle_async_request(outward)
        content = await answer.aread()
        return httpx.Response(answer.status_code, headers=answer.headers, content=content)


@contextmanager
def client_of(app: ASGIApp, *, base_url: str = "http://localhost:8000") -> Iterator[httpx.Client]:
    """Open a client of `app`; redirects are not followed."""
    with (
        start_blocking_portal() as portal,
        httpx.Client(transport=_Transport(app, portal), base_url=base_url) as client,
    ):
        yield client
