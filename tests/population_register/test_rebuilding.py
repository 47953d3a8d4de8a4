"""Persons without standings get them, and everything is as if they had always had them."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import delete, select, text
from sqlalchemy.orm import Session, sessionmaker

from audit.api import list_entries
from kernel.clock import FrozenClock
from kernel.ids import PersonId
from kernel.keyring import Keyring
from population_register.identifiers import IdentifierKind
from population_register.queue_store import QueueFilter, list_queue
from population_register.service.groups import members_of
from population_register.service.persons import find_person
from population_register.service.rebuilding import RebuildCounts, rebuild
from population_register.tables import (
    findings,
    linking_keys,
    match_pairs,
    person_identifiers,
    persons,
)
from tests.population_register.register_builders import (
    ANNA,
    NOON,
    OLEG,
    a_record,
    accept,
    add_agencies,
    read,
    values_of,
)

pytestmark = [pytest.mark.db]

CLOCK = FrozenClock(NOON + timedelta(days=1))
DOUBTFUL = {**{k: v for k, v in ANNA.items() if k != "snils"}, "birthdate": "1986-03-24"}


@pytest.fixture
def people(session: Session, keyring: Keyring) -> Sequence[PersonId]:
    """Anna with two records, somebody who may be her, and Oleg; all as from before 0010."""
    add_agencies(session)
    anna = accept(session, keyring, a_record()).person_id
    accept(session, keyring, a_record("health", attributes={**ANNA, "enp": "7700007777000017"}))
    other = accept(session, keyring, a_record("tax", attributes=DOUBTFUL)).person_id
    oleg = accept(session, keyring, a_record("interior", attributes=OLEG)).person_id
    session.commit()
    forget(session)
    return anna, other, oleg


def forget(session: Session) -> None:
    """Let nobody have standings, as if they were from before there were any."""
    session.execute(text("UPDATE persons SET standings_sealed = NULL"))
    session.execute(delete(linking_keys))
    session.execute(delete(match_pairs))
    session.commit()


def whole(session: Session) -> tuple[object, ...]:
    """Return what matching keeps, without what is sealed anew each time."""
    return (
        sorted(map(tuple, session.execute(select(linking_keys)))),
        sorted((r.record_digest, r.other_digest) for r in session.execute(select(match_pairs))),
        sorted(map(tuple, session.execute(select(person_identifiers)))),
        sorted((r.person_id, r.group_id) for r in session.execute(select(persons))),
    )


def test_rebuilt_register_is_as_if_it_had_always_been_so(
    session: Session,
    sessions: sessionmaker[Session],
    keyring: Keyring,
    people: Sequence[PersonId],
) -> None:
    anna, other, oleg = people
    before = [values_of(read(session, keyring, person_id)) for person_id in people]
    session.commit()

    counts = rebuild(sessions, keyring, CLOCK)

    assert (counts.persons, counts.changed, counts.last) == (3, 3, max(people))
    after = [values_of(read(session, keyring, person_id)) for person_id in people]
    assert after == before
    (case,) = list_queue(session, QueueFilter(), after=None, limit=9, at=NOON)
    assert set(case.case) == {anna, other}
    assert find_person(session, keyring, IdentifierKind.SNILS, OLEG["snils"]) == oleg
    assert accept(session, keyring, a_record("defence", attributes=OLEG)).person_id == oleg
    logged = {one.entry.action for one in list_entries(session, anna)}
    assert "population_register.person.rederived" in logged


def test_again_changes_nothing(
    session: Session,
    sessions: sessionmaker[Session],
    keyring: Keyring,
    people: Sequence[PersonId],
) -> None:
    rebuild(sessions, keyring, CLOCK)
    known = whole(session)
    session.commit()

    assert rebuild(sessions, keyring, CLOCK) == RebuildCounts()
    counts = rebuild(sessions, keyring, CLOCK, everybody=True)

    assert (counts.persons, counts.changed) == (len(people), 0)
    assert whole(session) == known


def test_broken_off_it_goes_on_to_the_same_end(
    session: Session,
    sessions: sessionmaker[Session],
    keyring: Keyring,
    people: Sequence[PersonId],
) -> None:
    rebuild(sessions, keyring, CLOCK)
    known = whole(session)
    session.commit()
    forget(session)

    rebuild(sessions, keyring, CLOCK, person_ids=[people[1]])
    assert rebuild(sessions, keyring, CLOCK).persons == len(people) - 1

    assert sorted_bearers(whole(session)) == sorted_bearers(known)


def sorted_bearers(known: tuple[object, ...]) -> tuple[object, ...]:
    """Forget in which order a key's bearers came."""
    keys, *rest = known
    assert isinstance(keys, list)
    return [(key, sorted(bearers)) for key, bearers in keys], *rest


def test_two_who_are_one_are_found(
    session: Session,
    sessions: sessionmaker[Session],
    keyring: Keyring,
    people: Sequence[PersonId],
) -> None:
    """Before, a record went to whom it met first; two of one person could stay apart."""
    anna = people[0]
    again = accept(session, keyring, a_record("interior", "2"))
    session.commit()
    forget(session)
    assert again.person_id != anna

    rebuild(sessions, keyring, CLOCK)

    assert members_of(session, again.person_id) == members_of(session, anna)
    assert len(members_of(session, anna)) == 2


def test_what_cannot_be_true_is_found_on_the_way(
    session: Session, sessions: sessionmaker[Session], keyring: Keyring
) -> None:
    add_agencies(session)
    accept(session, keyring, a_record(attributes={**ANNA, "deathdate": "1985-01-01"}))
    session.commit()
    forget(session)

    rebuild(sessions, keyring, CLOCK)

    assert session.scalars(select(findings.c.rule)).all() != []
