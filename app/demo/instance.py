"""Start a fresh instance with everything in it, in a folder of its own, on free ports."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.ports import free_port

_START_SECONDS = 240.0
_STOP_SECONDS = 60.0


class InstanceFailed(Exception):
    """The instance did not start; the text is what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A running demonstration.

    Attributes:
        issuer: Where Civitas is.
        bank: Where the demo bank is.
        people: Who can sign in: username, password, about.
        folder: Its data folder.
        started_in_seconds: From the command to the banner.
    """

    issuer: str
    bank: str
    people: list[Mapping[str, str]]
    folder: Path
    process: "subprocess.Popen[str]"
    started_in_seconds: float

    def stop(self) -> int:
        """Press Ctrl-C, wait, and return the exit code."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(_STOP_SECONDS)
        self._close_pipes()
        return code

    def kill(self) -> None:
        """Pull the plug: `kill -9`, to the command alone."""
        self.process.kill()
        self.process.wait(_STOP_SECONDS)
        self._close_pipes()

    def _close_pipes(self) -> None:
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


def start(
    folder: Path,
    *,
    port: int | None = None,
    bank_port: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> Instance:
    """Run `civitas run` in `folder` and wait until it is ready.

    Args:
        folder: Data folder; what an earlier instance left there is used again.
        port: For Civitas; a free one otherwise.
        bank_port: For the demo bank; a free one otherwise.
        environment: Added to ours.

    Raises:
        InstanceFailed: It ended, or is not ready in time.
    """
    began = time.monotonic()
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("CIVITAS_") and name not in {"PORT", "BANK_PORT"}
    }
    process = subprocess.Popen(  # noqa: S603  # our own command
        [
            *(sys.executable, "-m", "app.cli", "run", "--json"),
            *("--port", str(port or free_port())),
            *("--bank-port", str(bank_port or free_port())),
        ],
        env={**inherited, "CIVITAS_DATA": str(folder), **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    watchdog = _kill_after(process, _START_SECONDS)
    assert process.stdout is not None
    line = process.stdout.readline()
    watchdog.cancel()
    summary: dict[str, Any] = json.loads(line) if line else {"error": "not_ready"}
    if "error" in summary:
        _, said = process.communicate(timeout=_STOP_SECONDS)
        raise InstanceFailed(f"{summary} {said}")
    return Instance(
        issuer=summary["issuer"],
        bank=summary["bank"],
        people=summary["people"],
        folder=folder,
        process=process,
        started_in_seconds=time.monotonic() - began,
    )


def _kill_after(process: "subprocess.Popen[str]", seconds: float) -> threading.Timer:
    timer = threading.Timer(seconds, process.kill)
    timer.daemon = True
    timer.start()
    return timer


@contextmanager
def fresh_instance(environment: Mapping[str, str] | None = None) -> Iterator[Instance]:
    """Start an instance in a temporary folder, and clean up after it."""
    with tempfile.TemporaryDirectory(prefix="civitas-", ignore_cleanup_errors=True) as folder:
        instance = start(Path(folder), environment=environment)
        try:
            yield instance
        finally:
            if instance.process.poll() is None:
                instance.stop()
