"""What the state knows about a person, and about their children under age."""

from sqlalchemy.orm import Session

from audit.api import Actor, NewEntry, RecordedEntry, record_access
from kernel.ids import EntryId, PersonId, new_id
from kernel.keyring import Keyring
from population_register.api import (
    ATTRIBUTES,
    WAITING,
    attributes_of,
    list_disputes,
    read_children,
    read_record,
    said_by_agencies,
)
from portal.events import ChildViewed, RecordViewed
from portal.record_view import CHILD_ITEMS, Group, child_lines, groups_of
from portal.service.visiting import Visit, agency_names, write_down


def view_record(session: Session, keyring: Keyring, visit: Visit) -> list[Group]:
    """Return everything the state knows about the person, with source and date of each value.

    Raises:
        PersonUnknown: 404. The register has no such person any more.
    """
    entry = write_down(session, keyring, visit, RecordViewed)
    record = read_record(session, keyring, entry)
    return groups_of(
        {name: said_by_agencies(record, name) for name in ATTRIBUTES},
        lists={name for name, attribute in ATTRIBUTES.items() if attribute.is_many},
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
