"""The vault, file to file, held against a plain copy: how fast, and with how much memory.

One process stores a document from a file and reads it back into a file, through the service's own
functions and the embedded database, and copies the file: once with 1 GiB, for the memory, then in
many rounds of 256 MiB, for the speed. In each round they follow one another, so that whatever else
the disk is doing hits all of them. It has two cores, so that hashing goes on beside; and then once
more all of it with one core only. For all alike: blocks of 1 MiB, what is read
is in the page cache, and the time ends when what was written would survive a power cut (fsync).

`copy` is the plain loop of read and write with fsync at its end. The vault lets the disk begin
after every 8 MiB, while it seals what follows; so does whoever writes what is read from it here.
`early_copy` is a copy that does so too: the hardest there is to be held against, with no target.

The ratio is that of the fastest rounds: what disturbs a round only ever makes it slower, and it
disturbs what computes more than what waits for the disk.

    python -m loadtests.vault_stream FOLDER DATABASE_URL ROUNDS MEMORY_MIB SPEED_MIB
"""

import filecmp
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from obstore.store import LocalStore
from sqlalchemy.orm import Session
from typing_extensions import Buffer

import migrations
from audit.api import Actor, NewEntry, RecordedEntry, record_access
from kernel.db import make_engine, make_sessions, unit_of_work_of
from kernel.ids import EntryId, PersonId, new_id
from kernel.keyring import Keyring, insert_person_key
from kernel.root_keys import LocalKeyFile
from kernel.secret import random_bytes
from loadtests.figures import Figure
from loadtests.machine import ROOT, Machine
from vault.api import (
    Document,
    DocumentKind,
    file_document,
    get_version,
    open_document,
    receive_document,
)
from vault.folder import FLUSH_BYTES, begin_flush

BLOCK_BYTES = 1 << 20
MEMORY_MIB = 1024
SPEED_MIB = 256
QUICK_MIB = 64
ROUNDS_TIMES = 4
RATIO_TARGET = 0.6
MOST_MEMORY_MIB = 32.0
QUICK_SECONDS = 1.0

T = TypeVar("T")


def run(machine: Machine, _earlier: dict[str, Figure]) -> list[Figure]:
    """Measure both directions in processes of their own."""
    cores = machine.cores
    return [
        *_figures(machine, "", (cores.server, cores.load)),
        *_figures(machine, "_one_core", (cores.server,)),
    ]


def _figures(machine: Machine, suffix: str, cores: tuple[int, ...]) -> list[Figure]:
    is_quick = machine.seconds < QUICK_SECONDS
    memory_mib, speed_mib = (QUICK_MIB, QUICK_MIB) if is_quick else (MEMORY_MIB, SPEED_MIB)
    rounds = machine.rounds if is_quick else machine.rounds * ROUNDS_TIMES
    url = machine.database(f"vault_stream{suffix}")
    folder = machine.folder / f"vault_stream{suffix}"
    folder.mkdir()
    command = [sys.executable, "-m", "loadtests.vault_stream", str(folder), url]
    with machine.on_core(*cores):
        done = subprocess.run(
            [*command, str(rounds), str(memory_mib), str(speed_mib)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"The measurement failed:\n{done.stderr[-4000:]}")
    measured: dict[str, list[float]] = json.loads(done.stdout)
    figures = [_speed(copy, measured, speed_mib, suffix) for copy in ("copy", "early_copy")]
    for direction in ("store", "read"):
        figures += [
            _speed(direction, measured, speed_mib, suffix, against="copy", target=RATIO_TARGET),
            _speed(direction, measured, speed_mib, suffix, against="early_copy"),
        ]
        peak = max(measured[f"{direction}_memory"])
        figures.append(
            Figure(
                name=f"vault_stream.{direction}{suffix}_memory",
                value=peak,
                unit="MiB",
                ratio=MOST_MEMORY_MIB / max(peak, 0.1),
                target=1.0,
                against=f"{MOST_MEMORY_MIB:.0f} MiB above idle, file of {memory_mib} MiB",
            )
        )
    return figures


def _speed(
    what: str,
    measured: dict[str, list[float]],
    mib: int,
    suffix: str,
    *,
    against: str = "",
    target: float | None = None,
) -> Figure:
    rates = [mib / seconds for seconds in measured[what]]
    return Figure(
        name=f"vault_stream.{what}{suffix}" + ("_to_early_copy" if against == "early_copy" else ""),
        value=max(rates),
        unit="MiB/s",
        ratio=min(measured[against]) / min(measured[what]) if against else None,
        target=target,
        against=against.replace("_", " "),
        spread=(min(rates), max(rates)),
    )


# In the measured process


@dataclass(frozen=True)
class Files:
    """Where the measured process reads and writes."""

    source: Path
    target: Path
    blobs: Path

    def make(self, mib: int) -> None:
        """Make the source anew, of bytes that nothing can compress."""
        with self.source.open("wb") as source:
            for _ in range(mib):
                source.write(random_bytes(BLOCK_BYTES))

    def blocks(self) -> Iterator[memoryview]:
        """Read the source as a sender would hand it over."""
        block = memoryview(bytearray(BLOCK_BYTES))
        with self.source.open("rb", buffering=0) as source:
            while length := source.readinto(block):
                yield block[:length]

    def write(self, parts: Iterable[Buffer], *, is_early: bool) -> None:
        """Write the target; let the disk begin early, or not before the end."""
        written = flushed = 0
        with self.target.open("wb", buffering=0) as target:
            for part in parts:
                written += target.write(part)
                if is_early and written - flushed >= FLUSH_BYTES:
                    begin_flush(target.fileno(), flushed, written)
                    flushed = written
            os.fsync(target.fileno())

    def copy(self, *, is_early: bool) -> None:
        """Copy the source into the target."""
        self.write(self.blocks(), is_early=is_early)

    def warm(self, path: Path) -> None:
        """Bring a file into the page cache."""
        block = bytearray(BLOCK_BYTES)
        with path.open("rb", buffering=0) as file:
            while file.readinto(block):
                pass


class Measured:
    """Times and peaks of each operation."""

    def __init__(self) -> None:
        self.figures: dict[str, list[float]] = {}

    def forget_times(self) -> None:
        """Keep the peaks only: the round was of another size."""
        for name in [each for each in self.figures if not each.endswith("_memory")]:
            del self.figures[name]

    def time(self, name: str, operation: Callable[[], T]) -> T:
        """Run an operation; note its seconds, and its peak memory above what was there before."""
        os.sync()
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets the peak
        idle, started = _status("VmRSS"), time.perf_counter()
        result = operation()
        seconds = time.perf_counter() - started
        self.figures.setdefault(name, []).append(seconds)
        self.figures.setdefault(f"{name}_memory", []).append(_status("VmHWM") - idle)
        return result


def _status(field: str) -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"the kernel does not tell {field}")


