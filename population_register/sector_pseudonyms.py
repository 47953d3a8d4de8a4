"""A person's pseudonym in an agency's sector: stable there, unrelated to every other.

Our own identifier of a person is enciphered under a key of the sector: a UUID is one AES block, so
AES-256 on that block is a permutation of all UUIDs. Nothing is stored; only the register can turn a
pseudonym back, and so convert it between two sectors; an invented one deciphers to nobody.
"""

from functools import lru_cache
from threading import local
from uuid import UUID

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from kernel.errors import InvalidRequest
from kernel.ids import PersonId
from kernel.keyring import Keyring
from kernel.secret import b64url, b64url_decode
from population_register.errors import ValueRefused

_BLOCK = 16  # bytes: AES, and a UUID
_ADVICE = "A pseudonym is the 22 characters that you were given."


def sector_pseudonym(keyring: Keyring, sector: str, person_id: PersonId) -> str:
    """Return the person's pseudonym in a sector: 22 base64url characters."""
    return b64url(_permutation(keyring, sector).encrypt(person_id.bytes))


def person_behind(keyring: Keyring, sector: str, pseudonym: str) -> PersonId:
    """Return whom a pseudonym of a sector names; an invented one names nobody there is.

    Raises:
        ValueRefused: 400. `form`: no pseudonym at all.
    """
    try:
        block = b64url_decode(pseudonym)
    except InvalidRequest as error:
        raise ValueRefused("form", _ADVICE) from error
    if len(block) != _BLOCK or b64url(block) != pseudonym:
        raise ValueRefused("form", _ADVICE)
    return PersonId(UUID(bytes=_permutation(keyring, sector).decrypt(block)))


class _Permutation(local):
    """AES-256 on one block, under the key of a sector; of each thread its own.

    To begin is what costs: a context that has begun enciphers one block after another. In ECB,
    blocks know nothing of each other.
    """

    def __init__(self, key: bytes) -> None:
        # ECB of exactly one block is the bare permutation; there is no second block to leak
        # equality.
        cipher = Cipher(AES(key), ECB())  # noqa: S305
        self.encrypt = cipher.encryptor().update
        self.decrypt = cipher.decryptor().update


def _permutation(keyring: Keyring, sector: str) -> _Permutation:
    return _permutation_of(keyring.blind_index("agency_pseudonym", sector))


@lru_cache(maxsize=1024)
def _permutation_of(key: bytes) -> _Permutation:
    """Return the permutation of a sector: made once, the sectors are a few hundred."""
    return _Permutation(key)
