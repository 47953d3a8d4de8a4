"""Which records of the register are worth comparing? Deciding code: a profile in, keys out.

Two records are compared when they have a key in common. A key is a bet that two records of one
person agree on something even though each has its errors; many bets of different kinds miss few.

The register keeps the keys of its records as keyed digests, so it uses only kinds that few
strangers share in a whole country. Files under evaluation can count what is common: `candidates`.
"""

from collections.abc import Iterable

from population_register.comparison import Profile
from population_register.names import sound_key

NUMBERS = ("snils", "inn", "enp", "passport", "foreign_passport", "birth_certificate")
"""Features of which one value should belong to one person."""

CONTACTS = ("phone", "email")

MOST_REGISTER_KEYS = 64
"""Keys that the register keeps of one record; many former names would give more."""

MOST_BEARERS = 50
"""Differently named people of one key; from the next one on, the register does not look by it."""

Key = tuple[str, str]
"""Kind and value."""


def register_keys(profile: Profile) -> tuple[Key, ...]:
    """Return the keys by which the register finds a record: each once, the most telling first.

    Beside numbers, each key rests on names and most of a birth date, so that a register of a
    hundred million still finds few strangers by it: the whole date; a day and a month, whichever
    was written first; a year, where a middle name agrees too.
    """
    found: list[Key] = []
    for feature in NUMBERS:
        found += [(feature, value) for value in profile.get(feature, ())]
    given = _sounds(profile.get("given_name", ()))
    family = _sounds(profile.get("family_name", ()))
    middle = _sounds(profile.get("middle_name", ())) or ("",)
    names = ["/".join(sorted((one, other))) for one in given for other in family]
    for born in profile.get("birthdate", ()):
        found += [("family+date", f"{name}/{born}") for name in family]
        for second in middle:
            found += [("given+middle+date", f"{name}/{second}/{born}") for name in given]
            found += [("names+middle+year", f"{both}/{second}/{born[:4]}") for both in names]
        if len(born) > 7:  # noqa: PLR2004 - known to the day
            found += [("names+day", f"{both}/{_turned(born)}") for both in names]
    return tuple(dict.fromkeys(found))[:MOST_REGISTER_KEYS]


def _turned(born: str) -> str:
    """Return day and month in ascending order: the same, whichever a clerk wrote first."""
    return "-".join(sorted(born[5:].split("-")))


def _sounds(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(sound_key(name) for name in names))
