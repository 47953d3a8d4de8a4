"""Decide who records are about: divide anew all that hangs together with a changed record.

Nothing here depends on the order in which records came. What is decided is a plan in memory, until
`accepting` or `merging` writes it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, combinations, product

from sqlalchemy.orm import Session

from kernel.ids import PersonId, new_id
from kernel.keyring import Keyring
from population_register import matching_store, merge_store
from population_register.clustering import components
from population_register.grouping import Homes, are_apart, assign_homes, divide, sides
from population_register.matching_store import Pair
from population_register.merge_store import Merge
from population_register.model import LinkOutcome
from population_register.scoring import Scorer
from population_register.service.comparing import Change, Comparison
from population_register.service.fragments import Fragment, Fragments
from population_register.service.holding import Holding
from population_register.standings import Ref, Standing


@dataclass(slots=True, kw_only=True)
class Settlement:
    """What is different from now on; the persons of `Fragments` are left as they are to be.

    Attributes:
        homes: Whose each changed record is.
        outcomes: Of each new record.
        likest: Of each new record that was compared, the record it is most like, if any.
        moved: Records that left one person for another.
        joined: Persons who are one by their records from now on.
        parted: Automatic merges that their records no longer bear out.
        pairs_gone: Pairs that are no question any more.
        pairs_come: Pairs of two persons that may be one.
        erased: New records about persons whose data was destroyed.
    """

    homes: dict[Ref, PersonId] = field(default_factory=dict)
    outcomes: dict[Ref, LinkOutcome] = field(default_factory=dict)
    likest: dict[Ref, Ref] = field(default_factory=dict)
    moved: list[tuple[Ref, PersonId, PersonId]] = field(default_factory=list)
    joined: list[tuple[PersonId, PersonId]] = field(default_factory=list)
    parted: list[Merge] = field(default_factory=list)
    pairs_gone: dict[tuple[Ref, Ref], Pair] = field(default_factory=dict)
    pairs_come: dict[tuple[Ref, Ref], Pair] = field(default_factory=dict)
    erased: set[Ref] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class _Set:
    """What hangs together: persons, and records that are nobody's yet."""

    persons: set[PersonId] = field(default_factory=set)
    new: list[Ref] = field(default_factory=list)


