"""The composition root: wires the contexts together, opens and closes what a process holds."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING

import structlog
from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import State
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

import app.consequences
import app.jobs
import audit.jobs
import audit.routes
import consent.jobs
import idp.hot
import idp.jobs
import idp.pages
import idp.routes
import partner_api.agencies.administration
import partner_api.agencies.hot
import partner_api.agencies.routes
import partner_api.hot
import partner_api.jobs
import partner_api.routes
import population_register.jobs
import portal.pages
import vault.jobs
from app import service_routes
from app.access_log import AccessLog
from app.database_address import database_url
from app.demo.officials import KNOWN_SECOND_FACTORS
from app.errors import (
    render_defect,
    render_domain_error,
    render_gone,
    render_http_exception,
    render_invalid_fields,
)
from app.insiders import Insiders
from app.lanes import HotLane
from app.logs import configure_logging
from app.metrics import Metrics
from app.middleware import Edge
from app.openapi import describe
from app.proxies import TrustedProxies
from app.resources import Resources, open_resources
from app.route_classes import FEED, UPLOAD, RouteClass
from app.supervisor import SERVER_PID, die_with_parent
from idp.api import PASSWORD_PROFILES, PasswordHasher
from kernel.clock import Clock, SystemClock
from kernel.errors import DomainError, Undecryptable
from kernel.hot_pool import make_hot_pool
from kernel.jobs import JobContext, Tasks
from kernel.pages import PagePart, Pages, Static
from kernel.settings import Settings
from kernel.signing import RELOADED_EVERY
from kernel.worker import run_worker

if TYPE_CHECKING:
    from app.direct_listener import DirectListener
    from app.tracing import Tracing

log = structlog.get_logger("civitas")

HOT_ROUTES: tuple[Route, ...] = (
    *idp.hot.routes,
    *partner_api.hot.routes,
    *partner_api.agencies.hot.routes,
)
"""The hot lane of every context."""

PAGE_PARTS: tuple[PagePart, ...] = (idp.pages.PART, portal.pages.PART)
"""The templates and texts of every context that has pages."""

ORDINARY_ROUTERS: tuple[APIRouter, ...] = (
    audit.routes.router,
    idp.pages.router,
    idp.routes.router,
    partner_api.routes.router,
    partner_api.agencies.routes.router,
    partner_api.agencies.administration.router,
    portal.pages.router,
)
"""The ordinary lane and the pages of every context; a router's paths are its own."""

TASKS: tuple[Tasks, ...] = (
    app.consequences.tasks,
    app.jobs.tasks,
    audit.jobs.tasks,
    consent.jobs.tasks,
    idp.jobs.tasks,
    partner_api.jobs.tasks,
    population_register.jobs.tasks,
    vault.jobs.tasks,
)
"""The background work of every context."""

UPLOAD_FORM_BYTES = 64 * 1024
"""What the form around an uploaded document may take, beside the document."""


class Civitas:
    """The ASGI application.

    Attributes:
        api: The ordinary lane.
        state: What routes find in `request.app.state`: settings, clock, sessions, hot_pool,
            keyring, signing, blobs, pages.
    """

    def __init__(self, api: FastAPI, edge: Edge) -> None:
        self.api = api
        self._edge = edge

    @property
    def state(self) -> State:
        """The state that both lanes see."""
        return self.api.state

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer one request, or the lifespan."""
        return self._edge(scope, receive, send)

    async def answer_directly(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that came to us without a proxy, whatever its headers say."""
        await self._edge.answer(scope, receive, send)


def create_app(settings: Settings, *, clock: Clock | None = None) -> Civitas:
    """Make the application; nothing is opened before the lifespan begins.

    Args:
        settings: Read once, here.
        clock: For tests; the system's clock otherwise.
    """
    metrics = Metrics()
    tracing = _open_tracing(settings.otlp_endpoint)
    api = FastAPI(
        title="Civitas",
        summary="Identity, consent and personal-data vault for a whole population.",
        version="0.1.0",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=_lifespan,
        # Its spans and logs hold whole paths, query strings and messages of exceptions.
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
    )
    api.state.settings = settings
    api.state.clock = clock or SystemClock()
    api.state.metrics = metrics
    api.state.known_second_factors = KNOWN_SECOND_FACTORS if settings.mode == "demo" else {}
    api.state.direct_listener = None
    api.state.tracing = tracing
    api.add_exception_handler(DomainError, render_domain_error)
    api.add_exception_handler(HTTPException, render_http_exception)
    api.add_exception_handler(RequestValidationError, render_invalid_fields)
    api.add_exception_handler(ClientDisconnect, render_gone)
    api.add_exception_handler(Exception, render_defect)
    api.include_router(service_routes.router)
    for router in ORDINARY_ROUTERS:
        api.include_router(router)
    api.mount("/static", Static(), name="static")
    describe(api, HOT_ROUTES)

    def body_limit(route_class: RouteClass) -> int:
        if route_class is UPLOAD:
            return settings.document_limit_bytes + UPLOAD_FORM_BYTES
        if route_class is FEED:
            return settings.feed_limit_bytes
        return route_class.body_limit

    proxies = TrustedProxies(
        settings.trusted_proxies,
        # Where we ask for certificates ourselves, the proxies were not set up to.
        pass_certificates=settings.mtls_url is not None and settings.mtls_port is None,
    )
    api.state.insiders = Insiders(settings.metrics_from, proxies)
    edge = Edge(
        HotLane(HOT_ROUTES, ordinary=api),
        application=api,
        metrics=metrics,
        access_log=AccessLog(),
        tracing=tracing,
        is_https=settings.is_https,
        body_limits=body_limit,
        proxies=proxies,
    )
    return Civitas(api, edge)


