"""How alike are two records? Deciding code: two profiles in, a level of agreement per feature out.

A *profile* is a record as it is compared: each *feature* with its values in comparison form, all
of them, for people have former names and several addresses. The best level among the values counts.
Levels begin at 0, the closest; `MISSING` says that one of the two does not know. What a level is
worth is not decided here but in `scoring`; what two values have in common is decided only here, for
single records, for bulk loads, and for those who learn the model.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Final, TypeAlias

from rapidfuzz.distance import OSA, JaroWinkler
from rapidfuzz.fuzz import token_sort_ratio

from population_register.names import is_short_form, latin_fold, sound_key

MISSING: Final = -1
_CACHED_PAIRS = 1 << 14

Profile: TypeAlias = Mapping[str, tuple[str, ...]]
"""Values by feature, in the forms that `profiles` makes; a feature without a value is absent."""

Levels: TypeAlias = tuple[int, ...]
"""The level of every feature, in the order of the model's features."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparator:
    """Compares two values of one kind.

    Attributes:
        kind: Names it in model files.
        words: What each level means, from the closest on; fits "same family name: +8.1".
        level: The comparison. Symmetric.
        shared: What two values have in common at a level that frequency should judge: the value
            to be looked up among term frequencies, or None.
    """

    kind: str
    words: tuple[str, ...]
    level: Callable[[str, str], int]
    shared: Callable[[str, str, int], str | None]


def _shared_when_same(left: str, _right: str, level: int) -> str | None:
    return left if level == 0 else None


# Names

SAME, ONE_OFF, SIMILAR, SHORT_FORM, INITIAL, SOMEWHAT, WEAK, DIFFERENT = range(8)


@lru_cache(_CACHED_PAIRS)
def name_level(left: str, right: str) -> int:  # noqa: PLR0911 - one return per level
    """Compare two names in comparison form, Cyrillic or Latin."""
    if left == right:
        return SAME
    if len(left) == 1 or len(right) == 1:
        return INITIAL if left[0] == right[0] else DIFFERENT
    if left.isascii() != right.isascii():
        left, right = latin_fold(left), latin_fold(right)
        if left == right:
            return ONE_OFF
    off = OSA.distance(left, right, score_cutoff=2)
    folded = latin_fold(left)  # empty of an alphabet that is neither Cyrillic nor Latin
    if (off == 1 and min(len(left), len(right)) > 2) or folded == latin_fold(right) != "":  # noqa: PLR2004
        return ONE_OFF
    alike = JaroWinkler.similarity(left, right)
    if alike >= 0.92 or _is_part(left, right):  # noqa: PLR2004 - where clerks' errors end
        return SIMILAR
    if is_short_form(left, right):
        return SHORT_FORM
    if alike >= 0.88 or sound_key(left) == sound_key(right):  # noqa: PLR2004
        return SIMILAR
    if alike >= 0.78 or (off == 2 and min(len(left), len(right)) > 4):  # noqa: PLR2004
        return SOMEWHAT
    return WEAK if alike >= 0.65 else DIFFERENT  # noqa: PLR2004


def _is_part(left: str, right: str) -> bool:
    """Tell whether one is a part of the other's double name."""
    if " " not in left and " " not in right:
        return False
    ours, theirs = set(left.split()), set(right.split())
    return ours <= theirs or theirs <= ours


# Dates


SAME_DAY, DAY_SWAPPED, DIGIT_OFF, TWO_PARTS, TWO_DIGITS_OFF, SAME_YEAR, OTHER_DAY = range(7)


def date_level(left: str, right: str) -> int:  # noqa: PLR0911 - one return per level
    """Compare two dates, `1980-05-17` or known to the month or year only."""
    if left == right:
        return SAME_DAY
    if len(left) < 10 or len(right) < 10:  # noqa: PLR2004 - one is not known to the day
        known = min(len(left), len(right))
        return SAME_YEAR if left[:known] == right[:known] else OTHER_DAY
    if left[:4] == right[:4] and left[5:7] == right[8:] and left[8:] == right[5:7]:
        return DAY_SWAPPED
    off = OSA.distance(left, right, score_cutoff=2)
    if off <= 1:
        return DIGIT_OFF
    if (left[:4] == right[:4]) + (left[5:7] == right[5:7]) + (left[8:] == right[8:]) == 2:  # noqa: PLR2004
        return TWO_PARTS
    if off == 2:  # noqa: PLR2004
        return TWO_DIGITS_OFF
    return SAME_YEAR if left[:4] == right[:4] else OTHER_DAY


