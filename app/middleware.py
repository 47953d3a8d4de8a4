"""The outermost layer: request id, body limit, security headers, metrics, access log, defects.

Pure ASGI and one object per request: both lanes pass through it, and a `BaseHTTPMiddleware` would
cost the hot lane three quarters of its speed.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator
from time import perf_counter
from typing import TYPE_CHECKING

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.access_log import AccessLog, Line
from app.errors import CLIENT_GONE, Defect, render
from app.metrics import Metrics
from app.proxies import TrustedProxies
from app.route_classes import RouteClass, route_class_of
from kernel.errors import DomainError, PayloadTooLarge
from kernel.ids import random_uuid
from kernel.secret import random_bytes

if TYPE_CHECKING:
    from app.tracing import Tracing

log = structlog.get_logger("civitas")

NO_PROXIES = TrustedProxies(())
REQUEST_ID_BYTES = 12  # 96 random bits: unique without a register

# What a response gets unless it brings its own. A page brings a policy that lets it load its
# styles; everything else is data, which a browser must neither sniff, frame nor run.
_DEFAULT_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=()"),
)
_DEFAULT_NAMES = frozenset(name for name, _ in _DEFAULT_HEADERS)
_CSP = b"content-security-policy"
_FRAMED = b"frame-ancestors *"  # how the policy of a page ends that is meant to be framed
INTERACTION_ID = b"x-fapi-interaction-id"
_UUID = re.compile(rb"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_HSTS = (b"strict-transport-security", b"max-age=63072000; includeSubDomains")


class _BodyTooLarge(Exception):  # a signal between `receive` and the outermost layer
    """The body passed its limit while it was being read."""


class Edge:
    """Everything that is true of every request, whichever lane answers it."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        application: object,
        metrics: Metrics,
        access_log: AccessLog,
        tracing: "Tracing | None" = None,
        is_https: bool,
        body_limits: Callable[[RouteClass], int] | None = None,
        proxies: TrustedProxies = NO_PROXIES,
    ) -> None:
        """Wrap `app`.

        Args:
            app: The lanes.
            application: What `request.app` is, also where we answer before any lane does.
            metrics: Counts every request.
            access_log: Gets a line for every request.
            tracing: Spans, when a collector is configured.
            is_https: Whether the issuer is https: adds HSTS.
            body_limits: The limit of a kind of address in bytes, if other than its own.
            proxies: Whose word is taken for who called, and with which certificate.
        """
        self.app = app
        self.application = application
        self.metrics = metrics
        self.access_log = access_log
        self.tracing = tracing
        self.default_headers = (*_DEFAULT_HEADERS, _HSTS) if is_https else _DEFAULT_HEADERS
        self.proxies = proxies
        self.body_limits = body_limits or (lambda route_class: route_class.body_limit)
        self.request_ids = _request_ids()

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer one request; pass the lifespan through."""
        if scope["type"] != "http":
            return self.app(scope, receive, send) if scope["type"] == "lifespan" else _nothing()
        if self.proxies:
            scope = self.proxies.seen_through(scope)
        return self.answer(scope, receive, send)

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request whose scope says itself who called: no proxy is believed."""
        exchange = _Exchange(self, scope, receive, send)
        try:
            if self.tracing is None:
                await exchange.run()
            else:
                with self.tracing.span(scope) as span:
                    await exchange.run()
                    self.tracing.finish(span, scope, exchange.status)
        finally:
            exchange.account()


