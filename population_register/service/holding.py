"""Hold apart who both have a confirmed account: only two officials put them together.

What an account holder's records were when the account was confirmed stays on the holder's side of
every division; what comes later goes to the side that it is more like. So the division is still a
function of the records, of rulings and of accounts, and of no order. See decision 0040.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations, product

from sqlalchemy.orm import Session

from kernel.ids import PersonId
from population_register import linking_store, matching_store, merge_store
from population_register.clustering import components
from population_register.grouping import are_apart
from population_register.linking_store import LinkDecision
from population_register.merge_store import Merge
from population_register.service.fragments import Fragments
from population_register.standings import Ref, Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Somebody who is not put together with another holder by records alone.

    Attributes:
        label: Equal for those who are one person already, whoever had put them together.
        since: Since when.
    """

    label: PersonId
    since: datetime


class Holding:
    """Who holds a confirmed account, among the persons of one settlement."""

    def __init__(self, session: Session, fragments: Fragments) -> None:
        self._session = session
        self._fragments = fragments
        self._asked: set[PersonId] = set()
        self._since: dict[PersonId, datetime] = {}
        self._group_of: dict[PersonId, PersonId] = {}
        self._holders: dict[PersonId, Holder] = {}
        self._decisions: dict[PersonId, list[LinkDecision]] = {}

    def load(self, sets: Iterable[Collection[PersonId]]) -> None:
        """Learn who of several persons that hang together holds a confirmed account."""
        persons = {person_id for one in sets if len(one) > 1 for person_id in one}
        came = persons
        while came:  # records of theirs that were somebody else's when that account was confirmed
            came = linking_store.find_former_homes(self._session, came) - persons
            persons |= came
        if not persons:
            return
        loaded = self._fragments.by_id
        self._group_of = {p: loaded[p].group_id or p for p in persons if p in loaded}
        strangers = persons - self._group_of.keys()
        if strangers:
            self._group_of.update(matching_store.find_groups(self._session, strangers))
        groups = {
            g for p, g in self._group_of.items() if g != p or p not in loaded or loaded[p].group_id
        }
        for group_id, members in matching_store.group_members(self._session, groups).items():
            self._group_of.update(dict.fromkeys(members, group_id))
        self._asked = persons | self._group_of.keys()
        self._since = matching_store.find_account_holders(self._session, self._asked)
        if self._since:
            merged = [p for p, g in self._group_of.items() if g in groups]
            self._holders = name_holders(
                self._since, merge_store.find_merges(self._session, merged)
            )
            for decision in linking_store.list_decisions(self._session, self._holders):
                self._decisions.setdefault(decision.person_id, []).append(decision)

    def is_as_read(self) -> bool:
        """Tell whether accounts are as they were read; the persons are locked."""
        if not self._asked:
            return True
        return matching_store.find_account_holders(self._session, self._asked) == self._since

    def held(self, records: Mapping[Ref, Standing]) -> dict[Ref, PersonId]:
        """Return the records of a set that stay with a holder, each with the holder's label."""
        found: dict[Ref, PersonId] = {}
        if len({holder.label for holder in self._holders.values()}) > 1:
            homes = self._fragments.homes
            for person_id in sorted(self._holders):
                holder = self._holders[person_id]
                decisions = self._decisions.get(person_id, ())
                for ref in held_by(person_id, holder.since, decisions, records, homes):
                    if ref not in found or homes.get(ref) == person_id:
                        found[ref] = holder.label
        return found

    def sort_out(
        self, joined: Sequence[tuple[PersonId, PersonId]]
    ) -> tuple[list[tuple[PersonId, PersonId]], list[tuple[PersonId, PersonId]]]:
        """Tell who of those that would be one may be, and who has to wait for a human.

        Dividing holds apart what it sees. Here counts, too, with whom each was put together by
        hand, and what else is put together at the same time.
        """
        labels: dict[PersonId, set[PersonId]] = {}
        for person_id, holder in self._holders.items():
            node = self._group_of.get(person_id, person_id)
            labels.setdefault(node, set()).add(holder.label)
        return sort_out(joined, self._group_of, labels)