# Numbers


def number_level(left: str, right: str) -> int:
    """Compare two numbers of one kind; `0` is for a number that one person has."""
    if left == right:
        return 0
    off = OSA.distance(left, right, score_cutoff=2)
    if off <= 1:
        return 2
    return 3 if off == 2 and min(len(left), len(right)) > 5 else 4  # noqa: PLR2004


@lru_cache(_CACHED_PAIRS)
def mailbox_level(left: str, right: str) -> int:
    """Compare two e-mail addresses."""
    if left == right:
        return 0
    ours, theirs = left.partition("@")[0], right.partition("@")[0]
    if ours == theirs or OSA.distance(left, right, score_cutoff=1) <= 1:
        return 2
    return 3 if JaroWinkler.similarity(ours, theirs) >= 0.9 else 4  # noqa: PLR2004


# Words


@lru_cache(_CACHED_PAIRS)
def category_level(left: str, right: str) -> int:
    """Compare two of a few words: equal or not."""
    return 0 if left == right else 1


def text_level(left: str, right: str) -> int:
    """Compare two short texts, of which the order of words says little."""
    if left == right:
        return 0
    shorter = min(len(left), len(right))
    if OSA.distance(left, right, score_cutoff=2) <= min(2, shorter // 4):
        return 1
    alike = max(JaroWinkler.similarity(left, right), token_sort_ratio(left, right) / 100)
    if alike >= 0.88 or left.replace(" ", "") == right.replace(" ", ""):  # noqa: PLR2004
        return 1
    return 2 if alike >= 0.75 or _is_part(left, right) else 3  # noqa: PLR2004


@lru_cache(_CACHED_PAIRS)
def quantity_level(left: str, right: str) -> int:
    """Compare two counted or measured numbers, as an age."""
    if left == right:
        return 0
    try:
        apart = abs(float(left) - float(right))
    except ValueError:
        return 3
    return 1 if apart <= 1 else 2 if apart <= 5 else 3  # noqa: PLR2004


# Where people live


def place_level(left: str, right: str) -> int:  # noqa: PLR0911 - one return per level
    """Compare two places, `postal code|locality|region`, any of them empty."""
    if left == right and not left.startswith("|"):
        return 0
    (code, town, region), (other_code, other_town, other_region) = left.split("|"), right.split("|")
    near_code = _closeness(code, other_code, (0, 1, 2))
    near_town = _closeness(town, other_town, (0, 2, 2))
    if near_code == 0 and near_town != _FAR:
        return 0
    if near_code == 0 or (near_town == 0 and near_code != _FAR):
        return 1
    if near_town == 0:
        return 2
    if near_code == 1 or near_town == 1:
        return 3
    if near_code == 2:  # noqa: PLR2004
        return 4
    return 5 if region and region == other_region else 6


_UNKNOWN, _FAR = 8, 9


def _closeness(left: str, right: str, steps: Sequence[int]) -> int:
    if not left or not right:
        return _UNKNOWN
    off = OSA.distance(left, right, score_cutoff=steps[-1])
    if off > steps[1] and sorted(left) == sorted(right):
        return 2
    return next((closeness for closeness, most in enumerate(steps) if off <= most), _FAR)


def _shared_place(left: str, right: str, level: int) -> str | None:
    (code, town, _), (other_code, other_town, _) = left.split("|"), right.split("|")
    if level <= 1 and code and code == other_code:
        return f"{code}||"
    if level in (1, 2) and town and town == other_town:
        return f"|{town}|"
    return None


def dwelling_level(left: str, right: str) -> int:
    """Compare two dwellings, `words of the street|numbers of house and flat`."""
    if left == right:
        return 0
    (words, numbers), (other_words, other_numbers) = left.split("|"), right.split("|")
    near = text_level(words, other_words) if words and other_words else 3
    ours, theirs = set(numbers.split()), set(other_numbers.split())
    if ours == theirs and ours:
        return 1 if near <= 1 else 3 if near == 3 else 2  # noqa: PLR2004
    overlap = bool(ours & theirs)
    if near <= 1:
        return 1 if overlap else 2
    return 3 if near == 2 and overlap else 4  # noqa: PLR2004


NAME = Comparator(
    kind="name",
    words=(
        "same {}",
        "{} one letter off, or spelled by another rule",
        "similar {}",
        "short form of the {}",
        "initial of the {} agrees",
        "somewhat similar {}",
        "hardly similar {}",
        "different {}",
    ),
    level=name_level,
    shared=_shared_when_same,
)
DATE = Comparator(
    kind="date",
    words=(
        "same {}",
        "{} with day and month swapped",
        "{} one digit off",
        "{} agrees in two of day, month and year",
        "{} two digits off",
        "{} agrees in the year",
        "different {}",
    ),
    level=date_level,
    shared=_shared_when_same,
)
NUMBER = Comparator(
    kind="number",
    words=(
        "same {}",
        "same {}, but others have it too",
        "{} one digit off",
        "{} two digits off",
        "different {}",
    ),
    level=number_level,
    shared=_shared_when_same,
)
MAILBOX = Comparator(
    kind="mailbox",
    words=(
        "same {}",
        "same {}, but others have it too",
        "{} one letter off, or at another provider",
        "similar {}",
        "different {}",
    ),
    level=mailbox_level,
    shared=_shared_when_same,
)
CATEGORY = Comparator(
    kind="category",
    words=("same {}", "different {}"),
    level=category_level,
    shared=_shared_when_same,
)
TEXT = Comparator(
    kind="text",
    words=("same {}", "similar {}", "somewhat similar {}", "different {}"),
    level=text_level,
    shared=_shared_when_same,
)
QUANTITY = Comparator(
    kind="quantity",
    words=("same {}", "{} one apart", "{} a few apart", "different {}"),
    level=quantity_level,
    shared=_shared_when_same,
)
PLACE = Comparator(
    kind="place",
    words=(
        "same {}",
        "same {} by postal code or town, the other is unclear",
        "same town, other postal code",
        "postal code or town one letter off",
        "postal code two digits off",
        "same region only",
        "different {}",
    ),
    level=place_level,
    shared=_shared_place,
)
DWELLING = Comparator(
    kind="dwelling",
    words=(
        "same {}",
        "{} the same but for spelling",
        "same street, other house",
        "{} with the same numbers only",
        "different {}",
    ),
    level=dwelling_level,
    shared=_shared_when_same,
)
ORDER = Comparator(
    kind="order",
    words=(
        "names in the same order",
        "given and family name swapped",
        "one name stands in the other's place",
    ),
    level=category_level,
    shared=lambda _left, _right, _level: None,
)

COMPARATORS: Mapping[str, Comparator] = {
    comparator.kind: comparator
    for comparator in (
        NAME,
        DATE,
        NUMBER,
        MAILBOX,
        CATEGORY,
        TEXT,
        QUANTITY,
        PLACE,
        DWELLING,
        ORDER,
    )
}
"""By kind, as model files name them."""

SOURCE = "source"
"""The feature that says which agency a record is from: most have a person once, or nearly so."""

NAME_ORDER = "name_order"
"""The feature that says whether given and family name stand in each other's place."""


def best_level(
    comparator: Comparator, left: tuple[str, ...], right: tuple[str, ...]
) -> tuple[int, str | None]:
    """Return the closest level of any two values, and what they share at it."""
    if len(left) == 1 and len(right) == 1:
        level = comparator.level(left[0], right[0])
        return level, comparator.shared(left[0], right[0], level)
    found = [(comparator.level(one, other), one, other) for one, other in product(left, right)]
    level = min(level for level, _, _ in found)
    shared = (comparator.shared(one, other, level) for least, one, other in found if least == level)
    return level, min((value for value in shared if value is not None), default=None)


def name_order(left: Profile, right: Profile) -> int:
    """Tell which name stands where, of two records whose names disagree as they stand.

    Returns:
        0 if each in its place, 1 if each stands in the other's place, 2 if one does and the other
        is lost.
    """
    crossed = sorted(
        best_level(NAME, left[one], right[other])[0]
        for one, other in (("given_name", "family_name"), ("family_name", "given_name"))
    )
    if crossed[1] <= SIMILAR:
        return 1
    return 2 if crossed[0] <= ONE_OFF else 0
