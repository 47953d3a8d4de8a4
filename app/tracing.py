"""OpenTelemetry spans of requests, when a collector is configured.

FastAPI can trace by itself (0.165), but puts the whole path and the query string into the span:
identifiers, `login_hint`, `state`. Ours carry the route's template and the status.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

from opentelemetry import trace
from opentelemetry.propagate import extract
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from starlette.types import Scope

_SERVER_ERROR = 500


class ExporterMissing(Exception):  # read by the operator, as a sentence
    """A collector is configured and the exporter is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "CIVITAS_OTLP_ENDPOINT is set, but the exporter is not installed: "
            "pip install 'civitas[otel]'"
        )


class Tracing:
    """Spans for the requests of one process."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._provider = TracerProvider(resource=Resource.create({"service.name": "civitas"}))
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("civitas")

    @contextmanager
    def span(self, scope: Scope) -> Iterator[trace.Span]:
        """Open the span of a request, as a child of the caller's if it sent `traceparent`."""
        carrier = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in scope["headers"]
            if name in {b"traceparent", b"tracestate"}
        }
        with self._tracer.start_as_current_span(
            "request",
            context=extract(carrier),
            kind=trace.SpanKind.SERVER,
            # The message of an exception may hold a person's data.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield span

    def finish(self, span: object, scope: Scope, status: int) -> None:
        """Name the span after the route, which is known only now."""
        assert isinstance(span, trace.Span)
        route = str(getattr(scope.get("route"), "path", "unmatched"))
        span.update_name(f"{scope['method']} {route}")
        span.set_attributes(
            {
                "http.request.method": scope["method"],
                "http.route": route,
                "http.response.status_code": status,
            }
        )
        if status >= _SERVER_ERROR:
            span.set_status(trace.StatusCode.ERROR)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


def open_tracing(endpoint: str) -> Tracing:
    """Trace to the collector at `endpoint`.

    Args:
        endpoint: OTLP over HTTP, such as `http://collector:4318/v1/traces`.

    Raises:
        ExporterMissing: The `otel` extra is not installed.
    """
    try:
        exporters = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    except ImportError as error:
        raise ExporterMissing from error
    return Tracing(exporters.OTLPSpanExporter(endpoint=endpoint))
