"""Blobs and rows that somebody, or some disk, has changed: nothing wrong is ever given out."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select, update

from kernel.db import unit_of_work_of
from kernel.errors import Undecryptable
from tests.vault.vault_builders import (
    BANK_CONSENT,
    CLINIC,
    MIB,
    Vault,
    a_dicom,
    a_pdf,
    an_entry,
)
from vault.api import (
    ByteRange,
    Document,
    DocumentKind,
    OpenedDocument,
    get_version,
    list_documents,
    open_document,
)
from vault.tables import document_versions, documents

WHOLE_SEGMENTS = 3 * MIB - 88  # a plaintext whose last segment is full: Tink would take a tail


def blob_path(vault: Vault, document: Document, version: int = 1) -> Path:
    with vault.sessions() as session:
        key = session.scalar(
            select(document_versions.c.blob_key).where(
                document_versions.c.document_id == document.document_id,
                document_versions.c.version == version,
            )
        )
    assert key is not None
    return vault.folder / str(key)


def change(vault: Vault, document: Document, **values: object) -> None:
    """Write into the row as someone with the database, but without a key."""
    with unit_of_work_of(vault.sessions) as session:
        session.execute(
            update(document_versions)
            .where(document_versions.c.document_id == document.document_id)
            .values(**values)
        )


class TestBlob:
    @pytest.mark.parametrize("length", [5000, WHOLE_SEGMENTS, 2 * MIB + 5])
    @pytest.mark.parametrize(
        "damage",
        [
            lambda blob: blob[:-1],
            lambda blob: blob[:40],
            lambda blob: blob[:0],
            lambda blob: blob + b"\x00",
            lambda blob: blob + blob[-4096:],
            lambda blob: b"\x00" + blob[1:],
            lambda blob: blob[:20] + bytes([blob[20] ^ 1]) + blob[21:],
            lambda blob: blob[:1000] + bytes([blob[1000] ^ 0x80]) + blob[1001:],
            lambda blob: blob[:-1] + bytes([blob[-1] ^ 1]),
            lambda blob: bytes(len(blob)),
        ],
        ids=[
            "one byte short",
            "only the header",
            "empty",
            "one byte more",
            "a tail",
            "header length",
            "salt",
            "a bit in the first segment",
            "a bit in the last tag",
            "zeros",
        ],
    )
    def test_changed_bytes(
        self, vault: Vault, length: int, damage: Callable[[bytes], bytes]
    ) -> None:
        document = vault.store(vault.a_person(), a_pdf(length))
        path = blob_path(vault, document)
        path.write_bytes(damage(path.read_bytes()))

        with pytest.raises(Undecryptable):
            vault.read(document)

    def test_a_truncation_at_a_segment_border(self, vault: Vault) -> None:
        document = vault.store(vault.a_person(), a_pdf(WHOLE_SEGMENTS))
        path = blob_path(vault, document)
        path.write_bytes(path.read_bytes()[: 2 * MIB])

        with pytest.raises(Undecryptable):
            vault.read(document)

    def test_a_truncation_that_the_row_was_adapted_to(self, vault: Vault) -> None:
        document = vault.store(vault.a_person(), a_pdf(WHOLE_SEGMENTS))
        path = blob_path(vault, document)
        path.write_bytes(path.read_bytes()[: 2 * MIB])
        change(vault, document, ciphertext_length=2 * MIB)

        with pytest.raises(Undecryptable):
            vault.read(document)

    def test_a_missing_blob(self, vault: Vault) -> None:
        document = vault.store(vault.a_person(), a_pdf())
        blob_path(vault, document).unlink()

        with pytest.raises(Undecryptable):
            vault.read(document)

    def test_a_part_of_a_damaged_blob(self, vault: Vault) -> None:
        """A range is refused if it touches the damage, and right if it does not."""
        content = a_pdf(3 * MIB)
        document = vault.store(vault.a_person(), content)
        path = blob_path(vault, document)
        blob = bytearray(path.read_bytes())
        blob[MIB + 77] ^= 1
        path.write_bytes(bytes(blob))

        assert vault.read(document, asked=ByteRange(0, 1000)) == content[:1000]
        with pytest.raises(Undecryptable):
            vault.read(document, asked=ByteRange(MIB, MIB + 10))
        with pytest.raises(Undecryptable):
            vault.read(document)

    def test_damage_in_the_middle_gives_out_nothing_of_that_segment(self, vault: Vault) -> None:
        document = vault.store(vault.a_person(), a_pdf(3 * MIB))
        path = blob_path(vault, document)
        blob = bytearray(path.read_bytes())
        blob[2 * MIB + 5] ^= 1
        path.write_bytes(bytes(blob))
        received: list[bytes] = []

        with pytest.raises(Undecryptable):
            received.extend(_opened(vault, document))

        assert b"".join(received) == a_pdf(3 * MIB)[: 2 * MIB - 72]

    def test_two_blobs_of_one_person_swapped(self, vault: Vault) -> None:
        person_id = vault.a_person()
        one, other = vault.store(person_id, a_pdf()), vault.store(person_id, a_pdf())
        swap(blob_path(vault, one), blob_path(vault, other))

        for document in (one, other):
            with pytest.raises(Undecryptable):
                vault.read(document)

    def test_blobs_of_two_persons_swapped(self, vault: Vault) -> None:
        one, other = (
            vault.store(vault.a_person(), a_pdf()),
            vault.store(vault.a_person(), a_pdf()),
        )
        swap(blob_path(vault, one), blob_path(vault, other))

        for document in (one, other):
            with pytest.raises(Undecryptable):
                vault.read(document)

    def test_the_blob_of_an_older_version(self, vault: Vault) -> None:
        document = vault.store(vault.a_person(), a_pdf())
        vault.store_version(document, a_pdf())
        newer = blob_path(vault, document, 2)
        newer.write_bytes(blob_path(vault, document, 1).read_bytes())

        with pytest.raises(Undecryptable):
            vault.read(document)
        assert vault.read(document, version=1) == a_pdf()


class TestRow:
    """Whoever can write to the database, but has no key."""

    @pytest.mark.parametrize(
        "values",
        [
            {"media_type": "text/html"},
            {"ciphertext_digest": bytes(32)},
            {"ciphertext_length": 6000},
            {"wrapped_data_key": bytes(65)},
            {"stream_format": 2},
            {"blob_key": "00/00"},
        ],
        ids=lambda values: next(iter(values)),
    )
    def test_a_changed_column(self, vault: Vault, values: dict[str, object]) -> None:
        document = vault.store(vault.a_person(), a_pdf())
        change(vault, document, **values)

        with pytest.raises(Undecryptable):
            vault.read(document)

    def test_a_digest_that_fits_a_changed_blob(self, vault: Vault) -> None:
        """Not even together with its digest: that is bound to the wrapped key."""
        document = vault.store(vault.a_person(), a_pdf())
        change(vault, document, ciphertext_digest=b"\x01" * 32)

        with pytest.raises(Undecryptable):
            vault.read(document)

    @pytest.mark.parametrize("length", [5000, 2 * MIB])
    def test_a_digest_that_was_wrong_from_the_start(self, vault: Vault, length: int) -> None:
        """Every tag is right, and the whole is not what was written down: no last part is given."""
        received = vault.receive(vault.a_person(), a_pdf(length))
        document = vault.file(replace(received, ciphertext_digest=bytes(32)))

        with pytest.raises(Undecryptable) as refusal:
            vault.read(document)

        assert refusal.value.context == {"reason": "digest"}

    def test_a_length_that_was_wrong_from_the_start(self, vault: Vault) -> None:
        received = vault.receive(vault.a_person(), a_pdf())
        document = vault.file(replace(received, ciphertext_length=received.ciphertext_length - 1))

        with pytest.raises(Undecryptable) as refusal:
            vault.read(document)

        assert refusal.value.context["reason"] == "length of blob"

    def test_a_scan_passed_off_as_a_certificate(self, vault: Vault) -> None:
        """A consent for certificates must not give out a CT scan whose row was relabelled."""
        document = vault.store(vault.a_person(), a_dicom(), kind=DocumentKind.CT_SCAN)
        with unit_of_work_of(vault.sessions) as session:
            session.execute(update(documents).values(kind="income_certificate"))
        entry = an_entry(actor="partner", actor_id="bank", consent_id=BANK_CONSENT)

        with pytest.raises(Undecryptable):
            vault.read(document, entry=entry)

    def test_ones_own_file_passed_off_as_an_agencys(self, vault: Vault) -> None:
        document = vault.store(vault.a_person(), a_pdf())
        with unit_of_work_of(vault.sessions) as session:
            session.execute(update(documents).values(source=CLINIC))

        with pytest.raises(Undecryptable):
            vault.read(document)

    def test_an_old_version_put_in_place_of_the_latest(self, vault: Vault) -> None:
        document = vault.store(vault.a_person(), a_pdf(1000))
        vault.store_version(document, a_pdf(2000))
        with unit_of_work_of(vault.sessions) as session:
            of_document = document_versions.c.document_id == document.document_id
            for old, new in ((2, 3), (1, 2)):
                session.execute(
                    update(document_versions)
                    .where(of_document, document_versions.c.version == old)
                    .values(version=new)
                )

        with pytest.raises(Undecryptable):
            vault.read(document)

    def test_two_rows_of_one_person_swapped(self, vault: Vault) -> None:
        """The key and the blob of one document under the identifier of another."""
        person_id = vault.a_person()
        one, other = vault.store(person_id, a_pdf(1000)), vault.store(person_id, a_pdf(2000))
        columns = ("blob_key", "wrapped_data_key", "ciphertext_length", "ciphertext_digest")
        with vault.sessions() as session:
            rows = {
                row["document_id"]: {column: row[column] for column in columns}
                for row in session.execute(select(document_versions)).mappings()
            }
        change(vault, one, blob_key="away")
        change(vault, other, **rows[one.document_id])
        change(vault, one, **rows[other.document_id])

        for document in (one, other):
            with pytest.raises(Undecryptable):
                vault.read(document)

    def test_a_title_moved_to_another_document(self, vault: Vault) -> None:

        person_id = vault.a_person()
        one, other = vault.store(person_id, a_pdf()), vault.store(person_id, a_pdf())
        with unit_of_work_of(vault.sessions) as session:
            title = session.scalar(
                select(documents.c.title_sealed).where(documents.c.document_id == one.document_id)
            )
            session.execute(
                update(documents)
                .where(documents.c.document_id == other.document_id)
                .values(title_sealed=title)
            )

        with unit_of_work_of(vault.sessions) as session, pytest.raises(Undecryptable):
            list_documents(session, vault.keyring, vault.entry(person_id))


def swap(one: Path, other: Path) -> None:
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


def _opened(vault: Vault, document: Document) -> OpenedDocument:
    entry = vault.entry(document.person_id, an_entry(kind=document.kind))
    with vault.sessions() as session:
        sealed = get_version(session, entry, document.document_id)
    return open_document(vault.keyring, entry, sealed, vault.blobs)
