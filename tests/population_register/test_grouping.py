"""Which records make one person, and who keeps which identifier."""

from collections.abc import Mapping
from uuid import UUID

import pytest

from kernel.ids import PersonId
from population_register.grouping import (
    Division,
    Joined,
    Judge,
    are_apart,
    assign_homes,
    divide,
    survivors,
)
from population_register.model_files import register_scorer
from population_register.standings import FEATURES, Ref, Standing

ANNA = {
    "family_name": "волкова",
    "given_name": "анна",
    "middle_name": "дмитриевна",
    "birthdate": "1986-03-14",
    "gender": "female",
    "snils": "90000000283",
}
OLEG = {
    "family_name": "дробот",
    "given_name": "олег",
    "birthdate": "1955-11-30",
    "gender": "male",
    "snils": "90000000182",
}
ONE, OTHER, THIRD = b"1", b"2", b"3"
P, Q, R = (PersonId(UUID(int=number)) for number in (1, 2, 3))


def a_standing(
    ref: Ref, said: Mapping[str, str], keys: set[int], apart: frozenset[Ref] = frozenset()
) -> Standing:
    values = tuple((said[name],) if name in said else () for name in FEATURES)
    return Standing(ref, values, frozenset(keys), 0, apart)


def divided(
    *standings: Standing,
    closed: tuple[int, ...] = (),
    held: Mapping[Ref, PersonId] | None = None,
) -> Division:
    records = {standing.ref: standing for standing in standings}
    return divide(records, Judge(register_scorer()), closed, held or {})


class TestJudge:
    """What two records reach in any case, when they say the same of all they know."""

    def at_least(self, one: Mapping[str, str], other: Mapping[str, str]) -> float | None:
        judge = Judge(register_scorer())
        left, right = a_standing(ONE, one, set()), a_standing(OTHER, other, set())

        assert judge.at_least(left, right) == judge.at_least(right, left)
        return judge.at_least(left, right)

    def test_same_of_everything_is_at_least_for_one_person(self) -> None:
        known = {name: ANNA[name] for name in ("family_name", "given_name", "birthdate")}

        assert (self.at_least(ANNA, ANNA) or 0) > Judge(register_scorer()).link
        assert self.at_least(ANNA, known) == self.at_least(known, known)
        assert self.at_least(ANNA, {**ANNA, "place": "300000|тула|"}) == self.at_least(ANNA, ANNA)

    @pytest.mark.parametrize(
        "change", [{"snils": "11223344595"}, {"place": "400000|омск|"}, {"birthdate": "1986"}]
    )
    def test_any_difference_has_to_be_weighed(self, change: dict[str, str]) -> None:
        one = {**ANNA, "place": "300000|тула|"}

        assert self.at_least(one, one) is not None
        assert self.at_least(one, {**one, **change}) is None

    def test_place_without_a_code_has_to_be_weighed(self) -> None:
        one = {**ANNA, "place": "|тула|"}

        assert self.at_least(one, one) is None

    def test_several_values_have_to_be_weighed(self) -> None:
        values = (("волкова", "лебедева"), *((),) * (len(FEATURES) - 1))
        one, other = (Standing(ref, values, frozenset(), 0) for ref in (ONE, OTHER))

        assert Judge(register_scorer()).at_least(one, other) is None

    def test_standing_with_fewer_features_than_there_are_by_now_is_read(self) -> None:
        one = a_standing(ONE, ANNA, set())
        older = Standing(OTHER, one.values[:9], frozenset(), 0)
        judge = Judge(register_scorer())

        assert judge.at_least(one, older) == judge.at_least(older, one) == self.at_least(ANNA, ANNA)
        assert judge(one, older) == judge(one, a_standing(THIRD, ANNA, set()))


class TestDivide:
    def test_records_that_are_alike_and_share_a_key_are_one_person(self) -> None:
        division = divided(
            a_standing(THIRD, OLEG, {7}),
            a_standing(OTHER, ANNA, {7, 8}),
            a_standing(ONE, ANNA, {8, 9}),
        )

        assert division == Division(clusters=[[ONE, OTHER], [THIRD]], between={})

    @pytest.mark.parametrize(
        ("keys", "closed"), [({9}, ()), ({8}, (8,)), (set(), ())], ids=["other", "closed", "none"]
    )
    def test_without_an_open_key_in_common_nobody_looks(
        self, keys: set[int], closed: tuple[int, ...]
    ) -> None:
        division = divided(a_standing(ONE, ANNA, {8}), a_standing(OTHER, ANNA, keys), closed=closed)

        assert division == Division(clusters=[[ONE], [OTHER]], between={})

    def test_records_that_are_not_alike_enough_are_asked_about_and_stay_apart(self) -> None:
        known = {name: ANNA[name] for name in ("family_name", "given_name", "birthdate")}
        one, other = a_standing(ONE, known, {8}), a_standing(OTHER, known, {8})

        division = divided(other, one, a_standing(THIRD, OLEG, {8}))

        judge = Judge(register_scorer())
        assert judge.ask < judge(one, other).bits < judge.link
        assert division.clusters == [[ONE], [OTHER], [THIRD]]
        assert division.between == {(ONE, OTHER): judge(one, other).bits}

    def test_pair_without_a_common_key_does_not_keep_the_next_from_being_looked_at(self) -> None:
        division = divided(
            a_standing(ONE, OLEG, {7}), a_standing(OTHER, ANNA, {8}), a_standing(THIRD, ANNA, {8})
        )

        assert division.clusters == [[ONE], [OTHER, THIRD]]

    @pytest.mark.parametrize(("by_one", "by_other"), [(True, False), (False, True)])
    def test_ruling_of_either_keeps_two_apart_and_a_human_is_told(
        self, *, by_one: bool, by_other: bool
    ) -> None:
        one = a_standing(ONE, ANNA, {8}, frozenset((OTHER,)) if by_one else frozenset())
        other = a_standing(OTHER, ANNA, {8}, frozenset((ONE,)) if by_other else frozenset())

        division = divided(one, other)

        judge = Judge(register_scorer())
        assert are_apart(one, other)
        assert division.clusters == [[ONE], [OTHER]]
        assert division.between == {(ONE, OTHER): judge(one, other).bits}
        assert judge(one, other).bits > judge.link

    @pytest.mark.parametrize(
        ("held", "clusters"),
        [
            ({ONE: P, OTHER: Q}, [[ONE], [OTHER]]),
            ({ONE: P, OTHER: P}, [[ONE, OTHER]]),
            ({ONE: P}, [[ONE, OTHER]]),
            ({OTHER: P}, [[ONE, OTHER]]),
        ],
        ids=["by two", "by one", "the first alone", "the second alone"],
    )
    def test_records_of_two_holders_are_not_put_together(
        self, held: dict[Ref, PersonId], clusters: list[list[Ref]]
    ) -> None:
        division = divided(a_standing(ONE, ANNA, {8}), a_standing(OTHER, ANNA, {8}), held=held)

        assert division.clusters == clusters
        assert list(division.between) == ([] if len(clusters) == 1 else [(ONE, OTHER)])


