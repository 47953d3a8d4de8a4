"""Which records of a file is to be learned from? Deciding code: profiles in, their indices out.

A value is common when many people have it, and strangers are what two people are like. A file in
which one person has half of the records would teach that half of all people are called so, and that
two strangers mostly agree. So of whoever plainly has very many records, some take part in learning,
and the others are only matched.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations

from population_register.common_values import UNCOUNTED
from population_register.comparison import (
    COMPARATORS,
    SAME_YEAR,
    SHORT_FORM,
    SIMILAR,
    SOURCE,
    WEAK,
    Profile,
    best_level,
)

LEAST_KEPT = 12
_KEPT_OF = 200
"""Of one person, so many records take part, or one in two hundred of all."""

_MOST_LOOKED_AT = 40  # pairs of a group
_ARE_TWO_FROM = {"given_name": WEAK, "birthdate": SAME_YEAR}  # from this level on, they are two
_SAYS_LITTLE = frozenset((*UNCOUNTED, "place"))


def most_taking_part(records: int) -> int:
    """Return how many records of one person take part at most, of so many."""
    return max(LEAST_KEPT, records // _KEPT_OF)


def taking_part(profiles: Sequence[Profile], kinds: Mapping[str, str]) -> list[int]:
    """Return the indices of the records to learn from, in ascending order.

    Args:
        profiles: The records.
        kinds: The features, with the comparator of each.
    """
    kept = most_taking_part(len(profiles))
    left = list(range(len(profiles)))
    told = sorted(name for name, kind in kinds.items() if kind not in UNCOUNTED and name != SOURCE)
    common = {name: _common(name, profiles, kept) for name in told}
    for one, other in combinations([name for name in told if common[name]], 2):
        groups: dict[tuple[str, str], list[int]] = {}
        for index in left:
            profile = profiles[index]
            for value in profile.get(one, ()):
                if value in common[one]:
                    for second in profile.get(other, ()):
                        if second in common[other]:
                            groups.setdefault((value, second), []).append(index)
        gone: set[int] = set()
        for members in groups.values():
            if len(members) > kept and _are_one_person([profiles[i] for i in members], kinds):
                step = len(members) / kept
                stay = {members[int(place * step)] for place in range(kept)}
                gone.update(index for index in members if index not in stay)
        left = [index for index in left if index not in gone]
    return left


def _common(name: str, profiles: Sequence[Profile], least: int) -> frozenset[str]:
    counts: dict[str, int] = {}
    for profile in profiles:
        for value in profile.get(name, ()):
            counts[value] = counts.get(value, 0) + 1
    return frozenset(value for value, count in counts.items() if count > least)


def _are_one_person(members: Sequence[Profile], kinds: Mapping[str, str]) -> bool:
    """Tell whether most of these look alike in most of what they say."""
    half = len(members) // 2
    step = max(1, half // _MOST_LOOKED_AT)
    pairs = [(members[place], members[place + half]) for place in range(0, half, step)]
    return 2 * sum(_look_alike(one, other, kinds) for one, other in pairs) > len(pairs)


def _look_alike(one: Profile, other: Profile, kinds: Mapping[str, str]) -> bool:
    known = close = 0
    for name, kind in kinds.items():
        if kind in _SAYS_LITTLE or name not in one or name not in other:
            continue
        level, _ = best_level(COMPARATORS[kind], one[name], other[name])
        if level >= _ARE_TWO_FROM.get(name, level + 1):
            return False
        known += 1
        close += level <= (SHORT_FORM if kind == "name" else SIMILAR)
    return close * 4 >= known * 3
