"""Storing, listing, opening, versions, deleting, shredding: the whole on the real database."""

from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select

from audit.api import NewEntry
from audit.tables import audit_waiting_entries
from kernel.db import HotStatement, unit_of_work_of
from kernel.errors import InvalidRequest, NotFound, Undecryptable
from kernel.ids import AgencyId, DocumentId, new_id
from kernel.tables import person_keys
from tests.vault.vault_builders import (
    BANK_CONSENT,
    CLINIC,
    MIB,
    NOON,
    Vault,
    a_dicom,
    a_pdf,
    an_entry,
    in_chunks,
)
from vault.api import (
    ByteRange,
    DocumentKind,
    RangeNotSatisfiable,
    UploadExpired,
    delete_document,
    document_version,
    file_document,
    file_version,
    get_document,
    get_version,
    list_documents,
    open_document,
    sealed_version,
    shred_person,
    store_document,
)
from vault.model import UPLOAD_LIFETIME
from vault.service.deleting import sweep_loose_blobs
from vault.tables import document_versions, documents, loose_blobs

# Around the borders of the first segments of 1 MiB.
LENGTHS = [9, MIB - 57, MIB - 56, MIB - 55, MIB, 2 * MIB - 72, 2 * MIB - 71, 5 * MIB + 3]


