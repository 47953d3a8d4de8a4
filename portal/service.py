"""What a person does in their own account. Every look at their data is written down (promise 1).

Everything here is scoped by the person of the session: another person's document, consent or entry
is as unknown as one that never was. Whoever the register found to be one with others sees what
belongs to any of them, for as long as that stands.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Uuid, literal, select
from sqlalchemy.orm import Session, sessionmaker

from audit.api import (
    Actor,
    InclusionProof,
    NewEntry,
    RecordedEntry,
    list_entries,
    prove_inclusion,
    record_access,
)
from consent.api import (
    ITEMS,
    ConsentAlreadyEnded,
    ConsentRecord,
    ItemName,
    get_consent,
    list_consents,
)
from idp.api import partner_names
from kernel.db import unit_of_work_of
from kernel.errors import NotFound
from kernel.ids import ConsentId, DocumentId, EntryId, PersonId, new_id
from kernel.keyring import Keyring
from kernel.languages import Language
from population_register.api import (
    WAITING,
    attributes_of,
    conflicts,
    list_agencies,
    list_disputes,
    list_legal_bases,
    read_children,
    read_record,
)
from portal.events import (
    ChildViewed,
    DocumentDeleted,
    DocumentRead,
    DocumentsExported,
    DocumentsListed,
    DocumentStored,
    OwnEvent,
    RecordViewed,
)
from portal.log_view import ConsentView, EntryView, consent_view, entry_view
from portal.record_view import CHILD_ITEMS, Group, child_lines, groups_of
from portal.upstreams import upstream_names
from vault.api import (
    EXPORTED_ITEMS,
    PDF,
    Document,
    DocumentKind,
    Export,
    OpenedDocument,
    SealedVersion,
    asked_range,
    delete_document,
    document_version,
    export_documents,
    file_document,
    get_document,
    list_documents,
    open_document,
    parse_kind,
    receive_document,
    sealed_version,
)

if TYPE_CHECKING:
    from obstore.store import ObjectStore
    from starlette.requests import Request

ENTRIES_A_PAGE = 25


def _(message: str) -> str:
    """Mark a text for extraction; it is translated where it is shown."""
    return message


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Who is in their account, and in which request.

    Attributes:
        person_id: Whose account it is.
        members: Everybody who is one person with them, themselves included.
        at: Now.
        request_id: Stands in the access entry and in the process log.
        language: Of the page.
    """

    person_id: PersonId
    members: tuple[PersonId, ...]
    at: datetime
    request_id: str
    language: Language


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentView:
    """One document as it is listed."""

    document_id: DocumentId
    title: str
    kind: str
    length: int
    source: str
    stored_at: datetime
    is_pdf: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPage:
    """A part of the access log, the newest first.

    Attributes:
        next_before: Where the following part begins; None at the end of the log.
    """

    entries: Sequence[EntryView]
    next_before: EntryId | None


def write_down(
    session: Session,
    keyring: Keyring,
    visit: Visit,
    event: OwnEvent,
    items: tuple[str, ...] = (),
    *,
    owner: PersonId | None = None,
) -> RecordedEntry:
    """Write what the person does with their data into their access log.

    Args:
        session: The transaction.
        keyring: For pseudonyms.
        visit: Who.
        event: What.
        items: With which data.
        owner: Whose log, if not that of the account: of one who is the same person.

    Returns:
        What everything that opens their data asks for.
    """
    owner = owner or visit.person_id
    entry = own_entry(keyring, visit, event, items, owner)
    return record_access(session, entry, person_id=owner)


def own_entry(
    keyring: Keyring,
    visit: Visit,
    event: OwnEvent,
    items: tuple[str, ...],
    person_id: PersonId,
) -> NewEntry:
    """Make the entry of what a person does with their data, in the log of one who is them too."""
    return NewEntry(
        entry_id=EntryId(new_id(visit.at)),
        action=event.action,
        outcome="allowed",
        actor=Actor(kind="person", id=keyring.pseudonym("audit", visit.person_id)),
        subject=keyring.pseudonym("audit", person_id),
        occurred_at=visit.at,
        items=items,
        request_id=visit.request_id,
    )


