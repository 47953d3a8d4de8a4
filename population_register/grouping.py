"""Which records make one person? Deciding code: records that hang together in, persons out.

The division is a function of the set of records, of the model, and of rulings: it does not know in
which order records came, nor how they were divided before. What was before only decides who keeps
which identifier, so that as few people as possible change theirs.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from operator import itemgetter
from types import MappingProxyType
from typing import NamedTuple

from kernel.ids import PersonId
from population_register.clustering import cluster, components, vote
from population_register.comparison import Levels
from population_register.scoring import Lined, Scorer
from population_register.standings import FEATURES, Ref, Standing


class Verdict(NamedTuple):
    """What the model says of two records: the score, and what speaks against one person alone."""

    bits: float
    against: float

    @property
    def vote(self) -> float:
        """Return what the pair says about its clusters."""
        return vote(self.bits, self.against)


_PLACE = FEATURES.index("place")


class Judge:
    """Says what the model says of two records: asked in either order, the same answer."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._known: dict[tuple[Ref, Ref], Verdict] = {}
        self._compared: dict[tuple[Ref, Ref], tuple[Levels, tuple[float, ...]]] = {}
        self._same: dict[tuple[Ref, Ref], int | None] = {}
        self._features: dict[Ref, tuple[int, ...]] = {}
        self._line_up = _lining_up(scorer.compared)
        self.link = scorer.model.link
        self.ask = scorer.model.ask

    def __call__(self, one: Standing, other: Standing) -> Verdict:
        """Return what the model says."""
        pair = sides(one.ref, other.ref)
        found = self._known.get(pair)
        if found is None:
            found = self._known[pair] = Verdict(*self._scorer.weigh(*self.compare(one, other)))
        return found

    def compare(self, one: Standing, other: Standing) -> tuple[Levels, tuple[float, ...]]:
        """Return level and rarity of each feature; see `Scorer.compare`."""
        pair = sides(one.ref, other.ref)
        found = self._compared.get(pair)
        if found is None:
            shared = self._shared_alike(pair, one, other)
            if shared is not None:
                found = self._scorer.compare_same(shared, one.values, FEATURES)
            else:
                if one.ref > other.ref:
                    one, other = other, one
                found = self._scorer.compare_lined(
                    self._line_up(one.values), self._line_up(other.values)
                )
            self._compared[pair] = found
        return found

    def at_least(self, one: Standing, other: Standing) -> float | None:
        """Return a score that two records reach in any case, if they say the same of all they know.

        Most pairs of one person do: they are spared the comparison.
        """
        shared = self._shared_alike(sides(one.ref, other.ref), one, other)
        return None if shared is None else self._scorer.least_bits(shared, FEATURES)

    def _shared_alike(self, pair: tuple[Ref, Ref], one: Standing, other: Standing) -> int | None:
        """Return of which features two records say the same, as bits; None if not of all shared."""
        try:
            return self._same[pair]
        except KeyError:
            found = self._same[pair] = self._find_alike(one, other)
            return found

    def _find_alike(self, one: Standing, other: Standing) -> int | None:
        features = self._features.get(one.ref)
        if features is None:
            features = tuple(number for number, said in enumerate(one.values) if said)
            self._features[one.ref] = features
        shared, known = 0, len(other.values)
        for number in features:
            theirs = other.values[number] if number < known else ()
            if theirs:
                ours = one.values[number]
                if ours != theirs or len(ours) > 1 or (number == _PLACE and ours[0][0] == "|"):
                    return None
                shared |= 1 << number
        return shared

    def is_for_one(self, one: Standing, other: Standing) -> bool:
        """Tell whether two records speak for one person."""
        least = self.at_least(one, other)
        return (least is not None and least > 0) or self(one, other).vote > 0

    def bits(self, one: Standing, other: Standing) -> float:
        """Return the score of two records, or less, but not less than `link` if it is more."""
        least = self.at_least(one, other)
        return least if least is not None and least > self.link else self(one, other).bits


def _lining_up(names: Sequence[str]) -> Callable[[Lined], Lined]:
    """Return what puts the values of a standing into the order of names.

    Older standings have fewer features than there are by now; a model may have others.
    """
    places = [FEATURES.index(name) if name in FEATURES else len(FEATURES) for name in names]
    pick = itemgetter(*places)
    missing: Lined = ((),) * (len(FEATURES) + 1)

    def line_up(values: Lined) -> Lined:
        lined: Lined = pick(values + missing[len(values) :])
        return lined

    return line_up


def sides(one: Ref, other: Ref) -> tuple[Ref, Ref]:
    """Return two records in order."""
    return (one, other) if one < other else (other, one)


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """How records were divided.

    Attributes:
        clusters: The persons, each sorted.
        between: Pairs of two persons that a human should know of, with their scores.
    """

    clusters: list[list[Ref]]
    between: dict[tuple[Ref, Ref], float]