class TestStoring:
    @pytest.mark.parametrize("length", LENGTHS)
    def test_what_was_stored_is_what_is_read(self, vault: Vault, length: int) -> None:
        document = vault.store(vault.a_person(), a_pdf(length))

        assert vault.read(document) == a_pdf(length)
        assert document.current.length == length

    def test_blob_and_rows_show_nothing(self, vault: Vault) -> None:
        """Promise 5: the bytes at rest hold neither the content nor the title."""
        person_id = vault.a_person()
        vault.store(person_id, a_pdf() + b"Petrova earns 100", title="Справка Петровой")

        (blob,) = vault.blob_files()
        at_rest = (vault.folder / blob).read_bytes()
        with vault.sessions() as session:
            rows = repr(session.execute(select(documents)).all())
            rows += repr(session.execute(select(document_versions)).all())
        assert b"Petrova" not in at_rest
        assert b"%PDF" not in at_rest
        assert "Петровой".encode().hex() not in rows
        assert "Петровой" not in rows
        assert str(person_id) not in blob

    def test_equal_documents_have_unrelated_blobs(self, vault: Vault) -> None:
        person_id = vault.a_person()
        vault.store(person_id, a_pdf())
        vault.store(person_id, a_pdf())

        one, other = (vault.folder / each for each in vault.blob_files())
        assert one.read_bytes() != other.read_bytes()
        with vault.sessions() as session:
            digests = set(session.scalars(select(document_versions.c.ciphertext_digest)))
        assert len(digests) == 2

    def test_a_blob_is_readable_by_its_owner_only(self, vault: Vault) -> None:
        vault.store(vault.a_person(), a_pdf())

        (blob,) = vault.blob_files()
        assert (vault.folder / blob).stat().st_mode & 0o077 == 0

    def test_filing_takes_the_blob_from_the_sweeper(self, vault: Vault) -> None:
        document = vault.store(vault.a_person(), a_pdf())

        swept = sweep_loose_blobs(vault.sessions, vault.blobs, at=NOON + timedelta(days=365))

        assert swept == 0
        assert vault.read(document) == a_pdf()

    def test_the_same_upload_is_filed_once(self, vault: Vault) -> None:
        person_id = vault.a_person()
        received = vault.receive(person_id, a_pdf())
        with unit_of_work_of(vault.sessions) as session:
            entry = vault.entry(person_id)
            file_document(
                session, vault.keyring, entry, received, title="one", source=None, at=NOON
            )

        with (
            pytest.raises(UploadExpired),
            unit_of_work_of(vault.sessions) as session,
        ):
            file_document(
                session, vault.keyring, entry, received, title="two", source=None, at=NOON
            )

    @pytest.mark.parametrize("late", [timedelta(), timedelta(seconds=1)])
    def test_an_upload_that_took_too_long_is_refused(self, vault: Vault, late: timedelta) -> None:
        person_id = vault.a_person()
        received = vault.receive(person_id, a_pdf())
        entry = vault.entry(person_id)

        with pytest.raises(UploadExpired), unit_of_work_of(vault.sessions) as session:
            file_document(
                session,
                vault.keyring,
                entry,
                received,
                title="late",
                source=None,
                at=NOON + UPLOAD_LIFETIME + late,
            )

    @pytest.mark.parametrize("title", ["", "  ", "x" * 201, "a\x00b", "a\u202eb"])
    def test_a_title_nobody_could_read_is_refused(self, vault: Vault, title: str) -> None:
        with pytest.raises(InvalidRequest):
            vault.store(vault.a_person(), a_pdf(), title=title)

    @pytest.mark.parametrize(
        "title", ["Robert'); DROP TABLE documents;--", "{{ 7 * 7 }}", "Ё" * 200]
    )
    def test_a_title_is_kept_as_it_is(self, vault: Vault, title: str) -> None:
        person_id = vault.a_person()
        vault.store(person_id, a_pdf(), title=title)

        with unit_of_work_of(vault.sessions) as session:
            (listed,) = list_documents(session, vault.keyring, vault.entry(person_id))
        assert listed.title == title

    @pytest.mark.parametrize(
        ("entry", "source"),
        [
            (an_entry(items=()), None),
            (an_entry(outcome="refused"), None),
            (an_entry(), CLINIC),
            (an_entry(actor="agency", actor_id="tax"), CLINIC),
            (an_entry(actor="partner", actor_id="bank", consent_id=BANK_CONSENT), None),
            (an_entry(actor="system", actor_id="worker"), None),
        ],
        ids=["nothing", "refused", "in an agency's name", "another agency", "partner", "system"],
    )
    def test_an_entry_about_something_else_stores_nothing(
        self, vault: Vault, entry: NewEntry, source: AgencyId | None
    ) -> None:
        person_id = vault.a_person()
        received = vault.receive(person_id, a_pdf())
        recorded = vault.entry(person_id, entry)

        with pytest.raises(NotFound), unit_of_work_of(vault.sessions) as session:
            file_document(
                session, vault.keyring, recorded, received, title="x", source=source, at=NOON
            )
        with vault.sessions() as session:
            assert session.scalar(select(func.count()).select_from(documents)) == 0

    def test_an_entry_of_another_person_stores_nothing(self, vault: Vault) -> None:
        received = vault.receive(vault.a_person(), a_pdf())
        stranger = vault.entry(vault.a_person())

        with pytest.raises(NotFound), unit_of_work_of(vault.sessions) as session:
            file_document(
                session, vault.keyring, stranger, received, title="x", source=None, at=NOON
            )

    def test_all_at_once_does_the_same(self, vault: Vault) -> None:
        person_id = vault.a_person()
        with unit_of_work_of(vault.sessions) as session:
            document = store_document(
                session,
                vault.blobs,
                vault.keyring,
                person_id=person_id,
                entry=vault.entry(person_id),
                kind=DocumentKind.INCOME_CERTIFICATE,
                title="Справка",
                source=None,
                chunks=in_chunks(a_pdf()),
                limit=MIB,
                at=NOON,
            )

        assert vault.read(document) == a_pdf()


