"""Bad input at every address of the whole application: a clear error, and nothing else.

What each context refuses in particular is tested beside the context; here every address gets what
nobody should send.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx2
import psycopg
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from pydantic import SecretStr

from app.main import Civitas, create_app
from app.route_classes import Shape, route_class_of
from kernel.settings import Settings
from tests.databases import temporary_database

pytestmark = [pytest.mark.db, pytest.mark.timeout(60)]

HOSTILE = [
    "'; DROP TABLE clients; --",
    "{{ 7 * 7 }}${7*7}<%= 7*7 %>",
    "<script>alert(1)</script>",
    "../../../../etc/passwd",
    "\u202eSDRAWKCAB",
    "a\r\nSet-Cookie: x=1",
]

BODIES = {
    "broken-json": (b'{"a": ', "application/json"),
    "json-of-another-kind": (b"[[[1]]]", "application/json"),
    "json-that-is-deep": (b"[" * 20_000 + b"]" * 20_000, "application/json"),
    "json-in-another-encoding": (b'{"a": "\xff\xfe"}', "application/json"),
    "broken-form": (b"%zz=1&&=&a", "application/x-www-form-urlencoded"),
    "form-with-a-name-twice": (b"grant_type=a&grant_type=b", "application/x-www-form-urlencoded"),
    "form-with-null": (b"username=%00&client_id=%00", "application/x-www-form-urlencoded"),
    "broken-multipart": (b"--x\r\nbroken", "multipart/form-data; boundary=x"),
    "unknown-kind": (b"\x00\x01", "application/x-unknown"),
    "nothing": (b"", "application/json"),
}


@pytest.fixture(scope="module")
def database(server_url: str) -> Iterator[str]:
    with temporary_database(server_url) as url:
        yield url


@pytest.fixture(scope="module")
def client(database: str, tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Asked]":
    """The whole application, opened once; each request finds it as the ones before left it."""
    app = create_app(
        Settings(
            mode="test",
            data=tmp_path_factory.mktemp("data"),
            database_url=SecretStr(database),
            password_profile="test",  # the name of a profile
        )
    )
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(opened(app)):
        yield Asked(portal, app)


@asynccontextmanager
async def opened(app: Civitas) -> AsyncIterator[None]:
    async with app.api.router.lifespan_context(app.api):
        yield


class Asked:
    """Asks the application from the test's thread, in the event loop that it was opened in."""

    def __init__(self, portal: BlockingPortal, app: Civitas) -> None:
        self._portal = portal
        self._transport = httpx2.ASGITransport(app=app)

    def request(self, method: str, address: str, **options: Any) -> httpx2.Response:  # noqa: ANN401  # httpx2's own
        return self._portal.call(partial(self._request, method, address, **options))

    def get(self, address: str, **options: Any) -> httpx2.Response:  # noqa: ANN401  # httpx2's own
        return self.request("GET", address, **options)

    async def _request(self, method: str, address: str, **options: Any) -> httpx2.Response:  # noqa: ANN401  # httpx2's own
        async with httpx2.AsyncClient(
            transport=self._transport, base_url="http://localhost:8000"
        ) as client:
            return await client.request(method, address, **options)


def operations(client: Asked) -> list[tuple[str, str]]:
    paths = client.get("/openapi.json").json()["paths"]
    described = [(method.upper(), path) for path in paths for method in paths[path]]
    pages = [
        *(("POST", path) for path in ("/sign-in", "/sign-out", "/account/documents/new")),
        *(("GET", path) for path in ("/account", "/account/log", "/sign-in", "/")),
        ("GET", "/interaction/x"),
        ("POST", "/interaction/x/consent"),
        ("POST", "/interaction/x/sign-in"),
        ("POST", "/account/consents/01a2072e-f154-7566-858b-10b32d4825b4/withdraw"),
    ]
    return [*described, *pages]


def fill(path: str, value: str) -> str:
    for name in ("document_id", "client_id", "path", "interaction_id"):
        path = path.replace("{%s}" % name, value)  # noqa: UP031  # braces
    return path


def check(response: httpx2.Response, what: str) -> None:
    """A refusal has the shape of its address, and a defect is never what bad input gets."""
    assert response.status_code < 500, f"{what}: {response.status_code} {response.text}"
    if response.status_code < 400:
        return
    match route_class_of(response.request.url.path).shape:
        case Shape.PROBLEM:
            assert response.headers["content-type"] == "application/problem+json", what
            assert response.json()["code"], what
        case Shape.OAUTH:
            assert response.json()["error"], what
        case Shape.PAGE:
            kind = response.headers["content-type"]
            assert kind.startswith(("text/html", "application/problem+json")), what


def test_no_body_breaks_any_address(client: Asked) -> None:
    for method, path in operations(client):
        if method == "GET":
            continue
        for name, (body, kind) in BODIES.items():
            response = client.request(
                method, fill(path, "x"), content=body, headers={"Content-Type": kind}
            )
            check(response, f"{method} {path} {name}")


@pytest.mark.parametrize(
    "value",
    ["%00", "%FF%FE", "..%2f..%2fetc", "%E2%80%AE", "a" * 3000, "%27%20OR%201=1--", "-1", "%0d%0a"],
)
def test_no_path_or_query_breaks_any_address(client: Asked, value: str) -> None:
    for method, path in operations(client):
        if method != "GET":
            continue
        for address in (fill(path, value), f"{fill(path, 'x')}?{value}={value}&{value}"):
            check(client.get(address), f"{method} {address}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", "Bearer"),
        ("Authorization", "DPoP a.b.c"),
        ("Authorization", "Basic !!!"),
        ("Authorization", "Bearer " + "x" * 8000),
        ("Cookie", "civitas_session=\x7f; civitas_browser=%00; =;;"),
        ("Accept-Language", "*;q=abc,," + "x" * 2000),
        ("Range", "bytes=-,9-1,a-b"),
        ("DPoP", "eyJ.eyJ.sig"),
        ("Content-Length", "-5"),
        ("traceparent", "00-zz"),
    ],
)
def test_no_header_breaks_any_address(client: Asked, name: str, value: str) -> None:
    for method, path in operations(client):
        if name == "Content-Length" and method != "GET":
            continue
        response = client.request(method, fill(path, "x"), headers={name: value.encode("latin-1")})
        check(response, f"{method} {path}")


def table_names(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables").fetchall()
    return {str(row[0]) for row in rows}


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_name_of_a_client_is_text_wherever_it_shows(
    client: Asked, database: str, name: str
) -> None:
    tables = table_names(database)

    registered = client.request(
        "POST",
        "/register",
        json={"client_name": name, "redirect_uris": ["https://client.example/cb"]},
    )
    if registered.status_code != 201:
        check(registered, name)
        return
    response = client.get(
        "/authorize",
        params={
            "client_id": registered.json()["client_id"],
            "redirect_uri": "https://client.example/cb",
            "response_type": "code",
            "scope": "openid",
            "state": name,
            "code_challenge": "A" * 43,
            "code_challenge_method": "S256",
        },
    )
    page = client.get(
        response.headers["location"], headers={"Cookie": response.headers["set-cookie"]}
    )

    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert ">49<" not in page.text
    assert "set-cookie: x=1" not in str(page.headers).lower()
    assert table_names(database) == tables


@pytest.mark.parametrize("path", ["/.env", "/.git/config", "/admin", "/partner/v2", "/static/../x"])
def test_unknown_addresses_are_all_the_same_404(client: Asked, path: str) -> None:
    assert client.get(path).status_code == 404
