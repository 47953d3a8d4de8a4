"""The documents of the demonstration: real files, stored once, signed by somebody we can name."""

from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import cast

import pydicom
import pytest
from obstore.store import LocalStore
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from app.demo.documents import CT_SCAN_FILE, DICOM, digests, shipped_dicom, store_demo_documents
from app.demo.named_people import DEMO_PEOPLE, DemoPerson
from app.demo.signer import SIGNATURE_ROOTS, DemoSigner
from app.resources import Resources
from audit.api import record_access
from kernel.clock import FrozenClock
from kernel.db import unit_of_work_of
from kernel.ids import PersonId
from kernel.keyring import Keyring
from tests.vault.vault_builders import NOON, Vault, an_entry
from vault.api import (
    Document,
    DocumentKind,
    SignatureRoots,
    TrustedSignature,
    list_documents,
    verify_signatures,
)
from vault.tables import documents

STORED = 5


@dataclass(frozen=True)
class DemoSettings:
    data: Path


@dataclass(frozen=True)
class DemoWorld:
    """What the documents need of `Resources`."""

    settings: DemoSettings
    clock: FrozenClock
    sessions: sessionmaker[Session]
    keyring: Keyring
    blobs: LocalStore


@pytest.fixture
def people(vault: Vault) -> dict[str, PersonId]:
    return {person.key: vault.a_person() for person in DEMO_PEOPLE}


@pytest.fixture
def world(vault: Vault, tmp_path: Path, people: dict[str, PersonId]) -> Resources:
    assert isinstance(vault.blobs, LocalStore)
    made = DemoWorld(
        DemoSettings(tmp_path / "data"), FrozenClock(NOON), vault.sessions, vault.keyring,
        vault.blobs,
    )  # fmt: skip
    resources = cast("Resources", made)
    fill(resources, people)
    return resources


def fill(resources: Resources, people: dict[str, PersonId]) -> None:
    def person_of(_: Resources, demo_person: DemoPerson) -> PersonId:
        return people[demo_person.key]

    store_demo_documents(resources, person_of)


def documents_of(vault: Vault, person_id: PersonId) -> dict[DocumentKind, Document]:
    with unit_of_work_of(vault.sessions) as session:
        entry = record_access(session, an_entry(), person_id=person_id)
        return {each.kind: each for each in list_documents(session, vault.keyring, entry)}


@pytest.mark.usefixtures("world")
def test_the_scan_is_the_very_file_that_pydicom_ships(
    vault: Vault, people: dict[str, PersonId]
) -> None:
    scan = documents_of(vault, people["anna"])[DocumentKind.CT_SCAN]

    content = vault.read(scan)

    assert sha256(content).hexdigest() == digests()[DICOM]
    assert content == shipped_dicom(CT_SCAN_FILE)
    assert pydicom.dcmread(BytesIO(content)).Modality == "CT"
    assert scan.source is None


@pytest.mark.usefixtures("world")
def test_the_certificate_is_issued_and_signed_by_the_tax_service(
    vault: Vault, people: dict[str, PersonId], tmp_path: Path
) -> None:
    certificate = documents_of(vault, people["anna"])[DocumentKind.INCOME_CERTIFICATE]
    roots = SignatureRoots.load(tmp_path / "data" / SIGNATURE_ROOTS)

    (finding,) = verify_signatures([vault.read(certificate)], roots=roots, at=NOON)

    assert certificate.source == "tax"
    assert isinstance(finding, TrustedSignature)
    assert "Налоговая служба" in finding.signer.name


def test_a_second_start_stores_nothing_again(
    world: Resources, vault: Vault, people: dict[str, PersonId]
) -> None:
    blobs = vault.blob_files()

    fill(world, people)

    assert vault.blob_files() == blobs
    with vault.sessions() as session:
        assert session.scalar(select(func.count()).select_from(documents)) == STORED


def test_the_signers_keys_are_its_owners_and_stay_the_same(tmp_path: Path) -> None:
    first = DemoSigner.open(tmp_path, at=NOON)
    again = DemoSigner.open(tmp_path, at=NOON)

    assert again.certificate == first.certificate
    for key in (tmp_path / "demo-signer").glob("*.key"):
        assert key.stat().st_mode & 0o077 == 0
