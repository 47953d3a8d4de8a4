"""The key hierarchy in memory: zone keys, person keys, index keys, pseudonym keys.

    root key
     └─ wraps zone keys, versions 1..n        loaded at start, reloaded when a newer one is met
         └─ wraps one person key per person   a row; destroying it shreds the person
    index keys, pseudonym keys                derived from the root

A person key is handed out only against an access entry for that very person (promise 1): there is
no other way to one, except for a key that was minted a moment ago and has sealed nothing yet.
"""

import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, final
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session, sessionmaker
from typing_extensions import override

from kernel.bulk import copy_rows
from kernel.db import AdvisoryLock, lock
from kernel.envelope import KEY_BYTES, associated_data, cipher_of, key_version_of, seal, unseal
from kernel.errors import Undecryptable
from kernel.ids import PersonId
from kernel.root_keys import RootKeys
from kernel.secret import b64url, random_bytes
from kernel.tables import person_keys, zone_keys

DEFAULT_ZONE = "main"
_SHA256 = SHA256()
_PERSON_KEY_VERSION = 1  # a person key is never replaced, only rewrapped or destroyed


class Accounted(Protocol):
    """Proof that an access was written down: audit's `RecordedEntry`."""

    @property
    def entry_id(self) -> UUID:
        """The entry."""
        ...

    @property
    def person_id(self) -> PersonId:
        """Whose data the entry is about."""
        ...


