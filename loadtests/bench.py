"""Run the benchmarks: one line a figure, and the same as JSON in loadtests/results/latest.json.

    python -m loadtests.bench [NAME …] [--rounds 5] [--seconds 4] [--quick]

A benchmark is a module of this package with

    def run(machine: Machine, earlier: dict[str, Figure]) -> list[Figure]

Names run in the order of `ORDER`; `earlier` holds the figures of those that ran before, so that a
figure can be held against one of the same run. What a benchmark needs (its database, its servers,
the load) it gets from the `Machine`, which keeps everything on its own core.
"""

import argparse
import importlib
import importlib.util
import sys
from dataclasses import asdict
from pathlib import Path

from loadtests.figures import RESULTS, Figure, header, write_results
from loadtests.machine import Machine

ORDER = (
    "primitives",
    "ceiling",
    "partner_read",
    "agency_resolve",
    "vault_stream",
    "token_endpoint",
    "protocol_reads",
    "growth",
    "sign_ins",
    "log_sequencing",
    "register_load",
    "register_check",
)


def main() -> int:
    """Run the command; exit code 1 when a target is not reached."""
    parser = argparse.ArgumentParser(description="Run the benchmarks.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(ORDER)}; or all")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each; the median counts")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each round")
    parser.add_argument("--connections", type=int, default=32, help="of the load generator")
    parser.add_argument("--quick", action="store_true", help="one short round: does it run at all?")
    parser.add_argument(
        "--output", type=Path, default=RESULTS / "latest.json", help="where the JSON goes"
    )
    arguments = parser.parse_args()
    for name in arguments.names:
        if name not in ORDER:
            parser.error(f"there is no benchmark {name}")
    wanted = set(arguments.names or ORDER)
    rounds, seconds = (1, 0.5) if arguments.quick else (arguments.rounds, arguments.seconds)
    figures: dict[str, Figure] = {}
    print(header())  # noqa: T201
    with Machine(rounds=rounds, seconds=seconds, connections=arguments.connections) as machine:
        for name in ORDER:
            module = f"loadtests.{name}"
            if name not in wanted or importlib.util.find_spec(module) is None:
                continue
            for figure in importlib.import_module(module).run(machine, dict(figures)):
                figures[figure.name] = figure
                print(figure.line(), flush=True)  # noqa: T201
        write_results(
            arguments.output,
            figures.values(),
            command=["python", "-m", "loadtests.bench", *sys.argv[1:]],
            cores=asdict(machine.cores),
        )
    print(f"\nwritten to {arguments.output}")  # noqa: T201
    return 0 if all(figure.is_reached for figure in figures.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