class TestHomes:
    @pytest.mark.parametrize(
        ("clusters", "before", "homes"),
        [
            ([[b"c", b"b"], [b"a"]], {b"a": P, b"b": P, b"c": P}, {b"a": None, b"b": P, b"c": P}),
            ([[b"b"], [b"a"]], {b"a": P, b"b": P}, {b"a": P, b"b": None}),
            ([[b"a", b"b"]], {b"a": Q, b"b": P}, {b"a": Q, b"b": P}),
            ([[b"a", b"b"]], {b"b": Q}, {b"a": Q, b"b": Q}),
            ([[b"a"]], {}, {b"a": None}),
            (
                [[b"a", b"b", b"c"], [b"d"]],
                {b"a": Q, b"b": P, b"c": P, b"d": Q},
                {b"a": Q, b"b": P, b"c": P, b"d": None},
            ),
        ],
        ids=["most", "as many: first record", "two persons", "new record", "new person", "shared"],
    )
    def test_person_stays_with_most_of_their_records(
        self,
        clusters: list[list[Ref]],
        before: dict[Ref, PersonId],
        homes: dict[Ref, PersonId | None],
    ) -> None:
        found = assign_homes(clusters, before, {})

        assert {ref: home for ref, (_, home) in found.homes.items()} == homes
        for number, members in enumerate(clusters):
            assert {found.homes[ref][0] for ref in members} == {number}

    def test_persons_whom_a_cluster_makes_one_are_told_the_oldest_first(self) -> None:
        found = assign_homes([[b"a", b"b"], [b"c"]], {b"a": Q, b"b": P, b"c": R}, {})

        assert found.together == [[P, Q], [R]]

    def test_new_record_goes_to_the_person_of_the_record_that_it_is_most_like(self) -> None:
        before = {b"a": P, b"b": Q, b"z": R}
        likest = {b"a": b"b", b"n": b"b", b"m": b"z"}

        found = assign_homes([[b"a", b"b", b"m", b"n"], [b"z"]], before, likest)

        homes = {ref: home for ref, (_, home) in found.homes.items()}
        assert homes == {b"a": P, b"b": Q, b"n": Q, b"m": P, b"z": R}

    def test_record_that_lies_with_a_person_of_another_cluster_moves(self) -> None:
        before = {b"a": P, b"b": P, b"c": P, b"d": Q}

        found = assign_homes([[b"a", b"b"], [b"c", b"d"]], before, {})

        assert found.homes[b"c"] == (1, Q)

    def test_holder_of_an_account_stays_with_the_records_that_stay_with_them(self) -> None:
        before = {b"a": P, b"b": P, b"c": P, b"d": Q}

        found = assign_homes([[b"a", b"d"], [b"b", b"c"]], before, {}, held={b"a": P, b"x": P})

        homes = {ref: home for ref, (_, home) in found.homes.items()}
        assert homes == {b"a": P, b"b": None, b"c": None, b"d": Q}
        assert found.together == [[P, Q], []]


class TestJoined:
    def test_things_that_were_joined_by_any_chain_have_one_root(self) -> None:
        joined = Joined()
        for one, other in (("a", "b"), ("c", "d"), ("b", "c"), ("e", "f")):
            joined.join(one, other)

        assert len({joined.root(thing) for thing in "abcd"}) == 1
        assert joined.root("e") == joined.root("f") != joined.root("a")
        assert joined.root("alone") == "alone"

    def test_equal_things_are_one_thing(self) -> None:
        joined = Joined()
        joined.join(("a", 1), ("b", 1))

        assert joined.root(tuple(["a", 1])) is joined.root(tuple(["b", 1]))  # noqa: C409 - not the same object


def test_oldest_person_of_each_merge_answers_for_all() -> None:
    assert survivors([R, Q, P], [(R, P)]) == {P: [P, R], Q: [Q]}
