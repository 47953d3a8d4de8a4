"""Claiming finds out whatever changed since it was read, and a batch leaves nothing behind it."""

import gc

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from audit.api import Actor, NewEntry
from kernel.ids import EntryId, PersonId, new_id
from kernel.keyring import Keyring
from kernel.person_keys import shred_person_key
from kernel.root_keys import LocalKeyFile
from population_register import matching_store
from population_register.profiles import profile_of
from population_register.sealed_standings import standing_of
from population_register.service.fragments import Fragment, Fragments
from population_register.tables import linking_keys, persons
from tests.population_register.register_builders import ANNA, NOON, OLEG, a_record, accept

REF = bytes(32)


def because(person_id: PersonId) -> NewEntry:
    return NewEntry(
        entry_id=EntryId(new_id(NOON)),
        action="population_register.person.compared",
        outcome="allowed",
        actor=Actor(kind="agency", id="tax"),
        subject=str(person_id),
        occurred_at=NOON,
    )


@pytest.fixture
def anna(session: Session, keyring: Keyring) -> PersonId:
    """Somebody with keys."""
    return accept(session, keyring, a_record()).person_id


@pytest.mark.db
@pytest.mark.usefixtures("agencies")
class TestKeys:
    @pytest.fixture
    def read(self, session: Session, keyring: Keyring) -> list[tuple[int, bytes, bytes]]:
        """All keys of somebody, each with its bearers and where it lies."""
        accept(session, keyring, a_record())
        found = matching_store.find_bearers(session, session.scalars(select(linking_keys.c.key)))
        assert len(found) > 1
        return [(key, *borne) for key, borne in found.items()]

    def test_are_as_read_while_nobody_writes(
        self, session: Session, keyring: Keyring, read: list[tuple[int, bytes, bytes]]
    ) -> None:
        accept(session, keyring, a_record(number="O-1", attributes=OLEG))

        assert matching_store.are_as_read(session, read)
        assert matching_store.are_as_read(session, [])

    def test_one_that_is_borne_by_others_now_is_not(
        self, session: Session, read: list[tuple[int, bytes, bytes]]
    ) -> None:
        matching_store.update_keys(session, {read[0][0]: read[0][1] * 2})

        assert not matching_store.are_as_read(session, read)
        assert matching_store.are_as_read(session, read[1:])

    def test_one_that_is_gone_is_not(
        self, session: Session, read: list[tuple[int, bytes, bytes]]
    ) -> None:
        matching_store.update_keys(session, {read[-1][0]: b""})

        assert not matching_store.are_as_read(session, read)

    def test_every_part_counts(
        self, session: Session, read: list[tuple[int, bytes, bytes]]
    ) -> None:
        (key, bearers, place), (other, _, elsewhere) = read[:2]

        assert matching_store.are_as_read(session, [(key, bearers, place)])
        assert not matching_store.are_as_read(session, [(other, bearers, place)])
        assert not matching_store.are_as_read(session, [(key, bearers * 2, place)])
        assert not matching_store.are_as_read(session, [(key, bearers, elsewhere)])


@pytest.mark.db
@pytest.mark.usefixtures("agencies")
class TestPersons:
    @pytest.fixture
    def fragments(self, session: Session, keyring: Keyring, anna: PersonId) -> Fragments:
        """Anna, opened."""
        fragments = Fragments(session, keyring, because)
        fragments.load([anna])
        assert not fragments[anna].is_erased
        return fragments

    def test_are_as_read_while_nobody_writes(self, fragments: Fragments) -> None:
        assert fragments.lock()

    def test_one_with_another_version_is_not(self, session: Session, fragments: Fragments) -> None:
        session.execute(update(persons).values(record_version=persons.c.record_version + 1))

        assert not fragments.lock()

    def test_one_whose_data_was_destroyed_is_not(
        self, session: Session, fragments: Fragments, anna: PersonId
    ) -> None:
        shred_person_key(session, anna, at=NOON)

        assert not fragments.lock()

    def test_one_whose_data_had_been_destroyed_is(
        self, session: Session, keyring: Keyring, anna: PersonId
    ) -> None:
        shred_person_key(session, anna, at=NOON)
        fragments = Fragments(session, keyring, because)
        fragments.load([anna])

        assert fragments[anna].is_erased
        assert fragments.lock()


@pytest.mark.db
@pytest.mark.usefixtures("agencies")
def test_what_a_batch_has_opened_goes_with_it(session: Session, keyring: Keyring) -> None:
    gc.collect()
    gc.disable()
    try:
        accept(session, keyring, a_record())
        accept(session, keyring, a_record("tax"))

        assert not [one for one in gc.get_objects() if isinstance(one, Fragment)]
    finally:
        gc.enable()


def test_marks_say_nothing_without_the_key(keyring: Keyring) -> None:
    other = Keyring(LocalKeyFile(b"\x07" * 32), keyring._sessions)  # noqa: SLF001 - of no use here
    anna = profile_of(ANNA.items())
    renumbered = profile_of({**ANNA, "snils": "112-233-445 95"}.items())

    mark = standing_of(keyring, REF, anna).mark

    assert standing_of(keyring, REF, renumbered).mark == mark
    assert standing_of(keyring, REF, profile_of(OLEG.items())).mark != mark
    assert standing_of(other, REF, anna).mark != mark
