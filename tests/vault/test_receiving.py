"""What is refused while it arrives, and what a failure leaves behind: nothing."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from obstore.store import LocalStore
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from kernel.db import make_engine, make_sessions
from kernel.errors import DomainError, PayloadTooLarge
from kernel.ids import PersonId, new_id
from tests.vault.vault_builders import LIMIT, MIB, NOON, Vault, a_dicom, a_pdf
from vault.api import (
    DocumentKind,
    StorageUnavailable,
    UnsuitableDocument,
    receive_document,
)
from vault.model import UPLOAD_LIFETIME
from vault.service.deleting import sweep_loose_blobs
from vault.tables import document_versions, loose_blobs

PERSON = PersonId(new_id(NOON))


def check_nothing_is_left(vault: Vault) -> None:
    """The oracle: no file, no version, and after one sweep no memory of either."""
    assert vault.blob_files() == []
    with vault.sessions() as session:
        assert count(session, document_versions.c.blob_key) == 0
    sweep_loose_blobs(vault.sessions, vault.blobs, at=NOON + UPLOAD_LIFETIME)
    with vault.sessions() as session:
        assert count(session, loose_blobs.c.blob_key) == 0


def count(session: Session, column: object) -> int:
    return session.scalar(select(func.count(column))) or 0  # type: ignore[arg-type]


class TestLimit:
    def test_two_gibibytes_are_refused_as_soon_as_the_limit_is_passed(self, vault: Vault) -> None:
        given = 0

        def two_gibibytes() -> Iterator[bytes]:
            nonlocal given
            yield a_pdf(MIB)
            for _ in range(2047):
                given += 1
                yield bytes(MIB)

        with pytest.raises(PayloadTooLarge):
            receive_document(
                vault.sessions,
                vault.blobs,
                person_id=PERSON,
                kind=DocumentKind.INCOME_CERTIFICATE,
                chunks=two_gibibytes(),
                limit=20 * MIB,
                at=NOON,
            )

        assert given == 20
        check_nothing_is_left(vault)

    def test_exactly_the_limit_is_taken_and_one_more_is_not(self, vault: Vault) -> None:
        vault.receive(PERSON, a_pdf(2000), limit=2000)

        with pytest.raises(PayloadTooLarge):
            vault.receive(PERSON, a_pdf(2001), limit=2000)

    def test_a_first_chunk_over_the_limit_writes_nothing_at_all(self, vault: Vault) -> None:
        with pytest.raises(PayloadTooLarge):
            vault.receive(PERSON, a_pdf(5000), limit=100)

        with vault.sessions() as session:
            assert count(session, loose_blobs.c.blob_key) == 0


class TestFormats:
    @pytest.mark.parametrize(
        ("kind", "content"),
        [
            (DocumentKind.CT_SCAN, a_pdf()),
            (DocumentKind.CT_SCAN, a_dicom()[:131]),
            (DocumentKind.INCOME_CERTIFICATE, a_dicom()),
            (DocumentKind.INCOME_CERTIFICATE, b"<html><script>alert(1)</script>"),
            (DocumentKind.PASSPORT_SCAN, b"MZ\x90\x00"),
            (DocumentKind.OTHER, b""),
            (DocumentKind.INCOME_CERTIFICATE, b""),
        ],
    )
    def test_what_is_not_of_its_kind_is_refused(
        self, vault: Vault, kind: DocumentKind, content: bytes
    ) -> None:
        with pytest.raises(UnsuitableDocument):
            vault.receive(PERSON, content, kind=kind)
        check_nothing_is_left(vault)

    def test_the_first_bytes_may_come_one_by_one(self, vault: Vault) -> None:
        received = receive_document(
            vault.sessions,
            vault.blobs,
            person_id=PERSON,
            kind=DocumentKind.CT_SCAN,
            chunks=(bytes([byte]) for byte in a_dicom(300)),
            limit=LIMIT,
            at=NOON,
        )

        assert received.media_type == "application/dicom"


class TestFailures:
    def test_a_sender_who_goes_away(self, vault: Vault) -> None:
        def broken() -> Iterator[bytes]:
            yield a_pdf(3 * MIB)
            raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            receive_document(
                vault.sessions,
                vault.blobs,
                person_id=PERSON,
                kind=DocumentKind.INCOME_CERTIFICATE,
                chunks=broken(),
                limit=LIMIT,
                at=NOON,
            )
        check_nothing_is_left(vault)

    def test_a_full_disk(self, vault: Vault) -> None:
        """The kernel refuses the fourth mebibyte of the file."""
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3 * MIB, hard))
        try:
            with pytest.raises(StorageUnavailable):
                vault.receive(PERSON, a_pdf(8 * MIB))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

        check_nothing_is_left(vault)
        vault.receive(PERSON, a_pdf(8 * MIB))  # mended, it works again

    def test_a_store_that_is_not_mounted(self, vault: Vault, tmp_path: Path) -> None:
        """Nothing is put on the disk below the missing store."""
        away = Vault(vault.sessions, vault.keyring, LocalStore(tmp_path / "blobs", mkdir=True))
        (tmp_path / "blobs").rmdir()

        with pytest.raises(StorageUnavailable):
            away.receive(PERSON, a_pdf())
        assert not (tmp_path / "blobs").exists()

    def test_a_refusal_while_filing_leaves_the_blob_to_the_sweeper(self, vault: Vault) -> None:
        """Nobody: there is no key for this person, so nothing can be filed."""
        with pytest.raises(DomainError):
            vault.store(PERSON, a_pdf())

        assert len(vault.blob_files()) == 1
        sweep_loose_blobs(vault.sessions, vault.blobs, at=NOON + UPLOAD_LIFETIME)
        check_nothing_is_left(vault)

    def test_a_store_that_does_not_answer_keeps_blobs_on_the_list(
        self, vault: Vault, tmp_path: Path
    ) -> None:
        vault.receive(PERSON, a_pdf())
        folder = next((tmp_path / "blobs").iterdir())
        blob = next(folder.iterdir())
        blob.rename(tmp_path / "kept")
        blob.mkdir()  # deleting a folder as a file fails, and not for being missing

        swept = sweep_loose_blobs(vault.sessions, vault.blobs, at=NOON + UPLOAD_LIFETIME)
        blob.rmdir()
        (tmp_path / "kept").rename(blob)
        later = sweep_loose_blobs(vault.sessions, vault.blobs, at=NOON + UPLOAD_LIFETIME)

        assert (swept, later) == (0, 1)
        check_nothing_is_left(vault)


KILLED_WHILE_RECEIVING = """
import os, signal, sys
from datetime import datetime
from uuid import UUID
from obstore.store import LocalStore
from kernel.db import make_engine, make_sessions
from kernel.ids import PersonId
from vault.api import DocumentKind, receive_document

