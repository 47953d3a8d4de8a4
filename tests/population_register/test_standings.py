"""Standings: who bears which keys from now on, and what the judge says of two of them."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.ids import PersonId
from population_register.blocking import MOST_BEARERS, NUMBERS
from population_register.grouping import Judge
from population_register.model_files import register_scorer
from population_register.service import deriving
from population_register.service.fragments import Fragment
from population_register.standings import (
    FEATURES,
    MOST_ENTRIES,
    Standing,
    bearer,
    bearers_in,
    borne,
    is_closed,
    person_in,
)

REFS = st.sampled_from([bytes([number]) * 32 for number in range(4)])
KEYS = st.frozensets(st.integers(0, 6), max_size=4)
STANDINGS = st.dictionaries(REFS, st.tuples(KEYS, st.integers(0, 1)), max_size=4)
SAID = {
    "family_name": ["волкова", "волков", "лебедева"],
    "given_name": ["анна", "инна"],
    "middle_name": ["сергеевна"],
    "birthdate": ["1990-05-17", "1990-05-19", "1990"],
    "gender": ["female", "male"],
    "snils": ["11223344595", "90000000182"],
    "place": ["101000|москва|москва", "101000||", "|москва|", "|москва|москва"],
    "dwelling": ["мира|1 5", "мира|1 6"],
}


@st.composite
def two_standings(draw: st.DrawFn) -> tuple[Standing, Standing]:
    """Two records that say some of the features, not always all that there are by now."""
    one, other = (
        Standing(
            bytes([number]) * 32,
            tuple(
                tuple(draw(st.lists(st.sampled_from(SAID[name]), max_size=2, unique=True)))
                if name in SAID
                else ()
                for name in FEATURES[: draw(st.sampled_from([9, len(FEATURES)]))]
            ),
            frozenset(),
            0,
        )
        for number in (1, 2)
    )
    return one, other


@given(STANDINGS, STANDINGS, st.sets(REFS))
def test_keys_change_hands_by_what_changed_alone(
    were: dict[bytes, tuple[frozenset[int], int]],
    now: dict[bytes, tuple[frozenset[int], int]],
    kept: set[bytes],
) -> None:
    fragment = Fragment(person_id=PersonId(UUID(int=1)))
    fragment.were = {ref: Standing(ref, (), *said) for ref, said in were.items()}
    fragment.standings = {
        ref: fragment.were[ref] if ref in kept and ref in were else Standing(ref, (), *said)
        for ref, said in now.items()
    }

    gone, come = fragment.key_changes()

    before, after = (
        {(key, standing.mark) for standing in standings.values() for key in standing.keys}
        for standings in (fragment.were, fragment.standings)
    )
    changed = [{(key, mark) for mark, keys in one.items() for key in keys} for one in (gone, come)]
    assert changed == [before - after, after - before]


@given(two_standings())
def test_judge_says_what_the_scorer_says(pair: tuple[Standing, Standing]) -> None:
    one, other = pair
    judge, scorer = Judge(register_scorer()), register_scorer()

    verdict = judge(one, other)

    assert verdict == scorer.bits_and_against(one.profile, other.profile)
    assert judge(other, one) == verdict
    least = judge.at_least(one, other)
    assert least is None or least <= verdict.bits
    assert judge.at_least(other, one) == least
    assert judge.is_for_one(one, other) is (verdict.vote > 0)
    bits = judge.bits(one, other)
    assert bits <= verdict.bits
    assert (bits > judge.link) is (verdict.bits > judge.link)


def test_bearers_of_a_key_are_read_back_as_they_were_written() -> None:
    anna, oleg = PersonId(UUID(int=2**127 + 1)), PersonId(UUID(int=2))
    entries = [bearer(anna, 2**32 - 1), bearer(oleg, 1)]

    assert bearers_in(b"".join(entries)) == entries
    assert [person_in(entry) for entry in entries] == [anna, oleg]
    assert [entry[16:] for entry in entries] == [b"\xff\xff\xff\xff", b"\0\0\0\1"]


@pytest.mark.parametrize(
    ("persons", "marks", "closed"),
    [
        (MOST_BEARERS, MOST_BEARERS, False),
        (MOST_BEARERS + 1, MOST_BEARERS, False),
        (MOST_BEARERS + 1, MOST_BEARERS + 1, True),
        (MOST_ENTRIES - 1, 1, False),
        (MOST_ENTRIES, 1, True),
    ],
)
def test_key_of_too_many_differently_named_people_is_closed(
    persons: int, marks: int, *, closed: bool
) -> None:
    entries = {bearer(PersonId(UUID(int=n)), 2**24 + n % marks) for n in range(persons)}

    assert len(entries) == persons
    assert is_closed(entries) is closed


def test_records_of_one_mark_bear_their_keys_together() -> None:
    standings = [
        Standing(b"1", (), frozenset((1, 2)), 7),
        Standing(b"2", (), frozenset((2, 3)), 7),
        Standing(b"3", (), frozenset((1,)), 8),
    ]

    assert borne(standings) == {7: {1, 2, 3}, 8: {1}}


def test_profile_has_only_what_was_said() -> None:
    standing = Standing(b"1", (("волкова",), (), ("дмитриевна",)), frozenset(), 0)

    assert standing.profile == {"family_name": ("волкова",), "middle_name": ("дмитриевна",)}


def test_numbers_stand_together() -> None:
    assert list(FEATURES)[deriving.NUMBER_PLACES] == list(NUMBERS)
