"""How records stand in matching, as it lies in the database: sealed in the row of their person.

Comparing opens one small value of each candidate, never what agencies sent. Keys are keyed digests
(`Keyring.blind_index`): without the root key they say nothing.
"""

from collections.abc import Iterable
from struct import Struct
from typing import Final, Literal

import msgspec

from kernel.envelope import associated_data
from kernel.ids import PersonId
from kernel.keyring import Keyring, PersonKey
from population_register.blocking import Key, register_keys
from population_register.comparison import Profile
from population_register.standings import FEATURES, Ref, Standing

_IDENTITY: Final = ("family_name", "given_name", "middle_name", "birthdate")


class _StoredAll(msgspec.Struct, frozen=True, array_like=True):
    v: Literal[1]
    is_unanimous: bool
    records: tuple[Standing, ...]


_begins_with = Struct(">q").unpack_from
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_StoredAll)


def key_digest(keyring: Keyring, kind: str, value: str) -> int:
    """Return the digest under which a blocking key is found: 64 bits, keyed."""
    return key_digests(keyring, ((kind, value),))[0]


def key_digests(keyring: Keyring, keys: Iterable[Key]) -> list[int]:
    """Return the digests of several keys, in order; see `key_digest`."""
    return [
        _begins_with(digest)[0]
        for digest in keyring.blind_indexes(
            "matching_key", [f"{kind}\x1f{value}" for kind, value in keys]
        )
    ]


def standing_of(
    keyring: Keyring, ref: Ref, profile: Profile, apart: frozenset[Ref] = frozenset()
) -> Standing:
    """Return how a record of this profile stands."""
    return Standing(
        ref,
        tuple([profile.get(name, ()) for name in FEATURES]) if profile else (),
        frozenset(key_digests(keyring, register_keys(profile))),
        _mark(keyring, profile),
        apart,
    )


def _mark(keyring: Keyring, profile: Profile) -> int:
    """Return the mark of what a profile says of names and birth date; keyed, as it is not sealed.

    Without a key, whoever has the table alone could try names and days until one fits.
    """
    said = "\x1f".join(["\x1e".join(sorted(profile.get(name, ()))) for name in _IDENTITY])
    return int.from_bytes(keyring.blind_index("matching_mark", said)[:4], "big")


def _place(person_id: PersonId) -> bytes:
    return associated_data("persons", "standings_sealed", person_id)


def seal_standings(key: PersonKey, standings: Iterable[Standing], *, is_unanimous: bool) -> bytes:
    """Seal the standings of a person's records.

    Args:
        key: The person's.
        standings: Of all records.
        is_unanimous: Whether every two of them are one person by themselves.
    """
    form = _StoredAll(1, is_unanimous, tuple(standings))
    return key.seal(_encoder.encode(form), associated_data=_place(key.person_id))


def open_standings(key: PersonKey, sealed: bytes) -> tuple[dict[Ref, Standing], bool]:
    """Open the standings of a person's records; return them and whether they are unanimous.

    Raises:
        Undecryptable: Another person's, or changed.
    """
    read = _decoder.decode(key.unseal(sealed, associated_data=_place(key.person_id)))
    return {standing.ref: standing for standing in read.records}, read.is_unanimous
