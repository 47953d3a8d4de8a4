"""The access entries of a batch of source records: whom it compared, and whose records it took."""

from datetime import datetime

import msgspec

from audit.api import Actor, NewEntry
from kernel.ids import AgencyId, EntryId, PersonId, new_id
from kernel.keyring import Keyring
from population_register.events import PersonCompared, RecordAccepted
from population_register.model import SourceRecord


class Accounts:
    """Makes the access entries of one call of `accept_records`.

    It knows nothing of the batch: what a batch has opened goes as soon as the batch does.
    """

    def __init__(
        self, keyring: Keyring, agency_id: AgencyId, *, at: datetime, request_id: str | None
    ) -> None:
        self._keyring = keyring
        self._at = at
        self._subjects: dict[PersonId, str] = {}
        self._like = NewEntry(
            entry_id=EntryId(new_id(at)),
            action=RecordAccepted.action,
            outcome="allowed",
            actor=Actor(kind="agency", id=agency_id),
            subject="",
            request_id=request_id,
            occurred_at=at,
        )

    def accepted(self, person_id: PersonId, record: SourceRecord) -> NewEntry:
        """Return the entry of a record that is about a person."""
        return self._entry(RecordAccepted.action, person_id, tuple(record.attributes))

    def compared(self, person_id: PersonId) -> NewEntry:
        """Return the entry of a person who is opened to be compared."""
        return self._entry(PersonCompared.action, person_id, ())

    def _entry(self, action: str, person_id: PersonId, items: tuple[str, ...]) -> NewEntry:
        subject = self._subjects.get(person_id)
        if subject is None:
            subject = self._subjects[person_id] = self._keyring.pseudonym("audit", person_id)
        return msgspec.structs.replace(
            self._like,
            entry_id=EntryId(new_id(self._at)),
            action=action,
            items=items,
            subject=subject,
        )