def view_record(session: Session, keyring: Keyring, visit: Visit) -> list[Group]:
    """Return everything the state knows about the person, with source and date of each value.

    Raises:
        PersonUnknown: 404. The register has no such person any more.
    """
    entry = write_down(session, keyring, visit, RecordViewed)
    record = read_record(session, keyring, entry)
    stated = attributes_of(record)
    return groups_of(
        stated,
        {name: conflicts(record, name) for name in stated},
        agencies=agency_names(session, visit.language),
        language=visit.language,
        disputed={
            (dispute.attribute, dispute.source)
            for dispute in list_disputes(session, keyring, entry)
            if dispute.status in WAITING
        },
    )


def view_children(session: Session, keyring: Keyring, visit: Visit) -> list[list[str]]:
    """Return the person's children under age, each in lines.

    The look stands in the child's access log, and says that a parent looked.
    """

    def because(child_id: PersonId) -> RecordedEntry:
        entry = NewEntry(
            entry_id=EntryId(new_id(visit.at)),
            action=ChildViewed.action,
            outcome="allowed",
            actor=Actor(kind="person", id=keyring.pseudonym("audit", visit.person_id)),
            subject=keyring.pseudonym("audit", child_id),
            occurred_at=visit.at,
            items=CHILD_ITEMS,
            request_id=visit.request_id,
        )
        return record_access(session, entry, person_id=child_id)

    return [
        child_lines(attributes_of(record), visit.language)
        for record in read_children(session, keyring, visit.person_id, because)
    ]


def view_documents(session: Session, keyring: Keyring, visit: Visit) -> list[DocumentView]:
    """Return the person's documents, the latest stored first."""
    agencies = agency_names(session, visit.language)
    documents = [
        document
        for member in visit.members
        for document in list_documents(
            session, keyring, write_down(session, keyring, visit, DocumentsListed, owner=member)
        )
    ]
    documents.sort(key=lambda document: document.current.stored_at, reverse=True)
    return [_document_view(document, agencies, visit.language) for document in documents]


def view_document(
    session: Session, keyring: Keyring, visit: Visit, document_id: DocumentId
) -> DocumentView:
    """Return one document of the person, as it is listed.

    Raises:
        NotFound: 404. This person has no such document; somebody else may.
    """
    owner, _sealed = _find_version(session, visit, document_id)
    entry = write_down(session, keyring, visit, DocumentsListed, owner=owner)
    document, _versions = get_document(session, keyring, entry, document_id)
    return _document_view(document, agency_names(session, visit.language), visit.language)


def read_document(
    session: Session,
    keyring: Keyring,
    blobs: "ObjectStore",
    visit: Visit,
    document_id: DocumentId,
    *,
    request: "Request",
) -> tuple[OpenedDocument, str]:
    """Open a document of the person; return it with its title.

    Args:
        session: The open transaction; what is returned is read after it ended.
        keyring: For the keys.
        blobs: The store.
        visit: Who asks.
        document_id: As it stands in the address.
        request: Says which part is asked for.

    Raises:
        NotFound: 404. This person has no such document; somebody else may. Nothing is written.
        RangeNotSatisfiable: 416. The part is outside of the document.
    """
    owner, sealed = _find_version(session, visit, document_id)
    asked = asked_range(request, sealed)
    items = (sealed.kind.item,)
    entry = write_down(session, keyring, visit, DocumentRead, items, owner=owner)
    document, _versions = get_document(session, keyring, entry, document_id)
    return open_document(keyring, entry, sealed, blobs, asked), document.title