def sort_out(
    joined: Sequence[tuple[PersonId, PersonId]],
    group_of: Mapping[PersonId, PersonId],
    labels: Mapping[PersonId, Collection[PersonId]],
) -> tuple[list[tuple[PersonId, PersonId]], list[tuple[PersonId, PersonId]]]:
    """Tell which pairs may be put together without putting two holders together.

    Whoever hangs together with holders of one side goes to that side; with those of two, to none
    of them. Who hangs together with such people only goes where they go. So nothing depends on the
    order of anything, nor on which pairs say that some persons are one.

    Args:
        joined: Pairs of persons who would be one.
        group_of: Who is one person already, by what stands for all of them; oneself if absent.
        labels: Of each of those, the labels of the holders among them; nothing if there is none.

    Returns:
        Pairs who may be one, and pairs who would be one but for their holders.
    """
    sides = _sides(labels.values())
    side_of = {node: sides[min(found)] for node, found in labels.items() if found}
    if len(set(side_of.values())) <= 1:
        return list(joined), []
    clusters = components({person_id for pair in joined for person_id in pair}, joined)
    nodes = [{group_of.get(person_id, person_id) for person_id in each} for each in clusters]
    _take_sides(nodes, side_of)
    allowed: list[tuple[PersonId, PersonId]] = []
    withheld: list[tuple[PersonId, PersonId]] = []
    for cluster in clusters:
        parts: dict[PersonId | None, list[PersonId]] = {}
        for person_id in cluster:
            side = side_of.get(group_of.get(person_id, person_id))
            parts.setdefault(side, []).append(person_id)
        for first, *others in parts.values():
            allowed.extend((first, other) for other in others)
        for part, another in combinations(parts.values(), 2):
            withheld.extend((min(pair), max(pair)) for pair in product(part, another))
    return allowed, withheld


def _sides(labels: Iterable[Collection[PersonId]]) -> dict[PersonId, PersonId]:
    """Return what stands for the side of each label: two in one group are one side."""
    found = [sorted(each) for each in labels if each]
    pairs = [(each[0], other) for each in found for other in each]
    together = components({label for each in found for label in each}, pairs)
    return {label: each[0] for each in together for label in each}


def _take_sides(clusters: Sequence[set[PersonId]], side_of: dict[PersonId, PersonId]) -> None:
    """Give a side to whoever hangs together with holders of that side only, the nearest first.

    Args:
        clusters: Who would be one.
        side_of: Of holders; added to.
    """
    torn: set[PersonId] = set()
    while True:
        near: dict[PersonId, set[PersonId]] = {}
        for cluster in clusters:
            there = {side_of[node] for node in cluster if node in side_of}
            for node in cluster - side_of.keys() - torn if there else ():
                near.setdefault(node, set()).update(there)
        if not near:
            return
        torn.update(node for node, there in near.items() if len(there) > 1)
        side_of.update((node, min(there)) for node, there in near.items() if len(there) == 1)


def name_holders(
    since: Mapping[PersonId, datetime], merges: Iterable[Merge]
) -> dict[PersonId, Holder]:
    """Return who is held apart from whom.

    Whom a human put together with a holder counts as one from then on: records can't do through
    them what they can't do directly.

    Args:
        since: Holders of confirmed accounts.
        merges: All that count, of them and of whom they are merged with.
    """
    merges = sorted(merges, key=lambda merge: merge.merge_id)
    automatic = [merge.persons for merge in merges if merge.kind == "automatic"]
    everybody = {*since, *(person_id for pair in automatic for person_id in pair)}
    label_of = {p: group[0] for group in components(everybody, automatic) for p in group}
    found = {p: Holder(label=label_of[p], since=since[p]) for p in sorted(since)}
    by_hand = [merge for merge in merges if merge.kind == "decided"]
    is_growing = True
    while is_growing:
        is_growing = False
        for merge in by_hand:
            for one, other in (merge.persons, merge.persons[::-1]):
                if one in found and other not in found:
                    is_growing = True
                    at = max(found[one].since, merge.decided_at)
                    found[other] = Holder(label=found[one].label, since=at)
    return found


def held_by(
    person_id: PersonId,
    since: datetime,
    decisions: Sequence[LinkDecision],
    records: Mapping[Ref, Standing],
    homes: Mapping[Ref, PersonId],
) -> set[Ref]:
    """Return the records that stay with a holder: those that were the holder's `since` then.

    A record that an official took from the holder is free. Of a holder of whom nothing is left, or
    was there at the time, it is what came first.

    Args:
        person_id: The holder.
        since: When the account was confirmed.
        decisions: About the holder's records, in order of time.
        records: Those that are divided.
        homes: Whose they are.
    """
    came = {d.record_digest: d.decided_at for d in reversed(decisions) if d.outcome != "left"}
    theirs = {ref for ref in records if homes.get(ref) == person_id}
    then: set[Ref] = set()
    for decision in decisions:
        if decision.decided_at > since:
            break
        if decision.outcome == "left":
            then.discard(decision.record_digest)
        else:
            then.add(decision.record_digest)
    then &= records.keys()
    held = {
        ref
        for ref in then
        if ref in theirs or not any(are_apart(records[ref], records[other]) for other in then)
    }
    if not held & theirs and theirs:
        first = min(came.get(ref, since) for ref in theirs)
        held |= {ref for ref in theirs if came.get(ref, since) == first}
    return held
