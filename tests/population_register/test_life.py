"""Life events over a register: derived once, told in order, and what follows from them."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session, sessionmaker

from audit.api import list_entries
from kernel.clock import FrozenClock
from kernel.db import unit_of_work_of
from kernel.errors import Conflict, NotFound, Undecryptable
from kernel.ids import AgencyId, PersonId
from kernel.keyring import Keyring
from kernel.person_keys import shred_person_key
from kernel.root_keys import LocalKeyFile
from population_register import life_store
from population_register.api import (
    LIFE_EVENT_TASK,
    Decider,
    LegalBasis,
    LifeEventKind,
    ToldPage,
    add_legal_basis,
    derive_life_events,
    merge_persons,
    note_birthdays,
    read_events,
    sector_pseudonym,
    subscribe,
    undo_merge,
    unsubscribe,
)
from population_register.errors import MandateRefused, UnknownAgency
from population_register.life_store import note_changed
from population_register.tables import life_events, life_facts, persons
from tests.population_register.register_builders import (
    ANNA,
    NOON,
    OLEG,
    a_record,
    a_stranger,
    a_withdrawal,
    accept,
    add_agencies,
)

TAX, PENSION = AgencyId("tax"), AgencyId("pension")
SON: Mapping[str, Any] = {
    "family_name": "Волков",
    "given_name": "Пётр",
    "middle_name": "Олегович",
    "birthdate": "2026-11-20",
    "parents": [
        {
            "role": "mother",
            "family_name": "Волкова",
            "given_name": "Анна",
            "middle_name": "Дмитриевна",
            "birthdate": "1986-03-14",
            "snils": "900-000-002 83",
        },
        {"role": "father", "given_name": "Олег", "birthdate": "1985"},
    ],
}


class Register:
    """A register with agencies, one of which is told of everything."""

    def __init__(self, sessions: sessionmaker[Session], keyring: Keyring) -> None:
        self.sessions = sessions
        self.keyring = keyring
        self.clock = FrozenClock(NOON)
        with unit_of_work_of(sessions) as session:
            add_agencies(session)
            basis = LegalBasis(
                code="law_168", title_ru="По закону", title_en="By law", reference="статья 10"
            )
            add_legal_basis(session, basis, NOON)
            for kind in LifeEventKind:
                subscribe(session, TAX, kind, legal_basis="law_168", at=NOON)

    def says(self, agency: str, number: str, version: int = 1, **changed: Any) -> PersonId:  # noqa: ANN401
        """Let an agency send a record, about Anna unless it says otherwise; derive."""
        attributes = changed.pop("attributes", {**ANNA, **changed})
        since = changed.pop("valid_from", date(2020, 1, 1))
        attributes.pop("valid_from", None)
        record = a_record(
            agency,
            number,
            version,
            attributes=attributes,
            valid_from=since,
            arrived_at=self.clock.now(),
        )
        with unit_of_work_of(self.sessions) as session:
            person_id = accept(session, self.keyring, record).person_id
        self.derive()
        return person_id

    def derive(self) -> int:
        self.clock.advance(timedelta(seconds=1))
        return derive_life_events(self.sessions, self.keyring, self.clock.now)

    def told(self, agency_id: AgencyId = TAX, *, after: int = 0, limit: int = 100) -> ToldPage:
        with unit_of_work_of(self.sessions) as session:
            return read_events(
                session,
                self.keyring,
                agency_id,
                after=after,
                limit=limit,
                client_id=None,
                request_id=None,
                at=self.clock.now(),
            )

    def kinds(self) -> list[LifeEventKind]:
        return [event.kind for event in self.told().events]

    def consequences(self) -> list[tuple[PersonId, str]]:
        """Return who died, and who did not after all, as jobs tell it."""
        with self.sessions() as session:
            rows = session.execute(
                text("SELECT args FROM procrastinate_jobs WHERE task_name = :name ORDER BY id"),
                {"name": LIFE_EVENT_TASK},
            )
            return [(PersonId(UUID(args["person_id"])), args["kind"]) for (args,) in rows]

    def subscribe(self, agency_id: AgencyId, kind: LifeEventKind, basis: str = "law_168") -> None:
        with unit_of_work_of(self.sessions) as session:
            subscribe(session, agency_id, kind, legal_basis=basis, at=self.clock.now())


@pytest.fixture
def register(sessions: sessionmaker[Session], keyring: Keyring) -> Register:
    return Register(sessions, keyring)


class TestDeriving:
    """From a record to an event."""

    def test_a_life_that_was_lived_before_is_no_news(self, register: Register) -> None:
        register.says("civil_registry", "1", deathdate="2020-05-01")

        assert register.kinds() == []

    def test_death_then_that_it_was_a_mistake(self, register: Register) -> None:
        anna = register.says("civil_registry", "1")
        register.says("interior", "d", deathdate="2026-11-20")
        record = a_withdrawal("interior", "d")
        with unit_of_work_of(register.sessions) as session:
            accept(session, register.keyring, record)
        register.derive()

        first, second = register.told().events
        assert (first.kind, first.occurred_on) == (LifeEventKind.DEATH, "2026-11-20")
        assert second.kind is LifeEventKind.DEATH_ANNULLED
        assert first.pseudonym == sector_pseudonym(register.keyring, TAX, anna)

    def test_birth_is_an_event_of_the_child_and_of_the_mother(self, register: Register) -> None:
        anna = register.says("civil_registry", "1")

        child = register.says("civil_registry", "2", attributes=dict(SON))

        birth, child_born = register.told().events
        assert birth.kind is LifeEventKind.BIRTH
        assert birth.pseudonym == sector_pseudonym(register.keyring, TAX, child)
        assert child_born.kind is LifeEventKind.CHILD_BORN
        assert child_born.pseudonym == sector_pseudonym(register.keyring, TAX, anna)
        assert child_born.relative == birth.pseudonym
        with register.sessions() as session:
            assert life_store.list_children(session, [anna]) == [child]

    def test_mother_of_another_birth_date_is_not_found(self, register: Register) -> None:
        """A number alone tells nobody: two people may have it."""
        anna = register.says("civil_registry", "1")
        mother = {**SON["parents"][0], "birthdate": "1990-01-01", "given_name": "Ольга"}

        register.says("civil_registry", "2", attributes={**SON, "parents": [mother]})

        assert register.kinds() == [LifeEventKind.BIRTH]
        with register.sessions() as session:
            assert life_store.list_children(session, [anna]) == []

    def test_name_move_and_passport_at_once(self, register: Register) -> None:
        address = {"formatted": "Вологодская область, г. Вологда"}
        register.says("interior", "1", registration_address=address)

        register.says(
            "interior",
            "1",
            2,
            family_name="Орлова",
            registration_address={"formatted": "Томская область, г. Томск"},
            passport={"series_number": "99 01 000002", "issued_on": "2026-11-02"},
            valid_from=date(2026, 11, 1),
        )

        assert register.kinds() == [
            LifeEventKind.NAME_CHANGED,
            LifeEventKind.MOVED,
            LifeEventKind.PASSPORT_ISSUED,
        ]

    def test_nothing_is_derived_twice(self, register: Register) -> None:
        register.says("civil_registry", "1")
        register.says("interior", "d", deathdate="2026-11-20")

        assert register.derive() == 0
        register.says("health", "h")
        assert register.kinds() == [LifeEventKind.DEATH]

    def test_looking_leaves_a_trace(self, register: Register) -> None:
        anna = register.says("civil_registry", "1")

        with register.sessions() as session:
            actions = [logged.entry.action for logged in list_entries(session, anna)]
        assert "population_register.life.looked_at" in actions

    def test_what_is_remembered_is_sealed(self, register: Register) -> None:
        register.says("civil_registry", "1")
        register.says("interior", "d", deathdate="2026-11-20")

        with register.sessions() as session:
            sealed = [
                *session.scalars(select(life_facts.c.facts_sealed)),
                *session.scalars(select(life_facts.c.due_digest)),
                *session.scalars(select(life_events.c.body_sealed)),
            ]
        assert len(sealed) == 3
        assert not any(b"2026" in (value or b"") for value in sealed)


class TestKinship:
    """Who is whose child, when the child turns out to be known twice, or not at all any more."""

    BY = Decider(official="operator-1", reason="seen both", at=NOON)

    def children_of(self, register: Register, parent: PersonId) -> list[PersonId]:
        with register.sessions() as session:
            return life_store.list_children(session, [parent])

    def two_records_of_one_child(self, register: Register, **changed: object) -> list[PersonId]:
        """Two persons who are one boy: with his number and his full name they are not alike."""
        again = {**SON, "given_name": "Игнат", "middle_name": "Егорович", "family_name": "Орлов"}
        return [
            register.says("civil_registry", "2", attributes={**SON, **changed}),
            register.says("health", "3", attributes={**again, **changed}),
        ]

    def test_child_who_was_known_twice_is_one(self, register: Register) -> None:
        anna = register.says("civil_registry", "1")
        children = self.two_records_of_one_child(register)
        assert self.children_of(register, anna) == children
        told = len(register.told().events)

        with unit_of_work_of(register.sessions) as session:
            merge = merge_persons(session, register.keyring, *children, by=self.BY)
        register.derive()

        assert self.children_of(register, anna) == [min(children)]

        with unit_of_work_of(register.sessions) as session:
            undo_merge(session, register.keyring, merge.merge_id, by=self.BY)
        register.derive()

        assert self.children_of(register, anna) == children
        assert len(register.told().events) == told  # nobody was born again

    def test_child_who_was_known_twice_is_of_age_once_for_all(self, register: Register) -> None:
        anna = register.says("civil_registry", "1")
        children = self.two_records_of_one_child(register, birthdate="2009-12-01")
        with unit_of_work_of(register.sessions) as session:
            merge_persons(session, register.keyring, *children, by=self.BY)
        register.derive()

        register.clock.advance(datetime(2027, 12, 1, 12, tzinfo=UTC) - register.clock.now())
        with unit_of_work_of(register.sessions) as session:
            note_birthdays(session, register.keyring, at=register.clock.now())
        register.derive()

        assert self.children_of(register, anna) == []

    def test_parent_of_a_child_whose_data_was_destroyed(self, register: Register) -> None:
        anna = register.says("civil_registry", "1")
        child = register.says("civil_registry", "2", attributes=dict(SON))
        with unit_of_work_of(register.sessions) as session:
            shred_person_key(session, child, at=register.clock.now())

        assert self.children_of(register, anna) == []


def test_person_whose_data_is_damaged_keeps_no_news_from_others(register: Register) -> None:
    damaged = register.says("civil_registry", "1")
    others = [a_stranger(number) for number in range(3)]
    for number, other in enumerate(others):
        register.says("civil_registry", f"o{number}", attributes=other)
    with unit_of_work_of(register.sessions) as session:
        is_damaged = persons.c.person_id == damaged
        sealed = session.scalar(select(persons.c.record_sealed).where(is_damaged))
        note_changed(session, [damaged], register.clock.now())
        session.execute(update(persons).where(is_damaged).values(record_sealed=b"\0" * 99))
    for number, other in enumerate(others):
        dead = {**other, "deathdate": "2026-11-20"}
        record = a_record("civil_registry", f"o{number}", 2, attributes=dead)
        with unit_of_work_of(register.sessions) as session:
            accept(session, register.keyring, record)

    with pytest.raises(Undecryptable):
        register.derive()

    assert register.kinds() == [LifeEventKind.DEATH] * 3
    assert register.derive() == 0  # not again at once
    with unit_of_work_of(register.sessions) as session:
        session.execute(update(persons).where(is_damaged).values(record_sealed=sealed))
    register.clock.advance(timedelta(hours=1))
    assert register.derive() == 0  # and then it is
    with register.sessions() as session:
        assert life_store.next_changed(session, 9, register.clock.now()) == []


class TestConsequences:
    """What other contexts are told to act upon; nobody else is told."""

    def test_who_was_dead_when_first_looked_at(self, register: Register) -> None:
        anna = register.says("civil_registry", "1", deathdate="2020-05-01")

        assert register.kinds() == []
        assert register.consequences() == [(anna, "death")]

    def test_who_turns_out_to_be_one_with_somebody_dead_and_then_not(
        self, register: Register
    ) -> None:
        gone = register.says("civil_registry", "1", deathdate="2020-05-01")
        living = register.says("tax", "2", attributes=OLEG)
        by = Decider(official="operator-1", reason="seen both", at=NOON)
        with unit_of_work_of(register.sessions) as session:
            merge = merge_persons(session, register.keyring, gone, living, by=by)
        register.derive()
        assert register.consequences() == [(gone, "death"), (living, "death")]

        with unit_of_work_of(register.sessions) as session:
            undo_merge(session, register.keyring, merge.merge_id, by=by)
        register.derive()

        assert register.consequences()[2:] == [(living, "death_annulled")]

    def test_each_of_two_who_are_one_once(self, register: Register) -> None:
        anna = register.says("civil_registry", "1")
        other = register.says("tax", "2", attributes=OLEG)
        by = Decider(official="operator-1", reason="seen both", at=NOON)
        with unit_of_work_of(register.sessions) as session:
            merge_persons(session, register.keyring, anna, other, by=by)
        register.derive()

        register.says("civil_registry", "1", 2, deathdate="2026-11-20")

        assert register.kinds() == [LifeEventKind.DEATH]
        assert sorted(register.consequences()) == sorted([(anna, "death"), (other, "death")])


class TestCalendar:
    """`note_birthdays`: nothing changed but the day."""

    def turn(self, register: Register, at: datetime) -> int:
        register.clock.advance(at - register.clock.now())
        with unit_of_work_of(register.sessions) as session:
            noted = note_birthdays(session, register.keyring, at=at)
        register.derive()
        return noted

    def test_fourteen_then_eighteen(self, register: Register) -> None:
        register.says("civil_registry", "1", birthdate="2012-12-01")

        assert self.turn(register, datetime(2026, 11, 30, 12, tzinfo=UTC)) == 0
        assert self.turn(register, datetime(2026, 12, 1, 12, tzinfo=UTC)) == 1
        assert self.turn(register, datetime(2026, 12, 2, 12, tzinfo=UTC)) == 0
        assert self.turn(register, datetime(2030, 12, 1, 12, tzinfo=UTC)) == 1

        events = register.told().events
        assert [event.kind for event in events] == [
            LifeEventKind.TURNED_14,
            LifeEventKind.TURNED_18,
        ]
        assert events[0].occurred_on == "2026-12-01"

    def test_day_begins_by_the_legal_time(self, register: Register) -> None:
        """In Moscow it is the first of December three hours before Greenwich."""
        register.says("civil_registry", "1", birthdate="2012-12-01")

        assert self.turn(register, datetime(2026, 11, 30, 20, 59, tzinfo=UTC)) == 0
        assert self.turn(register, datetime(2026, 11, 30, 21, 1, tzinfo=UTC)) == 1

    def test_days_on_which_no_worker_ran_are_made_up_for(self, register: Register) -> None:
        register.says("civil_registry", "1", birthdate="1981-12-01")

        assert self.turn(register, datetime(2027, 3, 1, 12, tzinfo=UTC)) == 1
        assert register.kinds() == [LifeEventKind.TURNED_45]


class TestTelling:
    """`read_events`: each once, in order, to whom it may be told."""

    def test_from_a_position_on(self, register: Register) -> None:
        register.says("civil_registry", "1")
        register.says("interior", "d", deathdate="2026-11-20")
        register.says("civil_registry", "2", attributes=dict(SON))

        first = register.told(limit=1)
        rest = register.told(after=first.position)
        nothing = register.told(after=rest.position)

        assert [event.position for event in first.events] == [1]
        assert [event.position for event in rest.events] == list(range(2, 2 + len(rest.events)))
        assert nothing.events == []
        assert nothing.position == rest.position
        assert register.told().events == [*first.events, *rest.events]  # replayed

    def test_to_whom_it_was_not_subscribed_nothing_is_told(self, register: Register) -> None:
        register.subscribe(PENSION, LifeEventKind.BIRTH)
        register.says("civil_registry", "1")
        register.says("interior", "d", deathdate="2026-11-20")

        assert register.told(PENSION).events == []

    def test_what_happened_before_is_not_told(self, register: Register) -> None:
        register.says("civil_registry", "1")
        register.says("interior", "d", deathdate="2026-11-20")

        register.subscribe(PENSION, LifeEventKind.DEATH)

        assert register.told(PENSION).events == []

    def test_two_sectors_have_nothing_in_common(self, register: Register) -> None:
        register.subscribe(PENSION, LifeEventKind.DEATH)
        register.says("civil_registry", "1")
        register.says("interior", "d", deathdate="2026-11-20")

        (tax,) = register.told().events
        (pension,) = register.told(PENSION).events

        assert tax.pseudonym != pension.pseudonym

    def test_person_sees_who_was_told_and_why(self, register: Register) -> None:
        anna = register.says("civil_registry", "1")
        register.says("interior", "d", deathdate="2026-11-20")

        register.told()

        with register.sessions() as session:
            told = [
                logged.entry
                for logged in list_entries(session, anna)
                if logged.entry.action == "population_register.life_event.told"
            ]
        assert [(entry.actor.id, entry.purpose, entry.items) for entry in told] == [
            ("tax", "law_168", ("event:death",))
        ]

    def test_of_destroyed_data_nothing_is_told_and_the_sequence_goes_on(
        self, register: Register
    ) -> None:
        anna = register.says("civil_registry", "1")
        register.says("interior", "d", deathdate="2026-11-20")
        with unit_of_work_of(register.sessions) as session:
            shred_person_key(session, anna, at=register.clock.now())

        page = register.told()

        assert (page.events, page.position) == ([], 1)


class TestSubscriptions:
    """`subscribe`, `unsubscribe`."""

    def test_refused(self, register: Register) -> None:
        with pytest.raises(Conflict):
            register.subscribe(TAX, LifeEventKind.DEATH)
        with pytest.raises(MandateRefused):
            register.subscribe(PENSION, LifeEventKind.DEATH, basis="no_such_law")
        with pytest.raises(UnknownAgency):
            register.subscribe(AgencyId("nobody"), LifeEventKind.DEATH)
        with pytest.raises(NotFound), unit_of_work_of(register.sessions) as session:
            unsubscribe(session, PENSION, LifeEventKind.DEATH, at=NOON)

    def test_ended_tells_no_more_and_may_begin_again(self, register: Register) -> None:
        register.says("civil_registry", "1")
        register.clock.advance(timedelta(seconds=1))
        with unit_of_work_of(register.sessions) as session:
            unsubscribe(session, TAX, LifeEventKind.DEATH, at=register.clock.now())
        register.says("interior", "d", deathdate="2026-11-20")

        assert register.kinds() == []
        register.clock.advance(timedelta(seconds=1))
        register.subscribe(TAX, LifeEventKind.DEATH)


def test_many_workers_derive_each_event_once_and_leave_no_gap(
    fresh_sessions: sessionmaker[Session],
) -> None:
    keyring = Keyring.open(LocalKeyFile(bytes(range(32))), fresh_sessions, at=NOON)
    register = Register(fresh_sessions, keyring)
    names = [f"{a}{b}ов" for a in "БВГД" for b in "аеиоу"]
    for version, changed in ((1, {}), (2, {"deathdate": "2026-11-20"})):
        with unit_of_work_of(fresh_sessions) as session:
            for number, name in enumerate(names):
                attributes = {
                    "family_name": name,
                    "given_name": "Иван",
                    "birthdate": f"19{30 + number}-03-{number + 1:02}",
                    **changed,
                }
                accept(
                    session,
                    keyring,
                    a_record("civil_registry", f"n{number}", version, attributes=attributes),
                )
        with ThreadPoolExecutor(8) as pool:
            list(
                pool.map(
                    lambda _: derive_life_events(fresh_sessions, keyring, register.clock.now),
                    range(8),
                )
            )
        register.derive()

    events = register.told().events
    assert [event.position for event in events] == list(range(1, len(names) + 1))
    assert len({event.pseudonym for event in events}) == len(names)
    assert {event.kind for event in events} == {LifeEventKind.DEATH}