def read_whole_document(
    session: Session,
    keyring: Keyring,
    blobs: "ObjectStore",
    visit: Visit,
    document_id: DocumentId,
) -> tuple[OpenedDocument, DocumentView]:
    """Open a document of the person from its beginning to its end; return it as it is listed, too.

    Args:
        session: The open transaction; what is returned is read after it ended.
        keyring: For the keys.
        blobs: The store.
        visit: Who asks.
        document_id: As it stands in the address.

    Raises:
        NotFound: 404. This person has no such document; somebody else may. Nothing is written.
    """
    owner, sealed = _find_version(session, visit, document_id)
    items = (sealed.kind.item,)
    entry = write_down(session, keyring, visit, DocumentRead, items, owner=owner)
    document, _versions = get_document(session, keyring, entry, document_id)
    view = _document_view(document, agency_names(session, visit.language), visit.language)
    return open_document(keyring, entry, sealed, blobs), view


def export_all(
    session: Session, keyring: Keyring, blobs: "ObjectStore", visit: Visit, *, part: int
) -> Export:
    """Return all documents as one ZIP file, written while it is sent.

    Args:
        session: The open transaction; what is returned is read after it ended.
        keyring: For the keys.
        blobs: The store.
        visit: Who asks.
        part: From 1; who is one person with others has a file for each of them.

    Raises:
        NotFound: 404. There is no such part.
    """
    if not 0 < part <= len(visit.members):
        raise NotFound(part=part)
    owner = visit.members[part - 1]
    entry = write_down(session, keyring, visit, DocumentsExported, EXPORTED_ITEMS, owner=owner)
    return export_documents(session, keyring, entry, blobs, at=visit.at)


def erase_document(
    session: Session, keyring: Keyring, visit: Visit, document_id: DocumentId
) -> None:
    """Delete a document of the person for ever.

    Raises:
        NotFound: 404. This person has no such document; somebody else may. Nothing is written.
    """
    owner, sealed = _find_version(session, visit, document_id)
    items = (sealed.kind.item,)
    entry = write_down(session, keyring, visit, DocumentDeleted, items, owner=owner)
    delete_document(session, entry, document_id, at=visit.at)


def store_document(
    sessions: sessionmaker[Session],
    keyring: Keyring,
    blobs: "ObjectStore",
    visit: Visit,
    chunks: Iterator[bytes],
    *,
    kind: str,
    title: str,
    limit: int,
) -> None:
    """Seal a document while it arrives, and file it.

    Args:
        sessions: No transaction is open while the person's line delivers the document.
        keyring: For the person's key.
        blobs: The store.
        visit: Who stores it.
        chunks: The document as it arrives.
        kind: As the form sent it.
        title: As the form sent it.
        limit: Largest number of bytes taken.

    Raises:
        InvalidRequest: 400. No such kind, or no title.
        UnsuitableDocument: 400. Empty, or not of a format for its kind.
        PayloadTooLarge: 413. Longer than the limit; nothing is kept.
    """
    document_kind = parse_kind(kind)
    received = receive_document(
        sessions,
        blobs,
        person_id=visit.person_id,
        kind=document_kind,
        chunks=chunks,
        limit=limit,
        at=visit.at,
    )
    with unit_of_work_of(sessions) as session:
        items = (document_kind.item,)
        entry = write_down(session, keyring, visit, DocumentStored, items)
        file_document(session, keyring, entry, received, title=title, source=None, at=visit.at)


def view_consents(session: Session, visit: Visit) -> tuple[list[ConsentView], list[ConsentView]]:
    """Return the person's consents: those in force, and those that ended."""
    records = [record for member in visit.members for record in list_consents(session, member)]
    records.sort(key=lambda record: record.given_at, reverse=True)
    views = [consent_view(record, language=visit.language, at=visit.at) for record in records]
    return [view for view in views if view.is_live], [view for view in views if not view.is_live]


def find_consent(session: Session, visit: Visit, consent_id: ConsentId) -> ConsentRecord:
    """Return a consent of the person, whichever of those who are this person gave it.

    Raises:
        NotFound: 404. This person has no such consent; somebody else may.
    """
    for member in visit.members[:-1]:
        try:
            return get_consent(session, member, consent_id)
        except NotFound:
            continue
    return get_consent(session, visit.members[-1], consent_id)


