"""List and open the documents that a person's consent covers.

Permission, proof, consent and the sealed row come from one statement; the access entry is written
in the same transaction, and only after that committed is anything opened and sent.
"""

from dataclasses import dataclass
from datetime import UTC, date
from typing import TYPE_CHECKING, Any

from sqlalchemy import RowMapping, Select
from sqlalchemy.orm import Session, sessionmaker

from audit.api import RecordedEntry, record_access
from kernel.db import unit_of_work_of
from kernel.ids import ConsentId, DocumentId, PersonId
from kernel.keyring import Keyring
from partner_api.attempt import Attempt, person_of
from partner_api.document_ids import external_id
from partner_api.service.refusals import absent, find_covering
from partner_api.statements import LIST_DOCUMENTS, READ_DOCUMENT
from vault.api import (
    Document,
    DocumentKind,
    SealedVersion,
    get_document,
    list_documents,
    sealed_version,
)

if TYPE_CHECKING:
    from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedDocument:
    """A document in a partner's list, under the identifier that this client knows.

    Attributes:
        stored_on: The day only: an instant would be the same at every partner, and nobody else's.
    """

    id: "UUID"
    item: str
    title: str
    media_type: str
    length: int
    source: str | None
    stored_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class PermittedDocument:
    """A document that may be opened now, and the entry that accounts for it."""

    entry: RecordedEntry
    sealed: SealedVersion
    title: str


def list_shared(
    sessions: sessionmaker[Session], keyring: Keyring, attempt: Attempt
) -> tuple[SharedDocument, ...]:
    """Return the documents of the kinds in the attempt's selection.

    Raises:
        InvalidToken: 401. The grant was revoked or has expired.
        InvalidResourceProof: 401. The proof was used before.
        ConsentRefusal: 403. Consent does not cover it; the attempt is logged.
    """
    with unit_of_work_of(sessions) as session:
        row = _ask(session, LIST_DOCUMENTS, attempt)
        person_id = person_of(row)
        if row["consent_id"] is not None:
            entry = _record(session, attempt, person_id, row)
            kinds = [DocumentKind(item.partition(":")[2]) for item in attempt.selection.items]
            documents = list_documents(session, keyring, entry, kinds=kinds)
            return tuple(_shared(keyring, attempt, document) for document in documents)
    # The proof stays spent: that transaction was committed.
    consent_id = find_covering(sessions, attempt, person_id)
    raise absent(sessions, attempt, person_id, consent_id)


def permit_document(
    sessions: sessionmaker[Session],
    keyring: Keyring,
    attempt: Attempt,
    document_id: DocumentId,
) -> PermittedDocument:
    """Permit the read of one document, and write it down.

    Raises:
        InvalidToken: 401. The grant was revoked or has expired.
        InvalidResourceProof: 401. The proof was used before.
        ConsentRefusal: 403. Consent does not cover this kind any more; the attempt is logged.
        NotFound: 404. No such document, another person's, or of a kind that the token was not
            granted: the caller cannot tell which. The attempt is logged.
    """
    with unit_of_work_of(sessions) as session:
        row = _ask(session, READ_DOCUMENT, attempt, read_document_id=document_id)
        person_id = person_of(row)
        if row["consent_id"] is not None:
            entry = _record(session, attempt.about(row["found"]), person_id, row)
            listed, _ = get_document(session, keyring, entry, document_id)
            return PermittedDocument(entry=entry, sealed=sealed_version(row), title=listed.title)
    if row["found"] is None:
        raise absent(sessions, attempt, person_id, None)
    about = attempt.about(row["found"])
    consent_id = find_covering(sessions, about, person_id)
    raise absent(sessions, about, person_id, consent_id)


def _ask(session: Session, statement: Select[Any], attempt: Attempt, **more: object) -> RowMapping:
    return session.execute(statement, {**attempt.binds(), **more}).mappings().one()


def _record(
    session: Session, attempt: Attempt, person_id: PersonId, row: RowMapping
) -> RecordedEntry:
    entry = attempt.entry(ConsentId(row["consent_id"]))
    return record_access(session, entry, person_id=person_id)


def _shared(keyring: Keyring, attempt: Attempt, document: Document) -> SharedDocument:
    return SharedDocument(
        id=external_id(keyring, attempt.token.client_id, document.document_id),
        item=document.kind.item,
        title=document.title,
        media_type=document.current.media_type,
        length=document.current.length,
        source=document.source,
        stored_on=document.current.stored_at.astimezone(UTC).date(),
    )
