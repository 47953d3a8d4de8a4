"""Persons as matching sees them: opened with a trace, compared, and changed together.

What this package calls a *person* here is one row with one key. Several of them are one person when
merges say so; see `service/merging.py`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from audit.api import NewEntry, RecordedEntry, record_accesses
from kernel.ids import PersonId
from kernel.keyring import Keyring, NewPersonKey, PersonKey
from population_register import matching_store
from population_register.sealed_standings import open_standings
from population_register.standings import Ref, Standing, borne

Because = Callable[[PersonId], NewEntry]
"""Makes the access entry by which a person is opened to be compared."""


@dataclass(slots=True, kw_only=True)
class Fragment:
    """A person while a transaction looks at them.

    Attributes:
        version: Of the derived record when it was read; 0 of a new person.
        group_id: Who answers for the person and others; None when not merged.
        key: None when it was destroyed.
        new_key: Of a person who is yet to be stored.
        standings: Of the person's records, as they are to be.
        were: The same as they were read.
        is_unanimous: Whether every two of the records are one person by themselves.
    """

    person_id: PersonId
    version: int = 0
    group_id: PersonId | None = None
    key: PersonKey | None = None
    new_key: NewPersonKey | None = None
    standings: dict[Ref, Standing] = field(default_factory=dict)
    were: dict[Ref, Standing] = field(default_factory=dict)
    is_unanimous: bool = True

    @property
    def is_erased(self) -> bool:
        """Tell whether the person's data was destroyed."""
        return self.key is None

    def key_changes(self) -> tuple[dict[int, frozenset[int]], dict[int, frozenset[int]]]:
        """Return by mark the keys that the person no longer bears, and those borne from now on."""
        before, now = borne(self.were.values()), borne(self.standings.values())
        none = frozenset[int]()
        return (
            {mark: keys - now.get(mark, none) for mark, keys in before.items()},
            {mark: keys - before.get(mark, none) for mark, keys in now.items()},
        )

    def changes(self) -> tuple[list[Standing], list[Standing]]:
        """Return how records stood that stand otherwise, or elsewhere, now; and how they do now."""
        were, now = self.were, self.standings
        return (
            [standing for ref, standing in were.items() if now.get(ref) is not standing],
            [standing for ref, standing in now.items() if were.get(ref) is not standing],
        )

    def kept(self) -> list[Standing]:
        """Return how records stand that stand as they did."""
        were = self.were
        return [standing for ref, standing in self.standings.items() if were.get(ref) is standing]


class Fragments:
    """The persons of one transaction. Whoever is opened is written into the access log first.

    Attributes:
        by_id: The persons, by identifier.
        homes: Whose each of their records is, as it is to be.
    """

    def __init__(self, session: Session, keyring: Keyring, because: Because) -> None:
        self._session = session
        self._keyring = keyring
        self._because = because
        self._entries: dict[PersonId, RecordedEntry] = {}
        self.by_id: dict[PersonId, Fragment] = {}
        self.homes: dict[Ref, PersonId] = {}

    def forget(self) -> None:
        """Forget what was read: it changed meanwhile. What was written down stays written."""
        self.by_id.clear()
        self.homes.clear()

    def __getitem__(self, person_id: PersonId) -> Fragment:
        """Return a person who was loaded or made."""
        return self.by_id[person_id]

    def load(self, person_ids: Iterable[PersonId]) -> None:
        """Load and open persons, those that are not here already."""
        wanted = set(person_ids).difference(self.by_id)
        if not wanted:
            return
        rows = matching_store.find_persons(self._session, wanted)
        self._account(row for row in rows if row.wrapped_key is not None)
        for row in rows:
            person_id = PersonId(row.person_id)
            fragment = Fragment(
                person_id=person_id, version=row.record_version, group_id=row.group_id
            )
            if row.wrapped_key is not None:
                fragment.key = self._keyring.person_key(
                    person_id, row.wrapped_key, because=self._entries[person_id]
                )
                if row.standings_sealed is not None:
                    fragment.were, fragment.is_unanimous = open_standings(
                        fragment.key, row.standings_sealed
                    )
                    fragment.standings = dict(fragment.were)
                    self.homes.update(dict.fromkeys(fragment.were, person_id))
            self.by_id[person_id] = fragment

    def load_groups(self, person_ids: Iterable[PersonId]) -> None:
        """Load everybody with whom loaded persons are merged."""
        groups = {
            group_id
            for person_id in person_ids
            if (group_id := self.by_id[person_id].group_id) is not None
        }
        for members in matching_store.group_members(self._session, groups).values():
            self.load(members)

    def account(self, entry: RecordedEntry) -> None:
        """Take an access entry that was written already for its person."""
        self._entries.setdefault(entry.person_id, entry)

    def _account(self, rows: Iterable[matching_store.PersonRow]) -> None:
        new = [row.person_id for row in rows if row.person_id not in self._entries]
        recorded = record_accesses(
            self._session, [(self._because(person_id), person_id) for person_id in new]
        )
        self._entries.update(zip(new, recorded, strict=True))

    def make(self, person_id: PersonId) -> Fragment:
        """Make a person who is not stored yet."""
        new_key = self._keyring.new_person_key(person_id)
        fragment = Fragment(person_id=person_id, key=new_key.key, new_key=new_key)
        self.by_id[person_id] = fragment
        return fragment

    def put(self, standing: Standing, person_id: PersonId) -> None:
        """Let a record be of a person, wherever it was."""
        home = self.homes.get(standing.ref)
        if home is not None and home != person_id:
            del self.by_id[home].standings[standing.ref]
        self.by_id[person_id].standings[standing.ref] = standing
        self.homes[standing.ref] = person_id

    def lock(self) -> bool:
        """Lock everybody who was loaded; tell whether all are as they were read."""
        loaded = {
            person_id: (fragment.version, fragment.is_erased)
            for person_id, fragment in self.by_id.items()
            if fragment.new_key is None
        }
        return not loaded or matching_store.lock_versions(self._session, loaded) == loaded
