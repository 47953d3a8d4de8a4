"""`civitas run`, from the first start to the plug that is pulled, in one folder."""

import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from app.demo.browser import Browser
from app.demo.instance import Instance, InstanceFailed, start
from app.ports import free_port
from tests.journeys.example_driver import sign_in_and_allow

README = (Path(__file__).parents[2] / "README.md").read_text()

pytestmark = [
    pytest.mark.slow,
    pytest.mark.db,
    pytest.mark.timeout(400),
]


def processes_of(folder: Path) -> list[str]:
    """Return the command lines of every process that works in the folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ", "status"]):
        if process.pid == os.getpid() or process.info["status"] == psutil.STATUS_ZOMBIE:
            continue
        command = " ".join(process.info["cmdline"] or [])
        environment = process.info["environ"] or {}
        if str(folder) in command or environment.get("CIVITAS_DATA") == str(folder):
            found.append(command)
    return found


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process and all below it have used."""
    main = psutil.Process(pid)
    times = [process.cpu_times() for process in (main, *main.children(recursive=True))]
    return float(sum(each.user + each.system for each in times))


def allow_the_bank(instance: Instance) -> Browser:
    """Sign in at the bank and agree, unless that was done before; return the browser."""
    browser = Browser(language="ru")
    home = browser.open(f"{instance.bank}/")
    page = browser.send(home, home.form_to("/sign-in"))
    page = sign_in_and_allow(browser, page, instance)
    assert page.url == f"{instance.bank}/application"
    assert page.status == 200
    return browser


@dataclass(frozen=True)
class Life:
    """What was seen in the life of one instance."""

    first_start_seconds: float
    exit_code_of_ctrl_c: int
    left_after_ctrl_c: list[str]
    work_of_second_start_seconds: float
    second_run_refused: str
    consents_before_kill: int
    entries_before_kill: int
    left_after_kill: list[str]
    consents_after_kill: int
    report: dict[str, object]
    banner: str


def consents_and_bank(instance: Instance, browser: Browser) -> int:
    return browser.open(f"{instance.issuer}/account/consents").response.text.count("/withdraw")


def verify(folder: Path) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "audit", "verify", "--json"],
        env={**os.environ, "CIVITAS_DATA": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    report: dict[str, object] = json.loads(done.stdout)
    return report


def banner_of_run(folder: Path, port: int, bank_port: int) -> str:
    """Run what `make run` executes, as a person sees it, until it says how it is stopped."""
    with subprocess.Popen(
        [sys.executable, "-m", "app.cli", "run"],
        env={
            **os.environ,
            "PORT": str(port),
            "BANK_PORT": str(bank_port),
            "CIVITAS_DATA": str(folder),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line.rstrip())
            if "Ctrl-C" in line:
                break
        process.send_signal(signal.SIGINT)
        process.stdout.read()
    assert process.returncode == 0
    return "\n".join(lines).replace(str(bank_port), "8001").replace(str(port), "8000")


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    folder = tmp_path_factory.mktemp("life") / "data"
    port, bank_port = free_port(), free_port()

    first = start(folder, port=port, bank_port=bank_port)
    exit_code = first.stop()
    left_after_ctrl_c = processes_of(folder)

    second = start(folder, port=port, bank_port=bank_port)
    work = cpu_seconds(second.process.pid)
    try:
        start(folder, port=free_port(), bank_port=free_port())
    except InstanceFailed as error:
        second_run_refused = str(error)
    else:
        second_run_refused = ""
    browser = allow_the_bank(second)
    consents = consents_and_bank(second, browser)
    before = verify(folder)
    second.kill()
    database = (folder / "postgres" / "postmaster.pid").read_text().splitlines()[0]
    os.kill(int(database), signal.SIGKILL)

    third = start(folder, port=port, bank_port=bank_port)
    left_after_kill = [c for c in processes_of(folder) if "app.cli run" in c]
    consents_after = consents_and_bank(third, browser)
    again = allow_the_bank(third)
    again.close()
    browser.close()
    third.stop()
    report = verify(folder)
    return Life(
        first_start_seconds=first.started_in_seconds,
        exit_code_of_ctrl_c=exit_code,
        left_after_ctrl_c=left_after_ctrl_c,
        work_of_second_start_seconds=work,
        second_run_refused=second_run_refused,
        consents_before_kill=consents,
        entries_before_kill=int(str(before["tree_size"])) + int(str(before["waiting"])),
        left_after_kill=left_after_kill,
        consents_after_kill=consents_after,
        report=report,
        banner=banner_of_run(folder, port, bank_port),
    )


def test_ctrl_c_ends_everything_cleanly(life: Life) -> None:
    assert life.exit_code_of_ctrl_c == 0
    assert life.left_after_ctrl_c == []


def test_second_start_is_little_work(life: Life) -> None:
    """Under five seconds on two idle cores. Other tests run beside this one, so work is counted."""
    assert life.work_of_second_start_seconds < 6


def test_second_run_in_the_same_folder_is_refused(life: Life) -> None:
    assert "Another `civitas run` uses" in life.second_run_refused


def test_consent_and_session_survive_kill_9_of_everything(life: Life) -> None:
    assert life.consents_before_kill >= 1
    assert life.consents_after_kill == life.consents_before_kill


def test_log_loses_nothing_to_kill_9(life: Life) -> None:
    report = life.report

    assert report["is_sound"] is True
    assert int(str(report["tree_size"])) + int(str(report["waiting"])) > life.entries_before_kill


def test_only_the_new_run_is_left_after_kill_9(life: Life) -> None:
    assert len(life.left_after_kill) == 1


def test_banner_of_make_run_is_the_one_in_the_readme(life: Life) -> None:
    shown = README.split("$ make run\n")[1].split("\n\n$ curl")[0]

    for line in shown.splitlines():
        assert line.rstrip() in life.banner, line


class TestPorts:
    @pytest.mark.parametrize("taken", ["PORT", "BANK_PORT"])
    def test_taken_port_is_named_with_the_way_out(self, tmp_path: Path, taken: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            ports = {"port": free_port(), "bank_port": free_port()}
            ports["port" if taken == "PORT" else "bank_port"] = port

            with pytest.raises(InstanceFailed, match=f"{taken}={port + 10} make run"):
                start(tmp_path, port=ports["port"], bank_port=ports["bank_port"])
