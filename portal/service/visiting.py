"""Who is in their account, and the entry in their access log that everything they open asks for."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from audit.api import Actor, NewEntry, RecordedEntry, record_access
from kernel.ids import EntryId, PersonId, new_id
from kernel.keyring import Keyring
from kernel.languages import Language
from population_register.api import list_agencies
from portal.events import OwnEvent


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


def agency_names(session: Session, language: Language) -> dict[str, str]:
    """Return how agencies are called in a language, by identifier."""
    return {
        agency.agency_id: agency.name_ru if language.code == "ru" else agency.name_en
        for agency in list_agencies(session)
    }
