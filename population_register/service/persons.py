"""Find people, and read what the register says about them. Every reading takes its access entry."""

from collections.abc import Callable, Iterable
from datetime import date, datetime

import msgspec
from sqlalchemy.orm import Session

from audit.api import RecordedEntry, record_accesses
from kernel.ids import AgencyId, EntryId, PersonId, new_id
from kernel.keyring import Keyring
from kernel.person_keys import load_wrapped_key
from population_register import (
    identifiers,
    life_store,
    linking_store,
    matching_store,
    merge_store,
    store,
)
from population_register.authority import derive_history
from population_register.errors import PersonUnknown
from population_register.identifiers import IdentifierKind
from population_register.life_events import facts_of, is_minor
from population_register.model import CurrentRecord, SourceRecord, civil_date
from population_register.sealed_forms import identifier_digest, unseal_derived
from population_register.service.deriving import open_source_record
from population_register.service.groups import members_of
from population_register.standings import Ref


def find_persons(
    session: Session, keyring: Keyring, kind: IdentifierKind, value: str
) -> tuple[PersonId, ...]:
    """Return everybody who has or had an identifier, by person id; empty when nobody has.

    Of persons who are merged, the one who answers for all is returned.

    Args:
        session: The transaction.
        keyring: Makes the digest.
        kind: What the number is.
        value: As it was typed.

    Raises:
        ValueRefused: 400. The number is not of its form, or its check digit is wrong.
    """
    digest = identifier_digest(keyring, identifiers.parse(kind, value))
    holders = linking_store.find_identifier_holders(session, [digest]).get(digest)
    if not holders:
        return ()
    return tuple(sorted(set(matching_store.find_groups(session, holders).values())))


def find_person(
    session: Session, keyring: Keyring, kind: IdentifierKind, value: str
) -> PersonId | None:
    """Return who has an identifier; None when nobody has, or when several do.

    A number that several people share tells who nobody is: whoever needs more asks `find_persons`.

    Raises:
        ValueRefused: 400. The number is not of its form, or its check digit is wrong.
    """
    found = find_persons(session, keyring, kind, value)
    return found[0] if len(found) == 1 else None


def open_record(
    keyring: Keyring,
    entry: RecordedEntry,
    *,
    sealed_record: bytes,
    wrapped_key: bytes,
) -> CurrentRecord:
    """Open a row of `current_record` and read it for the day of the access.

    Args:
        keyring: Opens the person's key.
        entry: The access entry of this reading. Its person is the one whose record is opened;
            values that have ended, or not begun, when it occurred don't hold.
        sealed_record: As the statement returned it.
        wrapped_key: As the statement returned it.

    Raises:
        Undecryptable: 500. Another person's entry, row or key, or a changed value.
    """
    key = keyring.person_key(entry.person_id, wrapped_key, because=entry)
    version, history = unseal_derived(key, sealed_record)
    return CurrentRecord(
        person_id=entry.person_id,
        version=version,
        on=civil_date(entry.entry.occurred_at),
        history=history,
    )


def read_record(session: Session, keyring: Keyring, entry: RecordedEntry) -> CurrentRecord:
    """Read the record of the person of an access entry, for the day of the access.

    Raises:
        PersonUnknown: 404. No such person, or the data was destroyed.
    """
    row = store.find_current_record(session, entry.person_id)
    if row is None:
        raise PersonUnknown(person_id=str(entry.person_id))
    return open_record(keyring, entry, sealed_record=row.sealed_record, wrapped_key=row.wrapped_key)


def read_children(
    session: Session,
    keyring: Keyring,
    parent_id: PersonId,
    because: Callable[[PersonId], RecordedEntry],
) -> list[CurrentRecord]:
    """Read the records of a person's children who are under age on the day of the access.

    Kinship is kept until a job finds that a child is of age; who is of age already is opened for
    nothing, and is not returned.

    Args:
        session: The transaction.
        keyring: Opens the records.
        parent_id: The person, who may be merged with others.
        because: Writes down that a child's record is read, and returns the entry.
    """
    group = matching_store.find_groups(session, [parent_id]).get(parent_id, parent_id)
    parents = matching_store.group_members(session, [group]).get(group, [parent_id])
    children = [
        read_record(session, keyring, because(child_id))
        for child_id in life_store.list_children(session, parents)
    ]
    return [child for child in children if is_minor(facts_of(child))]


