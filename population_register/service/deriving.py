"""Derive persons' records anew, and replace what they are found by.

`PersonChanges` is the one place where what was known of a person before and what is known from now
on are seen together.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from kernel.ids import AgencyId, PersonId
from kernel.jobs import enqueue
from kernel.keyring import Keyring, PersonKey, insert_person_keys
from population_register import finding_store, life_store, linking_store, store
from population_register.authority import add_statement, begin_history, derive_history
from population_register.blocking import NUMBERS
from population_register.model import AgencyRole, SourceRecord
from population_register.sealed_forms import (
    body_place,
    decode_body,
    seal_derived,
    unseal_with_sources,
)
from population_register.sealed_standings import seal_standings
from population_register.service.fragments import Fragment, Fragments
from population_register.standings import FEATURES, Standing

RECHECK_TASK: Final = "population_register.consistency.recheck"
"""Looks again at a person about whom something was found, now that their record has changed."""


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


def reseal(row: store.SourceRecordRow, was: PersonKey, now: PersonKey) -> store.SourceRecordRow:
    """Return a stored version as another person's, byte for byte the same within."""
    body = was.unseal(
        row.body_sealed,
        associated_data=body_place(row.person_id, row.agency_id, row.record_digest, row.version),
    )
    place = body_place(now.person_id, row.agency_id, row.record_digest, row.version)
    return row._replace(person_id=now.person_id, body_sealed=now.seal(body, associated_data=place))


_FIRST_NUMBER: Final = FEATURES.index(NUMBERS[0])
NUMBER_PLACES: Final = slice(_FIRST_NUMBER, _FIRST_NUMBER + len(NUMBERS))
"""Where the numbers stand in the values of a standing: together, in the order of `NUMBERS`."""


@dataclass(slots=True, kw_only=True)
class PersonChanges:
    """Collects the changes of a batch, so that each table is written once."""

    session: Session
    keyring: Keyring
    at: datetime
    roles: Mapping[AgencyId, AgencyRole]
    _derived: list[tuple[Fragment, Mapping[str, object], Collection[AgencyId]]] = field(
        default_factory=list
    )

    def extend(self, fragment: Fragment, record_sealed: bytes, record: SourceRecord) -> bool:
        """Derive a person's record from what it was and a new record, if that is all it takes.

        Args:
            fragment: The person, merged with nobody.
            record_sealed: The person's record as it is.
            record: A statement; the only version of a record that is new.

        Returns:
            Whether it was enough. If not, nothing is derived: everything must be read again.
        """
        assert fragment.key is not None
        _, history, said_by = unseal_with_sources(fragment.key, record_sealed)
        if said_by is None or record.agency_id in said_by:
            return False
        changes = add_statement(history, record, self.roles)
        self._derived.append((fragment, history.changed(changes), said_by | {record.agency_id}))
        return True

    def begin(self, fragment: Fragment, record: SourceRecord) -> None:
        """Derive the record of a new person from a statement, the only word about them."""
        self._derived.append((fragment, begin_history(record, self.roles), {record.agency_id}))

    def derive(self, members: Sequence[Fragment], said: Sequence[SourceRecord]) -> None:
        """Derive one person's record.

        Args:
            members: The persons who are this one person, loaded; those whose data was destroyed
                are left out. Each keeps the same record under a key of its own.
            said: Everything that was ever said about any of them.
        """
        history = derive_history(said, self.roles)
        said_by = {record.agency_id for record in said}
        self._derived.extend((fragment, history, said_by) for fragment in members)

    def write(self) -> None:
        """Write everything that was derived."""
        new: list[tuple[PersonId, int, bytes, bytes, PersonId | None]] = []
        changed: list[tuple[PersonId, int, bytes, bytes, PersonId | None]] = []
        keys = []
        for fragment, history, said_by in self._derived:
            assert fragment.key is not None
            version = fragment.version + 1
            row = (
                fragment.person_id,
                version,
                seal_derived(fragment.key, version, history, said_by),
                seal_standings(
                    fragment.key, fragment.standings.values(), is_unanimous=fragment.is_unanimous
                ),
                fragment.group_id,
            )
            if fragment.new_key is None:
                changed.append(row)
            else:
                new.append(row)
                keys.append(fragment.new_key)
        for person_id in finding_store.people_to_look_at_again(
            self.session, (row[0] for row in changed)
        ):
            enqueue(self.session, RECHECK_TASK, person_id=str(person_id))
        insert_person_keys(self.session, keys, at=self.at)
        store.insert_persons(self.session, new, self.at)
        store.update_persons(self.session, changed, self.at)
        # Whose life events are to be derived; see `service/life.py`.
        life_store.note_changed(self.session, (row[0] for row in (*new, *changed)), self.at)

    def write_identifiers(self, fragments: Fragments) -> None:
        """Replace the numbers by which persons are found."""
        gone: list[tuple[PersonId, str, bytes]] = []
        come: list[tuple[PersonId, str, bytes]] = []
        for fragment in fragments.by_id.values():
            left, taken = map(_numbers, fragment.changes())
            if left != taken:
                kept = _numbers(fragment.kept())
                gone.extend(self._identifiers(fragment.person_id, left - taken - kept))
                come.extend(self._identifiers(fragment.person_id, taken - left - kept))
        linking_store.delete_identifiers(self.session, gone)
        linking_store.insert_identifiers(self.session, come)

    def _identifiers(
        self, person_id: PersonId, numbers: Iterable[tuple[str, str]]
    ) -> Iterable[tuple[PersonId, str, bytes]]:
        for kind, value in numbers:
            yield person_id, kind, self.keyring.blind_index(kind, value)


def _numbers(standings: Iterable[Standing]) -> set[tuple[str, str]]:
    return {
        (kind, value)
        for standing in standings
        for kind, said in zip(NUMBERS, standing.values[NUMBER_PLACES], strict=False)
        for value in said
    }
