"""Who may read the metrics: whoever runs the service, and nobody through a proxy."""

import asyncio

import httpx2
import pytest
from starlette.requests import Request

from app.insiders import Insiders
from app.main import create_app
from app.proxies import TrustedProxies
from kernel.settings import Settings

DEFAULT = Settings().metrics_from
NOWHERE = "http://localhost:8000"


def asked(client: str | None, *headers: str) -> Request:
    return Request(
        {
            "type": "http",
            "method": "GET",
            "path": "/metrics",
            "client": None if client is None else (client, 40000),
            "headers": [(name.encode(), b"203.0.113.7") for name in headers],
        }
    )


def may(request: Request, *addresses: str, proxies: tuple[str, ...] = ()) -> bool:
    return Insiders(addresses or DEFAULT, TrustedProxies(proxies)).include(request)


@pytest.mark.parametrize("client", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_this_machine_may(client: str) -> None:
    assert may(asked(client))


@pytest.mark.parametrize(
    "client", ["203.0.113.7", "10.0.0.7", "2001:db8::1", "::ffff:10.0.0.7", "", "testclient", None]
)
def test_nobody_else_may(client: str | None) -> None:
    assert not may(asked(client))


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded", "via", "x-real-ip"])
def test_nobody_may_through_a_proxy_on_this_machine(header: str) -> None:
    assert not may(asked("127.0.0.1", header))


def test_proxy_that_tells_nothing_of_who_called_may_not() -> None:
    assert not may(asked("10.0.0.2"), "10.0.0.0/8", proxies=("10.0.0.2",))


def test_named_network_may_and_then_this_machine_may_not() -> None:
    assert may(asked("10.0.0.7"), "10.0.0.0/8")
    assert not may(asked("127.0.0.1"), "10.0.0.0/8")


@pytest.mark.parametrize(
    ("client", "status"), [("127.0.0.1", 200), ("203.0.113.7", 404), ("10.0.0.2", 404)]
)
def test_elsewhere_there_is_nothing_at_the_address(client: str, status: int) -> None:
    app = create_app(Settings(mode="test", trusted_proxies=("10.0.0.2",)))

    async def ask() -> httpx2.Response:
        transport = httpx2.ASGITransport(app=app, client=(client, 40000))
        forged = {"x-forwarded-for": "127.0.0.1"} if client == "10.0.0.2" else {}
        async with httpx2.AsyncClient(transport=transport, base_url=NOWHERE) as http:
            return await http.get("/metrics", headers=forged)

    answer = asyncio.run(ask())

    assert answer.status_code == status
    assert ("# HELP" in answer.text) == (status == 200)
