"""Forty at once: one dispute of a value, one answer, one finding."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from kernel.db import unit_of_work_of
from kernel.errors import DomainError
from kernel.ids import AgencyId, PersonId
from kernel.keyring import Keyring
from kernel.root_keys import LocalKeyFile
from population_register.service.consistency import check_person
from population_register.service.disputes import (
    open_dispute,
)
from population_register.service.work_lists import (
    Reader,
    answer_work,
    list_work,
)
from population_register.tables import findings
from tests.population_register.register_builders import ANNA, NOON, a_record, accept, add_agencies
from tests.population_register.test_work_lists import because

pytestmark = [pytest.mark.db, pytest.mark.timeout(60)]

Sessions = sessionmaker[Session]
T = TypeVar("T")
HOW_MANY = 40


def at_once(work: Callable[[Session], T], sessions: Sessions) -> list[T | str]:
    """Do the same forty times at the same moment; of a refusal, return its code."""
    barrier = Barrier(HOW_MANY, timeout=30)

    def run(_: int) -> T | str:
        barrier.wait()
        try:
            with unit_of_work_of(sessions) as session:
                return work(session)
        except DomainError as refusal:
            return refusal.code

    with ThreadPoolExecutor(HOW_MANY) as pool:
        return list(pool.map(run, range(HOW_MANY)))


@pytest.fixture
def keyring(fresh_sessions: Sessions) -> Keyring:
    with unit_of_work_of(fresh_sessions) as session:
        add_agencies(session)
    return Keyring.open(LocalKeyFile(bytes(range(32))), fresh_sessions, at=NOON)


@pytest.fixture
def anna(fresh_sessions: Sessions, keyring: Keyring) -> PersonId:
    with unit_of_work_of(fresh_sessions) as session:
        accept(session, keyring, a_record("pension", "П-1"))
        wrong = {**ANNA, "birthdate": "1987-03-14"}
        return accept(session, keyring, a_record("tax", "Н-1", attributes=wrong)).person_id


def test_forty_disputes_of_a_value_are_one_and_forty_answers_one(
    fresh_sessions: Sessions, keyring: Keyring, anna: PersonId
) -> None:
    def dispute(session: Session) -> bool:
        open_dispute(
            session,
            keyring,
            anna,
            attribute="birthdate",
            source=AgencyId("tax"),
            words="Не тот год",
            suggested="",
            because=because(keyring),
            at=NOON,
        )
        return True

    by = Reader(agency_id=AgencyId("tax"), official="inspector-7", at=NOON)
    disputed = at_once(dispute, fresh_sessions)
    with unit_of_work_of(fresh_sessions) as session:
        (item,) = list_work(session, keyring, by=by)

    def answer(session: Session) -> bool:
        answer_work(session, keyring, item.item_id, by=by, answer="corrected", explanation="")
        return True

    answered = at_once(answer, fresh_sessions)

    assert sorted(disputed, key=str) == [True, *["already_disputed"] * (HOW_MANY - 1)]
    assert sorted(answered, key=str) == [True, *["work_item_done"] * (HOW_MANY - 1)]


def test_checks_that_race_find_the_same_thing_once(
    fresh_sessions: Sessions, keyring: Keyring, anna: PersonId
) -> None:
    barrier = Barrier(4, timeout=30)

    def check(_: int) -> int:
        barrier.wait()
        return check_person(fresh_sessions, keyring, anna, at=NOON).opened

    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(check, range(4)))

    with fresh_sessions() as session:
        stored = session.scalar(select(func.count()).select_from(findings))
    assert (sum(opened), stored) == (1, 1)
