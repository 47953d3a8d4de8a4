"""Derive persons' records anew, and replace what they are found by."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from kernel.ids import AgencyId, PersonId
from kernel.keyring import Keyring, NewPersonKey, PersonKey, insert_person_keys
from population_register import linking_store, store
from population_register.authority import derive_history
from population_register.model import AgencyRole, History, SourceRecord
from population_register.sealed_forms import (
    body_place,
    decode_body,
    history_identifiers,
    history_traits,
    identifier_digest,
    seal_derived,
    trait_digest,
)


def open_source_record(key: PersonKey, row: store.SourceRecordRow) -> SourceRecord:
    """Open a stored version of a source record.

    Raises:
        Undecryptable: Another person's, another row's, or changed.
    """
    place = body_place(row.person_id, row.agency_id, row.record_digest, row.version)
    return decode_body(
        key.unseal(row.body_sealed, associated_data=place),
        agency_id=row.agency_id,
        version=row.version,
        arrived_at=row.arrived_at,
    )


@dataclass(slots=True, kw_only=True)
class PersonChanges:
    """Collects the changes of a batch, so that each table is written once."""

    session: Session
    keyring: Keyring
    at: datetime
    roles: Mapping[AgencyId, AgencyRole]
    _new_keys: list[NewPersonKey] = field(default_factory=list)
    _new: list[tuple[PersonId, int, bytes]] = field(default_factory=list)
    _changed: list[tuple[PersonId, int, bytes]] = field(default_factory=list)
    _rows: list[store.SourceRecordRow] = field(default_factory=list)
    _histories: dict[PersonId, History] = field(default_factory=dict)

    def derive(
        self,
        key: PersonKey,
        *,
        was: store.PersonRow | None,
        new_key: NewPersonKey | None,
        rows: Sequence[store.SourceRecordRow],
        said: Iterable[SourceRecord],
    ) -> None:
        """Derive one person's record.

        Args:
            key: The person's key.
            was: The person's locked row; None for a new person.
            new_key: The key to be stored with a new person.
            rows: New versions of source records, sealed.
            said: Everything that was ever said about the person, the new versions included.
        """
        history = derive_history(said, self.roles)
        version = 1 if was is None else was.record_version + 1
        sealed = seal_derived(key, version, history)
        (self._new if was is None else self._changed).append((key.person_id, version, sealed))
        if new_key is not None:
            self._new_keys.append(new_key)
        self._rows.extend(rows)
        self._histories[key.person_id] = history

    def write(self) -> None:
        """Write everything that was derived."""
        insert_person_keys(self.session, self._new_keys, at=self.at)
        store.insert_persons(self.session, self._new, self.at)
        store.update_persons(self.session, self._changed, self.at)
        store.insert_source_records(self.session, self._rows)
        changed = [person_id for person_id, _, _ in self._changed]
        self._replace_identifiers(linking_store.find_identifiers(self.session, changed))
        self._replace_traits(linking_store.find_traits(self.session, changed))

    def _replace_identifiers(self, were: Mapping[PersonId, set[tuple[str, bytes]]]) -> None:
        are = {
            person_id: {
                (identifier.kind.value, identifier_digest(self.keyring, identifier))
                for identifier in history_identifiers(history)
            }
            for person_id, history in self._histories.items()
        }
        gone, come = _differences(were, are)
        linking_store.delete_identifiers(self.session, gone)
        linking_store.insert_identifiers(self.session, come)

    def _replace_traits(self, were: Mapping[PersonId, set[tuple[str, bytes]]]) -> None:
        are = {
            person_id: {
                (name, trait_digest(self.keyring, person_id, name, key))
                for name, key in history_traits(history)
            }
            for person_id, history in self._histories.items()
        }
        gone, come = _differences(were, are)
        linking_store.delete_traits(self.session, gone)
        linking_store.insert_traits(self.session, come)


def _differences(
    were: Mapping[PersonId, set[tuple[str, bytes]]], are: Mapping[PersonId, set[tuple[str, bytes]]]
) -> tuple[list[tuple[PersonId, str, bytes]], list[tuple[PersonId, str, bytes]]]:
    """Return what is no longer so and what is so now."""
    gone: list[tuple[PersonId, str, bytes]] = []
    come: list[tuple[PersonId, str, bytes]] = []
    for person_id, now in are.items():
        before = were.get(person_id, set())
        gone.extend((person_id, name, digest) for name, digest in before - now)
        come.extend((person_id, name, digest) for name, digest in now - before)
    return gone, come
