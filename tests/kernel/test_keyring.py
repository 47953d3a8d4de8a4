"""The key hierarchy on the real database (promises 1, 4 and 5)."""

import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, sessionmaker

from kernel.db import make_engine, make_sessions, unit_of_work_of
from kernel.envelope import associated_data, key_version_of
from kernel.errors import Undecryptable
from kernel.ids import PersonId, new_id
from kernel.keyring import Keyring, insert_person_key
from kernel.person_keys import load_wrapped_key
from kernel.root_keys import LocalKeyFile
from kernel.tables import person_keys, zone_keys

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
PLACE = associated_data("t", "c", 1)

Sessions = sessionmaker[Session]


@dataclass(frozen=True)
class Entry:
    """What `Accounted` asks for."""

    entry_id: UUID
    person_id: PersonId


@pytest.fixture
def sessions(fresh_database: str) -> Iterator[Sessions]:
    engine = make_engine(fresh_database, pool_size=2)
    yield make_sessions(engine)
    engine.dispose()


@pytest.fixture
def root(tmp_path: Path) -> LocalKeyFile:
    return LocalKeyFile.create(tmp_path / "root.key")


@pytest.fixture
def keyring(root: LocalKeyFile, sessions: Sessions) -> Keyring:
    return Keyring.open(root, sessions, at=AT)


@pytest.fixture
def a_person(keyring: Keyring, sessions: Sessions) -> Callable[[], PersonId]:
    def make() -> PersonId:
        person_id = PersonId(new_id(AT))
        with unit_of_work_of(sessions) as session:
            insert_person_key(session, keyring.new_person_key(person_id), at=AT)
        return person_id

    return make


def an_entry(person_id: PersonId) -> Entry:
    return Entry(new_id(AT), person_id)


def test_what_a_person_key_sealed_opens_after_a_restart(
    keyring: Keyring, root: LocalKeyFile, sessions: Sessions
) -> None:
    person_id = PersonId(new_id(AT))
    new = keyring.new_person_key(person_id)
    sealed = new.key.seal(b"Anna", associated_data=PLACE)

    reopened = Keyring.open(root, sessions, at=AT)
    key = reopened.person_key(person_id, new.wrapped, because=an_entry(person_id))

    assert key.unseal(sealed, associated_data=PLACE) == b"Anna"


def test_an_entry_about_somebody_else_opens_nothing(
    keyring: Keyring, sessions: Sessions, a_person: Callable[[], PersonId]
) -> None:
    person_id, other = a_person(), a_person()
    with sessions() as session:
        wrapped = load_wrapped_key(session, person_id)

    with pytest.raises(Undecryptable):
        keyring.person_key(person_id, wrapped, because=an_entry(other))


def test_a_wrapped_key_of_another_person_does_not_open(
    keyring: Keyring, sessions: Sessions, a_person: Callable[[], PersonId]
) -> None:
    person_id, other = a_person(), a_person()
    with sessions() as session:
        wrapped = load_wrapped_key(session, other)

    with pytest.raises(Undecryptable):
        keyring.person_key(person_id, wrapped, because=an_entry(person_id))


def test_another_root_key_opens_nothing(
    keyring: Keyring, sessions: Sessions, tmp_path: Path
) -> None:
    assert keyring.zone_key_version == 1
    thief = LocalKeyFile.create(tmp_path / "other.key")

    with pytest.raises(Undecryptable):
        Keyring.open(thief, sessions, at=AT)


def test_a_shredded_person_has_no_key(sessions: Sessions, a_person: Callable[[], PersonId]) -> None:
    person_id = a_person()
    with unit_of_work_of(sessions) as session:
        session.execute(
            update(person_keys)
            .where(person_keys.c.person_id == person_id)
            .values(wrapped_key=None, shredded_at=AT)
        )

    with sessions() as session, pytest.raises(Undecryptable):
        load_wrapped_key(session, person_id)


def test_processes_that_start_together_share_one_zone_key(
    keyring: Keyring, root: LocalKeyFile, sessions: Sessions
) -> None:
    Keyring.open(root, sessions, at=AT)

    with sessions() as session:
        assert session.scalar(select(func.count()).select_from(zone_keys)) == 1
    assert keyring.zone_key_version == 1


class TestRotation:
    def test_rewraps_every_key_and_everything_still_opens(
        self, keyring: Keyring, sessions: Sessions, a_person: Callable[[], PersonId]
    ) -> None:
        people = [a_person() for _ in range(5)]
        with unit_of_work_of(sessions) as session:
            keyring.add_zone_key(session, at=AT)
        keyring.reload()

        batches = []
        while True:
            with unit_of_work_of(sessions) as session:
                batches.append(keyring.rewrap_person_keys(session, limit=2))
            if batches[-1] == 0:
                break

        assert batches == [2, 2, 1, 0]
        with sessions() as session:
            for person_id in people:
                wrapped = load_wrapped_key(session, person_id)
                assert key_version_of(wrapped) == 2
                keyring.person_key(person_id, wrapped, because=an_entry(person_id))

    def test_another_process_learns_of_the_new_key_when_it_meets_it(
        self, keyring: Keyring, root: LocalKeyFile, sessions: Sessions
    ) -> None:
        elsewhere = Keyring.open(root, sessions, at=AT)
        with unit_of_work_of(sessions) as session:
            keyring.add_zone_key(session, at=AT)
        keyring.reload()
        person_id = PersonId(new_id(AT))
        new = keyring.new_person_key(person_id)

        key = elsewhere.person_key(person_id, new.wrapped, because=an_entry(person_id))

        assert key.unseal(new.key.seal(b"x", associated_data=PLACE), associated_data=PLACE) == b"x"


class TestDigests:
    def test_equal_numbers_of_two_kinds_have_unrelated_digests(self, keyring: Keyring) -> None:
        assert keyring.blind_index("snils", "112-233-445 95") == keyring.blind_index(
            "snils", "112-233-445 95"
        )
        assert keyring.blind_index("snils", "1") != keyring.blind_index("inn", "1")

    def test_several_are_digested_as_each_alone(self, keyring: Keyring) -> None:
        assert keyring.blind_indexes("inn", ["1", "", "2"]) == [
            keyring.blind_index("inn", value) for value in ("1", "", "2")
        ]

    def test_digests_are_what_they_always_were(self, sessions: Sessions) -> None:
        """What lies in databases is found by them: HMAC-SHA-256 under keys derived by HMAC."""
        root = LocalKeyFile(bytes(range(32)))
        keyring = Keyring(root, sessions)
        key = hmac.digest(root.derive("index"), b"snils", "sha256")

        assert keyring.blind_index("snils", "1") == hmac.digest(key, b"1", "sha256")

    def test_two_sectors_see_different_pseudonyms_of_one_person(self, keyring: Keyring) -> None:
        person_id = PersonId(new_id(AT))

        pseudonyms = {keyring.pseudonym(sector, person_id) for sector in ("bank", "clinic", "bank")}

        assert len(pseudonyms) == 2
        assert all(len(pseudonym) == 43 for pseudonym in pseudonyms)
