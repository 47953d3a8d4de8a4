"""Everything a person has, in one file that others can read."""

import asyncio
import io
import json
import zipfile
from hashlib import sha256

import pytest

from audit.api import record_access
from kernel.db import unit_of_work_of
from kernel.errors import NotFound
from kernel.ids import PersonId
from tests.vault.vault_builders import CLINIC, MIB, NOON, Vault, a_dicom, a_pdf, an_entry
from vault.api import EXPORTED_ITEMS, DocumentKind, Export, export_documents


def export(vault: Vault, person_id: PersonId, *, items: tuple[str, ...] = EXPORTED_ITEMS) -> Export:
    with unit_of_work_of(vault.sessions) as session:
        entry = record_access(session, an_entry(items=items), person_id=person_id)
        return export_documents(session, vault.keyring, entry, vault.blobs, at=NOON)


def read(parts: Export) -> tuple[dict[str, bytes], list[dict[str, object]]]:
    """Return the files by name, and the manifest, once the archive was found sound."""
    archive = zipfile.ZipFile(io.BytesIO(b"".join(parts)))
    assert archive.testzip() is None
    files = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(files.pop("manifest.json"))
    assert manifest["format"] == "civitas-vault-export/1"
    return files, manifest["documents"]


def test_every_version_of_every_document(vault: Vault) -> None:
    person_id = vault.a_person()
    certificate = vault.store(person_id, a_pdf(1000), title="Справка")
    vault.store_version(certificate, a_pdf(2000))
    vault.store(
        person_id, a_dicom(3 * MIB), kind=DocumentKind.CT_SCAN, title="КТ: 12/2026", source=CLINIC
    )

    files, manifest = read(export(vault, person_id))

    assert files == {
        "Справка (v2).pdf": a_pdf(2000),
        "Справка (v1).pdf": a_pdf(1000),
        "КТ_ 12_2026.dcm": a_dicom(3 * MIB),
    }
    for described in manifest:
        content = files[str(described["file"])]
        assert described["sha256"] == sha256(content).hexdigest()
        assert described["length"] == len(content)
        assert described["is_complete"] is True
    assert {each["source"] for each in manifest} == {None, CLINIC}


def test_nobody_elses(vault: Vault) -> None:
    vault.store(vault.a_person(), a_pdf())

    assert read(export(vault, vault.a_person())) == ({}, [])


def test_equal_titles_do_not_hide_each_other(vault: Vault) -> None:
    person_id = vault.a_person()
    for length in (100, 200, 300):
        vault.store(person_id, a_pdf(length), title="Та же")
    vault.store(person_id, a_pdf(400), title="manifest.json")

    files, _ = read(export(vault, person_id))

    assert sorted(files) == [
        "manifest.json.pdf",
        "Та же 2.pdf",
        "Та же 3.pdf",
        "Та же.pdf",
    ]
    assert sorted(map(len, files.values())) == [100, 200, 300, 400]


@pytest.mark.parametrize("title", ["../../etc/passwd", "/root", "..", "C:\\Windows", ". ."])
def test_no_name_leads_out_of_the_folder(vault: Vault, title: str) -> None:
    person_id = vault.a_person()
    vault.store(person_id, a_pdf(), title=title)

    (name,) = read(export(vault, person_id))[0]

    assert "/" not in name
    assert "\\" not in name
    assert not name.startswith("..")


def test_a_damaged_document_does_not_keep_the_others_back(vault: Vault) -> None:
    person_id = vault.a_person()
    vault.store(person_id, a_pdf(3 * MIB), title="damaged")
    (blob,) = (vault.folder / each for each in vault.blob_files())
    content = bytearray(blob.read_bytes())
    content[2 * MIB] ^= 1
    blob.write_bytes(bytes(content))
    vault.store(person_id, a_pdf(500), title="whole")

    files, manifest = read(export(vault, person_id))

    assert files["whole.pdf"] == a_pdf(500)
    assert a_pdf(3 * MIB).startswith(files["damaged.pdf"])
    assert {each["title"]: each["is_complete"] for each in manifest} == {
        "damaged": False,
        "whole": True,
    }


def test_an_entry_that_does_not_name_everything_exports_nothing(vault: Vault) -> None:
    person_id = vault.a_person()
    vault.store(person_id, a_pdf())

    with pytest.raises(NotFound):
        export(vault, person_id, items=("document:ct_scan",))


def test_read_in_a_coroutine_as_in_a_thread(vault: Vault) -> None:
    person_id = vault.a_person()
    vault.store(person_id, a_pdf(2 * MIB))
    whole = b"".join(export(vault, person_id))

    async def run() -> bytes:
        return b"".join([part async for part in export(vault, person_id)])

    assert len(asyncio.run(run())) == len(whole)


def test_memory_is_taken_one_part_at_a_time(vault: Vault) -> None:
    person_id = vault.a_person()
    vault.store(person_id, a_pdf(6 * MIB))

    assert max(len(part) for part in export(vault, person_id)) < 2 * MIB
