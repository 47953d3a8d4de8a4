"""Spans: a route and a status, and nothing of the person."""

import io

import httpx2
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.access_log import AccessLog
from app.lanes import HotLane
from app.metrics import Metrics
from app.middleware import Edge
from app.tracing import ExporterMissing, Tracing, open_tracing

SECRET = "112-233-445-95"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def endpoint(request: Request) -> Response:
    if "break" in request.query_params:
        raise RuntimeError(SECRET)
    return JSONResponse(request.path_params)


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    del scope, receive, send


@pytest.mark.anyio
@pytest.mark.parametrize("query", ["", "break=1"], ids=["answered", "broken"])
async def test_span_names_the_route_and_no_value(query: str) -> None:
    exporter = InMemorySpanExporter()
    tracing = Tracing(exporter)
    edge = Edge(
        HotLane([Route("/partner/v1/people/{number}", endpoint)], ordinary=nothing),
        application=None,
        metrics=Metrics(),
        access_log=AccessLog(io.BytesIO()),
        tracing=tracing,
        is_https=False,
    )

    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=edge), base_url="http://localhost"
    ) as client:
        await client.get(
            f"/partner/v1/people/{SECRET}?login_hint={SECRET}&{query}",
            headers={"traceparent": PARENT},
        )
    tracing.close()

    (span,) = exporter.get_finished_spans()
    assert span.name == "GET /partner/v1/people/{number}"
    assert span.attributes is not None
    assert span.attributes["http.response.status_code"] == (500 if query else 200)
    assert span.parent is not None
    assert f"{span.parent.trace_id:032x}" == PARENT.split("-")[1]
    assert SECRET not in span.to_json()


def test_collector_without_the_exporter_says_what_to_install() -> None:
    with pytest.raises(ExporterMissing, match=r"civitas\[otel\]"):
        open_tracing("http://127.0.0.1:4318/v1/traces")
