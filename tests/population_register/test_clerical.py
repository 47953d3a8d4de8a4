"""Cases of the review queue: in order, one clerk each, decided once however many decide."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy.orm import Session, sessionmaker

from kernel.db import unit_of_work_of
from kernel.errors import DomainError
from kernel.keyring import Keyring
from kernel.languages import language
from kernel.root_keys import LocalKeyFile
from population_register.case_store import CaseKey, case_key
from population_register.matching_store import set_account_holder
from population_register.merge_store import list_merges
from population_register.model_files import register_scorer
from population_register.queue_store import QueueFilter, list_queue
from population_register.service.clerical import (
    confirm_merge,
    decide_different,
    decide_same,
    open_case,
    take_case,
)
from population_register.service.merging import Decider
from portal.evidence_view import evidence_words
from tests.population_register.register_builders import (
    ANNA,
    NOON,
    OLEG,
    a_record,
    accept,
    add_agencies,
)

pytestmark = [pytest.mark.db]

LATER = NOON + timedelta(days=1)
VERA = Decider(official="vera", reason="seen both passports", at=LATER)
IVAN = replace(VERA, official="ivan")
PETR = replace(VERA, official="petr")


def a_case(session: Session, keyring: Keyring, number: str, said: object = ANNA) -> CaseKey:
    """Two records of which nobody knows whether they are about one person."""
    named = {k: v for k, v in dict(said).items() if k != "snils"}  # type: ignore[call-overload]
    year = str(named["birthdate"])[:4]
    other = {**named, "birthdate": f"{year}-02-21", "inn": "500100732259"}
    one = accept(session, keyring, a_record("interior", number, attributes=dict(said)))  # type: ignore[call-overload]
    two = accept(session, keyring, a_record("tax", number, attributes=other))
    assert one.person_id != two.person_id
    return case_key(one.person_id, two.person_id)


@pytest.mark.usefixtures("agencies")
class TestQueue:
    def test_oldest_is_first_and_parts_go_on_where_one_ended(
        self, session: Session, keyring: Keyring
    ) -> None:
        cases = {a_case(session, keyring, "1"), a_case(session, keyring, "2", OLEG)}

        (first,) = list_queue(session, QueueFilter(), after=None, limit=1, at=LATER)
        after = (first.found_at, *first.case)
        (second,) = list_queue(session, QueueFilter(), after=after, limit=9, at=LATER)

        assert {first.case, second.case} == cases
        assert first.agencies == ("interior", "tax")
        rest = list_queue(
            session, QueueFilter(), after=(second.found_at, *second.case), limit=9, at=LATER
        )
        assert rest == []

    def test_who_works_on_it_is_shown_while_they_do(
        self, session: Session, keyring: Keyring
    ) -> None:
        case = a_case(session, keyring, "1")
        take_case(session, case, by=VERA)

        held = [
            list_queue(session, QueueFilter(), after=None, limit=1, at=at)[0].held_by
            for at in (LATER, LATER + timedelta(minutes=15))
        ]

        assert held == ["vera", None]


def test_every_word_of_the_model_is_translated(session: Session, keyring: Keyring) -> None:
    add_agencies(session)
    case = a_case(session, keyring, "1")
    take_case(session, case, by=VERA)
    view = open_case(session, keyring, case, by=VERA, to_decide=True).view
    russian = language("ru")

    for part in view.compared[0].parts:
        assert not any("a" <= letter <= "z" for letter in evidence_words(part, russian))
    templates = {
        words for feature in register_scorer().model.features for words in feature.comparator.words
    }
    sample = view.compared[0].parts[0]
    for template in templates:
        part = replace(sample, template=template, words=template, feature="snils")
        assert evidence_words(part, russian) != template, template


@pytest.fixture
def register(fresh_sessions: sessionmaker[Session]) -> tuple[sessionmaker[Session], Keyring]:
    with unit_of_work_of(fresh_sessions) as session:
        add_agencies(session)
    return fresh_sessions, Keyring.open(LocalKeyFile(bytes(range(32))), fresh_sessions, at=NOON)


def at_once(
    sessions: sessionmaker[Session], *works: Callable[[Session], object]
) -> tuple[list[object], list[str]]:
    """Do all at the same moment, each in its own transaction; return what came, and refusals."""
    barrier = Barrier(len(works))

    def run(work: Callable[[Session], object]) -> object:
        barrier.wait()
        try:
            with unit_of_work_of(sessions) as session:
                return work(session)
        except DomainError as refusal:
            return refusal.code

    with ThreadPoolExecutor(len(works)) as pool:
        found = list(pool.map(run, works))
    return (
        [each for each in found if not isinstance(each, str)],
        sorted(each for each in found if isinstance(each, str)),
    )


class TestRaces:
    def test_of_many_who_take_a_case_one_has_it(
        self, register: tuple[sessionmaker[Session], Keyring]
    ) -> None:
        sessions, keyring = register
        with unit_of_work_of(sessions) as session:
            case = a_case(session, keyring, "1")

        taken, refused = at_once(
            sessions,
            *(
                lambda session, name=name: take_case(session, case, by=replace(VERA, official=name))
                for name in ("vera", "ivan", "petr", "olga")
            ),
        )

        assert (len(taken), refused) == (1, ["case_taken"] * 3)

    def test_of_two_decisions_sent_at_once_one_is_made(
        self, register: tuple[sessionmaker[Session], Keyring]
    ) -> None:
        sessions, keyring = register
        with unit_of_work_of(sessions) as session:
            case = a_case(session, keyring, "1")
            take_case(session, case, by=VERA)

        done, refused = at_once(
            sessions,
            lambda session: decide_same(session, keyring, case, by=VERA),
            lambda session: decide_different(session, keyring, case, by=VERA),
            lambda session: decide_same(session, keyring, case, by=VERA),
        )

        assert (len(done), refused) == (1, ["case_not_held"] * 2)

    def test_of_two_who_confirm_at_once_one_does_and_never_who_proposed(
        self, register: tuple[sessionmaker[Session], Keyring]
    ) -> None:
        sessions, keyring = register
        with unit_of_work_of(sessions) as session:
            case = a_case(session, keyring, "1")
            for person_id in case:
                set_account_holder(session, person_id, NOON)
            take_case(session, case, by=VERA)
            proposal = decide_same(session, keyring, case, by=VERA)
        proposal_id = proposal.proposal_id  # type: ignore[union-attr]

        done, refused = at_once(
            sessions,
            *(
                lambda session, by=by: confirm_merge(session, keyring, case, proposal_id, by=by)
                for by in (VERA, IVAN, PETR, VERA)
            ),
        )

        assert len(done) == 1
        assert set(refused) <= {"already_decided", "second_official_needed"}
        with sessions() as session:
            (merge,) = list_merges(session, case.one)
        assert merge.decided_by == "vera"
        assert merge.confirmed_by in {"ivan", "petr"}
