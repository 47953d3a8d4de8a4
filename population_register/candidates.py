"""Which records of a file are worth comparing? Deciding code: profiles in, pairs out.

Of each value a record says something to be found by: how a name sounds, how it begins and ends, a
day without its year, half of a number. Two records are a candidate when they have two such signs of
different features in common, and few others have both; so one of two values that err is always
enough, and whichever columns a table has serve. One sign alone serves where few share it.

Blocks are taken from the smallest on until the pairs are as many as are worth their time: what few
share says most. In larger ones, where the whole value is shared, only neighbours are compared, so
that many records of one person hang together however many they are.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations, pairwise

from population_register.blocking import NUMBERS
from population_register.comparison import SOURCE, Profile
from population_register.names import full_forms, latin_fold, sound_key

PAIRS_PER_RECORD = 20
PAIRS_OF_ANY_TABLE = 150_000
"""How many pairs are worth their time: so many per record, and so many more."""

LARGEST_BLOCK = 300
_SMALL_BLOCK = 4
"""Blocks up to this are always taken; there are many, and they need not be kept."""

_HUBS = 3  # of a larger block: records that each one is compared with
_MOST_MEANT = 3  # full names of one short form
_EDGE = 3
_BEGINNING = 6
_CACHED = 1 << 16

Sign = tuple[str, str]
"""Kind and value. A kind is a feature, and which part of it: `date/year`."""

_ALONE = "whole"
"""The part that serves alone only, and whose large blocks are searched for neighbours."""

_NEIGHBOURS = frozenset(("name/sound+name/sound", "name/sound+date/all"))
"""Kinds of which large blocks are searched for neighbours, beside those that serve alone."""


@dataclass(slots=True, kw_only=True)
class BlockingReport:
    """What blocking did with a file.

    Attributes:
        pairs: Pairs given out to be compared.
        skipped: By kind of key, how many blocks were too large, and the largest of them.
    """

    pairs: int = 0
    skipped: dict[str, tuple[int, int]] = field(default_factory=dict)


# Signs


def signs(profile: Profile) -> Iterator[Sign]:
    """Return all signs of a profile; one may come twice."""
    for feature, values in profile.items():
        read = _READERS.get(feature)
        for value in values:
            if read is not None:
                yield from read(value)
            elif feature in _NUMBERS or feature.startswith("number:"):
                yield from _number_signs(feature, value)
            elif feature.startswith("name:"):
                yield f"{feature}/sound", sound_key(value)
            elif feature not in _NO_SIGNS:
                yield from _text_signs(feature, value)


@lru_cache(_CACHED)
def _name_signs(name: str) -> tuple[Sign, ...]:
    folded = latin_fold(name) or name
    meant = [full for full in full_forms(name) if full != name][:_MOST_MEANT]
    sounds = {sound_key(one) for one in (name, *meant, *(name.split() if " " in name else ()))}
    return (
        *(("name/sound", sound) for sound in sorted(sounds)),
        ("name/beginning", folded[:_EDGE]),
        ("name/end", folded[-_EDGE:]),
    )


@lru_cache(_CACHED)
def _middle_name_signs(name: str) -> tuple[Sign, ...]:
    return (("middle/sound", sound_key(name)), ("middle/initial", latin_fold(name)[:1]))


@lru_cache(_CACHED)
def _date_signs(born: str) -> tuple[Sign, ...]:
    year, month, day = born[:4], born[5:7], born[8:]
    if not day:
        return (("date/year", year), ("date/all", born))
    turned = "-".join(sorted((month, day)))
    return (
        ("date/year", year),
        ("date/day", turned),
        ("date/all", f"{year}-{turned}"),
        ("date/whole", f"{year}-{turned}"),
        ("date/month", f"{year}-{month}"),
        ("date/month forgotten", f"{year}-{day}"),
    )


def _number_signs(feature: str, number: str) -> tuple[Sign, ...]:
    half = len(number) // 2
    return (
        (f"{feature}/{_ALONE}", number),
        (f"{feature}/beginning", number[:half]),
        (f"{feature}/end", number[half:]),
    )


def _mailbox_signs(address: str) -> tuple[Sign, ...]:
    return (("email/whole", address), ("email/local", address.partition("@")[0]))


def _place_signs(place: str) -> Iterator[Sign]:
    code, town, _ = place.split("|")
    if code:
        yield "code/code", code
    if town:
        yield "town/town", (latin_fold(town) or town)[:_BEGINNING]


def _dwelling_signs(dwelling: str) -> Iterator[Sign]:
    words, _, numbers = dwelling.partition("|")
    yield "dwelling/whole", dwelling
    if words:
        yield "dwelling/words", words[:_BEGINNING]
    if numbers:
        yield "dwelling/numbers", numbers


def _text_signs(feature: str, text: str) -> tuple[Sign, ...]:
    beginning = text[:_BEGINNING]
    if feature.startswith(("category:", "quantity:")) or beginning == text:
        return ((f"{feature}/text", text),)
    return ((f"{feature}/text", text), (f"{feature}/beginning", beginning))


_NO_SIGNS = frozenset(("gender", SOURCE))
_NUMBERS = frozenset((*NUMBERS, "phone"))
_READERS: Mapping[str, Callable[[str], Iterable[Sign]]] = {
    "given_name": _name_signs,
    "family_name": _name_signs,
    "middle_name": _middle_name_signs,
    "birthdate": _date_signs,
    "email": _mailbox_signs,
    "place": _place_signs,
    "dwelling": _dwelling_signs,
}


# Blocks

_Column = list[tuple[int, ...]]
"""Of every record, the numbers of its signs of one kind; only of signs that come twice."""


def pairs(
    profiles: Sequence[Profile],
    report: BlockingReport,
    *,
    most: int | None = None,
    sources: Sequence[str] | None = None,
) -> tuple["array[int]", "array[int]"]:
    """Return the pairs of records that are worth comparing, each once, in order.

    Args:
        profiles: The records.
        report: Is filled in.
        most: How many pairs are worth their time, about.
        sources: The source of each record, when no source has a person twice: pairs of one source
            are left out.

    Returns:
        The smaller index of each pair, and the larger.
    """
    if most is None:
        most = PAIRS_PER_RECORD * len(profiles) + PAIRS_OF_ANY_TABLE
    found = _Found(len(profiles), sources)
    large: dict[str, list[list[int]]] = {}
    for kind, blocks in _blocks_by_kind(profiles):
        kept: list[list[int]] = []
        for members in blocks:
            if len(members) <= _SMALL_BLOCK:
                found.add_all(members)
            else:
                kept.append(members)
        large[kind] = kept
    limit = _take_larger(found, large.values(), most)
    for kind, blocks in large.items():
        skipped = [members for members in blocks if len(members) > limit]
        is_telling = kind.endswith(_ALONE) or kind in _NEIGHBOURS
        if skipped and (is_telling or "+" in kind):
            report.skipped[kind] = (len(skipped), max(map(len, skipped)))
            if is_telling:
                for members in skipped:
                    found.add_neighbours(members, profiles)
    left, right = found.in_order()
    report.pairs += len(left)
    return left, right


class _Found:
    """Pairs, as one number each."""

    def __init__(self, count: int, sources: Sequence[str] | None) -> None:
        self._count = count
        self._sources = sources
        self.pairs: set[int] = set()

    def add_all(self, members: Sequence[int]) -> None:
        """Add all pairs of a block, whose members come in ascending order."""
        count, sources = self._count, self._sources
        if sources is None:
            for position, one in enumerate(members, start=1):
                base = one * count
                self.pairs.update([base + other for other in members[position:]])
        else:
            self.pairs.update(
                one * count + other
                for one, other in combinations(members, 2)
                if sources[one] != sources[other]
            )

    def add_neighbours(self, members: Sequence[int], profiles: Sequence[Profile]) -> None:
        """Add each with the one that is next when all are sorted by what they say.

        And with some that say the most: what a record leaves out makes it stand far from those.
        """
        ordered = sorted(members, key=lambda index: _text(profiles[index]))
        for one, other in pairwise(ordered):
            self.add_all(sorted((one, other)))
        fullest = max(len(profiles[index]) for index in members)
        full = [index for index in ordered if len(profiles[index]) == fullest]
        for hub in {full[len(full) * place // _HUBS] for place in range(_HUBS)}:
            for index in ordered:
                if index != hub:
                    self.add_all(sorted((index, hub)))

    def in_order(self) -> tuple["array[int]", "array[int]"]:
        """Return the smaller index of every pair and the larger; the pairs are forgotten."""
        ordered = array("Q", sorted(self.pairs))
        self.pairs.clear()
        count = self._count
        left = array("I", (pair // count for pair in ordered))
        return left, array("I", (pair % count for pair in ordered))


def _text(profile: Profile) -> str:
    return "|".join(
        " ".join(profile[feature]) for feature in sorted(profile, key=_SORTED_BY.__getitem__)
    )


class _SortedBy(dict[str, tuple[int, str]]):
    """In what order features say who somebody is: names first."""

    def __missing__(self, feature: str) -> tuple[int, str]:
        first = ("family_name", "given_name", "birthdate", "middle_name")
        place = first.index(feature) if feature in first else len(first)
        self[feature] = place, feature
        return place, feature


_SORTED_BY = _SortedBy()


def _take_larger(found: _Found, blocks_by_kind: Iterable[list[list[int]]], most: int) -> int:
    """Take blocks from the smaller on until there are pairs enough; return the last size taken."""
    by_size: dict[int, list[list[int]]] = {}
    for blocks in blocks_by_kind:
        for members in blocks:
            if len(members) <= LARGEST_BLOCK:
                by_size.setdefault(len(members), []).append(members)
    limit = _SMALL_BLOCK
    for size in sorted(by_size):
        if len(found.pairs) >= most:
            break
        for members in by_size[size]:
            found.add_all(members)
        limit = size
    return limit


def _blocks_by_kind(profiles: Sequence[Profile]) -> Iterator[tuple[str, list[list[int]]]]:
    """Return the blocks of two or more records, kind by kind; members in ascending order."""
    columns = _columns(profiles)
    for kind, column in columns.items():
        yield kind, _alone(column)
    for one, other in combinations(sorted(columns), 2):
        if one.endswith(_ALONE) or other.endswith(_ALONE):
            continue
        if one.partition("/")[0] != other.partition("/")[0]:
            yield f"{one}+{other}", _both(columns[one], columns[other])
    if "name/sound" in columns:
        yield "name/sound+name/sound", _two_of(columns["name/sound"])


def _columns(profiles: Sequence[Profile]) -> dict[str, _Column]:
    """Return the signs of all records by kind."""
    numbers: dict[Sign, int] = {}
    counts: list[int] = []
    of_record: list[list[tuple[str, int]]] = []
    for profile in profiles:
        found: list[tuple[str, int]] = []
        for sign in dict.fromkeys(signs(profile)):
            number = numbers.get(sign)
            if number is None:
                number = numbers[sign] = len(counts)
                counts.append(0)
            counts[number] += 1
            found.append((sign[0], number))
        of_record.append(found)
    columns: dict[str, _Column] = {}
    for index, found in enumerate(of_record):
        for kind, number in found:
            if counts[number] > 1:
                column = columns.get(kind)
                if column is None:
                    column = columns[kind] = [()] * len(profiles)
                column[index] += (number,)
    return columns


def _alone(column: _Column) -> list[list[int]]:
    return _both(column, [(0,)] * len(column))


def _both(column: _Column, other_column: _Column) -> list[list[int]]:
    """Return the records that have signs of both columns in common, two or more.

    Most come once, so a list is made only when one comes again.
    """
    first: dict[int, int] = {}
    blocks: dict[int, list[int]] = {}
    meet, again = first.setdefault, blocks.get
    for index, (found, others) in enumerate(zip(column, other_column, strict=True)):
        if found and others:
            for one in found:
                for other in others:
                    key = one << 32 | other
                    before = meet(key, index)
                    if before != index:
                        members = again(key)
                        if members is None:
                            blocks[key] = [before, index]
                        else:
                            members.append(index)
    return list(blocks.values())


def _two_of(column: _Column) -> list[list[int]]:
    """Return the records that have two signs of one column in common."""
    numbers: dict[tuple[int, int], int] = {}
    twos = [
        tuple(numbers.setdefault(two, len(numbers)) for two in combinations(sorted(found), 2))
        for found in column
    ]
    return _alone(twos)
