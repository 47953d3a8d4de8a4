"""Argon2id in a process of its own, one hash at a time, behind everything else on its core.

    python -P idp/argon2id.py

A thread of the server would do as well, but for three things. A hash fills 64 MiB that a process
gets anew each time: in huge pages that is 32 faults instead of 16,000, and takes a third of the
time; the C library gives huge pages to a whole process or to none (`GLIBC_TUNABLES`). A thread that
steps back needs the interpreter's lock when it comes back, and would hold it while it waits for the
core, and everybody with it. And the memory would be the server's.

The process reads a request and writes its answer until its input ends, that is until whoever
started it is gone:

    request     big-endian u32 each: KiB of memory, passes, lanes, bytes of the tag, of the salt, of
                the message; then the salt and the message
    answer      the tag

Run as a file: imports nothing of ours.
"""

import os
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

from argon2.low_level import ARGON2_VERSION, Type, core, error_to_str, ffi

_HEAD = struct.Struct(">6I")

_NICENESS = 19
"""The least that Linux gives: 1.4 % of a core that another wants whole, and all that it leaves."""

_HUGE_PAGES = "glibc.malloc.hugetlb=1"  # other C libraries don't know the variable


class HashingFailed(Exception):
    """There was no memory for it, or the process was killed twice."""


def derive(
    message: bytes, salt: bytes, *, memory_kib: int, iterations: int, lanes: int, length: int
) -> bytes:
    """Return the tag of a message, such as a password (RFC 9106, 3.1), version 0x13.

    One thread fills the lanes in turn: every process has a core, and on one core as many threads as
    lanes would take turns at that many shares of it. The tag is the same.

    Raises:
        HashingFailed: There was no memory for it.
    """
    tag = ffi.new("uint8_t[]", length)
    kept = ffi.new("uint8_t[]", message), ffi.new("uint8_t[]", salt)
    context = ffi.new(
        "argon2_context *",
        {
            "version": ARGON2_VERSION,
            "flags": 0,  # nothing of what was handed over is wiped; the memory always is
            "out": tag,
            "outlen": length,
            "pwd": kept[0],
            "pwdlen": len(message),
            "salt": kept[1],
            "saltlen": len(salt),
            "secret": ffi.NULL,
            "secretlen": 0,
            "ad": ffi.NULL,
            "adlen": 0,
            "t_cost": iterations,
            "m_cost": memory_kib,
            "lanes": lanes,
            "threads": 1,
            "allocate_cbk": ffi.NULL,
            "free_cbk": ffi.NULL,
        },
    )
    status = core(context, Type.ID.value)
    if status:
        raise HashingFailed(error_to_str(status))
    return bytes(ffi.buffer(tag))


class HashingProcess:
    """The process, seen from the one that starts it; not safe to use from two threads at once."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def derive(
        self, message: bytes, salt: bytes, *, memory_kib: int, iterations: int, lanes: int,
        length: int,
    ) -> bytes:  # fmt: skip
        """Do as `derive` does; start the process if it does not run, and once more if it died.

        Raises:
            HashingFailed: It died twice.
        """
        sizes = (memory_kib, iterations, lanes, length, len(salt), len(message))
        request = _HEAD.pack(*sizes) + salt + message
        for _ in range(2):
            if self._process is None:
                self._process = _start()
            try:
                tag = _ask(self._process, request, length)
            except BaseException:  # whatever stopped us, its answer is still to come: not to this
                self.close()
                raise
            if len(tag) == length:
                return tag
            self.close()
        raise HashingFailed("the process ended before it answered")

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


def _start() -> "subprocess.Popen[bytes]":
    # It needs nothing that only we may know.
    environment = {name: value for name, value in os.environ.items() if "CIVITAS" not in name}
    tunables = filter(None, (environment.get("GLIBC_TUNABLES"), _HUGE_PAGES))
    return subprocess.Popen(  # noqa: S603  # our own file, no shell
        [sys.executable, "-P", str(Path(__file__))],
        env=environment | {"GLIBC_TUNABLES": ":".join(tunables)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def _ask(process: "subprocess.Popen[bytes]", request: bytes, length: int) -> bytes:
    """Return the answer; less of it when the process is dead."""
    assert process.stdin is not None and process.stdout is not None  # noqa: PT018
    try:
        process.stdin.write(request)
        process.stdin.flush()
        return process.stdout.read(length)
    except BrokenPipeError:
        return b""


def _serve(requests: BinaryIO, answers: BinaryIO) -> None:
    while len(head := requests.read(_HEAD.size)) == _HEAD.size:
        memory_kib, iterations, lanes, length, salt_length, message_length = _HEAD.unpack(head)
        salt, message = requests.read(salt_length), requests.read(message_length)
        costs = {"memory_kib": memory_kib, "iterations": iterations, "lanes": lanes}
        answers.write(derive(message, salt, **costs, length=length))
        answers.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started us
    os.nice(_NICENESS)
    try:
        _serve(sys.stdin.buffer, sys.stdout.buffer)
    except HashingFailed as error:
        raise SystemExit(f"argon2id: {error}") from error
