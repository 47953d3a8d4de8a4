"""What a benchmark comes to: figures, printed one a line, and kept as JSON."""

import json
import platform
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

RESULTS = Path(__file__).parent / "results"

_SMALL = 1000  # below, two digits after the point tell something


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured number.

    Attributes:
        name: `benchmark.what`; stable, so that runs can be compared.
        value: The median of the rounds.
        unit: Of the value.
        ratio: To what the figure is held against, as `against` says.
        target: What the ratio has to reach; None: measured, and nothing promised.
        against: In a few words.
        spread: Lowest and highest round.
    """

    name: str
    value: float
    unit: str
    ratio: float | None = None
    target: float | None = None
    against: str = ""
    spread: tuple[float, float] | None = None

    @property
    def is_reached(self) -> bool:
        """Whether the target is reached; True when there is none."""
        return self.target is None or (self.ratio is not None and self.ratio >= self.target)

    def line(self) -> str:
        """Return the figure as the line that is printed."""
        ratio = "-" if self.ratio is None else f"{self.ratio:.2f}"
        target = "-" if self.target is None else f">= {self.target:.2f}"
        verdict = "" if self.is_reached else "  NOT REACHED"
        against = f"  ({self.against})" if self.against else ""
        return (
            f"{self.name:<44} {_number(self.value):>10} {self.unit:<11}"
            f" {ratio:>6} {target:>8}{verdict}{against}"
        )


def header() -> str:
    """Return the line above the figures."""
    return f"{'name':<44} {'value':>10} {'unit':<11} {'ratio':>6} {'target':>8}"


def write_results(
    path: Path, figures: Iterable[Figure], *, command: Sequence[str], cores: object
) -> None:
    """Write the figures as JSON, and where and when they were measured."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(command),
        "machine": describe_machine(),
        "cores": cores,
        "revision": _revision(),
        "figures": [asdict(figure) | {"is_reached": figure.is_reached} for figure in figures],
    }
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def describe_machine() -> dict[str, object]:
    """Return what the figures depend on."""
    return {
        "processor": _processor(),
        "cores": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _revision() -> str:
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parent,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


def _number(value: float) -> str:
    return f"{value:,.2f}" if value < _SMALL else f"{value:,.0f}"