def _open_tracing(endpoint: str | None) -> "Tracing | None":
    """Trace to the collector at `endpoint`; None when none is configured."""
    if endpoint is None:
        return None
    # Loaded only here: it takes a quarter of a second, and most installations don't trace.
    from app.tracing import open_tracing  # noqa: PLC0415

    return open_tracing(endpoint)


def from_environment() -> Civitas:
    """Make the application from `CIVITAS_…`; what the server calls in each of its processes."""
    if os.environ.get(SERVER_PID) == str(os.getppid()):
        die_with_parent()  # or a server whose main process was killed would keep its port
    settings = Settings()
    configure_logging(settings.log_level)
    application = create_app(settings)
    if settings.mtls_port is not None:
        application.state.direct_listener = _direct_listener(settings, application)
    return application


def _direct_listener(settings: Settings, application: Civitas) -> "DirectListener":
    """Prepare the listener that asks for client certificates."""
    # Loaded only here: most installations leave it to a proxy.
    from app.direct_listener import Certificate, DirectListener  # noqa: PLC0415

    assert settings.mtls_port is not None
    return DirectListener(
        application.answer_directly,
        Certificate(*settings.mtls_files),
        host=settings.host,
        port=settings.mtls_port,
        clock=application.state.clock,
    )


@contextmanager
def _reloading_keys(resources: Resources) -> Iterator[None]:
    """Take over keys that another process rotated, in the background."""

    def reload() -> None:
        resources.keyring.reload()
        resources.signing.reload(at=resources.clock.now())

    async def now_and_then() -> None:
        while True:
            await asyncio.sleep(RELOADED_EVERY.total_seconds())
            try:
                await asyncio.to_thread(reload)
            except (SQLAlchemyError, Undecryptable):  # away, or somebody wrote into the key tables
                log.warning("app.keys.not_reloaded", exc_info=True)

    task = asyncio.get_running_loop().create_task(now_and_then())
    try:
        yield
    finally:
        task.cancel()


def work(settings: Settings, *, until_idle: bool = False) -> None:
    """Take background jobs until told to stop.

    Args:
        settings: Name the database.
        until_idle: Stop when nothing is left to do; for tests.
    """
    with open_resources(settings, SystemClock()) as resources:
        context = JobContext(
            settings=settings,
            clock=resources.clock,
            sessions=resources.sessions,
            keyring=resources.keyring,
            signing=resources.signing,
            blobs=resources.blobs,
        )
        run_worker(context, TASKS, database_url=database_url(settings), until_idle=until_idle)


@asynccontextmanager
async def _lifespan(api: FastAPI) -> AsyncIterator[None]:
    """Open what the contexts need; close it in the reverse order."""
    state = api.state
    async with AsyncExitStack() as stack:
        resources = stack.enter_context(open_resources(state.settings, state.clock))
        state.engine = resources.engine
        state.sessions = resources.sessions
        state.keyring = resources.keyring
        state.signing = resources.signing
        state.blobs = resources.blobs
        state.pages = Pages(
            PAGE_PARTS,
            issuer=state.settings.issuer,
            form_digest=partial(resources.keyring.blind_index, "form"),
        )
        state.hot_pool = await stack.enter_async_context(
            await make_hot_pool(database_url(state.settings))
        )
        state.password_hasher = stack.enter_context(
            closing(PasswordHasher(PASSWORD_PROFILES[state.settings.password_profile]))
        )
        stack.enter_context(_reloading_keys(resources))
        if state.tracing is not None:
            stack.callback(state.tracing.close)
        if state.direct_listener is not None:
            await stack.enter_async_context(state.direct_listener.listening())
        log.info("app.started", mode=state.settings.mode, issuer=state.settings.issuer)
        yield
    log.info("app.stopped")
