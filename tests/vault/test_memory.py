"""Memory stays flat: what a document takes does not depend on its length."""

from collections.abc import Iterator
from pathlib import Path

from audit.api import record_access
from kernel.db import unit_of_work_of
from tests.vault.vault_builders import MIB, NOON, Vault, an_entry
from vault.api import (
    DocumentKind,
    file_document,
    get_version,
    open_document,
    receive_document,
)

LENGTH = 128
MOST = 16  # of the 32 MiB that are promised for 1 GiB; loadtests/vault_stream.py measures that


def peak_above(idle: float) -> float:
    return status("VmHWM") - idle


def status(field: str) -> float:
    """Return a figure of this process in MiB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (value,) = (line.split()[1] for line in lines if line.startswith(f"{field}:"))
    return int(value) / 1024


def reset_peak() -> float:
    """Forget the peak so far; return what is taken now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return status("VmRSS")


def test_a_large_document_is_stored_and_read_in_little_memory(vault: Vault) -> None:
    person_id = vault.a_person()

    def chunks() -> Iterator[memoryview]:
        block = memoryview(bytearray(MIB))
        for _ in range(LENGTH):
            yield block

    idle = reset_peak()
    received = receive_document(
        vault.sessions,
        vault.blobs,
        person_id=person_id,
        kind=DocumentKind.OTHER,
        chunks=chunks(),
        limit=LENGTH * MIB,
        at=NOON,
    )
    assert peak_above(idle) < MOST

    with unit_of_work_of(vault.sessions) as session:
        entry = record_access(session, an_entry(kind=DocumentKind.OTHER), person_id=person_id)
        document = file_document(
            session, vault.keyring, entry, received, title="x", source=None, at=NOON
        )
        sealed = get_version(session, entry, document.document_id)
    idle = reset_peak()
    length = sum(map(len, open_document(vault.keyring, entry, sealed, vault.blobs)))
    assert peak_above(idle) < MOST
    assert length == LENGTH * MIB
