"""What a load came to: one round of it, and several of the same."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round of load came to.

    Attributes:
        requests: Answered requests.
        seconds: Wall time.
        statuses: How many answers of each status.
        failures: Connections that broke.
        p50_ms: Median latency.
        p95_ms: 95th percentile of latency.
        p99_ms: 99th percentile of latency.
        cpu_seconds: Processor time of the server.
        database_seconds: Processor time of the database.
    """

    requests: int
    seconds: float
    statuses: Mapping[str, int]
    failures: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_seconds: float
    database_seconds: float = 0.0

    @property
    def cost_us(self) -> float:
        """Processor time of the server and of the database per request, in microseconds."""
        return 1e6 * (self.cpu_seconds + self.database_seconds) / self.requests

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


@dataclass(frozen=True, slots=True)
class Rounds:
    """Several rounds of the same load."""

    rounds: Sequence[Round]

    @property
    def rate(self) -> float:
        """Median of requests per second."""
        return statistics.median(each.rate for each in self.rounds)

    def ratios_to(self, other: "Rounds") -> list[float]:
        """Return our rate by the other's, round by round: they were measured side by side."""
        return [
            ours.rate / theirs.rate for ours, theirs in zip(self.rounds, other.rounds, strict=True)
        ]

    @property
    def spread(self) -> tuple[float, float]:
        """Lowest and highest rate."""
        rates = [each.rate for each in self.rounds]
        return min(rates), max(rates)

    @property
    def p95_ms(self) -> float:
        """Median of the rounds' 95th percentiles."""
        return statistics.median(each.p95_ms for each in self.rounds)

    @property
    def p99_ms(self) -> float:
        """Median of the rounds' 99th percentiles."""
        return statistics.median(each.p99_ms for each in self.rounds)

    @property
    def cost_us(self) -> float:
        """Median of the processor time of server and database per request, in microseconds."""
        return statistics.median(each.cost_us for each in self.rounds)

    @property
    def cpu_us(self) -> float:
        """Median of the server's processor time per request, in microseconds."""
        return statistics.median(1e6 * each.cpu_seconds / each.requests for each in self.rounds)
