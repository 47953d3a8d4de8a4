"""Child processes that are started together, watched, and stopped together.

No orphan stays, however the parent ends: on Ctrl-C and `kill` it stops its children itself; after
`kill -9` the kernel sends each of them the signal that was asked for with `die_with_parent`.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Self

SERVER_PID = "CIVITAS_SERVER_PID"
"""Tells the processes that `civitas serve` starts whose children they are."""

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_STOP_SECONDS = 15.0
_POLL_SECONDS = 0.05
_SETTLED_SECONDS = 30.0
_MOST_RESTARTS = 3
_LOG_LIMIT_BYTES = 16 << 20


class ChildFailed(Exception):
    """A child stops again and again; its log says why."""


def die_with_parent() -> None:
    """Ask the kernel to end this process when its parent is gone; Linux only, else nothing.

    A server that outlives its supervisor would keep the port, and the next start would find it
    taken. The request outlives `exec`. Not for a process that a shell may start and leave.
    """
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it went while we asked
        os.kill(os.getpid(), signal.SIGTERM)


@dataclass(slots=True, kw_only=True)
class Child:
    """One program to keep running."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    process: "subprocess.Popen[bytes] | None" = None
    started: float = 0.0
    restarts: int = 0


class Supervisor:
    """Starts children in order, restarts one that fails, stops them in the reverse order.

    Args:
        log_folder: Gets one file per child.
    """

    def __init__(self, log_folder: Path) -> None:
        self._log_folder = log_folder
        self._children: list[Child] = []
        self._files = ExitStack()
        self._is_waiting = False
        self.is_stopping = False

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._stop_soon)
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _stop_soon(self, _number: int, _frame: FrameType | None) -> None:
        self.is_stopping = True
        if not self._is_waiting:
            raise KeyboardInterrupt  # out of whatever is being prepared

    def settle(self) -> None:
        """Say that everything is prepared: from now on a signal ends `wait`, and nothing else."""
        self._is_waiting = True

    def start(self, name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> Child:
        """Start a program in a session of its own, so that Ctrl-C reaches only us.

        Args:
            name: Names its log file.
            arguments: The command line.
            environment: Added to ours.

        Returns:
            The child; its `process` changes when it is started again.
        """
        child = Child(name=name, arguments=arguments, environment=environment)
        self._children.append(child)
        self._launch(child)
        return child

    def log_file(self, name: str) -> Path:
        """Return where a child's output goes."""
        return self._log_folder / f"{name}.log"

    def _launch(self, child: Child) -> None:
        child.process = subprocess.Popen(  # noqa: S603  # our own programs
            child.arguments,
            env={**os.environ, **child.environment},
            stdin=subprocess.DEVNULL,
            stdout=self._open_log(child.name),
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509  # we have one thread
        )
        child.started = time.monotonic()

    def _open_log(self, name: str) -> IO[bytes]:
        path = self.log_file(name)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        is_long = path.exists() and path.stat().st_size > _LOG_LIMIT_BYTES
        return self._files.enter_context(path.open("wb" if is_long else "ab"))

    def check(self) -> None:
        """Restart what failed.

        Raises:
            ChildFailed: One failed for the fourth time within half a minute of its start.
        """
        for child in self._children:
            assert child.process is not None
            if child.process.poll() is None or self.is_stopping:
                continue
            if time.monotonic() - child.started > _SETTLED_SECONDS:
                child.restarts = 0
            child.restarts += 1
            if child.restarts > _MOST_RESTARTS:
                raise ChildFailed(
                    f"{child.name} stops again and again; see {self.log_file(child.name)}:\n"
                    + self.log_tail(child.name)
                )
            self._launch(child)

    def log_tail(self, name: str, lines: int = 5) -> str:
        """Return the last lines of a child's output."""
        text = self.log_file(name).read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def wait(self) -> None:
        """Watch the children until we are told to stop.

        Raises:
            ChildFailed: One can't be kept running.
        """
        self._is_waiting = True
        while not self.is_stopping:
            self.check()
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """End the children, the last one first; kill what does not end in time."""
        self.is_stopping = self._is_waiting = True
        for child in reversed(self._children):
            process = child.process
            if process is None or process.poll() is not None:
                continue
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._files.close()