def list_source_records(
    session: Session,
    keyring: Keyring,
    entry: RecordedEntry,
    *,
    arrived_by: datetime | None = None,
) -> list[SourceRecord]:
    """Return every version of every record about the person of an access entry, as it was sent.

    Args:
        session: The transaction.
        keyring: Opens the person's key, and those of all whom the person is merged with.
        entry: The access entry of this reading; the others get one like it.
        arrived_by: Leave out what arrived later than this instant.

    Returns:
        By agency, record number and version.

    Raises:
        Undecryptable: 500. The data was destroyed, or a value was changed.
    """
    members = members_of(session, entry.person_id)
    found = _open_records(session, keyring, entry, members, arrived_by=arrived_by)
    return sorted(found.values(), key=lambda r: (r.agency_id, r.record_number, r.version))


def _open_records(
    session: Session,
    keyring: Keyring,
    entry: RecordedEntry,
    person_ids: Iterable[PersonId],
    *,
    arrived_by: datetime | None,
) -> dict[tuple[Ref, int], SourceRecord]:
    """Open the records of persons, each with an access entry; destroyed ones are absent."""
    others = sorted(set(person_ids) - {entry.person_id})
    others = sorted(set(others) - matching_store.find_erased(session, others))
    like = [
        msgspec.structs.replace(
            entry.entry,
            entry_id=EntryId(new_id(entry.entry.occurred_at)),
            subject=keyring.pseudonym("audit", person_id),
        )
        for person_id in others
    ]
    entries = [entry, *record_accesses(session, list(zip(like, others, strict=True)))]
    rows = store.source_records_of(session, [entry.person_id, *others], arrived_by=arrived_by)
    found: dict[tuple[Ref, int], SourceRecord] = {}
    for one in entries:
        key = keyring.person_key(
            one.person_id, load_wrapped_key(session, one.person_id), because=one
        )
        for row in rows.get(one.person_id, ()):
            found[row.record_digest, row.version] = open_source_record(key, row)
    return found


def read_as_believed(
    session: Session,
    keyring: Keyring,
    entry: RecordedEntry,
    *,
    about: date,
    believed_at: datetime,
) -> CurrentRecord:
    """Read what the register would have said at one instant about a day: the two times apart.

    Who was merged with whom, and which records lay with whom, counts as it did then.

    Args:
        session: The transaction.
        keyring: Opens the person's key.
        entry: The access entry of this reading; whoever else's records are opened gets one like it.
        about: The day in the person's life.
        believed_at: What arrived, or was decided, later is left out, corrections of mistakes too.

    Returns:
        A record of version 0: it is derived on the spot, not stored.

    Raises:
        Undecryptable: 500. The data was destroyed, or a value was changed.
    """
    members = _members_at(session, entry.person_id, believed_at)
    theirs: dict[Ref, AgencyId] = {}
    for decision in linking_store.list_decisions(session, members):
        if decision.decided_at <= believed_at:
            if decision.outcome == "left":
                theirs.pop(decision.record_digest, None)
            else:
                theirs[decision.record_digest] = decision.agency_id
    homes = linking_store.find_homes(session, theirs)
    said = _open_records(session, keyring, entry, homes.values(), arrived_by=believed_at)
    roles = {agency.agency_id: agency.role for agency in store.list_agencies(session)}
    history = derive_history((r for (ref, _), r in said.items() if ref in theirs), roles)
    return CurrentRecord(person_id=entry.person_id, version=0, on=about, history=history)


def _members_at(session: Session, person_id: PersonId, at: datetime) -> set[PersonId]:
    """Return the persons who were one with a person at an instant, the person included."""
    members = {person_id}
    while True:
        merges = merge_store.find_merges(session, members, at=at)
        known = members | {one for merge in merges for one in merge.persons}
        if known == members:
            return members
        members = known
