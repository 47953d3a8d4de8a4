"""Two of everything at once, on a database that really commits."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier

import pytest
from sqlalchemy import func, select

from audit.api import record_access
from kernel.db import unit_of_work_of
from kernel.errors import NotFound
from tests.vault.vault_builders import NOON, Vault, a_pdf, an_entry
from vault import store
from vault.api import (
    UploadExpired,
    delete_document,
    file_document,
    get_document,
    shred_person,
)
from vault.model import UPLOAD_LIFETIME
from vault.service.deleting import sweep_loose_blobs
from vault.tables import document_versions, documents, loose_blobs


def check_blobs(vault: Vault) -> None:
    """The oracle: every blob has its version or is loose, and every version has its blob."""
    with vault.sessions() as session:
        named = set(session.scalars(select(document_versions.c.blob_key)))
        loose = set(session.scalars(select(loose_blobs.c.blob_key)))
        latest = session.execute(
            select(documents.c.latest_version, func.max(document_versions.c.version))
            .join_from(
                documents,
                document_versions,
                documents.c.document_id == document_versions.c.document_id,
            )
            .group_by(documents.c.person_id, documents.c.document_id)
        ).all()
    assert not named & loose
    assert named <= set(vault.blob_files()) <= named | loose
    assert all(recorded == highest for recorded, highest in latest)


class TestVersions:
    def test_versions_stored_at_once_are_numbered_without_gaps(self, real_vault: Vault) -> None:
        document = real_vault.store(real_vault.a_person(), a_pdf(100))
        together = Barrier(4)

        def add(length: int) -> tuple[int, int]:
            together.wait()
            return real_vault.store_version(document, a_pdf(length)).version, length

        with ThreadPoolExecutor(4) as threads:
            stored = dict(threads.map(add, [1001, 1002, 1003, 1004]))

        assert sorted(stored) == [2, 3, 4, 5]
        for version, length in stored.items():
            assert real_vault.read(document, version=version) == a_pdf(length)
        with unit_of_work_of(real_vault.sessions) as session:
            entry = record_access(session, an_entry(), person_id=document.person_id)
            found, versions = get_document(session, real_vault.keyring, entry, document.document_id)
        assert found.current.version == 5
        assert len(versions) == 5
        check_blobs(real_vault)

    @pytest.mark.parametrize("_again", range(3))
    def test_deleting_while_a_version_is_stored_leaves_all_or_nothing(
        self, real_vault: Vault, _again: int
    ) -> None:
        document = real_vault.store(real_vault.a_person(), a_pdf(100))
        together = Barrier(2)

        def add() -> None:
            together.wait()
            with suppress(NotFound):  # the document was deleted first
                real_vault.store_version(document, a_pdf(200))

        def remove() -> None:
            together.wait()
            with unit_of_work_of(real_vault.sessions) as session:
                entry = record_access(session, an_entry(), person_id=document.person_id)
                delete_document(session, entry, document.document_id, at=NOON)

        both(add, remove)

        with pytest.raises(NotFound):
            real_vault.read(document)
        check_blobs(real_vault)
        sweep_loose_blobs(real_vault.sessions, real_vault.blobs, at=NOON + UPLOAD_LIFETIME)
        assert real_vault.blob_files() == []


class TestFiling:
    def test_the_same_upload_filed_twice_at_once_becomes_one_document(
        self, real_vault: Vault
    ) -> None:
        person_id = real_vault.a_person()
        received = real_vault.receive(person_id, a_pdf())
        together = Barrier(4)

        def file(title: str) -> str:
            together.wait()
            try:
                with unit_of_work_of(real_vault.sessions) as session:
                    entry = record_access(session, an_entry(), person_id=person_id)
                    file_document(
                        session,
                        real_vault.keyring,
                        entry,
                        received,
                        title=title,
                        source=None,
                        at=NOON,
                    )
            except UploadExpired:
                return "refused"
            return "filed"

        with ThreadPoolExecutor(4) as threads:
            outcomes = list(threads.map(file, "abcd"))

        assert sorted(outcomes) == ["filed", "refused", "refused", "refused"]
        check_blobs(real_vault)

    def test_the_sweeper_passes_by_what_is_being_filed(self, real_vault: Vault) -> None:
        """Its time was up, but filing began a moment before."""
        received = real_vault.receive(real_vault.a_person(), a_pdf())
        with real_vault.sessions() as filing:
            store.claim_blob(filing, received.blob_key)

            swept = sweep_loose_blobs(
                real_vault.sessions, real_vault.blobs, at=NOON + UPLOAD_LIFETIME
            )

            filing.rollback()
        assert swept == 0
        assert len(real_vault.blob_files()) == 1

    def test_filing_waits_for_the_sweeper_and_is_refused(self, real_vault: Vault) -> None:
        received = real_vault.receive(real_vault.a_person(), a_pdf())
        with real_vault.sessions() as sweeping, ThreadPoolExecutor(1) as thread:
            (blob_key,) = store.lock_due_blobs(sweeping, at=NOON + UPLOAD_LIFETIME, limit=10)

            def claim() -> None:
                with unit_of_work_of(real_vault.sessions) as session:
                    store.claim_blob(session, received.blob_key)

            waiting = thread.submit(claim)
            store.forget_blobs(sweeping, [blob_key])
            sweeping.commit()

            with pytest.raises(UploadExpired):
                waiting.result()

    def test_two_sweepers_share_the_work(self, real_vault: Vault) -> None:
        for _ in range(20):
            real_vault.receive(real_vault.a_person(), a_pdf(100))

        def sweep(_: int) -> int:
            return sweep_loose_blobs(
                real_vault.sessions, real_vault.blobs, at=NOON + UPLOAD_LIFETIME, limit=7
            )

        with ThreadPoolExecutor(3) as threads:
            swept = list(threads.map(sweep, range(6)))

        assert sum(swept) == 20
        assert real_vault.blob_files() == []


@pytest.mark.parametrize("_again", range(3))
def test_shredding_while_a_document_is_filed_leaves_nothing(real_vault: Vault, _again: int) -> None:
    person_id = real_vault.a_person()
    received = real_vault.receive(person_id, a_pdf())
    together = Barrier(2)

    def file() -> None:
        together.wait()
        with suppress(NotFound), unit_of_work_of(real_vault.sessions) as session:
            entry = record_access(session, an_entry(), person_id=person_id)
            file_document(
                session, real_vault.keyring, entry, received, title="t", source=None, at=NOON
            )

    def shred() -> None:
        together.wait()
        with unit_of_work_of(real_vault.sessions) as session:
            entry = record_access(session, an_entry(), person_id=person_id)
            shred_person(session, entry, at=NOON)

    both(file, shred)

    with real_vault.sessions() as session:
        assert session.scalar(select(func.count()).select_from(documents)) == 0
    check_blobs(real_vault)


def both(one: Callable[[], None], other: Callable[[], None]) -> None:
    """Run two at once; what either raises is raised."""
    with ThreadPoolExecutor(2) as threads:
        for task in [threads.submit(one), threads.submit(other)]:
            task.result()
