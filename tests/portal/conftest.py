"""The pages of sign-in and of the portal, over the contexts that they show."""

import hmac
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from obstore.store import LocalStore
from sqlalchemy.orm import Session, sessionmaker
from starlette.datastructures import State
from starlette.requests import Request
from starlette.responses import Response

import idp.pages
import idp.routes
import portal.pages
from kernel.clock import FrozenClock
from kernel.db import unit_of_work_of
from kernel.errors import DomainError
from kernel.ids import AgencyId
from kernel.keyring import Keyring
from kernel.pages import Pages
from kernel.settings import Settings
from population_register.model import Agency, AgencyRole
from population_register.service.agencies import add_agency
from tests.asgi import client_of
from tests.databases import KnownKeys
from tests.portal.portal_builders import World

NAMES = {
    "interior": (AgencyRole.INTERIOR, "МВД России", "Ministry of Internal Affairs"),
    "tax": (AgencyRole.TAX, "ФНС России", "Tax service"),
}


@pytest.fixture(scope="session")
def pages() -> Pages:
    """The templates, compiled once; the key of forms is any key."""
    return Pages(
        [idp.pages.PART, portal.pages.PART],
        issuer="http://localhost:8000",
        form_digest=lambda browser: hmac.digest(b"key of forms", browser.encode(), "sha256"),
    )


@pytest.fixture(scope="session")
def pages_app(pages: Pages) -> FastAPI:
    """The application of the pages: FastAPI prepares a route when it is first asked for."""
    app = FastAPI()
    app.include_router(idp.pages.router)
    app.include_router(idp.routes.router)
    app.include_router(portal.pages.router)

    @app.exception_handler(DomainError)
    def refuse(request: Request, refusal: Exception) -> Response:
        assert isinstance(refusal, DomainError)
        return pages.refusal(request, refusal, {})

    return app


@pytest.fixture
def world(
    *,
    sessions: sessionmaker[Session],
    known_keys: KnownKeys,
    tmp_path: Path,
    clock: FrozenClock,
    pages: Pages,
    pages_app: FastAPI,
) -> World:
    settings = Settings(mode="test", password_profile="test", document_limit_bytes=1 << 20)
    at = clock.now()
    keyring = Keyring.open(known_keys.root_keys, sessions, at=at)
    signing = known_keys.open_signing(sessions, at=at)
    blobs = LocalStore(tmp_path / "blobs", mkdir=True)
    with unit_of_work_of(sessions) as session:
        for agency_id, (role, ru, en) in NAMES.items():
            agency = Agency(
                agency_id=AgencyId(agency_id), role=role, name_ru=ru, name_en=en, mapping={}
            )
            add_agency(session, agency, at)
    state = pages_app.state = State()
    state.settings, state.clock, state.sessions = settings, clock, sessions
    state.keyring, state.signing, state.blobs = keyring, signing, blobs
    state.pages = pages
    state.known_second_factors = {}
    return World(
        app=pages_app, sessions=sessions, keyring=keyring, signing=signing, blobs=blobs, clock=clock
    )


@pytest.fixture
def browser(world: World) -> Iterator[httpx.Client]:
    """A browser of somebody who speaks English."""
    with client_of(world.app) as client:
        client.headers["Accept-Language"] = "en"
        yield client


@pytest.fixture
def other_browser(world: World) -> Iterator[httpx.Client]:
    """Another person's browser."""
    with client_of(world.app) as client:
        client.headers["Accept-Language"] = "en"
        yield client