class Matcher:
    """Decides about the records of one transaction; made anew when the register has changed."""

    def __init__(
        self,
        session: Session,
        keyring: Keyring,
        scorer: Scorer,
        fragments: Fragments,
        *,
        at: datetime,
    ) -> None:
        self._session = session
        self._fragments = fragments
        self._at = at
        self.comparison = Comparison(session, keyring, scorer, fragments)
        self.holding = Holding(session, fragments)
        self._withheld: list[tuple[PersonId, PersonId]] = []
        self._pairs: dict[tuple[Ref, Ref], Pair] = {}
        self._merges: dict[PersonId, list[Merge]] = {}
        self._rivals: set[PersonId] = set()
        self._between: dict[tuple[Ref, Ref], float] = {}
        self.settlement = Settlement()

    def settle(self, changes: Sequence[Change]) -> Settlement:
        """Decide about records.

        Args:
            changes: New records, and records that stand otherwise from now on; the latter's
                persons are loaded.
        """
        comparison = self.comparison
        comparison.compare(changes)
        settlement = self.settlement
        settlement.erased = comparison.erased
        for ref in settlement.erased:
            del comparison.changes[ref]
        set_of: dict[PersonId, _Set] = {}
        sets = self._sets()
        self.holding.load(one.persons for one in sets)
        for one in sets:
            if not self._stays_one(one):
                self._divide(one)
            set_of.update(dict.fromkeys(one.persons, one))
        settlement.joined, self._withheld = self.holding.sort_out(settlement.joined)
        homes = self._fragments.homes
        settlement.homes = {ref: homes[ref] for ref in comparison.changes}
        self._settle_pairs(set_of)
        self._name_outcomes()
        return settlement

    # What hangs together

    def _sets(self) -> list[_Set]:
        """Return what hangs together, by links new and old."""
        changes, joined = self.comparison.changes, self.comparison.joined
        seen: set[PersonId] = set()
        while True:
            linked = {joined.root(c.ref if c.home is None else c.home) for c in changes.values()}
            persons = {
                person_id
                for person_id in self._fragments.by_id
                if person_id not in seen and joined.root(person_id) in linked
            }
            if not persons:
                break
            seen |= persons
            self._follow(persons)
        sets: dict[object, _Set] = {}
        for person_id in seen:
            sets.setdefault(joined.root(person_id), _Set()).persons.add(person_id)
        for change in changes.values():
            if change.home is None:
                sets.setdefault(joined.root(change.ref), _Set()).new.append(change.ref)
        return list(sets.values())

    def _follow(self, persons: set[PersonId]) -> None:
        """Join persons with those whom their records were linked with before."""
        joined, link = self.comparison.joined, self.comparison.judge.link
        others: set[PersonId] = set()
        for pair in matching_store.find_pairs(self._session, persons):
            self._pairs.setdefault(pair.sides, pair)
            if pair.bits > link:
                joined.join(pair.person_id, pair.other_person_id)
                self._rivals.update((pair.person_id, pair.other_person_id))
                others.add(pair.other_person_id)
        merged = {p for p in persons if self._fragments[p].group_id is not None}
        if merged:
            for merge in merge_store.find_merges(self._session, merged):
                if merge.kind == "automatic":
                    joined.join(*merge.persons)
                    others.update(merge.persons)
                    for person_id in merge.persons:
                        known = self._merges.setdefault(person_id, [])
                        if merge not in known:
                            known.append(merge)
        self._fragments.load(others)

    # Dividing

    def _stays_one(self, one: _Set) -> bool:
        """Put all records of a set together if they plainly are one person; tell whether so.

        Every two of them must speak for one person, and hang together as they did: then dividing
        would put them together, too.
        """
        if len(one.persons) > 1 or one.persons & self._rivals or one.persons & self._merges.keys():
            return False
        fragments = [self._fragments[person_id] for person_id in one.persons]
        if not all(map(self._hangs_together, fragments)):
            return False
        changed = [self.comparison.changes[ref].standing for ref in one.new]
        same: list[Standing] = []
        for fragment in fragments:
            for ref, standing in fragment.standings.items():
                (same if standing is fragment.were.get(ref) else changed).append(standing)
        pairs = chain(product(changed, same), combinations(changed, 2))
        if not all(self._is_one(left, right) for left, right in pairs):
            return False
        home = next(iter(one.persons)) if one.persons else self._new_person(one)
        for ref in one.new:
            self._fragments.put(self.comparison.changes[ref].standing, home)
        return True

    def _hangs_together(self, fragment: Fragment) -> bool:
        """Tell whether a person's records hang together as they did, and spoke for one person."""
        return (
            fragment.is_unanimous
            and self.comparison.reopened.isdisjoint(fragment.standings)
            and all(
                was is fragment.standings[ref] or was.keys <= fragment.standings[ref].keys
                for ref, was in fragment.were.items()
            )
        )

    def _is_one(self, one: Standing, other: Standing) -> bool:
        if not one.values or not other.values:
            return True
        return self.comparison.judge.is_for_one(one, other) and not are_apart(one, other)

    def _standing(self, ref: Ref) -> Standing:
        change = self.comparison.changes.get(ref)
        if change is not None:
            return change.standing
        return self._fragments[self._fragments.homes[ref]].standings[ref]

    def _new_person(self, one: _Set) -> PersonId:
        person_id = PersonId(new_id(self._at))
        self._fragments.make(person_id)
        one.persons.add(person_id)
        return person_id

    def _divide(self, one: _Set) -> None:
        """Divide the records of a set anew, and let persons keep as much as they can."""
        comparison, fragments = self.comparison, self._fragments
        records: dict[Ref, Standing] = {}
        for person_id in one.persons:
            records.update(
                (ref, standing)
                for ref, standing in fragments[person_id].standings.items()
                if standing.values
            )
        before = {ref: fragments.homes[ref] for ref in records}
        records.update((ref, comparison.changes[ref].standing) for ref in one.new)
        comparison.look_up({key for standing in records.values() for key in standing.keys})
        held = self.holding.held(records)
        division = divide(records, comparison.judge, comparison.closed, held)
        self._between.update(division.between)
        best = {ref: found for ref in one.new if (found := self._likest(ref, before)) is not None}
        homes = assign_homes(division.clusters, before, best, held)
        self._settle_homes(one, homes, before, records)

    def _likest(self, ref: Ref, among: Iterable[Ref]) -> Ref | None:
        judge, standing = self.comparison.judge, self.comparison.changes[ref].standing
        return max(
            sorted(among),
            key=lambda other: judge(standing, self._standing(other)).bits,
            default=None,
        )

    def _settle_homes(
        self,
        one: _Set,
        found: Homes,
        before: Mapping[Ref, PersonId],
        records: Mapping[Ref, Standing],
    ) -> None:
        made: dict[int, PersonId] = {}
        persons = [set(together) for together in found.together]
        for ref in sorted(found.homes):
            number, home = found.homes[ref]
            if home is None:
                if number not in made:
                    made[number] = self._new_person(one)
                    persons[number].add(made[number])
                home = made[number]
            if ref in before and before[ref] != home:
                self.settlement.moved.append((ref, before[ref], home))
            self._fragments.put(records[ref], home)
        self._settle_merges(persons)
        judge = self.comparison.judge
        for together in persons:
            for person_id in together:
                fragment = self._fragments[person_id]
                active = [s for s in fragment.standings.values() if s.values]
                fragment.is_unanimous = len(together) == 1 and all(
                    judge.is_for_one(left, right) for left, right in combinations(active, 2)
                )

    def _settle_merges(self, persons: Sequence[set[PersonId]]) -> None:
        """Let each cluster's persons be one by automatic merges, and no others."""
        cluster_of = {p: number for number, together in enumerate(persons) for p in together}
        merges = {
            merge.merge_id: merge for p in cluster_of for merge in self._merges.get(p, ())
        }.values()
        kept: list[tuple[PersonId, PersonId]] = []
        for merge in merges:
            one, other = merge.persons
            if cluster_of.get(one) == cluster_of.get(other):
                kept.append(merge.persons)
            else:
                self.settlement.parted.append(merge)
        for together in persons:
            inside = [pair for pair in kept if together.issuperset(pair)]
            first, *others = components(together, inside) or [[]]
            self.settlement.joined.extend((first[0], other[0]) for other in others)

    # What is left to ask

    def _settle_pairs(self, set_of: Mapping[PersonId, _Set]) -> None:
        """Find what is a question from now on, and what is none any more."""
        settlement, changes = self.settlement, self.comparison.changes
        homes = self._fragments.homes
        come = {**self._between, **self._between_withheld()}
        for pair, bits in self.comparison.asked.items():
            if all(ref in homes for ref in pair):
                one, other = (set_of.get(homes[ref]) for ref in pair)
                if one is None or one is not other:
                    come[pair] = bits
        for pair, old in self._pairs.items():
            one = set_of.get(old.person_id)
            is_inside = one is not None and one is set_of.get(old.other_person_id)
            if not is_inside and changes.keys().isdisjoint(pair):
                come.setdefault(pair, old.bits)
        for pair, bits in come.items():
            known = self._pairs.get(pair)
            left, right = (self._home(ref, known) for ref in pair)
            now = Pair(left, pair[0], pair[1], right, bits, self._at)
            if known is None or not _is_same(known, now):
                settlement.pairs_come[pair] = now
                if known is not None:
                    settlement.pairs_gone[pair] = known
        settlement.pairs_gone.update(
            (pair, old) for pair, old in self._pairs.items() if pair not in come
        )

    def _between_withheld(self) -> dict[tuple[Ref, Ref], float]:
        """Return what two persons have in common who would be one, but for their accounts."""
        judge = self.comparison.judge
        found: dict[tuple[Ref, Ref], float] = {}
        for persons in self._withheld:
            ours, theirs = (self._fragments[person_id].standings for person_id in persons)
            for one, other in product(ours.values(), theirs.values()):
                if one.values and other.values and not one.keys.isdisjoint(other.keys):
                    bits = judge(one, other).bits
                    if bits > judge.ask:
                        found[sides(one.ref, other.ref)] = bits
        return found

    def _home(self, ref: Ref, stored: Pair | None) -> PersonId:
        home = self._fragments.homes.get(ref)
        if home is not None:
            return home
        assert stored is not None
        return stored.person_id if stored.ref == ref else stored.other_person_id

    def _name_outcomes(self) -> None:
        settlement, fragments = self.settlement, self._fragments
        asked = {ref for pair in settlement.pairs_come for ref in pair}
        begun: set[PersonId] = set()
        nearest: dict[Ref, tuple[float, Ref]] = {}
        for (one, other), bits in self.comparison.asked.items():
            for ref, near in ((one, other), (other, one)):
                if ref not in nearest or (bits, near) > nearest[ref]:
                    nearest[ref] = (bits, near)
        for ref, change in self.comparison.changes.items():
            if change.home is not None:
                continue
            if ref in nearest:
                settlement.likest[ref] = nearest[ref][1]
            home = settlement.homes[ref]
            if fragments[home].new_key is None or home in begun:
                settlement.outcomes[ref] = LinkOutcome.LINKED
            else:
                begun.add(home)
                is_open = ref in asked
                settlement.outcomes[ref] = LinkOutcome.ASK if is_open else LinkOutcome.NEW


def _is_same(old: Pair, now: Pair) -> bool:
    """Tell whether two pairs say the same, seen from either side."""
    mirrored = (old.other_person_id, old.other_ref, old.ref, old.person_id, old.bits)
    return now[:5] in (old[:5], mirrored)