class TestListing:
    def test_latest_first_with_titles(self, vault: Vault) -> None:
        person_id = vault.a_person()
        vault.store(person_id, a_pdf(), title="first", at=NOON)
        vault.store(
            person_id,
            a_dicom(),
            kind=DocumentKind.CT_SCAN,
            title="second",
            source=CLINIC,
            at=NOON + timedelta(hours=1),
        )

        with unit_of_work_of(vault.sessions) as session:
            listed = list_documents(session, vault.keyring, vault.entry(person_id))

        assert [(each.title, each.source, each.current.media_type) for each in listed] == [
            ("second", CLINIC, "application/dicom"),
            ("first", None, "application/pdf"),
        ]

    def test_only_the_kinds_that_are_asked_for(self, vault: Vault) -> None:
        person_id = vault.a_person()
        vault.store(person_id, a_pdf())
        scan = vault.store(person_id, a_dicom(), kind=DocumentKind.CT_SCAN)

        with unit_of_work_of(vault.sessions) as session:
            entry = vault.entry(person_id)
            scans = list_documents(session, vault.keyring, entry, kinds=[DocumentKind.CT_SCAN])
            nothing = list_documents(session, vault.keyring, entry, kinds=[])

        assert [each.document_id for each in scans] == [scan.document_id]
        assert nothing == ()

    def test_nobody_elses(self, vault: Vault) -> None:
        vault.store(vault.a_person(), a_pdf())

        with unit_of_work_of(vault.sessions) as session:
            listed = list_documents(session, vault.keyring, vault.entry(vault.a_person()))

        assert listed == ()

    def test_one_document_with_its_versions(self, vault: Vault) -> None:
        document = vault.store(vault.a_person(), a_pdf(1000))
        vault.store_version(document, a_pdf(2000), at=NOON + timedelta(hours=1))

        with unit_of_work_of(vault.sessions) as session:
            entry = vault.entry(document.person_id)
            found, versions = get_document(session, vault.keyring, entry, document.document_id)

        assert found.current.version == 2
        assert [(each.version, each.length) for each in versions] == [(2, 2000), (1, 1000)]

    def test_one_document_of_another_person(self, vault: Vault) -> None:
        document = vault.store(vault.a_person(), a_pdf())
        stranger = vault.entry(vault.a_person())

        with unit_of_work_of(vault.sessions) as session, pytest.raises(NotFound):
            get_document(session, vault.keyring, stranger, document.document_id)


class TestVersions:
    def test_each_version_stays_readable(self, vault: Vault) -> None:
        document = vault.store(vault.a_person(), a_pdf(1000))
        second = vault.store_version(document, a_pdf(2000))

        assert second.version == 2
        assert vault.read(document) == a_pdf(2000)
        assert vault.read(document, version=1) == a_pdf(1000)
        with pytest.raises(NotFound):
            vault.read(document, version=3)

    def test_a_version_of_another_persons_document_is_refused(self, vault: Vault) -> None:
        document = vault.store(vault.a_person(), a_pdf())
        stranger = vault.a_person()
        received = vault.receive(stranger, a_pdf(), document_id=document.document_id)

        with pytest.raises(NotFound), unit_of_work_of(vault.sessions) as session:
            file_version(
                session, vault.keyring, vault.entry(stranger), received, source=None, at=NOON
            )

    def test_a_person_cannot_replace_what_an_agency_issued(self, vault: Vault) -> None:
        """A certificate with the agency's name on it comes from the agency."""
        document = vault.store(vault.a_person(), a_pdf(), source=CLINIC)
        received = vault.receive(document.person_id, a_pdf(9), document_id=document.document_id)

        with pytest.raises(NotFound), unit_of_work_of(vault.sessions) as session:
            file_version(
                session,
                vault.keyring,
                vault.entry(document.person_id),
                received,
                source=None,
                at=NOON,
            )
        assert vault.read(document) == a_pdf()