class _Exchange:
    """One request and its answer."""

    __slots__ = (
        "answered_instead", "edge", "is_complete", "read", "request_id", "route_class", "scope",
        "sent", "server_receive", "server_send", "started", "status", "too_large",
    )  # fmt: skip

    def __init__(self, edge: Edge, scope: Scope, receive: Receive, send: Send) -> None:
        self.edge = edge
        self.scope = scope
        self.server_receive = receive
        self.server_send = send
        self.started = perf_counter()
        self.status = 0
        self.sent = 0
        self.read = 0
        self.too_large = False
        self.answered_instead = False
        self.is_complete = False
        self.route_class = route_class_of(scope["path"])
        scope["app"] = edge.application
        self.request_id = next(edge.request_ids)
        # A caller's X-Request-ID is not taken over: it would be a way to write into our log.
        scope["state"] = {**(scope.get("state") or {}), "request_id": self.request_id}

    @property
    def limit(self) -> int:
        """The largest body that this address takes, in bytes."""
        return self.edge.body_limits(self.route_class)

    async def run(self) -> None:
        """Let the application answer; answer for it where it can't."""
        declared = _declared_length(self.scope)
        if declared and declared > self.limit:
            await self._answer_instead(PayloadTooLarge())
            return
        try:
            await self.edge.app(self.scope, self.receive, self.send)
        except _BodyTooLarge:
            if self.status == 0:
                await self._answer_instead(PayloadTooLarge())
        except ClientDisconnect:
            self.status = self.status or CLIENT_GONE
        except Exception as error:  # a defect may be anything
            log.exception(
                "request.defect", request_id=self.request_id, route=self.route, exc_info=error
            )
            self.edge.metrics.defects.inc()
            if self.status == 0:
                await self._answer_instead(Defect())
            elif not self.is_complete:
                # The status line has left. A body that stops short must not look complete: the
                # server aborts the connection when the application fails.
                raise

    async def receive(self) -> Message:
        """Pass a part of the body on, unless it is more than this address takes."""
        message = await self.server_receive()
        if message["type"] == "http.request":
            self.read += len(message.get("body", b""))
            if self.read > self.limit:
                self.too_large = True
                raise _BodyTooLarge
        return message

    def send(self, message: Message) -> Awaitable[None]:
        """Pass a part of the application's answer on."""
        if self.answered_instead:
            return _nothing()
        if self.too_large and self.status == 0:
            # FastAPI turns any failure to read a form into a 400 of its own; the cause is ours.
            return self._answer_instead(PayloadTooLarge())
        return self._send_out(message)

    def _send_out(self, message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = self._headers(message.get("headers", ()))
        else:
            self.sent += len(message.get("body", b""))
            self.is_complete = not message.get("more_body", False)
        return self.server_send(message)

    def _headers(self, of_answer: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Return the headers of an answer, and those that every answer has."""
        headers = list(of_answer)
        defaults: Iterable[tuple[bytes, bytes]] = self.edge.default_headers
        brought = [name for name, _ in headers if name in _DEFAULT_NAMES]
        if brought:
            if any(name == _CSP and value.endswith(_FRAMED) for name, value in headers):
                brought.append(b"x-frame-options")  # it goes without
            defaults = [header for header in defaults if header[0] not in brought]
        headers += defaults
        headers.append((b"x-request-id", self.request_id.encode()))
        if self.route_class.is_resource:
            headers.append((INTERACTION_ID, _interaction_id(self.scope)))
        return headers

    async def _answer_instead(self, refusal: DomainError) -> None:
        """Answer for the application, and close: the rest of the body is not read."""
        response = render(Request(self.scope), refusal)
        response.headers["Connection"] = "close"
        await response(self.scope, self.server_receive, self._send_out)
        self.answered_instead = True

    @property
    def route(self) -> str:
        """The matched route's template: it has no values in it, so it may be logged."""
        route = self.scope.get("route")
        return str(getattr(route, "path", "unmatched"))

    def account(self) -> None:
        """Count the request and write its line in the access log."""
        seconds = perf_counter() - self.started
        route = self.route
        # Whatever a caller invents becomes one label.
        method = self.scope["method"] if self.scope["method"] in _METHODS else "other"
        self.edge.metrics.observe(method, route, self.status, seconds)
        self.edge.access_log.write(
            Line(
                request_id=self.request_id,
                method=method,
                route=route,
                kind=self.route_class.name,
                status=self.status,
                # Hundredths: `round` would write the number out and read it again.
                milliseconds=int(seconds * 100_000 + 0.5) / 100,
                received=self.read,
                sent=self.sent,
            )
        )


def _request_ids() -> Iterator[str]:
    """Name requests, without asking the system for random bits each time."""
    length = 2 * REQUEST_ID_BYTES  # hexadecimal digits
    while True:
        digits = random_bytes(REQUEST_ID_BYTES * _IDS_AT_A_TIME).hex()
        for start in range(0, len(digits), length):
            yield digits[start : start + length]


_IDS_AT_A_TIME = 256
_LONGEST_LENGTH = 18  # digits; whatever they are, more than any limit
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


async def _nothing() -> None:
    """Send nothing: the answer has been given."""


def _interaction_id(scope: Scope) -> bytes:
    """Return by what the client and we call this exchange: the UUID that it sent, or a new one.

    It goes back and nowhere else: what a caller invents is not written into our log.

    Source:
        FAPI 1.0 Baseline, 6.2.1, 11; FAPI 2.0 Implementation Advice, 2.1.1.
    """
    for name, value in scope["headers"]:
        if name == INTERACTION_ID and _UUID.fullmatch(value):
            return bytes(value)
    return random_uuid().encode()


def _declared_length(scope: Scope) -> int:
    """Return `Content-Length`, or 0 if there is none or it is no number: then we count."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            # Python reads no number of more than 4300 digits.
            return int(value[:_LONGEST_LENGTH]) if value.isdigit() else 0
    return 0
