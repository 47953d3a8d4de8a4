"""Prometheus metrics of the process; labels are routes and codes, never a person or a partner."""

import os

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.responses import Response

# Seconds. The hot lane answers in single milliseconds, a sign-in costs one Argon2id (about 0.1 s),
# a document may stream for a minute.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)

MULTIPROCESS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Set by `civitas serve` when it starts several workers; each then counts into a file there."""


class Metrics:
    """The counters of one application; its own registry, so that two applications don't mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.seconds = Histogram(
            "civitas_request_seconds",
            "Time from the request line to the last byte of the answer.",
            ("method", "route", "status"),
            registry=self.registry,
            buckets=BUCKETS,
        )
        self.defects = Counter(
            "civitas_defects",
            "Requests that failed for a reason we did not foresee.",
            registry=self.registry,
        )
        self.agency_alarms = Counter(
            "civitas_agency_alarms",
            "Officials whose questions in an hour look like browsing.",
            ("pattern",),
            registry=self.registry,
        )
        # Looking a labelled child up costs more than counting in it.
        self._children: dict[tuple[str, str, int], Histogram] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        key = (method, route, status)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self.seconds.labels(method, route, str(status))
        child.observe(seconds)

    def count_agency_alarm(self, pattern: str) -> None:
        """Count an alarm about an official's questions."""
        self.agency_alarms.labels(pattern).inc()

    def exposition(self) -> Response:
        """Write the metrics in Prometheus's text format; of all workers, if there are several."""
        registry = self.registry
        if MULTIPROCESS_FOLDER in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
