"""The listener that asks for client certificates and passes them to the application (RFC 8705).

It runs in each server process, on the event loop of the server there, so that it answers with the
same application and the same connections to the database. What a caller presented stands where the
ASGI TLS extension has it; no header is read for it, nor for who called and over what: there is no
proxy in front of this port, whatever `CIVITAS_TRUSTED_PROXIES` says.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import formatdate
from functools import cached_property
from pathlib import Path
from typing import cast

import structlog
from OpenSSL import SSL
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from typing_extensions import override
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from app.direct_tls import BadCertificate, Chain, TLSConnection, server_context
from kernel.clock import Clock

log = structlog.get_logger("civitas")

_LONGEST_HEAD = 64 * 1024  # bytes; a request object in an address takes some thousand
_STOP_SECONDS = 5.0
_BACKLOG = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long the listener waits for callers, and how many of them it takes.

    Attributes:
        handshake_seconds: For a handshake; a browser on a bad line takes two or three.
        request_seconds: For the head of a request, and with nothing of its body.
        idle_seconds: Between two requests.
        connections: Per process; one more is dropped before its handshake costs anything.
    """

    handshake_seconds: float = 10.0
    request_seconds: float = 20.0
    idle_seconds: int = 15
    connections: int = 1000


USUAL_PATIENCE = Patience()


class Certificate:
    """The server's certificate, read again when its files change: authorities renew often."""

    def __init__(self, certificate_file: Path, key_file: Path) -> None:
        """Read it.

        Raises:
            BadCertificate: It can't be used.
        """
        self._files = (certificate_file, key_file)
        self._changed = self._changed_at()
        self._context = server_context(*self._files)

    def context(self) -> SSL.Context:
        """Return the context for a new connection; of what was there before if it is unusable."""
        changed = self._changed_at()
        if changed != self._changed:
            self._changed = changed
            try:
                self._context = server_context(*self._files)
            except BadCertificate:  # half of it is written: the other half changes it once more
                log.warning("app.direct_tls.certificate_unusable")
            else:
                log.info("app.direct_tls.certificate_changed")
        return self._context

    def _changed_at(self) -> tuple[int, ...]:
        try:
            return tuple(file.stat().st_mtime_ns for file in self._files)
        except OSError:
            return ()


class DirectListener:
    """Listens on a port of its own; one per server process."""

    def __init__(
        self,
        app: ASGIApp,
        certificate: Certificate,
        *,
        host: str,
        port: int,
        clock: Clock,
        patience: Patience = USUAL_PATIENCE,
    ) -> None:
        """Prepare it; nothing is opened before `listening`.

        Args:
            app: Answers what comes over this port.
            certificate: Of this server.
            host: Address to listen on.
            port: The same in every process of one server: the kernel deals connections out.
            clock: For the `Date` of answers.
            patience: How long it waits.
        """
        self._app = app
        self._certificate = certificate
        self._host, self._port = host, port
        self.clock = clock
        self.patience = patience
        self.state = ServerState()
        self._connections: set[TLSConnection] = set()

    @cached_property
    def config(self) -> Config:
        """What the server of HTTP goes by."""
        config = Config(
            self._app,
            http="h11",
            ws="none",
            lifespan="off",
            interface="asgi3",
            loop="none",
            log_config=None,
            access_log=False,  # app.access_log writes it, without what callers wrote
            proxy_headers=False,
            server_header=False,
            date_header=False,  # of uvicorn's own server, which does not run here
            timeout_keep_alive=self.patience.idle_seconds,
            h11_max_incomplete_event_size=_LONGEST_HEAD,
        )
        config.load()
        return config

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen until the end of the block; then let requests that have begun be answered."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            self._connection, self._host, self._port, reuse_port=True, backlog=_BACKLOG
        )
        try:
            yield
        finally:
            server.close()
            await self._stop()

    async def _stop(self) -> None:
        for inner in list(self.state.connections):
            inner.shutdown()
        if self.state.tasks:
            await asyncio.wait(list(self.state.tasks), timeout=_STOP_SECONDS)
        for connection in list(self._connections):
            connection.abort()

    def _connection(self) -> asyncio.Protocol:
        if len(self._connections) >= self.patience.connections:
            return _Dropped()
        connection = TLSConnection(
            self._certificate.context(),
            lambda chain: _HTTPConnection(self, chain),
            handshake_seconds=self.patience.handshake_seconds,
            on_close=self._connections.discard,
        )
        self._connections.add(connection)
        return connection


class _Dropped(asyncio.Protocol):
    """One connection too many."""

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).abort()


class _HTTPConnection(H11Protocol):
    """HTTP/1.1 on a connection whose caller presented `chain`."""

    def __init__(self, listener: DirectListener, chain: Chain) -> None:
        super().__init__(
            config=listener.config,
            server_state=listener.state,
            app_state={},
            _loop=asyncio.get_running_loop(),
        )
        self._answer_with = self.app
        self.app = self._answer
        self._chain = chain
        self._clock = listener.clock
        self._patience = listener.patience
        self._deadline: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._expect(self._patience.request_seconds)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._expect(None)
        super().connection_lost(exc)

    @override
    def on_response_complete(self) -> None:
        super().on_response_complete()
        # Whatever was begun with may never end: uvicorn's own timer stops at the first byte.
        self._expect(self._patience.idle_seconds + self._patience.request_seconds)

    def _expect(self, seconds: float | None) -> None:
        """Drop the connection unless a request has come by then; None while one is answered."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = (
            None if seconds is None else self.loop.call_later(seconds, self.transport.abort)
        )

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._expect(None)
        if _is_framed_twice(scope):
            await _refuse(send)
            return
        scope["extensions"] = {"tls": {"client_cert_chain": self._chain}}
        is_whole = False

        async def receive_in_time() -> Message:
            nonlocal is_whole
            if is_whole:
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), self._patience.request_seconds)
            except TimeoutError:
                self.transport.abort()
                return {"type": "http.disconnect"}
            is_whole = not message.get("more_body", False)
            return message

        async def send_dated(message: Message) -> None:
            if message["type"] == "http.response.start":  # RFC 9110, 6.6.1
                date = formatdate(self._clock.now().timestamp(), usegmt=True)
                message["headers"] = [*message.get("headers", ()), (b"date", date.encode())]
            await send(message)

        await self._answer_with(scope, receive_in_time, send_dated)


def _is_framed_twice(scope: Scope) -> bool:
    """Tell whether a request says twice how long it is: two readers might disagree.

    Source:
        RFC 9112, 6.3.
    """
    names = {name for name, _ in scope["headers"]}
    return {b"content-length", b"transfer-encoding"} <= names


async def _refuse(send: Send) -> None:
    headers = [(b"content-length", b"0"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 400, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