@final
class PersonKey:
    """The key of one person. Lives for one request, never stored, never printed."""

    __slots__ = ("_cipher", "_key", "person_id")

    def __init__(self, person_id: PersonId, key: bytes) -> None:
        self.person_id = person_id
        self._key = key
        self._cipher = cipher_of(key)

    @override
    def __repr__(self) -> str:
        return "PersonKey(…)"

    def seal(self, plaintext: bytes, *, associated_data: bytes) -> bytes:
        """Seal a value of this person for one place (`kernel.envelope.associated_data`)."""
        return seal(
            self._cipher,
            plaintext,
            key_version=_PERSON_KEY_VERSION,
            associated_data=associated_data,
        )

    def unseal(self, envelope: bytes, *, associated_data: bytes) -> bytes:
        """Open a value of this person.

        Raises:
            Undecryptable: Another person, another place, or changed.
        """
        return unseal(self._cipher, envelope, associated_data=associated_data)

    def derive(self, label: bytes) -> bytes:
        """Return a 32-byte key that only this person's key gives; HKDF-Expand, one block."""
        return hmac.digest(self._key, label + b"\x01", "sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPersonKey:
    """A key minted for a person who has none, and its wrapping."""

    key: PersonKey
    wrapped: bytes
    zone: str
    key_version: int


@dataclass(frozen=True, slots=True)
class _ZoneKeys:
    """Every zone key, and which one wraps new keys. Replaced as a whole, never changed."""

    by_version: Mapping[int, AESGCM]
    current_version: int

    @override
    def __repr__(self) -> str:
        return f"_ZoneKeys(current_version={self.current_version})"


def _person_key_place(person_id: PersonId) -> bytes:
    return associated_data("person_keys", "wrapped_key", person_id)


class Keyring:
    """All keys but the signing keys; one per process, safe to use from any thread."""

    def __init__(self, root: RootKeys, sessions: sessionmaker[Session]) -> None:
        self._root = root
        self._sessions = sessions
        self._index_master = root.derive("index")
        self._pseudonym_master = root.derive("pseudonym")
        # Derived once per kind or sector: they are few, and the result is a constant.
        self._index_keys: dict[str, HMAC] = {}
        self._sector_keys: dict[str, HMAC] = {}
        self._zone_keys = _ZoneKeys({}, 0)

    @override
    def __repr__(self) -> str:
        return "Keyring(…)"

    @classmethod
    def open(cls, root: RootKeys, sessions: sessionmaker[Session], *, at: datetime) -> "Keyring":
        """Load the zone keys; make the first one if the database has none.

        Transaction:
            One of its own, under `AdvisoryLock.KEY_ROTATION`: of many processes that start
            together, one makes the key.

        Raises:
            Undecryptable: The database's keys were sealed under another root key.
        """
        keyring = cls(root, sessions)
        with sessions.begin() as session:
            lock(session, AdvisoryLock.KEY_ROTATION)
            if session.scalar(select(func.count()).select_from(zone_keys)) == 0:
                keyring.add_zone_key(session, at=at)
        keyring.reload()
        return keyring

    def reload(self) -> None:
        """Read the zone keys again; called when a version is met that this process has not."""
        with self._sessions() as session:
            rows = session.execute(select(zone_keys).order_by(zone_keys.c.key_version)).all()
        keys = {
            row.key_version: cipher_of(
                self._root.unwrap(
                    row.wrapped_key,
                    associated_data=associated_data("zone_keys", "wrapped_key", row.key_version),
                )
            )
            for row in rows
        }
        self._zone_keys = _ZoneKeys(keys, max(keys, default=0))

    @property
    def zone_key_version(self) -> int:
        """The version of the zone key that wraps new keys."""
        return self._zone_keys.current_version

    # Zone keys

    def add_zone_key(self, session: Session, *, at: datetime) -> int:
        """Store a new zone key and return its version; `reload` makes this process use it.

        Transaction:
            The caller's, which holds `AdvisoryLock.KEY_ROTATION`.
        """
        version = 1 + (session.scalar(select(func.max(zone_keys.c.key_version))) or 0)
        wrapped = self._root.wrap(
            random_bytes(KEY_BYTES),
            associated_data=associated_data("zone_keys", "wrapped_key", version),
        )
        session.execute(
            insert(zone_keys).values(
                zone=DEFAULT_ZONE, key_version=version, wrapped_key=wrapped, created_at=at
            )
        )
        return version

    def _zone_key(self, version: int) -> AESGCM:
        key = self._zone_keys.by_version.get(version)
        if key is None:
            self.reload()  # another process rotated
            key = self._zone_keys.by_version.get(version)
        if key is None:
            raise Undecryptable(reason="unknown zone key version", version=version)
        return key

    def _wrap(self, key: bytes, place: bytes) -> bytes:
        version = self._zone_keys.current_version
        return seal(self._zone_key(version), key, key_version=version, associated_data=place)

    def _unwrap(self, wrapped: bytes, place: bytes) -> bytes:
        zone_key = self._zone_key(key_version_of(wrapped))
        return unseal(zone_key, wrapped, associated_data=place)

    # Person keys

    def new_person_key(self, person_id: PersonId) -> NewPersonKey:
        """Mint the key of a new person; `insert_person_key` stores it."""
        key = random_bytes(KEY_BYTES)
        return NewPersonKey(
            key=PersonKey(person_id, key),
            wrapped=self._wrap(key, _person_key_place(person_id)),
            zone=DEFAULT_ZONE,
            key_version=self._zone_keys.current_version,
        )

    def person_key(self, person_id: PersonId, wrapped: bytes, *, because: Accounted) -> PersonKey:
        """Unwrap a person's key, because an access to this person's data was written down.

        Raises:
            Undecryptable: Another person's key or entry, a destroyed zone key, or changed.
        """
        if because.person_id != person_id:
            raise Undecryptable(reason="access entry of another person", entry=because.entry_id)
        return PersonKey(person_id, self._unwrap(wrapped, _person_key_place(person_id)))

    def rewrap_person_keys(self, session: Session, *, limit: int) -> int:
        """Wrap up to `limit` person keys anew under the current zone key; return how many.

        Transaction:
            Locks the rows it takes and skips those that others hold; any number may run.
        """
        current = self._zone_keys.current_version
        rows = session.execute(
            select(person_keys.c.person_id, person_keys.c.wrapped_key)
            .where(person_keys.c.key_version < current, person_keys.c.wrapped_key.is_not(None))
            .order_by(person_keys.c.key_version, person_keys.c.person_id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        ).all()
        for person_id, wrapped in rows:
            place = _person_key_place(person_id)
            rewrapped = self._wrap(self._unwrap(wrapped, place), place)
            session.execute(
                update(person_keys)
                .where(person_keys.c.person_id == person_id)
                .values(wrapped_key=rewrapped, key_version=current)
            )
        return len(rows)

    # Values that belong to no person

    def seal_system(self, plaintext: bytes, *, associated_data: bytes) -> bytes:
        """Seal a value that belongs to no person, such as a webhook secret."""
        return self._wrap(plaintext, associated_data)

    def unseal_system(self, envelope: bytes, *, associated_data: bytes) -> bytes:
        """Open what `seal_system` sealed.

        Raises:
            Undecryptable: Another place, or changed.
        """
        return self._unwrap(envelope, associated_data)

    # Keyed digests

    def blind_index(self, kind: str, value: str) -> bytes:
        """Return the digest under which `value`, an identifier of `kind`, is found.

        Args:
            kind: `snils`, `inn`, `username` …; each has its own key, so that equal numbers of two
                kinds have unrelated digests.
            value: In canonical form; compared byte for byte.

        Returns:
            32 bytes: HMAC-SHA-256 under the index key of the kind.
        """
        return _digest(self._index_key(kind), value.encode())

    def blind_indexes(self, kind: str, values: Iterable[str]) -> list[bytes]:
        """Return the digests of several values of one kind, in order; see `blind_index`."""
        keyed = self._index_key(kind)
        return [_digest(keyed, value.encode()) for value in values]

    def _index_key(self, kind: str) -> HMAC:
        keyed = self._index_keys.get(kind)
        if keyed is None:
            key = hmac.digest(self._index_master, kind.encode(), "sha256")
            keyed = self._index_keys[kind] = HMAC(key, _SHA256)
        return keyed

    def pseudonym(self, sector: str, person_id: PersonId) -> str:
        """Return the person's pseudonym in `sector`: 43 base64url characters, always the same.

        Two sectors' pseudonyms of one person can't be joined without the root key (promise 4).
        """
        keyed = self._sector_keys.get(sector)
        if keyed is None:
            key = hmac.digest(self._pseudonym_master, sector.encode(), "sha256")
            keyed = self._sector_keys[sector] = HMAC(key, _SHA256)
        return b64url(_digest(keyed, person_id.bytes))


def _digest(keyed: HMAC, value: bytes) -> bytes:
    """Return the keyed digest of a value; the key was taken in before, once for all values.

    The standard library's copy of a keyed digest takes five times as long.
    """
    digest = keyed.copy()
    digest.update(value)
    return digest.finalize()


def insert_person_key(session: Session, new: NewPersonKey, *, at: datetime) -> None:
    """Store the key of a new person."""
    session.execute(
        insert(person_keys).values(
            person_id=new.key.person_id,
            zone=new.zone,
            key_version=new.key_version,
            wrapped_key=new.wrapped,
            created_at=at,
        )
    )


def insert_person_keys(session: Session, new: Sequence[NewPersonKey], *, at: datetime) -> None:
    """Store the keys of many new persons."""
    copy_rows(
        session,
        person_keys,
        ((one.key.person_id, one.zone, one.key_version, one.wrapped, at, None) for one in new),
    )
