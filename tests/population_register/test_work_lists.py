"""The consistency check, and agencies' work lists: found once, assigned, answered, closed."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest
from sqlalchemy import event, func, select, text, update
from sqlalchemy.orm import Session, sessionmaker

from audit.api import Actor, NewEntry, list_entries
from kernel.clock import FrozenClock
from kernel.errors import Undecryptable
from kernel.ids import AgencyId, EntryId, PersonId, new_id
from kernel.keyring import Keyring
from population_register.errors import (
    AlreadyDisputed,
    AnswerRefused,
    DisputeRefused,
    PersonUnknown,
    TooManyDisputes,
    UnknownAgency,
    UnknownWorkItem,
    ValueNotStated,
    WorkItemDone,
)
from population_register.life_store import replace_parents
from population_register.model import RecordKind
from population_register.service.agencies import close_agency
from population_register.service.consistency import CheckCounts, check_person, check_register
from population_register.service.deriving import RECHECK_TASK
from population_register.service.disputes import (
    DISPUTES_A_DAY,
    Dispute,
    list_disputes,
    open_dispute,
)
from population_register.service.work_lists import (
    STATUSES,
    Reader,
    WorkItem,
    answer_work,
    count_work,
    list_work,
)
from population_register.tables import findings, persons
from tests.population_register.register_builders import (
    ANNA,
    NOON,
    OLEG,
    a_record,
    a_stranger,
    accept,
    an_access,
)

pytestmark = [pytest.mark.db, pytest.mark.usefixtures("agencies")]

DUE = date(2026, 12, 7)
ERASE = "UPDATE person_keys SET wrapped_key = NULL, shredded_at = now()"
WRONG = {**ANNA, "birthdate": "1987-03-14"}


@pytest.fixture
def anna(session: Session, keyring: Keyring, agencies: None) -> PersonId:  # noqa: ARG001
    """Of whom the pension fund and the tax service say different birth dates."""
    accept(session, keyring, a_record("pension", "П-1"))
    taken = accept(session, keyring, a_record("tax", "Н-1", attributes=WRONG))
    session.commit()
    return taken.person_id


@pytest.fixture
def check(
    sessions: sessionmaker[Session], keyring: Keyring, clock: FrozenClock
) -> Callable[[], CheckCounts]:
    return lambda: check_register(sessions, keyring, clock)


def a_reader(agency: str = "tax", at: datetime = NOON, **more: Any) -> Reader:  # noqa: ANN401
    return Reader(agency_id=AgencyId(agency), official="inspector-7", at=at, **more)


def listed(
    session: Session, keyring: Keyring, agency: str = "tax", at: datetime = NOON
) -> list[WorkItem]:
    return list_work(session, keyring, by=a_reader(agency, at), statuses=STATUSES)


def answered(
    session: Session,
    keyring: Keyring,
    item: UUID,
    answer: str = "corrected",
    **change: Any,  # noqa: ANN401
) -> WorkItem:
    values = {"by": a_reader(), "explanation": "Акт № 5", **change}
    return answer_work(session, keyring, item, answer=answer, **values)


def correct(session: Session, keyring: Keyring) -> None:
    accept(
        session,
        keyring,
        a_record("tax", "Н-1", 2, kind=RecordKind.CORRECTION, corrects=1, attributes=ANNA),
    )
    session.commit()


def waiting_for_a_look(session: Session) -> set[str]:
    """Return who is to be looked at again by a job."""
    jobs = text("SELECT args FROM procrastinate_jobs WHERE task_name = :task")
    return {args["person_id"] for args in session.scalars(jobs, {"task": RECHECK_TASK})}


MOTHER = {"family_name": "Лебедь", "given_name": "Ольга", "birthdate": "1990-05-06"}


class TestKin:
    """Mother and child are two people; both dates are right by themselves, together impossible."""

    def family(self, session: Session, keyring: Keyring) -> tuple[PersonId, PersonId]:
        child = accept(session, keyring, a_record("tax", "Н-1")).person_id
        mother = accept(session, keyring, a_record("pension", "П-1", attributes=MOTHER)).person_id
        replace_parents(session, child, {mother: "mother"})
        session.commit()
        return child, mother

    def test_mother_younger_than_her_child_is_on_both_lists(
        self, session: Session, keyring: Keyring, check: Callable[[], CheckCounts]
    ) -> None:
        _, mother = self.family(session, keyring)

        counts = check()

        (ours,), (theirs,) = listed(session, keyring), listed(session, keyring, "pension")
        assert (counts.people, counts.opened) == (2, 1)
        assert ours.rule == theirs.rule == "linked_parent_not_older"
        assert (ours.record_numbers, theirs.record_numbers) == (("Н-1",), ("П-1",))
        looked = [e.entry.action for e in list_entries(session, mother)]
        assert "population_register.consistency.checked" in looked

    def test_it_is_found_whichever_comes_first_and_once(
        self,
        sessions: sessionmaker[Session],
        session: Session,
        keyring: Keyring,
        check: Callable[[], CheckCounts],
    ) -> None:
        child, mother = self.family(session, keyring)

        assert check_person(sessions, keyring, mother, at=NOON).opened == 0
        assert check_person(sessions, keyring, child, at=NOON).opened == 1
        assert (check().opened, check().known) == (0, 1)

    def test_mother_whose_data_was_destroyed_is_not_asked(
        self, session: Session, keyring: Keyring, check: Callable[[], CheckCounts]
    ) -> None:
        _, mother = self.family(session, keyring)
        session.execute(text(f"{ERASE} WHERE person_id = :who"), {"who": mother})
        session.commit()

        assert check().opened == 0

    def test_correction_of_the_mother_closes_what_was_found_about_the_child(
        self,
        session: Session,
        sessions: sessionmaker[Session],
        keyring: Keyring,
        check: Callable[[], CheckCounts],
    ) -> None:
        child, _ = self.family(session, keyring)
        stranger = accept(session, keyring, a_record("tax", "Н-2", attributes=OLEG)).person_id
        check()
        right = {**MOTHER, "birthdate": "1960-05-06"}
        accept(
            session, keyring,
            a_record("pension", "П-1", 2, kind=RecordKind.CORRECTION, corrects=1, attributes=right),
        )  # fmt: skip
        session.commit()

        asked = waiting_for_a_look(session)

        assert asked == {str(child)}
        assert str(stranger) not in asked
        assert check_person(sessions, keyring, child, at=NOON).corrected == 1
        assert [item.status for item in listed(session, keyring)] == ["corrected"]

    def test_all_parents_of_a_batch_are_opened_together(
        self, session: Session, keyring: Keyring, check: Callable[[], CheckCounts]
    ) -> None:
        def statements() -> int:
            count = 0

            def note(*_: object) -> None:
                nonlocal count
                count += 1

            engine = session.get_bind()
            event.listen(engine, "before_cursor_execute", note)
            check()
            event.remove(engine, "before_cursor_execute", note)
            return count

        self.family(session, keyring)
        check()
        one = statements()
        for number in range(2, 8):
            said = {**a_stranger(number), "birthdate": "1930-01-01"}
            mother = accept(session, keyring, a_record("pension", f"П-{number}", attributes=said))
            born = {**a_stranger(number + 20), "birthdate": "1960-01-01"}
            child = accept(session, keyring, a_record("tax", f"Н-{number}", attributes=born))
            replace_parents(session, child.person_id, {mother.person_id: "mother"})
        session.commit()

        assert statements() == one


class TestCheck:
    @pytest.mark.usefixtures("anna")
    def test_finding_is_on_the_list_of_every_agency_in_it_due_in_ten_working_days(
        self, session: Session, keyring: Keyring, check: Callable[[], CheckCounts]
    ) -> None:
        counts = check()

        (ours,), (theirs,) = listed(session, keyring), listed(session, keyring, "pension")
        assert (counts.people, counts.opened) == (1, 1)
        assert (ours.rule, ours.attributes) == ("values_in_conflict", ("birthdate",))
        assert (ours.status, ours.due_on, ours.opened_at) == ("open", DUE, NOON)
        assert (ours.record_numbers, ours.agencies) == (("Н-1",), ("pension",))
        assert (theirs.record_numbers, theirs.agencies) == (("П-1",), ("tax",))
        assert ours.item_id == theirs.item_id
        assert listed(session, keyring, "health") == []

    def test_holidays_make_it_later(
        self, sessions: sessionmaker[Session], session: Session, keyring: Keyring, anna: PersonId
    ) -> None:
        check_person(sessions, keyring, anna, holidays={date(2026, 11, 24)}, at=NOON)

        assert listed(session, keyring)[0].due_on == DUE + timedelta(days=1)

    @pytest.mark.usefixtures("anna")
    def test_same_finding_is_not_opened_twice(
        self, session: Session, keyring: Keyring, check: Callable[[], CheckCounts]
    ) -> None:
        check()
        again = check()

        assert (again.opened, again.known, again.corrected) == (0, 1, 0)
        assert len(listed(session, keyring)) == 1

    def test_everybody_sees_that_they_were_looked_at(
        self, session: Session, anna: PersonId, check: Callable[[], CheckCounts]
    ) -> None:
        check()

        entries = [each.entry for each in list_entries(session, anna)]
        (entry,) = [e for e in entries if e.action == "population_register.consistency.checked"]
        assert (entry.actor, entry.purpose) == (
            Actor(kind="system", id="consistency"),
            "consistency",
        )

    @pytest.mark.usefixtures("anna")
    def test_correction_closes_the_finding_at_the_next_check(
        self, session: Session, keyring: Keyring, check: Callable[[], CheckCounts]
    ) -> None:
        check()
        correct(session, keyring)

        counts = check()

        assert (counts.corrected, counts.opened, counts.known) == (1, 0, 0)
        assert [item.status for item in listed(session, keyring)] == ["corrected"]
        assert list_work(session, keyring, by=a_reader()) == []
        assert check().corrected == 0

    @pytest.mark.usefixtures("anna")
    def test_record_that_changes_somebody_with_a_finding_has_them_looked_at_again(
        self, session: Session, keyring: Keyring, check: Callable[[], CheckCounts]
    ) -> None:
        accept(session, keyring, a_record("tax", "Н-2", attributes=OLEG))
        check()
        accept(session, keyring, a_record("tax", "Н-2", 2, attributes={**OLEG, "gender": "male"}))
        correct(session, keyring)

        everybody = {str(person) for person in session.scalars(select(persons.c.person_id))}
        assert set() < waiting_for_a_look(session) <= everybody

    @pytest.mark.usefixtures("anna")
    def test_same_thing_found_again_after_it_was_corrected_is_a_new_finding(
        self, session: Session, keyring: Keyring, check: Callable[[], CheckCounts]
    ) -> None:
        check()
        correct(session, keyring)
        check()
        accept(session, keyring, a_record("tax", "Н-1", 3, attributes=WRONG))
        session.commit()

        assert check().opened == 1
        assert {item.status for item in listed(session, keyring)} == {"corrected", "open"}

    @pytest.mark.usefixtures("anna")
    def test_agency_that_joins_gets_the_same_item(
        self, session: Session, keyring: Keyring, check: Callable[[], CheckCounts]
    ) -> None:
        check()
        accept(session, keyring, a_record("health", "З-1", attributes=WRONG))
        session.commit()

        assert check().opened == 0
        (ours,), (theirs,) = listed(session, keyring), listed(session, keyring, "health")
        assert ours.item_id == theirs.item_id
        assert theirs.record_numbers == ("З-1",)
        assert set(ours.agencies) == {"pension", "health"}

    def test_merged_persons_are_looked_at_once(
        self, session: Session, keyring: Keyring, anna: PersonId, check: Callable[[], CheckCounts]
    ) -> None:
        other = accept(session, keyring, a_record("tax", "Н-9", attributes=OLEG)).person_id
        head = min(anna, other)
        session.execute(persons.update().values(group_id=head))
        session.commit()

        counts = check()

        assert counts.people == 1
        stored = session.scalars(select(findings.c.person_id).distinct()).all()
        assert stored == [head]
        assert {n for item in listed(session, keyring) for n in item.record_numbers} == {
            "Н-1",
            "Н-9",
        }
        for person in (anna, other):
            actions = [each.entry.action for each in list_entries(session, person)]
            assert "population_register.consistency.checked" in actions

    @pytest.mark.usefixtures("anna")
    def test_who_was_erased_is_left_out(
        self, session: Session, keyring: Keyring, check: Callable[[], CheckCounts]
    ) -> None:
        check()
        session.execute(text(ERASE))
        session.commit()

        assert check().people == 0
        assert listed(session, keyring) == []
        assert count_work(session, NOON) == []

    def test_person_whose_data_is_damaged_keeps_nobody_from_being_looked_at(
        self, session: Session, keyring: Keyring, anna: PersonId, check: Callable[[], CheckCounts]
    ) -> None:
        other = accept(session, keyring, a_record("health", "9", attributes=OLEG)).person_id
        session.execute(
            update(persons).where(persons.c.person_id == other).values(record_sealed=b"\0" * 99)
        )
        session.commit()

        with pytest.raises(Undecryptable):
            check()

        assert [item.rule for item in listed(session, keyring)] != []
        assert anna != other

    @pytest.mark.usefixtures("anna")
    def test_nothing_readable_is_stored(
        self, session: Session, check: Callable[[], CheckCounts]
    ) -> None:
        check()

        row = session.execute(select(findings)).one()
        assert b"1986" not in row.content_sealed
        assert "Н-1".encode() not in row.content_sealed


class TestAnswers:
    @pytest.fixture
    def item(
        self,
        session: Session,
        keyring: Keyring,
        anna: PersonId,  # noqa: ARG002  # who is found
        check: Callable[[], CheckCounts],
    ) -> UUID:
        check()
        return listed(session, keyring)[0].item_id

    def test_answer_is_kept_with_who_gave_it(
        self, session: Session, keyring: Keyring, item: UUID, anna: PersonId
    ) -> None:
        given = answered(session, keyring, item, "refused", explanation=" Свидетельство\r\nверно ")

        assert (given.status, given.answer) == ("answered", "refused")
        assert given.explanation == "Свидетельство\nверно"
        assert listed(session, keyring, "pension")[0].status == "open"
        entries = [each.entry for each in list_entries(session, anna)]
        (answer,) = [e for e in entries if e.action == "population_register.finding.answered"]
        assert answer.actor == Actor(kind="agency", id="tax", official="inspector-7")

    @pytest.mark.usefixtures("item")
    def test_reading_the_list_is_in_the_persons_log(
        self, session: Session, keyring: Keyring, anna: PersonId
    ) -> None:
        list_work(session, keyring, by=a_reader(by_command=True))

        entries = [each.entry for each in list_entries(session, anna)]
        actors = [e.actor for e in entries if e.action == "population_register.finding.read"]
        assert Actor(kind="operator", id="inspector-7") in actors

    def test_refusal_stands_and_is_not_asked_again(
        self, session: Session, keyring: Keyring, item: UUID, check: Callable[[], CheckCounts],
        clock: FrozenClock,
    ) -> None:  # fmt: skip
        answered(session, keyring, item, "refused")
        session.commit()
        clock.advance(timedelta(days=40))

        assert check().reopened == 0
        assert listed(session, keyring, at=clock.now())[0].status == "answered"

    def test_correction_that_did_not_come_is_open_again_once_time_is_over(
        self, session: Session, keyring: Keyring, item: UUID, check: Callable[[], CheckCounts],
        clock: FrozenClock,
    ) -> None:  # fmt: skip
        answered(session, keyring, item)
        session.commit()
        clock.advance(datetime.combine(DUE, datetime.min.time(), UTC) - clock.now())
        in_time = check()
        clock.advance(timedelta(days=1))

        late = check()

        assert (in_time.reopened, late.reopened) == (0, 1)
        assert listed(session, keyring, at=clock.now())[0].status == "overdue"

    @pytest.mark.parametrize(
        ("hours", "status"), [(14 * 24 + 8, "open"), (14 * 24 + 9, "overdue")], ids=str
    )
    def test_item_is_overdue_after_its_due_day(
        self, session: Session, keyring: Keyring, item: UUID, hours: int, status: str
    ) -> None:
        at = NOON + timedelta(hours=hours)

        (found,) = listed(session, keyring, at=at)

        assert (found.item_id, found.status) == (item, status)
        counts = dict(count_work(session, at))[AgencyId("tax")]
        assert {name: number for name, number in counts.items() if number} == {status: 1}

    def test_second_answer_is_refused_and_changes_nothing(
        self, session: Session, keyring: Keyring, item: UUID
    ) -> None:
        answered(session, keyring, item)

        with pytest.raises(WorkItemDone):
            answered(session, keyring, item, "refused")

        assert listed(session, keyring)[0].answer == "corrected"

    def test_answer_to_what_is_no_longer_so_is_refused(
        self, session: Session, keyring: Keyring, item: UUID, check: Callable[[], CheckCounts]
    ) -> None:
        correct(session, keyring)
        check()

        with pytest.raises(WorkItemDone):
            answered(session, keyring, item)

    @pytest.mark.parametrize("agency", ["health", "tax"])
    def test_another_agencys_item_is_as_unknown_as_none(
        self, session: Session, keyring: Keyring, item: UUID, agency: str
    ) -> None:
        wanted = item if agency == "health" else uuid5(item, "none")

        with pytest.raises(UnknownWorkItem):
            answered(session, keyring, wanted, by=a_reader(agency))

    @pytest.mark.parametrize(
        "change",
        [
            {"answer": "perhaps"},
            {"answer": ""},
            {"answer": "refused", "explanation": ""},
            {"answer": "refused", "explanation": " \n"},
            {"explanation": "я" * 1001},
            {"explanation": "a\x00b"},
            {"explanation": "a\x1b[2Jb"},
        ],
        ids=str,
    )
    def test_malformed_answer_is_refused(
        self, session: Session, keyring: Keyring, item: UUID, change: Mapping[str, str]
    ) -> None:
        with pytest.raises(AnswerRefused):
            answered(session, keyring, item, **change)

        assert listed(session, keyring)[0].status == "open"

    def test_closed_agency_reads_and_answers_nothing(
        self, session: Session, keyring: Keyring, item: UUID
    ) -> None:
        close_agency(session, AgencyId("tax"), NOON, by="test")

        with pytest.raises(UnknownAgency):
            listed(session, keyring)
        with pytest.raises(UnknownAgency):
            answered(session, keyring, item)

    def test_operator_answers_for_an_agency_that_was_closed(
        self, session: Session, keyring: Keyring, item: UUID
    ) -> None:
        """Or what a person disputes of its values would be open for ever."""
        close_agency(session, AgencyId("tax"), NOON, by="test")
        by = replace(a_reader(), by_command=True)

        (listed_item,) = list_work(session, keyring, by=by)
        done = answer_work(
            session, keyring, item, by=by, answer="refused", explanation="Архив подтвердил."
        )

        assert (listed_item.item_id, done.answer) == (item, "refused")

    def test_list_is_read_in_parts(self, session: Session, keyring: Keyring, item: UUID) -> None:
        by = a_reader()

        assert [each.item_id for each in list_work(session, keyring, by=by, limit=1)] == [item]
        assert list_work(session, keyring, by=by, after=item) == []


class TestDisputes:
    @staticmethod
    def dispute(session: Session, keyring: Keyring, person: PersonId, **change: Any) -> UUID:  # noqa: ANN401
        values: dict[str, Any] = {
            "attribute": "birthdate",
            "source": AgencyId("pension"),
            "words": "Я родилась позже",
            "suggested": "1986-03-15",
            "because": because(keyring),
            "at": NOON,
            **change,
        }
        return open_dispute(session, keyring, person, **values)

    def disputes(
        self, session: Session, keyring: Keyring, person: PersonId, at: datetime = NOON
    ) -> list[Dispute]:
        return list_disputes(session, keyring, an_access(session, person, at))

    def test_dispute_goes_to_the_agency_that_says_the_value_and_its_answer_comes_back(
        self, session: Session, keyring: Keyring, anna: PersonId
    ) -> None:
        dispute_id = self.dispute(session, keyring, anna)

        (item,) = listed(session, keyring, "pension")
        assert (item.item_id, item.rule, item.due_on) == (dispute_id, "value_disputed", DUE)
        assert (item.words, item.suggested) == ("Я родилась позже", "1986-03-15")
        assert item.record_numbers == ("П-1",)
        assert listed(session, keyring) == []
        answered(session, keyring, dispute_id, "refused", by=a_reader("pension"))
        (seen,) = self.disputes(session, keyring, anna)
        assert (seen.status, seen.answer, seen.explanation) == ("answered", "refused", "Акт № 5")
        assert (seen.attribute, seen.source, seen.value) == ("birthdate", "pension", "1986-03-14")

    def test_words_are_kept_without_what_turns_them_around_or_hides(
        self, session: Session, keyring: Keyring, anna: PersonId
    ) -> None:
        self.dispute(
            session,
            keyring,
            anna,
            words="Не \u202e6891\u202c, а 19\u200b87",
            suggested="\ufeff1987",
        )

        (item,) = listed(session, keyring, "pension")
        assert (item.words, item.suggested) == ("Не 6891, а 1987", "1987")

    def test_value_that_another_agency_says_instead_can_be_disputed(
        self, session: Session, keyring: Keyring, anna: PersonId
    ) -> None:
        self.dispute(session, keyring, anna, source=AgencyId("tax"))

        assert listed(session, keyring)[0].record_numbers == ("Н-1",)

    def test_record_that_says_it_no_more_closes_the_dispute(
        self, sessions: sessionmaker[Session], session: Session, keyring: Keyring, anna: PersonId
    ) -> None:
        self.dispute(session, keyring, anna, source=AgencyId("tax"))
        correct(session, keyring)

        check_person(sessions, keyring, anna, at=NOON)

        assert self.disputes(session, keyring, anna)[0].status == "corrected"

    def test_check_leaves_a_dispute_open_while_the_value_is_said(
        self, sessions: sessionmaker[Session], session: Session, keyring: Keyring, anna: PersonId
    ) -> None:
        self.dispute(session, keyring, anna)
        session.commit()

        check_person(sessions, keyring, anna, at=NOON)

        assert self.disputes(session, keyring, anna)[0].status == "open"

    def test_one_open_dispute_for_a_value_and_another_after_the_answer(
        self, session: Session, keyring: Keyring, anna: PersonId
    ) -> None:
        first = self.dispute(session, keyring, anna)

        with pytest.raises(AlreadyDisputed):
            self.dispute(session, keyring, anna, words="Ещё раз")
        answered(session, keyring, first, by=a_reader("pension"))

        assert self.dispute(session, keyring, anna) != first

    def test_a_few_a_day(self, session: Session, keyring: Keyring, anna: PersonId) -> None:
        values = [("birthdate", "pension"), ("birthdate", "tax"), ("family_name", "pension"),
                  ("given_name", "pension"), ("middle_name", "pension")]  # fmt: skip
        for attribute, source in values[:DISPUTES_A_DAY]:
            self.dispute(session, keyring, anna, attribute=attribute, source=AgencyId(source))

        with pytest.raises(TooManyDisputes):
            self.dispute(session, keyring, anna, attribute="snils")
        tomorrow = datetime(2026, 11, 23, 21, tzinfo=UTC)
        with pytest.raises(TooManyDisputes):
            self.dispute(session, keyring, anna, attribute="snils",
                         at=tomorrow - timedelta(seconds=1))  # fmt: skip
        self.dispute(session, keyring, anna, attribute="snils", at=tomorrow)

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"words": ""}, "words"),
            ({"words": " \n "}, "words"),
            ({"words": "я" * 1001}, "words"),
            ({"words": "a\x00"}, "words"),
            ({"suggested": "я" * 301}, "suggested"),
            ({"suggested": "a\u202e\x07"}, "suggested"),
        ],
        ids=["empty", "blank", "long", "NUL", "long suggestion", "control"],
    )
    def test_words_are_bounded_text(
        self,
        session: Session,
        keyring: Keyring,
        anna: PersonId,
        change: Mapping[str, str],
        field: str,
    ) -> None:
        with pytest.raises(DisputeRefused) as refused:
            self.dispute(session, keyring, anna, **change)

        assert refused.value.field == field
        assert self.disputes(session, keyring, anna) == []

    @pytest.mark.parametrize(
        "change",
        [
            {"attribute": "inn"},
            {"attribute": "shoe_size"},
            {"source": AgencyId("health")},
            {"attribute": "family_name", "source": AgencyId("tax")},
        ],
        ids=["no value", "no attribute", "another agency", "agency that says the same"],
    )
    def test_only_what_is_said_can_be_disputed(
        self, session: Session, keyring: Keyring, anna: PersonId, change: Mapping[str, str]
    ) -> None:
        with pytest.raises(ValueNotStated):
            self.dispute(session, keyring, anna, **change)

    def test_nobody_and_the_erased_dispute_nothing(
        self, session: Session, keyring: Keyring, anna: PersonId
    ) -> None:
        session.execute(text(ERASE))

        for person in (anna, PersonId(new_id(NOON))):
            with pytest.raises(PersonUnknown):
                self.dispute(session, keyring, person)
        assert session.scalar(select(func.count()).select_from(findings)) == 0


def because(keyring: Keyring) -> Callable[[PersonId], NewEntry]:
    def entry(person_id: PersonId) -> NewEntry:
        pseudonym = keyring.pseudonym("audit", person_id)
        return NewEntry(
            entry_id=EntryId(new_id(NOON)),
            action="portal.value.disputed",
            outcome="allowed",
            actor=Actor(kind="person", id=pseudonym),
            subject=pseudonym,
            occurred_at=NOON,
        )

    return entry
