"""How each source record stands in matching: its profile, its keys, whom it may not be put with.

A standing depends on its record alone. No I/O: `sealed_standings` makes, seals and opens them.
"""

from collections.abc import Collection, Iterable
from typing import Final, TypeAlias

from kernel.ids import PersonId, uuid_of
from kernel.secret import Unprinted
from population_register.blocking import MOST_BEARERS
from population_register.comparison import Profile

Ref: TypeAlias = bytes
"""Names a source record: the keyed digest of its agency and number. Sorts the same everywhere."""


FEATURES: Final = (
    "family_name",
    "given_name",
    "middle_name",
    "birthdate",
    "gender",
    "birthplace",
    "place",
    "dwelling",
    "snils",
    "inn",
    "enp",
    "passport",
    "foreign_passport",
    "birth_certificate",
)
"""The features of a stored profile, in the order of the stored form; added at the end only."""


class Standing(Unprinted, frozen=True, array_like=True):
    """How one source record stands; stored as a list in this order.

    Attributes:
        ref: The record.
        values: Of each feature; empty while nothing that it said counts.
        keys: Digests of its blocking keys.
        mark: Equal for records that state the same names and birth date; counts who bears a key.
        apart: Records that a human ruled to be of somebody else.
    """

    ref: Ref
    values: tuple[tuple[str, ...], ...]
    keys: frozenset[int]
    mark: int
    apart: frozenset[Ref] = frozenset()

    @property
    def profile(self) -> Profile:
        """Return the record as it is compared."""
        return {name: said for name, said in zip(FEATURES, self.values, strict=False) if said}


# Who bears a key


ENTRY_BYTES = 20
"""Of one bearer in a key's row: the person's identifier, and the mark of the record."""

Bearer: TypeAlias = bytes
"""One entry: a person, and the mark of one or more of the person's records."""


def bearer(person_id: PersonId, mark: int) -> Bearer:
    """Return the entry of a person's records of one mark."""
    return person_id.bytes + mark.to_bytes(4, "big")


def person_in(entry: Bearer) -> PersonId:
    """Return the person of an entry."""
    return PersonId(uuid_of(entry[:16]))


def bearers_in(stored: bytes) -> list[Bearer]:
    """Return the entries of a key's row."""
    return [stored[at : at + ENTRY_BYTES] for at in range(0, len(stored), ENTRY_BYTES)]


MOST_ENTRIES: Final = 4 * MOST_BEARERS
"""Entries that are kept of one key; a key that ever had so many is not looked by any more."""


def is_closed(entries: Collection[Bearer]) -> bool:
    """Tell whether a key is of too many people, as far as their names tell."""
    if len(entries) <= MOST_BEARERS:
        return False
    return len(entries) >= MOST_ENTRIES or len({entry[16:] for entry in entries}) > MOST_BEARERS


def borne(standings: Iterable[Standing]) -> dict[int, frozenset[int]]:
    """Return the keys of records by the marks under which they are borne."""
    found: dict[int, frozenset[int]] = {}
    for standing in standings:
        known = found.get(standing.mark)
        found[standing.mark] = standing.keys if known is None else known | standing.keys
    return found