class TestOpening:
    def test_through_the_composed_statement(self, vault: Vault) -> None:
        document = vault.store(vault.a_person(), a_pdf())
        who = select(person_keys.c.person_id).where(person_keys.c.person_id == document.person_id)
        part = document_version(person_id=who.scalar_subquery(), document_id=document.document_id)
        with unit_of_work_of(vault.sessions) as session:
            row = session.execute(select(part)).mappings().one()

        opened = open_document(
            vault.keyring, vault.entry(document.person_id), sealed_version(row), vault.blobs
        )

        assert b"".join(opened) == a_pdf()
        assert opened.media_type == "application/pdf"

    def test_the_composed_statement_compiles_for_the_hot_lane(self) -> None:
        part = document_version(
            person_id=select(person_keys.c.person_id).scalar_subquery(),
            document_id=DocumentId(new_id(NOON)),
        )

        assert "latest_version" in HotStatement(select(part)).sql

    def test_another_persons_document_is_not_found(self, vault: Vault) -> None:
        document = vault.store(vault.a_person(), a_pdf())

        with pytest.raises(NotFound):
            vault.read(document, of=vault.a_person())

    def test_an_entry_of_another_person_opens_nothing(self, vault: Vault) -> None:
        """Promise 1, by the type: the row is there, the entry is about somebody else."""
        document = vault.store(vault.a_person(), a_pdf())
        with unit_of_work_of(vault.sessions) as session:
            owner = vault.entry(document.person_id)
            sealed = get_version(session, owner, document.document_id)

        with pytest.raises(NotFound):
            open_document(vault.keyring, vault.entry(vault.a_person()), sealed, vault.blobs)

    @pytest.mark.parametrize(
        "entry",
        [
            an_entry(items=()),
            an_entry(items=("document:ct_scan",)),
            an_entry(outcome="refused"),
            an_entry(actor="partner", actor_id="bank"),
            an_entry(actor="agency", actor_id="tax"),
            an_entry(actor="operator", actor_id="desk"),
            an_entry(actor="system", actor_id="worker"),
        ],
        ids=["nothing", "another kind", "refused", "no consent", "agency", "operator", "system"],
    )
    def test_an_entry_about_something_else_opens_nothing(self, vault: Vault, entry: object) -> None:
        document = vault.store(vault.a_person(), a_pdf())

        with pytest.raises(NotFound):
            vault.read(document, entry=entry)  # type: ignore[arg-type]

    def test_a_partner_opens_under_a_consent(self, vault: Vault) -> None:
        document = vault.store(vault.a_person(), a_pdf())
        entry = an_entry(actor="partner", actor_id="bank", consent_id=BANK_CONSENT)

        assert vault.read(document, entry=entry) == a_pdf()

    @pytest.mark.parametrize(
        ("start", "stop"),
        [
            (0, 1),
            (0, 3 * MIB),
            (MIB - 57, MIB - 56),
            (MIB - 56, MIB - 55),
            (MIB - 57, MIB - 55),
            (2 * MIB - 73, 2 * MIB - 71),
            (100, 3 * MIB - 1),
            (3 * MIB - 1, 3 * MIB),
        ],
    )
    def test_a_range_is_that_part_of_the_whole(self, vault: Vault, start: int, stop: int) -> None:
        content = a_pdf(3 * MIB)
        document = vault.store(vault.a_person(), content)

        assert vault.read(document, asked=ByteRange(start, stop)) == content[start:stop]

    @pytest.mark.parametrize(("start", "stop"), [(0, 0), (5, 4), (-1, 4), (0, 5001), (5000, 5001)])
    def test_a_range_outside_is_refused(self, vault: Vault, start: int, stop: int) -> None:
        document = vault.store(vault.a_person(), a_pdf(5000))

        with pytest.raises(RangeNotSatisfiable):
            vault.read(document, asked=ByteRange(start, stop))

    def test_every_opening_needs_an_entry_in_the_log(self, vault: Vault) -> None:
        document = vault.store(vault.a_person(), a_pdf())
        with vault.sessions() as session:
            before = session.scalar(select(func.count()).select_from(audit_waiting_entries))

        vault.read(document)

        with vault.sessions() as session:
            after = session.scalar(select(func.count()).select_from(audit_waiting_entries))
        assert after == (before or 0) + 1


