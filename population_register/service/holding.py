"""Hold apart who both have a confirmed account: only two officials put them together.

What an account holder's records were when the account was confirmed stays on the holder's side of
every division; what comes later goes to the side that it is more like. So the division is still a
function of the records, of rulings and of accounts, and of no order. See decision 0040.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from kernel.ids import PersonId
from population_register import linking_store, matching_store
from population_register.clustering import components
from population_register.grouping import are_apart
from population_register.linking_store import LinkDecision
from population_register.matching_store import Merge
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
                self._since, matching_store.find_merges(self._session, merged)
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
        if len({holder.label for holder in self._holders.values()}) <= 1:
            return list(joined), []
        root: dict[PersonId, PersonId] = dict(self._group_of)
        labels: dict[PersonId, set[PersonId]] = {}
        for person_id, holder in self._holders.items():
            labels.setdefault(root.get(person_id, person_id), set()).add(holder.label)
        allowed: list[tuple[PersonId, PersonId]] = []
        withheld: list[tuple[PersonId, PersonId]] = []
        for pair in sorted(joined):
            one, other = (root.get(person_id, person_id) for person_id in pair)
            ours, theirs = labels.get(one, set()), labels.get(other, set())
            if ours and theirs and ours.isdisjoint(theirs):
                withheld.append(pair)
                continue
            allowed.append(pair)
            labels[one] = ours | theirs
            root.update({p: one for p, was in root.items() if was == other} | {other: one})
        return allowed, withheld


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
