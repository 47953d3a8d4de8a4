"""Open people for a look at everything that was said of them, each with their access entry."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from audit.api import NewEntry, RecordedEntry, record_accesses
from kernel.ids import PersonId
from kernel.keyring import Keyring, PersonKey
from population_register import finding_store, store
from population_register.finding_store import SealedPerson
from population_register.model import CurrentRecord, SourceRecord, civil_date
from population_register.sealed_forms import unseal_derived
from population_register.service.deriving import open_source_record
from population_register.suspicions import Case, words_on


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedPerson:
    """A person with everything that was ever sent about them, opened under access entries.

    Attributes:
        person_id: Who stands for all of `keys`.
        keys: Of the persons who are this one person.
    """

    person_id: PersonId
    keys: Mapping[PersonId, PersonKey]
    record: CurrentRecord
    said: Sequence[SourceRecord]

    @property
    def case(self) -> Case:
        """What the rules look at, the parents apart."""
        return Case(record=self.record, words=words_on(self.said, self.record.on))


def open_people(
    session: Session,
    keyring: Keyring,
    heads: Sequence[SealedPerson],
    because: Callable[[PersonId], NewEntry],
) -> list[OpenedPerson]:
    """Open people with all that was sent about them; each person's key has its access entry.

    Args:
        session: The transaction.
        keyring: Opens.
        heads: One of each group of merged persons.
        because: Makes the access entries.
    """
    merged = [head.person_id for head in heads if head.group_id is not None]
    everybody = {head.person_id: head for head in heads}
    if merged:
        everybody.update(
            (person.person_id, person) for person in finding_store.find_people(session, merged)
        )
    ordered = sorted(everybody)
    entries = dict(
        zip(
            ordered,
            record_accesses(session, [(because(person), person) for person in ordered]),
            strict=True,
        )
    )
    keys = {
        person: keyring.person_key(person, everybody[person].wrapped_key, because=entries[person])
        for person in ordered
    }
    rows = store.source_records_of(session, ordered)
    groups: dict[PersonId | None, list[PersonId]] = {}
    for person in ordered:
        if everybody[person].group_id is not None:
            groups.setdefault(everybody[person].group_id, []).append(person)
    opened: list[OpenedPerson] = []
    for head in heads:
        members = groups.get(head.group_id, [head.person_id])
        opened.append(
            OpenedPerson(
                person_id=head.person_id,
                keys={member: keys[member] for member in members},
                record=record_on_day(keys[head.person_id], head, entries[head.person_id]),
                said=[
                    open_source_record(keys[member], row)
                    for member in members
                    for row in rows.get(member, ())
                ],
            )
        )
    return opened


def record_on_day(key: PersonKey, person: SealedPerson, entry: RecordedEntry) -> CurrentRecord:
    """Open a derived record, read for the day of the access."""
    version, history = unseal_derived(key, person.sealed_record)
    return CurrentRecord(
        person_id=person.person_id,
        version=version,
        on=civil_date(entry.entry.occurred_at),
        history=history,
    )
