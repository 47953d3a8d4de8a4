"""Which values of a file are common, and which belong to several people. No I/O."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations, pairwise

from population_register.comparison import TWO_DIGITS_OFF, WEAK, Profile, date_level, name_level
from population_register.matching_model import Feature
from population_register.names import latin_fold

_MANY_CARRIERS = 40
_LEAST_DERIVED = 5  # one in so many mailboxes made from names, and all are looked at so
_MOST_COMMON_DAY = 0.01  # of all records; a busy day of births has far fewer

UNCOUNTED = frozenset(("category", "order", "quantity"))  # common values say little more
NUMBERED = frozenset(("number", "mailbox"))


def without_defaults(profiles: Sequence[Profile], kinds: Mapping[str, str]) -> list[Profile]:
    """Return the profiles without what was only written because a form wanted something.

    A number, telephone or mailbox of more than forty records that are plainly not one person, and
    a birth date of more than forty records and one in a hundred. Such a value says nothing where
    it is equal, and nothing where it differs from a true one; so it is left out.
    """
    defaults: dict[str, frozenset[str]] = {}
    for name, kind in kinds.items():
        if kind in NUMBERED or kind == "date":
            carriers = _carriers(name, profiles)
            known = sum(map(len, carriers.values()))
            least = (
                _MANY_CARRIERS
                if kind in NUMBERED
                else max(_MANY_CARRIERS, _MOST_COMMON_DAY * known)
            )
            found = frozenset(
                value
                for value, bearers in carriers.items()
                if len(bearers) > least and _are_mostly_others(bearers, name)
            )
            if found:
                defaults[name] = found
    if not defaults:
        return list(profiles)
    return [_without(profile, defaults) for profile in profiles]


def _without(profile: Profile, defaults: Mapping[str, frozenset[str]]) -> Profile:
    kept: dict[str, tuple[str, ...]] = {}
    for feature, values in profile.items():
        left_out = defaults.get(feature, frozenset())
        rest = tuple(value for value in values if value not in left_out)
        if rest:
            kept[feature] = rest
    return kept


def _are_mostly_others(bearers: Sequence[Profile], shared: str) -> bool:
    """Tell whether of the bearers of one value most are plainly not one person."""
    step = max(1, len(bearers) // _MANY_CARRIERS)
    pairs = list(pairwise(bearers[::step]))
    told = sum(_are_plainly_two(one, other, without=shared) for one, other in pairs)
    return told * 2 > len(pairs)


def _carriers(name: str, profiles: Sequence[Profile]) -> dict[str, list[Profile]]:
    carriers: dict[str, list[Profile]] = {}
    for profile in profiles:
        for value in profile.get(name, ()):
            carriers.setdefault(value, []).append(profile)
    return carriers


def with_values(feature: Feature, profiles: Sequence[Profile]) -> Feature:
    """Return a feature that knows how common its values are in a file."""
    if feature.kind in NUMBERED:
        feature = replace(feature, crowded=_crowded(feature.name, profiles))
        return _with_derived(feature, profiles) if feature.kind == "mailbox" else feature
    if feature.kind in UNCOUNTED:
        return feature
    counts: Counter[str] = Counter()
    total = 0
    for profile in profiles:
        values = profile.get(feature.name)
        if values:
            total += 1
            counts.update({key for value in values for key in _counted(feature.kind, value)})
    frequencies = {value: count / total for value, count in counts.items() if count > 1}
    return replace(feature, frequencies=frequencies, rarest=1 / total if total else 0.0)


def _with_derived(feature: Feature, profiles: Sequence[Profile]) -> Feature:
    """Return the feature with how common mailboxes are among namesakes, if names make them.

    `anna.smith@post.example` says little more than the name: only `.@post.example` is news, and of
    that many have the same. What two namesakes share is as common as what is left without names.
    """
    rest_of: dict[str, str] = {}
    carriers = _carriers(feature.name, profiles)
    for address, bearers in carriers.items():
        rest = min((without_names(address, profile) for profile in bearers), key=len)
        if len(rest) < len(address):
            rest_of[address] = rest
    if len(rest_of) * _LEAST_DERIVED < len(carriers):
        return feature
    people = Counter(rest_of.values())  # each mailbox once: its records are mostly of one person
    common = {address: people[rest] / len(carriers) for address, rest in rest_of.items()}
    for address in feature.crowded:
        common[address] = max(common.get(address, 0.0), len(carriers[address]) / len(profiles))
    return replace(feature, frequencies=common, rarest=1 / len(carriers), crowded=frozenset())


def without_names(address: str, profile: Profile) -> str:
    """Return a mailbox without the names of its owner, of which each becomes one letter."""
    local, at, provider = address.partition("@")
    words: list[tuple[str, str]] = []
    for sign, feature in (("G", "given_name"), ("F", "family_name"), ("M", "middle_name")):
        for name in profile.get(feature, ()):
            words.extend((sign, word) for word in {name, latin_fold(name)} if len(word) > 2)  # noqa: PLR2004
            words.extend((sign, part) for part in name.split() if len(part) > 2)  # noqa: PLR2004
    for sign, word in sorted(words, key=lambda item: -len(item[1])):
        local = local.replace(word, sign)
    return local + at + provider


def _counted(kind: str, value: str) -> tuple[str, ...]:
    """Return under which keys a value is counted; see `Comparator.shared`."""
    if kind != "place":
        return (value,)
    code, town, _ = value.split("|")
    return tuple(key for key, is_known in ((f"{code}||", code), (f"|{town}|", town)) if is_known)


def _crowded(name: str, profiles: Sequence[Profile]) -> frozenset[str]:
    """Return the numbers among whose carriers there are plainly two people."""
    return frozenset(
        value
        for value, found in _carriers(name, profiles).items()
        if any(_are_plainly_two(one, other) for one, other in combinations(_some(found), 2))
    )


def _some(bearers: Sequence[Profile]) -> Sequence[Profile]:
    """Return the bearers of a value; of very many, some, drawn evenly."""
    return bearers[:: max(1, len(bearers) // _MANY_CARRIERS)]


def _are_plainly_two(left: Profile, right: Profile, *, without: str = "") -> bool:
    told_apart = 0
    for feature, level, least in (
        ("given_name", name_level, WEAK),
        ("family_name", name_level, WEAK),
        ("birthdate", date_level, TWO_DIGITS_OFF + 1),
    ):
        ours, theirs = left.get(feature), right.get(feature)
        if ours and theirs and feature != without:
            told_apart += min(level(one, other) for one in ours for other in theirs) >= least
    return told_apart > 1
