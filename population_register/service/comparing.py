"""Compare records that are new or changed with everybody whom they may be about."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from math import inf

from sqlalchemy.orm import Session

from kernel.ids import PersonId
from kernel.keyring import Keyring
from kernel.secret import Unprinted
from population_register import matching_store
from population_register.blocking import MOST_BEARERS, NUMBERS
from population_register.grouping import Joined, Judge, sides
from population_register.scoring import Scorer
from population_register.sealed_standings import key_digest
from population_register.service.fragments import Fragment, Fragments
from population_register.standings import (
    ENTRY_BYTES,
    Bearer,
    Ref,
    Standing,
    bearer,
    bearers_in,
    is_closed,
    person_in,
)

_FEW = MOST_BEARERS * ENTRY_BYTES


class Change(Unprinted, frozen=True, kw_only=True):
    """A record that is new, or that stands otherwise from now on.

    Attributes:
        ref: The record.
        home: Whose it is so far; None of a new record.
        standing: How it stands from now on.
    """

    ref: Ref
    home: PersonId | None
    standing: Standing


class Comparison:
    """What changed records have in common with others.

    Attributes:
        changes: The changed records, and those that bear a key which opened or closed.
        bearers: Who bears each key that was looked up, as stored.
        read: The same of keys that somebody bears, and where it is stored.
        closed: Keys of too many people, as it will be.
        judge: What the model says of two records.
        asked: Pairs with an open key in common that a human would be asked about, or better, with
            their scores, or at least `link` of those above it; of those whose persons are linked by
            other records, not all.
        joined: Persons, and records that are nobody's yet, by what links them.
        reopened: Records that bear a key which opened or closed.
        erased: New records about persons whose data was destroyed.
    """

    def __init__(
        self, session: Session, keyring: Keyring, scorer: Scorer, fragments: Fragments
    ) -> None:
        self._session = session
        self._keyring = keyring
        self._fragments = fragments
        self.judge = Judge(scorer)
        self.changes: dict[Ref, Change] = {}
        self.bearers: dict[int, bytes] = {}
        self.read: dict[int, matching_store.Borne] = {}
        self.closed: set[int] = set()
        self.asked: dict[tuple[Ref, Ref], float] = {}
        self.joined = Joined()
        self.reopened: set[Ref] = set()
        self.erased: set[Ref] = set()

    def compare(self, changes: Sequence[Change]) -> None:
        """Compare records with everybody; persons of `Fragments` let them stand as they will."""
        self.changes = {change.ref: change for change in changes}
        self.look_up(self._keys(changes))
        self._reopen(self._put(changes))
        self._meet_everybody(self._candidates())

    # Keys

    def look_up(self, keys: Iterable[int]) -> None:
        """Learn who bears keys; remember those that too many people bear."""
        missing = set(keys).difference(self.bearers)
        found = matching_store.find_bearers(self._session, missing)
        self.read.update(found)
        self.bearers.update(dict.fromkeys(missing, b""))
        for key, (stored, _) in found.items():
            self.bearers[key] = stored
            if len(stored) > _FEW and is_closed(bearers_in(stored)):
                self.closed.add(key)

    def _keys(self, changes: Iterable[Change]) -> set[int]:
        """Return every key of records, the ones they are about to lose included."""
        keys: set[int] = set()
        for change in changes:
            keys |= change.standing.keys
            if change.home is not None:
                was = self._fragments[change.home].were.get(change.ref)
                if was is not None:
                    keys |= was.keys
        return keys

    def _put(self, changes: Iterable[Change]) -> set[int]:
        """Let records stand as they will; return the keys that this opens or closes."""
        come: dict[int, set[Bearer]] = {}
        gone: dict[int, set[Bearer]] = {}
        known: set[PersonId] = set()
        new: list[Standing] = []
        for change in changes:
            if change.home is None:
                new.append(change.standing)
            else:
                self._fragments.put(change.standing, change.home)
                known.add(change.home)
        for person_id in known:
            for sort, borne in zip(
                (gone, come), self._fragments[person_id].key_changes(), strict=True
            ):
                for mark, keys in borne.items():
                    for key in keys:
                        sort.setdefault(key, set()).add(bearer(person_id, mark))
        for standing, crowded in self._crowding(new, come):
            entry = standing.ref[:16] + standing.mark.to_bytes(4, "big")
            for key in crowded:
                come.setdefault(key, set()).add(entry)
        turned = {
            key
            for key in come.keys() | gone.keys()
            if self._turns(key, come.get(key, set()), gone.get(key, set()))
        }
        self.closed ^= turned
        return turned

    def _turns(self, key: int, come: set[Bearer], gone: set[Bearer]) -> bool:
        """Tell whether a key opens or closes when some come to bear it and others go."""
        stored = self.bearers[key]
        if len(stored) + ENTRY_BYTES * len(come) <= _FEW:
            return False
        now = set(bearers_in(stored)).difference(gone) | come
        return is_closed(now) != (key in self.closed)

    def _crowding(
        self, new: Sequence[Standing], come: Mapping[int, Collection[Bearer]]
    ) -> list[tuple[Standing, frozenset[int]]]:
        """Return the new records with keys of so many that these could close: nearly none."""
        bearers = self.bearers
        crowded = {
            key
            for key, many in _counted(new).items()
            if len(bearers[key]) + ENTRY_BYTES * (many + len(come.get(key, ()))) > _FEW
        }
        return [(standing, standing.keys & crowded) for standing in new] if crowded else []

    def _reopen(self, turned: set[int]) -> None:
        """Take every record that bears a key which opened or closed for a changed one."""
        if not turned:
            return
        self._fragments.load(
            {person_in(entry) for key in turned for entry in bearers_in(self.bearers[key])}
        )
        more = [
            Change(ref=ref, home=fragment.person_id, standing=standing)
            for fragment in self._fragments.by_id.values()
            for ref, standing in fragment.standings.items()
            if ref not in self.changes and not turned.isdisjoint(standing.keys)
        ]
        self.reopened = {change.ref for change in more}
        self.changes.update((change.ref, change) for change in more)
        self.look_up(self._keys(more))

    # Meeting

    def _candidates(self) -> dict[Ref, set[PersonId]]:
        """Return the persons who have an open key in common with each changed record; open them."""
        found: dict[Ref, set[PersonId]] = {}
        known: dict[bytes, PersonId] = {}
        bearers, closed = self.bearers, self.closed
        for ref, change in self.changes.items():
            # Most keys of a record are borne by the same few.
            borne = {bearers[key] for key in change.standing.keys if key not in closed}
            persons = found[ref] = set()
            for entry in {entry[:16] for stored in borne for entry in bearers_in(stored)}:
                person_id = known.get(entry)
                if person_id is None:
                    person_id = known[entry] = person_in(entry)
                persons.add(person_id)
        self._fragments.load(known.values())
        return found

    def _meet_everybody(self, candidates: dict[Ref, set[PersonId]]) -> None:
        by_key: dict[int, list[Change]] = {}
        counted = _counted(change.standing for change in self.changes.values())
        shared = {key for key, many in counted.items() if many > 1}
        for ref, change in self.changes.items():
            opened = change.standing.keys
            if self.closed:
                opened = opened - self.closed
            self.joined.root(_node(change))
            for person_id in candidates[ref]:
                fragment = self._fragments[person_id]
                if not fragment.is_erased:
                    self._meet_person(change, opened, fragment)
                elif change.home is None and self._is_about(change.standing, person_id):
                    self.erased.add(ref)
            near: dict[Ref, Change] = {}
            for key in opened & shared:
                others = by_key.setdefault(key, [])
                near.update((other.ref, other) for other in others)
                others.append(change)
            for other in near.values():
                if self._meet(change, other.standing):
                    self.joined.join(_node(change), _node(other))

    def _meet_person(self, change: Change, opened: frozenset[int], fragment: Fragment) -> None:
        """Compare a changed record with the records of a person that have a key of it."""
        near = [
            standing
            for standing in fragment.standings.values()
            if standing.ref != change.ref and not opened.isdisjoint(standing.keys)
        ]
        if len(near) > 1:  # the plainest first
            near.sort(key=partial(self._least, change.standing), reverse=True)
        for other in near:
            if self._meet(change, other):
                # What the person's other records say is asked by whoever divides, if at all.
                self.joined.join(_node(change), fragment.person_id)
                break

    def _least(self, one: Standing, other: Standing) -> float:
        least = self.judge.at_least(one, other)
        return -inf if least is None else least

    def _meet(self, change: Change, other: Standing) -> bool:
        """Compare two records; tell whether they link."""
        bits = self.judge.bits(change.standing, other)
        if bits > self.judge.ask:
            self.asked[sides(change.ref, other.ref)] = bits
        return bits > self.judge.link

    def _is_about(self, standing: Standing, person_id: PersonId) -> bool:
        """Tell whether a record shares a number and a name with somebody who can't be opened."""
        numbers = {
            key_digest(self._keyring, kind, value)
            for kind in NUMBERS
            for value in standing.profile.get(kind, ())
        }
        shared = {
            key
            for key in standing.keys
            if any(entry[:16] == person_id.bytes for entry in bearers_in(self.bearers[key]))
        }
        return bool(shared & numbers) and bool(shared - numbers)


def _counted(standings: Iterable[Standing]) -> Counter[int]:
    """Return how many of the records bear each key."""
    return Counter(chain.from_iterable([standing.keys for standing in standings]))


def _node(change: Change) -> object:
    """Return what stands for a record where things are joined: its person, or itself."""
    return change.ref if change.home is None else change.home
