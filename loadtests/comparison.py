"""The same requests to ours and to npm `oidc-provider`, in turns, and the figures of that."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from loadtests.contenders import Contender, count_of
from loadtests.figures import Figure
from loadtests.machine import Load, Machine, send_once
from loadtests.our_contender import serve_ours
from loadtests.peer_contender import serve_peer
from loadtests.rounds import Rounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing that all do.

    Attributes:
        name: Of the figure.
        make: Makes `count` requests, and one to look at; one round of them if they repeat.
        check: Looks at an answer: is that what is to be measured?
        repeats: Whether a request may be sent again and again.
        memory_target: What the ratio to the peer in memory has to reach.
    """

    name: str
    make: Callable[[Contender, int], list[bytes]]
    check: Callable[[bytes], bool] = field(default=lambda _: True)
    repeats: bool = False
    memory_target: float | None = None


def compare(machine: Machine, prefix: str, rows: Sequence[Row]) -> list[Figure]:
    """Measure all rows of all contenders in turns."""
    needs = [row.name for row in rows]
    figures = []
    with (
        serve_ours(machine, prefix, needs) as ours,
        serve_peer(machine, prefix, needs, in_memory=False) as durable,
        serve_peer(machine, prefix, needs, in_memory=True) as in_memory,
    ):
        for row in rows:
            loads = []
            for contender in (ours, durable, in_memory):
                requests = row.make(contender, count_of(machine))
                answer = send_once(contender.server, requests.pop())
                if not row.check(answer):
                    raise RuntimeError(f"not what is to be measured: {answer[:300]!r}")
                loads.append(Load(contender.server, requests, repeat=row.repeats))
            figures += figures_of(f"{prefix}.{row.name}", row, *machine.measure_beside(*loads))
    return figures


def figures_of(
    name: str, row: Row, ours: Rounds, durable: Rounds, in_memory: Rounds
) -> list[Figure]:
    """Return the figures of one row."""
    return [
        Figure(
            name=name,
            value=ours.rate,
            unit="requests/s",
            ratio=statistics.median(ours.ratios_to(durable)),
            target=1.0,
            against="npm oidc-provider with PostgreSQL, same core, in turns",
            spread=ours.spread,
        ),
        Figure(
            name=f"{name}.p99",
            value=ours.p99_ms,
            unit="ms",
            ratio=durable.p99_ms / ours.p99_ms,
            target=1.0,
            against=f"its p99 with PostgreSQL, {durable.p99_ms:.1f} ms, divided by ours",
        ),
        Figure(
            name=f"{name}.to_memory",
            value=in_memory.rate,
            unit="requests/s",
            ratio=statistics.median(ours.ratios_to(in_memory)),
            target=row.memory_target,
            against="oidc-provider that keeps nothing",
        ),
        Figure(name=f"{name}.server_cpu", value=ours.cpu_us, unit="us/request"),
        Figure(name=f"{name}.peer", value=durable.rate, unit="requests/s", spread=durable.spread),
        Figure(name=f"{name}.peer_server_cpu", value=durable.cpu_us, unit="us/request"),
    ]
