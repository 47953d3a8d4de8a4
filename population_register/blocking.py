"""Which records are worth comparing? Deciding code: a profile in, blocking keys out.

Two records are compared when they have a key in common. A key is a bet that two records of one
person agree on something even though each has its errors; many bets of different kinds miss few.

The register keeps the keys of its records as keyed digests, so it uses only kinds that few
strangers share in a whole country (`register_keys`). A file under evaluation is compared with all
kinds, and `pairs` leaves out blocks that grew too large: what everybody shares tells nobody apart.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from population_register.comparison import Profile
from population_register.names import latin_fold, sound_key

NUMBERS = ("snils", "inn", "enp", "passport", "foreign_passport", "birth_certificate")
"""Features of which one value should belong to one person."""

CONTACTS = ("phone", "email")

SELECTIVE = frozenset(
    (*NUMBERS, "family+date", "given+middle+date", "names+year", "names+day", "given+date")
)
"""Kinds of which one key in common is enough to compare two records of a file."""

MOST_REGISTER_KEYS = 64
"""Keys that the register keeps of one record; many former names would give more."""

MOST_BEARERS = 50
"""Differently named people of one key; from the next one on, the register does not look by it."""

_FEW_PAIRS = 50
"""Pairs per record that may be compared for one key that is not telling."""

_LONGEST_MISTYPED = 12  # digits; longer numbers get too many keys

Key = tuple[str, str]
"""Kind and value."""


def keys(profile: Profile) -> Iterator[Key]:
    """Return every key of a profile; a key may come twice.

    Kinds come in a fixed order, the most telling first.
    """
    for feature in (*NUMBERS, *CONTACTS, *(f for f in profile if f.startswith("number:"))):
        for value in profile.get(feature, ()):
            yield feature, value
    yield from selective_keys(profile)
    yield from _loose_keys(profile)


def selective_keys(profile: Profile) -> Iterator[Key]:
    """Return the keys of names and birth date that few strangers share."""
    given = _sounds(profile.get("given_name", ()))
    family = _sounds(profile.get("family_name", ()))
    middle = _sounds(profile.get("middle_name", ()))
    for born in profile.get("birthdate", ()):
        for name in family:
            yield "family+date", f"{name}/{born}"
        for name in given:
            for second in middle:
                yield "given+middle+date", f"{name}/{second}/{born}"
            if not middle:
                yield "given+date", f"{name}/{born}"
        for one in given:
            for other in family:
                first, second = sorted((one, other))
                yield "names+year", f"{first}/{second}/{born[:4]}"
                if len(born) > 4:  # noqa: PLR2004 - known to the day
                    yield "names+day", f"{first}/{second}/{_turned(born)}"


def register_keys(profile: Profile) -> tuple[Key, ...]:
    """Return the keys by which the register finds a record: each once, the most telling first.

    Beside numbers, each key rests on names and most of a birth date, so that a register of a
    hundred million still finds few strangers by it: the whole date; a year and a month; a day
    and a month, whichever was written first; a year, where a middle name agrees too.
    """
    found: dict[Key, None] = {}
    for feature in NUMBERS:
        for value in profile.get(feature, ()):
            found[feature, value] = None
    given = _sounds(profile.get("given_name", ()))
    family = _sounds(profile.get("family_name", ()))
    middle = _sounds(profile.get("middle_name", ())) or ("",)
    names = ["/".join(sorted((one, other))) for one in given for other in family]
    for born in profile.get("birthdate", ()):
        found.update((("family+date", f"{name}/{born}"), None) for name in family)
        for second in middle:
            found.update((("given+middle+date", f"{n}/{second}/{born}"), None) for n in given)
            found.update((("names+middle+year", f"{n}/{second}/{born[:4]}"), None) for n in names)
        if len(born) > 4:  # noqa: PLR2004 - known to the month
            found.update((("names+month", f"{both}/{born[:7]}"), None) for both in names)
        if len(born) > 7:  # noqa: PLR2004 - known to the day
            found.update((("names+day", f"{both}/{_turned(born)}"), None) for both in names)
    return tuple(found)[:MOST_REGISTER_KEYS]


def _turned(born: str) -> str:
    """Return day and month in ascending order: the same, whichever a clerk wrote first."""
    return "-".join(sorted(born[5:].split("-")))


def _sounds(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(sound_key(name) for name in names))


def _loose_keys(profile: Profile) -> Iterator[Key]:
    yield from _mistyped_keys(profile)
    folded_given = [latin_fold(name) for name in profile.get("given_name", ())]
    folded_family = [latin_fold(name) for name in profile.get("family_name", ())]
    for one in folded_given:
        for other in folded_family:
            first, second = sorted((one, other))
            yield "names", f"{first}/{second}"
            yield "name beginnings", f"{one[:4]}/{other[:3]}"
            yield "name ends", f"{one[-3:]}/{other[-3:]}"
            yield "name edges", f"{one[:3]}/{other[-3:]}"
            yield "other edges", f"{one[-3:]}/{other[:3]}"
            for place in profile.get("place", ()):
                yield "initials+place", f"{one[:1]}/{other[:1]}/{place}"
    names = [*profile.get("given_name", ()), *profile.get("family_name", ())]
    yield from _dated_keys(profile, names, folded_given, folded_family)
    yield from _placed_keys(profile, names)
    for feature in profile:
        if feature.startswith("text:"):
            for value in profile[feature]:
                for name in names:
                    yield feature, f"{sound_key(name)}/{value}"


def _mistyped_keys(profile: Profile) -> Iterator[Key]:
    """Return each number with one of its digits left out: equal for two that differ in it."""
    for feature in (*NUMBERS, "phone"):
        for value in profile.get(feature, ()):
            if len(value) <= _LONGEST_MISTYPED:
                for place in range(len(value)):
                    yield f"{feature} but a digit", f"{place}/{value[:place]}{value[place + 1 :]}"


def _dated_keys(
    profile: Profile, names: Sequence[str], given: Sequence[str], family: Sequence[str]
) -> Iterator[Key]:
    for born in profile.get("birthdate", ()):
        yield "date", born
        initials = {latin_fold(name)[:1] for name in names}
        digits = born.replace("-", "")
        for at in range(len(digits)):
            left_out = f"{at}/{digits[:at]}{digits[at + 1 :]}"
            for initial in initials:
                yield "date but a digit", f"{left_out}/{initial}"
        for name in given:
            yield "given+day", f"{name[:3]}/{born[5:]}"
            yield "given+middle of date", f"{name[:3]}/{digits[2:6]}"
        for name in family:
            yield "family+day", f"{name[:4]}/{born[5:]}"
            yield "family+middle of date", f"{name[:3]}/{digits[2:6]}"
            yield "family end+year", f"{name[-3:]}/{born[:4]}"
        for one in given:
            for other in family:
                yield "initials+year", f"{one[:1]}/{other[:1]}/{born[:4]}"
                yield "initials+day", f"{one[:1]}/{other[:1]}/{_turned(born)}"
        for place_of in profile.get("place", ()):
            code, town, _ = place_of.split("|")
            where = code or town
            if where:
                yield "year+place", f"{born[:4]}/{where}"
                yield "day+place", f"{_turned(born)}/{where}"


def _placed_keys(profile: Profile, names: Sequence[str]) -> Iterator[Key]:
    for place in profile.get("place", ()):
        code, town, _ = place.split("|")
        for name in names:
            sound = sound_key(name)
            if code:
                yield "name+code", f"{sound}/{code}"
                for at in range(len(code)):
                    yield "name+code but a digit", f"{sound}/{at}/{code[:at]}{code[at + 1 :]}"
            if town:
                yield "name+town", f"{sound}/{town}"
    for dwelling in profile.get("dwelling", ()):
        yield "dwelling", dwelling
        words, _, numbers = dwelling.partition("|")
        for name in names:
            yield "name+street", f"{sound_key(name)}/{words}"
        if numbers:
            yield "street start+numbers", f"{words[:5]}/{numbers}"
        for place in profile.get("place", ()):
            code, town, _ = place.split("|")
            yield "street start+place", f"{words[:5]}/{code or town}"


@dataclass(slots=True, kw_only=True)
class BlockingReport:
    """What blocking did with a file.

    Attributes:
        pairs: Pairs given out to be compared.
        skipped: By kind of key, how many blocks were too large, and the largest of them.
    """

    pairs: int = 0
    skipped: dict[str, tuple[int, int]] = field(default_factory=dict)


def pairs(
    profiles: Sequence[Profile],
    report: BlockingReport,
    *,
    pairs_per_record: int = 8,
    sources: Sequence[str] | None = None,
) -> Iterator[tuple[int, int]]:
    """Return the pairs of records that have keys in common, each once, the smaller index first.

    A telling key is enough. Of the others a pair must have two, unless there are so few pairs that
    all can be compared. Memory grows with the records, not with the pairs: a pair is given out at
    the first block that its records share.

    Args:
        profiles: The records.
        report: Is filled in.
        pairs_per_record: How many pairs of one kind of key are worth their time, per record. The
            small blocks of a kind come first; where the budget ends, the larger ones are skipped.
        sources: The source of each record, when no source has a person twice: pairs of one source
            are left out.
    """
    blocks, telling = _kept_blocks(profiles, report, max(20_000, pairs_per_record * len(profiles)))
    blocks_of: list[set[int]] = [set() for _ in profiles]
    for number, members in enumerate(blocks):
        for member in members:
            blocks_of[member].add(number)
    loose = sum(len(members) * (len(members) - 1) // 2 for members in blocks[telling:])
    least = 2 if loose > _FEW_PAIRS * len(profiles) else 1
    for number, members in enumerate(blocks):
        for position, one in enumerate(members):
            ours = blocks_of[one]
            for other in members[position + 1 :]:
                if sources is not None and sources[one] == sources[other]:
                    continue
                common = ours & blocks_of[other]
                if min(common) == number and (number < telling or len(common) >= least):
                    report.pairs += 1
                    yield one, other


def _kept_blocks(
    profiles: Sequence[Profile], report: BlockingReport, budget: int
) -> tuple[list[list[int]], int]:
    """Return the blocks that are not too large, telling kinds first, and how many are telling."""
    by_kind = dict(_blocks_by_kind(profiles))
    kinds = sorted(by_kind, key=lambda kind: not _is_telling(kind))
    kept: list[list[int]] = []
    telling = 0
    for kind in kinds:
        blocks = sorted(by_kind.pop(kind), key=lambda block: (len(block), block))
        spent = 0
        for number, members in enumerate(blocks):
            spent += len(members) * (len(members) - 1) // 2
            if spent > budget:
                report.skipped[kind] = (len(blocks) - number, len(blocks[-1]))
                break
            kept.append(members)
        if _is_telling(kind):
            telling = len(kept)
    return kept, telling


def _is_telling(kind: str) -> bool:
    return kind in SELECTIVE or kind in CONTACTS or kind.startswith("number:")


def _blocks_by_kind(profiles: Sequence[Profile]) -> Iterator[tuple[str, list[list[int]]]]:
    """Return the blocks of two or more records, kind by kind.

    Most keys belong to one record only. A first pass over the keys marks in a small table which may
    come twice, so that the second pass holds only those in memory.
    """
    cells = 1 << max(16, (96 * len(profiles)).bit_length())
    seen, again = bytearray(cells), bytearray(cells)
    for profile in profiles:
        for key in set(keys(profile)):
            cell = hash(key) & (cells - 1)
            if seen[cell]:
                again[cell] = 1
            seen[cell] = 1
    kinds: dict[str, dict[str, list[int]]] = {}
    for index, profile in enumerate(profiles):
        for key in dict.fromkeys(keys(profile)):
            blocks = kinds.setdefault(key[0], {})
            if again[hash(key) & (cells - 1)]:
                blocks.setdefault(key[1], []).append(index)
    for kind in list(kinds):
        yield kind, [block for block in kinds.pop(kind).values() if len(block) > 1]