class MeasuredVault:
    """A person with a vault, and the two operations."""

    def __init__(self, files: Files, url: str) -> None:
        self.files = files
        self.at = datetime.now(UTC)
        self.sessions = make_sessions(make_engine(url))
        root = LocalKeyFile.create(files.blobs.parent / "root.key")
        self.keyring = Keyring.open(root, self.sessions, at=self.at)
        self.blobs = LocalStore(files.blobs, mkdir=True)
        self.person_id = PersonId(new_id(self.at))
        with unit_of_work_of(self.sessions) as session:
            insert_person_key(session, self.keyring.new_person_key(self.person_id), at=self.at)

    def entry(self, session: Session) -> RecordedEntry:
        """Account for one access."""
        entry = NewEntry(
            entry_id=EntryId(new_id(self.at)),
            action="loadtests.document.measured",
            outcome="allowed",
            actor=Actor(kind="person", id="measured"),
            subject="measured",
            items=(DocumentKind.OTHER.item,),
            occurred_at=self.at,
        )
        return record_access(session, entry, person_id=self.person_id)

    def store(self) -> Document:
        """Store the source, as an upload is stored."""
        received = receive_document(
            self.sessions,
            self.blobs,
            person_id=self.person_id,
            kind=DocumentKind.OTHER,
            chunks=self.files.blocks(),
            limit=1 << 40,
            at=self.at,
        )
        with unit_of_work_of(self.sessions) as session:
            entry = self.entry(session)
            return file_document(
                session, self.keyring, entry, received, title="x", source=None, at=self.at
            )

    def read(self, document: Document) -> None:
        """Read a document into the target, as a download is read."""
        with unit_of_work_of(self.sessions) as session:
            entry = self.entry(session)
            sealed = get_version(session, entry, document.document_id)
        opened = open_document(self.keyring, entry, sealed, self.blobs)
        self.files.write(opened, is_early=True)


def measure(
    folder: Path, url: str, rounds: int, memory_mib: int, speed_mib: int
) -> dict[str, list[float]]:
    """Copy, store and read: once for the memory, then `rounds` times for the speed."""
    migrations.upgrade(url)
    files = Files(folder / "source", folder / "target", folder / "blobs")
    files.make(memory_mib)
    vault = MeasuredVault(files, url)
    measured = Measured()
    for number in range(rounds + 1):
        files.warm(files.source)
        for name, is_early in (("copy", False), ("early_copy", True)):
            measured.time(name, partial(files.copy, is_early=is_early))
            files.target.unlink()
        document = measured.time("store", vault.store)
        (blob,) = (path for path in files.blobs.rglob("*") if path.is_file())
        files.warm(blob)
        measured.time("read", partial(vault.read, document))
        if not filecmp.cmp(files.source, files.target, shallow=False):
            raise RuntimeError("what was read is not what was stored")
        files.target.unlink()
        blob.unlink()
        if number == 0:
            measured.forget_times()
            files.make(speed_mib)
    return measured.figures


if __name__ == "__main__":
    _, folder_, url_, *numbers_ = sys.argv
    print(json.dumps(measure(Path(folder_), url_, *map(int, numbers_))))  # noqa: T201
