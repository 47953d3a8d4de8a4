"""What is true of every request: id, headers, limits, metrics, log, and how it fails."""

import io
import json
from collections.abc import AsyncIterator, Mapping
from typing import Annotated
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI, Form
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message
from structlog.testing import capture_logs

from app.access_log import AccessLog
from app.errors import (
    CLIENT_GONE,
    render_defect,
    render_domain_error,
    render_gone,
    render_http_exception,
    render_invalid_fields,
)
from app.lanes import HotLane
from app.metrics import Metrics
from app.middleware import Edge
from app.route_classes import MIB
from kernel.errors import Conflict, DomainError, InvalidRequest, NotFound
from kernel.pages import Pages
from kernel.secret import sha256

pytestmark = pytest.mark.anyio

ORDINARY = "/partner/v1/things"
HOT = "/partner/v1/hot"
PROTOCOL_ADDRESS = "/token"
PAGE = "/account/things"
READER = "/partner/v1/reader"
SECRET = "Ivanov-112-233-445-95"


class Teapot(DomainError):
    code = "teapot"
    status = 418
    title = "Short and stout."
    headers: Mapping[str, str] = {"WWW-Authenticate": "Tea"}


class Elsewhere(InvalidRequest):
    """Stands for a refusal of an authorization request with a verified redirect URI."""

    redirect_to = "https://client.example/cb?error=invalid_request&state=x"


class Thing(BaseModel):
    number: int


def raise_refusal(name: str) -> None:
    match name:
        case "refusal":
            raise Teapot("No coffee.", private=SECRET)
        case "defect":
            raise RuntimeError(SECRET)
        case "redirect":
            raise Elsewhere
        case "not-found":
            raise NotFound(person=SECRET)
        case "odd-words":
            raise Conflict('He said "no"\\ — нет')
        case _:
            return


async def hot_endpoint(request: Request) -> Response:
    """Answer at once."""
    raise_refusal(request.query_params.get("with", ""))
    body = await request.body()
    return JSONResponse({"read": len(body)})


async def hot_with_parameter(request: Request) -> Response:
    """Answer with the parameter."""
    return JSONResponse(request.path_params)