def divide(
    records: Mapping[Ref, Standing],
    judge: Judge,
    closed_keys: Collection[int],
    held: Mapping[Ref, PersonId] = MappingProxyType({}),
) -> Division:
    """Divide records into persons.

    Args:
        records: All records that hang together; more may be given, never fewer.
        judge: Says what two of them look like.
        closed_keys: Keys of too many people: having one in common does not count.
        held: Records that stay with the holder of a confirmed account, by holder: those of two
            are not put together.
    """
    edges: list[tuple[Ref, Ref, float]] = []
    asked: dict[tuple[Ref, Ref], float] = {}
    apart: list[tuple[Ref, Ref]] = []
    opened = {ref: standing.keys.difference(closed_keys) for ref, standing in records.items()}
    for one, other in combinations(sorted(records), 2):
        is_held = held and one in held and other in held and held[one] != held[other]
        if is_held or are_apart(records[one], records[other]):
            apart.append((one, other))
        if opened[one].isdisjoint(opened[other]):
            continue
        bits = judge(records[one], records[other]).bits
        if bits > judge.link:
            edges.append((one, other, bits))
        if bits > judge.ask:
            asked[one, other] = bits
    clusters = cluster(
        records,
        edges,
        lambda one, other: judge(records[one], records[other]).vote,
        apart=apart,
    )
    of = {ref: number for number, members in enumerate(clusters) for ref in members}
    return Division(
        clusters=sorted(clusters),
        between={pair: bits for pair, bits in asked.items() if of[pair[0]] != of[pair[1]]},
    )


def are_apart(one: Standing, other: Standing) -> bool:
    """Tell whether a human ruled that two records are about two people."""
    return other.ref in one.apart or one.ref in other.apart


@dataclass(frozen=True, slots=True, kw_only=True)
class Homes:
    """Where the records of a division go.

    Attributes:
        homes: Of every record the person who keeps it; None for a person yet to be made, one for
            each index of `clusters`.
        together: For each cluster, the persons who are one by it.
    """

    homes: dict[Ref, tuple[int, PersonId | None]]
    together: list[list[PersonId]]


def assign_homes(
    clusters: Iterable[Collection[Ref]],
    before: Mapping[Ref, PersonId],
    likest: Mapping[Ref, Ref],
    held: Mapping[Ref, PersonId] = MappingProxyType({}),
) -> Homes:
    """Decide who keeps which records.

    A person stays with the cluster that has most of their records; the holder of a confirmed
    account, with the one that has most of the records that stay with them. Records that lie with a
    person of another cluster move to one of their own; a cluster without a person gets a new one.

    Args:
        clusters: The division.
        before: Where records lie; those that are new are absent.
        likest: Of a new record, the record it is most like: it goes to the same person.
        held: As for `divide`.
    """
    found = [sorted(members) for members in clusters]
    holders = {before[ref] for ref in held if ref in before}
    counts: dict[PersonId, Counter[int]] = {}
    for number, members in enumerate(found):
        for ref in members:
            if ref in before and (ref in held or before[ref] not in holders):
                counts.setdefault(before[ref], Counter())[number] += 1
    stays = {
        person: min(shares, key=lambda number: (-shares[number], found[number]))
        for person, shares in counts.items()
    }
    together: list[list[PersonId]] = [[] for _ in found]
    for person in sorted(stays):
        together[stays[person]].append(person)
    homes: dict[Ref, tuple[int, PersonId | None]] = {}
    for number, members in enumerate(found):
        persons = together[number]
        for ref in members:
            home = before.get(ref)
            if home is None and ref in likest:
                home = before.get(likest[ref])
            if home not in persons:
                home = persons[0] if persons else None
            homes[ref] = number, home
    return Homes(homes=homes, together=together)


@dataclass(slots=True)
class Joined:
    """Things that turn out to belong together, by pairs."""

    _parent: dict[object, object] = field(default_factory=dict)

    def root(self, thing: object) -> object:
        """Return what stands for all that belong together with a thing."""
        parent = self._parent
        # Of equal things the one that came first is kept: it is told from others by identity.
        thing = parent.setdefault(thing, thing)
        while (above := parent[thing]) is not thing:
            parent[thing] = thing = parent[above]
        return thing

    def join(self, one: object, other: object) -> None:
        """Put two together."""
        self._parent[self.root(one)] = self.root(other)


def survivors(
    members: Iterable[PersonId], merges: Iterable[tuple[PersonId, PersonId]]
) -> dict[PersonId, list[PersonId]]:
    """Return the persons that merges make one, by the oldest of them, who answers for all."""
    return {group[0]: group for group in components(members, merges)}