def chunks():
    yield b"%PDF-1.7" + bytes(3 << 20)
    if {when!r} == "while writing":
        os.kill(os.getpid(), signal.SIGKILL)

receive_document(
    make_sessions(make_engine({url!r})), LocalStore({blobs!r}),
    person_id=PersonId(UUID({person!r})), kind=DocumentKind.INCOME_CERTIFICATE, chunks=chunks(),
    limit=1 << 30, at=datetime.fromisoformat({at!r}),
)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("when", ["while writing", "before the row"])
def test_a_process_that_is_killed(fresh_database: str, tmp_path: Path, when: str) -> None:
    """The blob is there, nobody's, unreadable for ever; a day later it is gone."""
    blobs = LocalStore(tmp_path / "blobs", mkdir=True)
    program = KILLED_WHILE_RECEIVING.format(
        when=when,
        url=fresh_database,
        blobs=str(tmp_path / "blobs"),
        person=str(PERSON),
        at=NOON.isoformat(),
    )

    killed = subprocess.run([sys.executable, "-c", program], check=False)

    engine = make_engine(fresh_database)
    sessions = make_sessions(engine)
    files = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    assert killed.returncode == -9
    assert len(files) == 1
    early = sweep_loose_blobs(sessions, blobs, at=NOON + UPLOAD_LIFETIME - timedelta(seconds=1))
    swept = sweep_loose_blobs(sessions, blobs, at=NOON + UPLOAD_LIFETIME)
    assert (early, swept) == (0, 1)
    assert not files[0].exists()
    engine.dispose()
