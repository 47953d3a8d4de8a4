"""The harness runs: a real server on a real, durable database, measured for half a second."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from loadtests import bench

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_ceiling_and_primitives_are_measured(tmp_path: Path) -> None:
    output = tmp_path / "results.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "loadtests.bench", "ceiling", "primitives", "--quick"),
            *("--output", output),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    document = json.loads(output.read_text("utf-8"))
    values = {figure["name"]: figure["value"] for figure in document["figures"]}
    assert {"ceiling.rate", "ceiling.time", "primitives.es256_verify"} <= set(values)
    assert all(value > 0 for value in values.values())
    assert document["machine"]["processor"]
    for name in values:
        assert any(line.startswith(name) for line in done.stdout.splitlines())


def test_unknown_benchmark_is_a_mistake(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "nothing"])

    with pytest.raises(SystemExit):
        bench.main()

    assert "there is no benchmark nothing" in capsys.readouterr().err
