"""What the people of the demonstration keep in the vault: real files, stored as in real life.

The CT scan and the electrocardiogram are the DICOM files that PyPI's `pydicom` ships as its test
data. The income certificate is a PDF that the tax service issues into the person's vault, signed
(PAdES) by a certificate of the demonstration.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from importlib.resources import files
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import literal, select

from app.demo.income_certificate import TITLE, Seal, draw_income_certificate
from app.demo.named_people import DEMO_PEOPLE, DemoPerson, demo_population
from app.demo.signer import DemoSigner
from app.resources import Resources
from audit.api import Actor, NewEntry, record_access
from kernel.db import unit_of_work_of
from kernel.ids import AgencyId, DocumentId, EntryId, PersonId, new_id
from vault.api import DocumentKind, document_version, file_document, receive_document

FindPerson = Callable[[Resources, DemoPerson], PersonId]
Content = Callable[[Resources, DemoPerson, datetime], bytes]

TAX_SERVICE: Final = AgencyId("tax")
DICOM: Final = "application/dicom"
CT_SCAN_FILE: Final = "CT_small.dcm"
ELECTROCARDIOGRAM_FILE: Final = "waveform_ecg.dcm"
_LARGEST: Final = 16 << 20

_SALARIES: Final[Mapping[str, Decimal]] = {
    "anna": Decimal(96_400),
    "alexey": Decimal(214_000),
    "eldar": Decimal(78_250),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoDocument:
    """One document of one person.

    Attributes:
        source: The agency that issues it; None if the person brings it.
        content: Makes the file.
    """

    key: str
    kind: DocumentKind
    title: str
    source: AgencyId | None
    content: Content


def shipped_dicom(name: str) -> bytes:
    """Return a DICOM file of pydicom's test data, as it lies in the installed package."""
    return files("pydicom").joinpath("data", "test_files", name).read_bytes()


def digests() -> Mapping[str, str]:
    """Return SHA-256 in hexadecimal of the demo documents that are always the same, by media type.

    The signed PDF is not among them: every installation signs its own.
    """
    return {DICOM: sha256(shipped_dicom(CT_SCAN_FILE)).hexdigest()}


def store_demo_documents(resources: Resources, person_of: FindPerson) -> None:
    """Store what an earlier start has not stored yet.

    Args:
        resources: Opened; the people are in the register.
        person_of: Finds who somebody of the demonstration is in the register.
    """
    by_key = {person.key: person for person in DEMO_PEOPLE}
    for document in _documents():
        demo_person = by_key[document.key]
        _store(resources, person_of(resources, demo_person), demo_person, document)


def _documents() -> tuple[DemoDocument, ...]:
    return (
        *(
            DemoDocument(
                key=key,
                kind=DocumentKind.INCOME_CERTIFICATE,
                title=TITLE,
                source=TAX_SERVICE,
                content=_income_certificate,
            )
            for key in _SALARIES
        ),
        DemoDocument(
            key="anna",
            kind=DocumentKind.CT_SCAN,
            title="Компьютерная томография (КТ)",
            source=None,
            content=lambda *_: shipped_dicom(CT_SCAN_FILE),
        ),
        DemoDocument(
            key="zinaida",
            kind=DocumentKind.MEDICAL_REPORT,
            title="Электрокардиограмма (ЭКГ)",
            source=None,
            content=lambda *_: shipped_dicom(ELECTROCARDIOGRAM_FILE),
        ),
    )


def _income_certificate(resources: Resources, demo_person: DemoPerson, at: datetime) -> bytes:
    signer = DemoSigner.open(resources.settings.data, at=at)
    pdf = draw_income_certificate(
        demo_population()[demo_person.key],
        year=at.year - 1,
        salary=_SALARIES[demo_person.key],
        issued_on=at.date(),
        seal=Seal(
            serial_hex=signer.serial_hex,
            owner=signer.owner,
            valid_from=signer.certificate.not_valid_before_utc.date(),
            valid_to=signer.certificate.not_valid_after_utc.date(),
        ),
    )
    return signer.sign(pdf, reason=TITLE)


def _store(
    resources: Resources, person_id: PersonId, demo_person: DemoPerson, document: DemoDocument
) -> None:
    # The same in every start, so that a second one finds what the first one stored.
    name = f"urn:civitas:demo:{person_id}:{document.key}:{document.kind}"
    document_id = DocumentId(uuid5(NAMESPACE_URL, name))
    stored = select(document_version(person_id=literal(person_id), document_id=document_id))
    with resources.sessions() as session:
        if session.execute(stored).first() is not None:
            return

    at = resources.clock.now()
    received = receive_document(
        resources.sessions,
        resources.blobs,
        person_id=person_id,
        kind=document.kind,
        chunks=[document.content(resources, demo_person, at)],
        limit=_LARGEST,
        document_id=document_id,
        at=at,
    )
    pseudonym = resources.keyring.pseudonym("audit", person_id)
    actor = (
        Actor(kind="person", id=pseudonym)
        if document.source is None
        else Actor(kind="agency", id=document.source)
    )
    entry = NewEntry(
        entry_id=EntryId(new_id(at)),
        action="vault.document.stored",
        outcome="allowed",
        actor=actor,
        subject=pseudonym,
        items=(document.kind.item,),
        occurred_at=at,
    )
    with unit_of_work_of(resources.sessions) as session:
        file_document(
            session,
            resources.keyring,
            record_access(session, entry, person_id=person_id),
            received,
            title=document.title,
            source=document.source,
            at=at,
        )