def find_proof(session: Session, visit: Visit, entry_id: EntryId) -> InclusionProof:
    """Return the proof that an entry of the person's log is in the tree.

    Raises:
        NotFound: 404. This person has no such entry; somebody else may.
        NotInTreeYet: 409. Recorded a moment ago; its proof is ready in seconds.
    """
    for member in visit.members[:-1]:
        try:
            return prove_inclusion(session, member, entry_id)
        except NotFound:
            continue
    return prove_inclusion(session, visit.members[-1], entry_id)


def view_live_consent(visit: Visit, record: ConsentRecord) -> ConsentView:
    """Return a consent that can be withdrawn.

    Raises:
        ConsentAlreadyEnded: 409. It covers nothing any more.
    """
    view = consent_view(record, language=visit.language, at=visit.at)
    if not view.is_live:
        raise ConsentAlreadyEnded(consent_id=str(record.consent_id))
    return view


def view_log(
    session: Session, keyring: Keyring, visit: Visit, *, before: EntryId | None
) -> LogPage:
    """Return a page of the person's access log, refused attempts included.

    Args:
        session: The open transaction.
        keyring: Tells what the person did from what others did.
        visit: Whose log.
        before: Where the page begins; None for the newest.
    """
    logged = [
        entry
        for member in visit.members
        for entry in list_entries(session, member, before=before, limit=ENTRIES_A_PAGE + 1)
    ]
    logged.sort(key=lambda each: each.entry.entry_id, reverse=True)
    shown = logged[:ENTRIES_A_PAGE]
    names = {
        **agency_names(session, visit.language),
        **partner_names(session, {each.entry.actor.id for each in shown}),
        **_recipient_names(session, visit),  # as the person saw them, where they did
        **upstream_names(session, visit.language),
    }
    own = {keyring.pseudonym("audit", member) for member in visit.members}
    legal_bases = {
        basis.code: f"{basis.title_ru if visit.language.code == 'ru' else basis.title_en}"
        f" ({basis.reference})"
        for basis in list_legal_bases(session)
    }
    return LogPage(
        entries=[
            entry_view(each, names=names, language=visit.language, legal_bases=legal_bases, own=own)
            for each in shown
        ],
        next_before=shown[-1].entry.entry_id if len(logged) > len(shown) else None,
    )


def kind_label(kind: DocumentKind, language: Language) -> str:
    """Name a kind of document in the person's words."""
    item = ITEMS.get(ItemName(kind.item))
    if item is None:
        return language.text(_("Another document, for yourself only"))
    return item.label.of(language.code)


def _document_view(
    document: Document, agencies: Mapping[str, str], language: Language
) -> DocumentView:
    source = document.source
    return DocumentView(
        document_id=document.document_id,
        title=document.title,
        kind=kind_label(document.kind, language),
        length=document.current.length,
        source=language.text(_("You")) if source is None else agencies.get(source, source),
        stored_at=document.current.stored_at,
        is_pdf=document.current.media_type == PDF,
    )


def _find_version(
    session: Session, visit: Visit, document_id: DocumentId
) -> tuple[PersonId, SealedVersion]:
    """Return a document of the person, and whose it is of those who are this person."""
    for member in visit.members:
        found = document_version(person_id=literal(member, Uuid), document_id=document_id)
        row = session.execute(select(found)).mappings().first()
        if row is not None:
            return member, sealed_version(row)
    raise NotFound(document_id=str(document_id))


def agency_names(session: Session, language: Language) -> dict[str, str]:
    """Return how agencies are called in a language, by identifier."""
    return {
        agency.agency_id: agency.name_ru if language.code == "ru" else agency.name_en
        for agency in list_agencies(session)
    }


def _recipient_names(session: Session, visit: Visit) -> dict[str, str]:
    """Name recipients as they stood on the consent pages that the person saw."""
    names: dict[str, str] = {}
    for record in (r for member in visit.members for r in list_consents(session, member)):
        names.setdefault(record.client_id, record.partner_name)
        names.setdefault(record.partner_id, record.partner_name)
    return names
