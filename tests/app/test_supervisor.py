"""Children are kept running, and none is left behind, however the supervisor ends."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from app.ports import PortTaken, check_port_is_free, free_port
from app.supervisor import ChildFailed, Supervisor

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", '''
from app.supervisor import die_with_parent
import time
die_with_parent()
print("ready", flush=True)
time.sleep(60)
'''])
print(child.pid, flush=True)
time.sleep(60)
"""


def sleeping_children() -> list[int]:
    """Return those below us that do SLEEP; the database of other tests has processes of its own."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it ended meanwhile, or was left to be waited for
            if child.cmdline() == SLEEP:
                found.append(child.pid)
    return found


@pytest.fixture
def supervisor(tmp_path: Path) -> Supervisor:
    return Supervisor(tmp_path / "log")


class TestSupervisor:
    def test_children_end_when_the_supervisor_stops(self, supervisor: Supervisor) -> None:
        supervisor.start("one", SLEEP, {})
        supervisor.start("two", SLEEP, {})
        before = sleeping_children()

        supervisor.stop()

        assert len(before) == len(("one", "two"))
        assert not sleeping_children()

    def test_failed_child_is_started_again(self, supervisor: Supervisor, tmp_path: Path) -> None:
        marker = tmp_path / "marker"
        script = f"import pathlib, time; p = pathlib.Path({str(marker)!r})\n"
        script += "if p.exists(): time.sleep(60)\np.touch()\nraise SystemExit(1)"
        child = supervisor.start("flaky", [sys.executable, "-c", script], {})
        first = child.process
        assert first is not None
        first.wait(10)

        supervisor.check()

        again = child.process
        assert again is not None
        assert again.pid != first.pid
        assert again.poll() is None
        supervisor.stop()

    def test_child_that_fails_again_and_again_is_given_up_with_its_log(
        self, supervisor: Supervisor
    ) -> None:
        script = "raise SystemExit('no such thing')"
        child = supervisor.start("broken", [sys.executable, "-c", script], {})

        def keep_running() -> None:
            while child.process is not None:
                child.process.wait(10)
                supervisor.check()

        with pytest.raises(ChildFailed, match="no such thing"):
            keep_running()

        supervisor.stop()

    def test_child_that_ignores_sigterm_is_killed(
        self, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("app.supervisor._STOP_SECONDS", 0.2)
        script = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); "
        child = supervisor.start("deaf", [sys.executable, "-c", script + "time.sleep(60)"], {})
        process = child.process
        assert process is not None
        while "up" not in supervisor.log_file("deaf").read_text():
            time.sleep(0.01)

        supervisor.stop()

        assert process.returncode == -signal.SIGKILL

    def test_environment_is_handed_over_and_output_is_kept(self, supervisor: Supervisor) -> None:
        child = supervisor.start(
            "teller",
            [sys.executable, "-c", "import os; print(os.environ['X_WORD'])"],
            {"X_WORD": "hi"},
        )
        process = child.process
        assert process is not None
        process.wait(10)

        assert supervisor.log_tail("teller") == "hi"
        supervisor.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_child_does_not_outlive_a_parent_that_was_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        first, second = parent.stdout.readline(), parent.stdout.readline()
        child_pid = int(first if first.strip().isdigit() else second)

        os.kill(parent.pid, signal.SIGKILL)

        deadline = time.monotonic() + 5
        while psutil.pid_exists(child_pid) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not psutil.pid_exists(child_pid)


class TestPorts:
    def test_free_port_is_free(self) -> None:
        check_port_is_free("127.0.0.1", free_port())

    def test_taken_port_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("app.ports._PATIENCE_SECONDS", 0.1)
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]

            with pytest.raises(PortTaken, match=str(port)):
                check_port_is_free("127.0.0.1", port)
