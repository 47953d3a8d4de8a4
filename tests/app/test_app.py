"""The composed application: opened on a real database, asked what an operator asks."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from pydantic import SecretStr

from app.database_address import DatabaseUnset
from app.main import Civitas, create_app
from app.resources import open_resources
from kernel.clock import FrozenClock, SystemClock
from kernel.settings import Settings

pytestmark = [pytest.mark.anyio, pytest.mark.db]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def settings(tmp_path: Path, fresh_database: str) -> Settings:
    return Settings(
        mode="test", data=tmp_path, database_url=SecretStr(fresh_database), password_profile="test"
    )


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[Civitas]:
    app = create_app(settings)
    async with app.api.router.lifespan_context(app.api):
        yield app


@pytest.fixture
async def client(app: Civitas) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
        yield client


class TestService:
    async def test_process_that_opened_everything_is_healthy_and_ready(
        self, client: httpx2.AsyncClient
    ) -> None:
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        assert (await client.get("/readyz")).json() == {"status": "ready"}

    async def test_process_without_a_database_lives_and_is_not_ready(
        self, app: Civitas, client: httpx2.AsyncClient, fresh_database: str
    ) -> None:
        app.state.engine.dispose()
        app.state.sessions.configure(bind=None)

        alive = await client.get("/healthz")
        ready = await client.get("/readyz")

        assert alive.status_code == 200
        assert ready.status_code == 503
        assert fresh_database not in ready.text

    async def test_description_is_readable_without_scripts_or_strangers(
        self, client: httpx2.AsyncClient
    ) -> None:
        response = await client.get("/docs")

        assert response.status_code == 200
        assert "<script" not in response.text
        assert "//" not in response.text.replace("http://localhost:8000", "")
        assert "default-src 'none'" in response.headers["content-security-policy"]

    async def test_every_operation_states_its_refusals(self, client: httpx2.AsyncClient) -> None:
        document = (await client.get("/openapi.json")).json()

        assert document["info"]["title"] == "Civitas"
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                assert "default" in operation["responses"], f"{method} {path}"
                assert operation.get("summary"), f"{method} {path}"

    async def test_metrics_are_prometheus_text(self, client: httpx2.AsyncClient) -> None:
        await client.get("/healthz")

        response = await client.get("/metrics")

        assert response.headers["content-type"].startswith("text/plain")
        assert 'route="/healthz"' in response.text


class TestResources:
    async def test_database_must_be_named(self, tmp_path: Path) -> None:
        with pytest.raises(DatabaseUnset):
            open_resources(Settings(data=tmp_path), SystemClock()).__enter__()

    async def test_second_process_finds_the_keys_of_the_first(
        self, settings: Settings, clock: FrozenClock
    ) -> None:
        with open_resources(settings, clock) as first, open_resources(settings, clock) as second:
            mine = first.keyring.blind_index("snils", "x")
            other = second.keyring.blind_index("snils", "x")

            assert mine == other
            assert first.signing.public_jwks("oidc") == second.signing.public_jwks("oidc")

    async def test_nothing_secret_shows_in_a_repr(
        self, settings: Settings, clock: FrozenClock, fresh_database: str
    ) -> None:
        with open_resources(settings, clock) as resources:
            shown = repr(resources)

        password = fresh_database.partition("@")[0].rpartition(":")[2]
        assert password not in shown
        assert "PRIVATE" not in shown