class TestDeleting:
    def test_all_versions_go_and_so_do_their_blobs(self, vault: Vault) -> None:
        kept = vault.store(vault.a_person(), a_pdf())
        document = vault.store(kept.person_id, a_pdf(2000))
        vault.store_version(document, a_pdf(3000))
        with unit_of_work_of(vault.sessions) as session:
            delete_document(session, vault.entry(document.person_id), document.document_id, at=NOON)

        swept = sweep_loose_blobs(vault.sessions, vault.blobs, at=NOON)

        assert swept == 2
        assert len(vault.blob_files()) == 1
        assert vault.read(kept) == a_pdf()
        with pytest.raises(NotFound):
            vault.read(document)

    def test_another_persons_document_is_not_found(self, vault: Vault) -> None:
        document = vault.store(vault.a_person(), a_pdf())
        stranger = vault.entry(vault.a_person())

        with pytest.raises(NotFound), unit_of_work_of(vault.sessions) as session:
            delete_document(session, stranger, document.document_id, at=NOON)
        assert vault.read(document) == a_pdf()


class TestShredding:
    def test_nothing_opens_any_more_not_even_from_a_backup(self, vault: Vault) -> None:
        """Promise 7: rows and blobs of a backup are put back, the key is gone."""
        document = vault.store(vault.a_person(), a_pdf())
        with vault.sessions() as session:
            backup_document = dict(session.execute(select(documents)).mappings().one())
            backup_version = dict(session.execute(select(document_versions)).mappings().one())
        (blob,) = vault.blob_files()
        backup_blob = (vault.folder / blob).read_bytes()

        with unit_of_work_of(vault.sessions) as session:
            gone = shred_person(session, vault.entry(document.person_id), at=NOON)
        sweep_loose_blobs(vault.sessions, vault.blobs, at=NOON)

        assert gone == 1
        assert vault.blob_files() == []
        with unit_of_work_of(vault.sessions) as session:
            session.execute(insert(documents).values(backup_document))
            session.execute(insert(document_versions).values(backup_version))
        (vault.folder / blob).write_bytes(backup_blob)
        with pytest.raises(NotFound):
            vault.read(document)
        with pytest.raises(Undecryptable), unit_of_work_of(vault.sessions) as session:
            list_documents(session, vault.keyring, vault.entry(document.person_id))

    def test_nothing_new_is_filed_afterwards(self, vault: Vault) -> None:
        person_id = vault.a_person()
        received = vault.receive(person_id, a_pdf())
        with unit_of_work_of(vault.sessions) as session:
            shred_person(session, vault.entry(person_id), at=NOON)

        with pytest.raises(NotFound), unit_of_work_of(vault.sessions) as session:
            file_document(
                session,
                vault.keyring,
                vault.entry(person_id),
                received,
                title="late",
                source=None,
                at=NOON,
            )
        sweep_loose_blobs(vault.sessions, vault.blobs, at=NOON + UPLOAD_LIFETIME)
        assert vault.blob_files() == []

    def test_twice_is_refused(self, vault: Vault) -> None:
        person_id = vault.a_person()
        with unit_of_work_of(vault.sessions) as session:
            shred_person(session, vault.entry(person_id), at=NOON)

        with pytest.raises(NotFound), unit_of_work_of(vault.sessions) as session:
            shred_person(session, vault.entry(person_id), at=NOON)

    def test_other_people_keep_theirs(self, vault: Vault) -> None:
        document = vault.store(vault.a_person(), a_pdf())
        with unit_of_work_of(vault.sessions) as session:
            shred_person(session, vault.entry(vault.a_person()), at=NOON)

        assert vault.read(document) == a_pdf()


@pytest.mark.usefixtures("vault")
def test_no_loose_blob_is_left_after_a_day(vault: Vault) -> None:
    person_id = vault.a_person()
    vault.receive(person_id, a_pdf())

    early = sweep_loose_blobs(
        vault.sessions, vault.blobs, at=NOON + UPLOAD_LIFETIME - timedelta(seconds=1)
    )
    swept = sweep_loose_blobs(vault.sessions, vault.blobs, at=NOON + UPLOAD_LIFETIME)

    assert (early, swept) == (0, 1)
    assert vault.blob_files() == []
    with vault.sessions() as session:
        assert session.scalar(select(func.count()).select_from(loose_blobs)) == 0
