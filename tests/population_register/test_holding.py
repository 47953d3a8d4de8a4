"""Two people with confirmed accounts are put together by two officials, never by records alone."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain, combinations
from types import MappingProxyType
from typing import Any, ClassVar
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session, sessionmaker
from typing_extensions import override

from kernel.db import unit_of_work_of
from kernel.ids import AgencyId, PersonId
from kernel.keyring import Keyring
from kernel.root_keys import LocalKeyFile
from population_register import linking_store
from population_register.clustering import components
from population_register.comparison import Levels
from population_register.errors import SecondOfficialNeeded
from population_register.matching_store import set_account_holder
from population_register.merge_store import Merge, find_merges, list_merges
from population_register.model import Accepted, SourceRecord
from population_register.model_files import register_scorer, shipped_model
from population_register.scoring import Scorer
from population_register.sealed_forms import record_digest
from population_register.service.accepting import accept_records
from population_register.service.groups import members_of
from population_register.service.holding import Holder, name_holders, sort_out
from population_register.service.merging import Decider, merge_persons, undo_merge
from population_register.service.reviewing import list_cases
from tests.population_register.register_builders import (
    ANNA,
    NOON,
    a_record,
    accept,
    add_agencies,
    read,
    values_of,
)
from tests.population_register.test_orders import (
    assert_alike,
    batches,
    feeds,
    over_database,
    silent,
    state,
)

pytestmark = [pytest.mark.db]

CONFIRMED_AT = NOON + timedelta(hours=1)
LATER = NOON + timedelta(hours=2)
PENSION = AgencyId("pension")
NUMBERS = {"snils": ANNA["snils"], "enp": "7700007777000017"}
NAMELESS = {**{k: v for k, v in ANNA.items() if k != "snils"}, "inn": "500100732259"}
LINK = {**ANNA, **NUMBERS, "inn": "500100732259"}
BOTH = Decider(
    official="operator-1", reason="seen both passports", at=LATER, confirmed_by="operator-2"
)
Two = tuple[PersonId, PersonId]


@pytest.fixture
def two(session: Session, keyring: Keyring) -> Two:
    """Numbers without a name, and a name without them: two persons, until a bridge comes."""
    add_agencies(session)
    one = accept(session, keyring, a_record(attributes=NUMBERS)).person_id
    other = accept(session, keyring, a_record("tax", attributes=NAMELESS)).person_id
    assert one != other
    return one, other


def hold(session: Session, *person_ids: PersonId, at: datetime = CONFIRMED_AT) -> None:
    for person_id in person_ids:
        set_account_holder(session, person_id, at)


def bridge(session: Session, keyring: Keyring, number: str = "1") -> PersonId:
    late = a_record("health", number, attributes=LINK, arrived_at=LATER)
    return accept(session, keyring, late).person_id


class TestBridge:
    def test_two_holders_wait_for_humans(
        self, session: Session, keyring: Keyring, two: Two
    ) -> None:
        hold(session, *two)

        home = bridge(session, keyring)

        assert home in two
        assert [members_of(session, person_id) for person_id in two] == [(p,) for p in two]
        (case,) = list_cases(session, limit=10)
        assert {case.person_id, case.other_person_id} == set(two)
        assert case.bits > shipped_model(register_scorer().model.version).link

    def test_one_holder_is_no_reason_to_wait(
        self, session: Session, keyring: Keyring, two: Two
    ) -> None:
        hold(session, two[0])

        bridge(session, keyring)

        assert members_of(session, two[0]) == tuple(sorted(two))
        assert list_cases(session, limit=10) == []

    def test_whose_account_was_closed_is_held_no_longer(
        self, session: Session, keyring: Keyring, two: Two
    ) -> None:
        hold(session, *two)
        bridge(session, keyring)
        set_account_holder(session, two[1], None)

        bridge(session, keyring, "2")

        assert members_of(session, two[0]) == tuple(sorted(two))
        assert list_cases(session, limit=10) == []

    def test_account_of_one_who_was_merged_before_parts_nobody(
        self, session: Session, keyring: Keyring, two: Two
    ) -> None:
        hold(session, two[0])
        bridge(session, keyring)
        hold(session, two[1], at=LATER)

        bridge(session, keyring, "2")

        assert members_of(session, two[0]) == tuple(sorted(two))

    def test_what_comes_later_lies_with_the_one_it_is_like(
        self, session: Session, keyring: Keyring, two: Two
    ) -> None:
        hold(session, *two)
        bridge(session, keyring)

        names = accept(session, keyring, a_record("interior", attributes=NAMELESS)).person_id

        assert names == two[1]
        assert [members_of(session, person_id) for person_id in two] == [(p,) for p in two]

    def test_holder_is_not_reached_through_somebody_put_together_by_hand(
        self, session: Session, keyring: Keyring, two: Two
    ) -> None:
        third = accept(
            session, keyring, a_record("defence", attributes={"inn": "771234567890"})
        ).person_id
        merge_persons(session, keyring, two[0], third, by=BOTH)
        hold(session, third, two[1])

        bridge(session, keyring)

        assert set(members_of(session, two[0])) == {two[0], third}
        assert members_of(session, two[1]) == (two[1],)
        assert len(list_cases(session, limit=10)) == 1


class TestOfficials:
    @pytest.mark.parametrize("second", [None, "operator-1"])
    def test_one_alone_is_refused(
        self, session: Session, keyring: Keyring, two: Two, second: str | None
    ) -> None:
        hold(session, *two)
        bridge(session, keyring)
        alone = Decider(official="operator-1", reason="x", at=LATER, confirmed_by=second)

        with pytest.raises(SecondOfficialNeeded):
            merge_persons(session, keyring, *two, by=alone)

        assert list_merges(session, two[0]) == []

    def test_two_put_them_together_and_undoing_parts_them_again(
        self, session: Session, keyring: Keyring, two: Two
    ) -> None:
        hold(session, *two)
        home = bridge(session, keyring)
        before = [values_of(read(session, keyring, person_id)) for person_id in two]

        merge = merge_persons(session, keyring, *two, by=BOTH)
        bridge(session, keyring, "2")
        assert members_of(session, two[0]) == tuple(sorted(two))
        undo_merge(session, keyring, merge.merge_id, by=BOTH)

        after = [values_of(read(session, keyring, person_id)) for person_id in two]
        assert [members_of(session, person_id) for person_id in two] == [(p,) for p in two]
        assert after == before
        assert home in two
        assert len(list_cases(session, limit=10)) == 1

    def test_one_official_is_enough_for_whoever_has_no_account(
        self, session: Session, keyring: Keyring, two: Two
    ) -> None:
        hold(session, two[0])
        alone = Decider(official="operator-1", reason="x", at=LATER)

        merge = merge_persons(session, keyring, *two, by=alone)

        assert merge.confirmed_by is None


class TestNames:
    def test_who_was_put_together_by_hand_with_a_holder_counts_as_one(self) -> None:
        one, other, third = (PersonId(UUID(int=number)) for number in (1, 2, 3))
        merges = [a_merge(other, third, "decided"), a_merge(one, other, "decided")]

        holders = name_holders({one: NOON}, merges)

        assert holders[other] == holders[third] == Holder(label=one, since=LATER)

    def test_holders_whom_records_had_put_together_are_one(self) -> None:
        one, other, third = (PersonId(UUID(int=number)) for number in (1, 2, 3))
        merges = [a_merge(one, other, "automatic"), a_merge(other, third, "automatic")]

        holders = name_holders({one: NOON, third: LATER}, merges)

        assert holders == {
            one: Holder(label=one, since=NOON),
            third: Holder(label=one, since=LATER),
        }

    def test_holders_put_together_by_hand_stay_two_sides(self) -> None:
        one, other = PersonId(UUID(int=1)), PersonId(UUID(int=2))

        holders = name_holders({one: NOON, other: NOON}, [a_merge(one, other, "decided")])

        assert [holder.label for holder in holders.values()] == [one, other]


class TestSortOut:
    """`sort_out`: who of those whom records would put together may be one."""

    A, B, X, Y, Z = (PersonId(UUID(int=number)) for number in range(1, 6))
    HOLDERS: ClassVar = {A: {A}, B: {B}}

    def groups(
        self,
        joined: Sequence[Two],
        group_of: Mapping[PersonId, PersonId] = MappingProxyType({}),
        labels: Mapping[PersonId, Collection[PersonId]] = HOLDERS,
    ) -> set[frozenset[PersonId]]:
        allowed, _ = sort_out(joined, group_of, labels)
        persons = {*chain.from_iterable(joined), *group_of, *labels}
        found = components(persons, [*allowed, *group_of.items()])
        return {frozenset(each) for each in found}

    def test_who_hangs_together_with_both_goes_to_neither(self) -> None:
        joined = [(self.A, self.X), (self.B, self.X)]

        assert self.groups(joined) == {frozenset({p}) for p in (self.A, self.B, self.X)}
        assert sorted(sort_out(joined, {}, self.HOLDERS)[1]) == [
            (self.A, self.B), (self.A, self.X), (self.B, self.X),
        ]  # fmt: skip

    def test_somebody_merged_by_hand_goes_to_neither_of_two_in_one_batch(self) -> None:
        """Two halves of one person: one is like the one holder, the other like the other."""
        joined = [(self.A, self.X), (self.B, self.Y)]

        found = self.groups(joined, {self.Y: self.X})

        assert found == {frozenset({self.A}), frozenset({self.B}), frozenset({self.X, self.Y})}

    def test_who_hangs_together_with_one_side_goes_there(self) -> None:
        found = self.groups([(self.A, self.Y), (self.B, self.Z), (self.Z, self.X)])

        assert found == {frozenset({self.A, self.Y}), frozenset({self.B, self.Z, self.X})}

    def test_one_side_is_no_reason_to_wait(self) -> None:
        joined = [(self.A, self.X), (self.X, self.B)]
        both = {self.A: {self.A}, self.B: {self.A}}

        assert sort_out(joined, {}, both) == (joined, [])

    @given(data=st.data())
    def test_neither_order_nor_names_nor_the_pairs_that_say_so_decide(
        self, data: st.DataObject
    ) -> None:
        persons = [PersonId(UUID(int=number)) for number in range(1, 10)]
        clusters = data.draw(partitions(persons))
        group_of = {p: min(each) for each in data.draw(partitions(persons)) for p in each}
        label = st.sets(st.sampled_from(persons[:3]), max_size=2)
        labels = {node: data.draw(label) for node in sorted(set(group_of.values()))}
        names = dict(zip(persons, data.draw(st.permutations(persons)), strict=True))

        def outcome(
            name: Mapping[PersonId, PersonId],
        ) -> tuple[set[frozenset[PersonId]], set[frozenset[PersonId]]]:
            joined = [
                (name[center], name[other])
                for each in clusters
                for center in [data.draw(st.sampled_from(each))]
                for other in each
                if other != center
            ]
            group = {name[p]: name[node] for p, node in group_of.items()}
            said = {name[node]: {name[each] for each in of} for node, of in labels.items()}
            allowed, withheld = sort_out(data.draw(st.permutations(joined)), group, said)
            back = {new: old for old, new in name.items()}
            found = components(name.values(), [*allowed, *group.items()])
            return (
                {frozenset(back[p] for p in each) for each in found},
                {frozenset(back[p] for p in pair) for pair in withheld},
            )

        groups, questions = outcome({p: p for p in persons})

        assert outcome(names) == (groups, questions)
        sides = components(
            persons[:3], [pair for of in labels.values() for pair in combinations(of, 2)]
        )
        for each in groups:
            there = set(chain.from_iterable(labels.get(p, ()) for p in each))
            assert sum(not there.isdisjoint(side) for side in sides) <= 1
        for together in clusters:
            for pair in combinations(together, 2):
                is_one = any(group.issuperset(pair) for group in groups)
                assert is_one or frozenset(pair) in questions


@st.composite
def partitions(draw: st.DrawFn, persons: Sequence[PersonId]) -> list[list[PersonId]]:
    """Draw into which parts persons fall."""
    part = draw(st.lists(st.integers(0, 5), min_size=len(persons), max_size=len(persons)))
    found: dict[int, list[PersonId]] = {}
    for number, person_id in zip(part, persons, strict=True):
        found.setdefault(number, []).append(person_id)
    return list(found.values())


def a_merge(one: PersonId, other: PersonId, kind: Any) -> Merge:  # noqa: ANN401 - a MergeKind
    return Merge(
        merge_id=UUID(int=one.int * 100 + other.int),
        persons=(one, other),
        kind=kind,
        decided_at=LATER,
        decided_by="operator-1",
        reason="x",
    )


@pytest.mark.slow
@over_database(40)
@given(data=st.data())
def test_no_order_decides_and_no_records_put_two_holders_together(
    sessions: sessionmaker[Session], keyring: Keyring, data: st.DataObject
) -> None:
    records = data.draw(feeds())
    known = records[: data.draw(st.integers(1, len(records)))]
    rest = records[len(known) :]
    holders = data.draw(st.sets(st.sampled_from([r.record_number for r in known]), max_size=3))
    found = []
    for _ in range(2):
        order = data.draw(st.permutations(rest))
        sizes = data.draw(st.lists(st.integers(1, len(records)), min_size=1, max_size=3))
        with sessions() as session:
            add_agencies(session)
            accept_records(session, keyring, PENSION, known, at=NOON)
            held = confirm(session, keyring, sorted(holders))
            for part in batches(order, sizes):
                accept_records(session, keyring, PENSION, part, at=LATER)
            found.append(state(session))
            assert_apart(session, held)
            session.rollback()

    assert_alike(*found, left_out=silent(keyring, records))


def confirm(session: Session, keyring: Keyring, numbers: Sequence[str]) -> list[PersonId]:
    """Give whoever the records are about confirmed accounts: one to each of different people."""
    held: list[PersonId] = []
    for number in numbers:
        ref = record_digest(keyring, PENSION, number)
        home = linking_store.find_record_links(session, PENSION, [ref]).get(ref)
        if home is not None and not set(held) & set(members_of(session, home)):
            hold(session, home)
            held.append(home)
    return held


def assert_apart(session: Session, held: Sequence[PersonId]) -> None:
    groups = [members_of(session, person_id) for person_id in held]
    assert len(set(groups)) == len(held)
    for merge in find_merges(session, chain.from_iterable(groups)):
        assert len(set(held) & set(merge.persons)) <= 1


class Telltale(Scorer):
    """Scores like the register's, and lets something happen the first time it is asked."""

    def __init__(self, happens: Callable[[], None]) -> None:
        super().__init__(register_scorer().model)
        self._happens: Callable[[], None] | None = happens

    @override
    def weigh(self, levels: Levels, rarities: Sequence[float]) -> tuple[float, float]:
        """Score two records."""
        happens, self._happens = self._happens, None
        if happens is not None:
            happens()
        return super().weigh(levels, rarities)


def test_account_that_is_confirmed_while_a_bridge_arrives_counts(
    fresh_sessions: sessionmaker[Session],
) -> None:
    keyring = Keyring.open(LocalKeyFile(bytes(range(32))), fresh_sessions, at=NOON)
    with unit_of_work_of(fresh_sessions) as session:
        add_agencies(session)
        one = accept(session, keyring, a_record(attributes=NUMBERS)).person_id
        other = accept(session, keyring, a_record("tax", attributes=NAMELESS)).person_id
        hold(session, one)

    def confirm_other() -> None:
        with unit_of_work_of(fresh_sessions) as meanwhile:
            hold(meanwhile, other)

    record: SourceRecord = a_record("health", attributes=LINK, arrived_at=LATER)
    with unit_of_work_of(fresh_sessions) as session:
        (outcome,) = accept_records(
            session, keyring, record.agency_id, [record], at=LATER, scorer=Telltale(confirm_other)
        )
    assert isinstance(outcome, Accepted)
    with fresh_sessions() as session:
        assert members_of(session, one) == (one,)
        assert len(list_cases(session, limit=10)) == 1