async def hot_broken_stream(_request: Request) -> Response:
    """Break in the middle of a body."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b"half"
        raise RuntimeError(SECRET)

    return StreamingResponse(chunks())


def ordinary_api() -> FastAPI:
    api = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    api.state.pages = Pages(
        [], issuer="http://localhost", form_digest=lambda browser: sha256(browser.encode())
    )
    api.add_exception_handler(DomainError, render_domain_error)
    api.add_exception_handler(HTTPException, render_http_exception)
    api.add_exception_handler(RequestValidationError, render_invalid_fields)
    api.add_exception_handler(ClientDisconnect, render_gone)
    api.add_exception_handler(Exception, render_defect)

    @api.get(ORDINARY)
    @api.get(PROTOCOL_ADDRESS)
    @api.get(PAGE)
    def things(request: Request) -> Mapping[str, str]:
        raise_refusal(request.query_params.get("with", ""))
        return {}

    @api.post(ORDINARY)
    @api.post(PROTOCOL_ADDRESS)
    def put_thing(thing: Thing) -> Thing:
        return thing

    @api.post(READER)
    async def read_body(request: Request) -> int:
        return len(await request.body())

    @api.post(PAGE)
    def put_form(number: Annotated[int, Form()]) -> int:
        return number

    @api.get(ORDINARY + "/{thing_id}")
    def one_thing(thing_id: str) -> str:
        return thing_id

    return api


def make_edge(*, is_https: bool = False, log: io.BytesIO | None = None) -> Edge:
    api = ordinary_api()
    routes = [
        Route(HOT, hot_endpoint, methods=["GET", "POST"]),
        Route(HOT + "/{thing_id}", hot_with_parameter, methods=["GET"]),
        Route("/partner/v1/broken-stream", hot_broken_stream, methods=["GET"]),
    ]
    return Edge(
        HotLane(routes, ordinary=api),
        application=api,
        metrics=Metrics(),
        access_log=AccessLog(log or io.BytesIO()),
        is_https=is_https,
    )


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def edge() -> Edge:
    return make_edge()


@pytest.fixture
async def client(edge: Edge) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=edge)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


class TestShapes:
    @pytest.mark.parametrize("path", [ORDINARY, HOT], ids=["ordinary", "hot"])
    async def test_refusal_is_a_problem_with_its_code_and_request_id(
        self, client: httpx2.AsyncClient, path: str
    ) -> None:
        response = await client.get(path, params={"with": "refusal"})

        assert response.status_code == 418
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["www-authenticate"] == "Tea"
        assert response.headers["cache-control"] == "no-store"
        assert response.json() == {
            "type": "docs/errors.md#teapot",
            "title": "Short and stout.",
            "status": 418,
            "detail": "No coffee.",
            "code": "teapot",
            "request_id": response.headers["x-request-id"],
        }

    @pytest.mark.spec("RFC6749-5.2")
    async def test_refusal_at_a_protocol_address_is_oauth_json(
        self, client: httpx2.AsyncClient
    ) -> None:
        response = await client.get(PROTOCOL_ADDRESS, params={"with": "refusal"})

        assert response.status_code == 418
        assert response.headers["content-type"] == "application/json"
        assert response.headers["cache-control"] == "no-store"
        assert response.json() == {"error": "teapot", "error_description": "No coffee."}

    @pytest.mark.spec("RFC6749-5.2")
    async def test_error_description_keeps_to_the_permitted_characters(
        self, client: httpx2.AsyncClient
    ) -> None:
        response = await client.get(PROTOCOL_ADDRESS, params={"with": "odd-words"})

        assert response.json()["error_description"] == "He said 'no'' ' '''"

    async def test_refusal_with_a_verified_redirect_uri_is_redirected(
        self, client: httpx2.AsyncClient
    ) -> None:
        response = await client.get(PROTOCOL_ADDRESS, params={"with": "redirect"})

        assert response.status_code == 303
        assert response.headers["location"] == Elsewhere.redirect_to

    async def test_refusal_at_a_page_is_a_page(self, client: httpx2.AsyncClient) -> None:
        response = await client.get(
            PAGE, params={"with": "refusal"}, headers={"Accept": "text/html,*/*;q=0.8"}
        )

        assert response.status_code == 418
        assert response.headers["content-type"].startswith("text/html")
        assert response.headers["x-request-id"] in response.text

    async def test_script_at_a_page_gets_a_problem(self, client: httpx2.AsyncClient) -> None:
        response = await client.get(
            PAGE, params={"with": "refusal"}, headers={"Accept": "application/json"}
        )

        assert response.json()["code"] == "teapot"

    @pytest.mark.parametrize("path", ["/partner/v1/none", "/log/none"])
    async def test_unknown_address_is_the_same_404_as_a_refused_one(
        self, client: httpx2.AsyncClient, path: str
    ) -> None:
        unknown = await client.get(path)
        refused = await client.get(ORDINARY, params={"with": "not-found"})

        assert unknown.status_code == refused.status_code == 404
        without_id = {k: v for k, v in unknown.json().items() if k != "request_id"}
        assert without_id == {k: v for k, v in refused.json().items() if k != "request_id"}

    @pytest.mark.spec("RFC9110-15.5.6")
    @pytest.mark.parametrize("path", [ORDINARY, HOT], ids=["ordinary", "hot"])
    async def test_wrong_method_names_the_right_ones(
        self, client: httpx2.AsyncClient, path: str
    ) -> None:
        response = await client.delete(path)

        assert response.status_code == 405
        assert response.json()["code"] == "method_not_allowed"
        assert "GET" in response.headers["allow"]

    async def test_invalid_fields_are_named_and_their_values_are_not_repeated(
        self, client: httpx2.AsyncClient
    ) -> None:
        response = await client.post(ORDINARY, json={"number": SECRET})

        assert response.status_code == 422
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["code"] == "invalid_fields"
        assert [fault["pointer"] for fault in response.json()["errors"]] == ["/body/number"]
        assert SECRET not in response.text

    async def test_malformed_json_is_a_problem(self, client: httpx2.AsyncClient) -> None:
        response = await client.post(
            ORDINARY, content=b'{"number": ', headers={"Content-Type": "application/json"}
        )

        assert response.status_code == 422
        assert response.json()["code"] == "invalid_fields"

    async def test_invalid_fields_at_a_protocol_address_are_invalid_request(
        self, client: httpx2.AsyncClient
    ) -> None:
        response = await client.post(PROTOCOL_ADDRESS, json={})

        assert response.status_code == 400
        assert response.json()["error"] == "invalid_request"


class TestDefects:
    @pytest.mark.parametrize("path", [ORDINARY, HOT], ids=["ordinary", "hot"])
    async def test_defect_is_a_bare_500_and_its_message_stays_out_of_answer_and_log(
        self, client: httpx2.AsyncClient, path: str
    ) -> None:
        with capture_logs() as logs:
            response = await client.get(path, params={"with": "defect"})

        assert response.status_code == 500
        assert response.json()["code"] == "server_error"
        assert SECRET not in response.text
        (defect,) = [line for line in logs if line["event"] == "request.defect"]
        assert defect["request_id"] == response.headers["x-request-id"]
        assert isinstance(defect["exc_info"], RuntimeError)

    async def test_defect_in_the_middle_of_a_body_does_not_look_complete(
        self, client: httpx2.AsyncClient
    ) -> None:
        with pytest.raises(RuntimeError):
            await client.get("/partner/v1/broken-stream")

    @pytest.mark.parametrize("path", [READER, HOT], ids=["ordinary", "hot"])
    async def test_client_that_leaves_while_it_sends_is_no_defect(self, path: str) -> None:
        """Anybody could fill the log with defects, and count failures of ours."""
        log = io.BytesIO()
        edge = make_edge(log=log)
        scope = {
            "type": "http", "http_version": "1.1", "method": "POST", "path": path,
            "raw_path": path.encode(), "query_string": b"", "headers": [], "scheme": "http",
            "server": ("localhost", 80), "client": ("127.0.0.1", 1), "root_path": "",
        }  # fmt: skip
        messages: list[Message] = [
            {"type": "http.disconnect"},
            {"type": "http.request", "body": b"half", "more_body": True},
        ]

        async def receive() -> Message:
            return messages.pop()

        async def send(_message: Message) -> None:
            return

        with capture_logs() as logs:
            await edge(scope, receive, send)
        edge.access_log.flush()

        assert [line["event"] for line in logs] == []
        assert json.loads(log.getvalue())["status"] == CLIENT_GONE


class TestBodyLimit:
    @pytest.mark.parametrize("path", [ORDINARY, HOT, PROTOCOL_ADDRESS, PAGE])
    async def test_declared_length_over_the_limit_is_refused_unread(
        self, client: httpx2.AsyncClient, path: str
    ) -> None:
        was_read = False

        async def body() -> AsyncIterator[bytes]:
            nonlocal was_read
            was_read = True
            yield b"x"

        response = await client.post(
            path, content=body(), headers={"Content-Length": str(2 * 1024 * MIB)}
        )

        assert response.status_code == 413
        assert response.headers["connection"] == "close"
        assert not was_read

    @pytest.mark.parametrize("path", [ORDINARY, HOT, PROTOCOL_ADDRESS, PAGE])
    async def test_body_without_a_length_is_refused_when_it_passes_the_limit(
        self, client: httpx2.AsyncClient, path: str
    ) -> None:
        chunks = 0

        async def body() -> AsyncIterator[bytes]:
            nonlocal chunks
            for _ in range(1024):
                chunks += 1
                yield b"x" * 16384

        response = await client.post(
            path,
            content=body(),
            headers={"Content-Type": "application/x-www-form-urlencoded"}
            if path == PAGE
            else {"Content-Type": "application/json"},
        )

        assert response.status_code == 413
        assert chunks < 10

    async def test_declared_length_past_any_number_is_refused(
        self, client: httpx2.AsyncClient
    ) -> None:
        response = await client.post(HOT, content=b"x", headers={"Content-Length": "9" * 5000})

        assert response.status_code == 413

    @pytest.mark.parametrize("size", [65536, 65537], ids=["at-the-limit", "one-over"])
    async def test_limit_is_inclusive(self, client: httpx2.AsyncClient, size: int) -> None:
        response = await client.post(HOT, content=b"x" * size)

        assert response.status_code == (200 if size == 65536 else 413)


class TestHeaders:
    async def test_data_is_neither_sniffed_nor_framed_nor_run(
        self, client: httpx2.AsyncClient
    ) -> None:
        response = await client.get(HOT)

        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert response.headers["referrer-policy"] == "no-referrer"
        assert "strict-transport-security" not in response.headers

    @pytest.mark.spec("RFC6797-7.1")
    async def test_https_issuer_adds_strict_transport_security(self) -> None:
        transport = httpx2.ASGITransport(app=make_edge(is_https=True))

        async with httpx2.AsyncClient(transport=transport, base_url="https://x") as client:
            response = await client.get(HOT)

        assert response.headers["strict-transport-security"].startswith("max-age=63072000")

    @pytest.mark.spec("FAPI1-BASE-6.2.1-11")
    @pytest.mark.parametrize("path", [ORDINARY, HOT, "/partner/v1/nothing"])
    async def test_client_names_its_exchange_with_a_resource(
        self, client: httpx2.AsyncClient, path: str
    ) -> None:
        name = "93bac548-d2de-4546-b106-880a5018460d"

        response = await client.get(path, headers={"x-fapi-interaction-id": name})

        assert response.headers["x-fapi-interaction-id"] == name

    @pytest.mark.spec("FAPI1-BASE-6.2.1-11")
    @pytest.mark.parametrize("sent", [None, "", "evil", "93bac548-d2de-4546-b106-880a5018460d; x"])
    async def test_exchange_without_a_sound_name_gets_one(
        self, client: httpx2.AsyncClient, sent: str | None
    ) -> None:
        headers = {} if sent is None else {"x-fapi-interaction-id": sent}

        names = {
            (await client.get(HOT, headers=headers)).headers["x-fapi-interaction-id"]
            for _ in range(2)
        }

        assert len(names) == 2
        assert {UUID(name).version for name in names} == {4}

    async def test_only_resources_name_exchanges(self, client: httpx2.AsyncClient) -> None:
        response = await client.get(PROTOCOL_ADDRESS)

        assert "x-fapi-interaction-id" not in response.headers

    async def test_request_id_is_ours_whatever_the_caller_sends(
        self, client: httpx2.AsyncClient
    ) -> None:
        response = await client.get(HOT, headers={"X-Request-ID": "evil\x09id"})

        assert len(response.headers["x-request-id"]) == 24
        assert "evil" not in response.headers["x-request-id"]


class TestAccounts:
    async def test_access_log_names_the_route_and_no_value_of_it(
        self, client: httpx2.AsyncClient, edge: Edge
    ) -> None:
        out = io.BytesIO()
        edge.access_log = AccessLog(out)

        with capture_logs() as logs:
            await client.get(f"{ORDINARY}/{SECRET}", params={"login_hint": SECRET})
            await client.get(f"{HOT}/{SECRET}", headers={"Authorization": f"Bearer {SECRET}"})
        edge.access_log.flush()

        lines = [json.loads(line) for line in out.getvalue().splitlines()]
        assert [line["route"] for line in lines] == [
            ORDINARY + "/{thing_id}",
            HOT + "/{thing_id}",
        ]
        assert all(line["status"] == 200 and line["request_id"] for line in lines)
        assert SECRET not in str(logs) + out.getvalue().decode()

    async def test_metrics_count_by_route_and_status(
        self, client: httpx2.AsyncClient, edge: Edge
    ) -> None:
        await client.get(f"{HOT}/{SECRET}")
        await client.get("/partner/v1/nowhere")

        text = bytes(edge.metrics.exposition().body).decode()
        assert f'civitas_request_seconds_count{{method="GET",route="{HOT}/{{thing_id}}"' in text
        assert 'route="unmatched",status="404"' in text
        assert SECRET not in text

    async def test_invented_method_is_one_label(
        self, client: httpx2.AsyncClient, edge: Edge
    ) -> None:
        for number in range(5):
            await client.request(f"X{number}", HOT)

        text = bytes(edge.metrics.exposition().body).decode()
        assert text.count("civitas_request_seconds_count{") == 1
