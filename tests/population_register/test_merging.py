"""Humans decide who is one person, and everything they decide can be undone."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from audit.api import list_entries
from kernel.ids import PersonId
from kernel.keyring import Keyring
from kernel.person_keys import shred_person_key
from population_register.errors import (
    AlreadyDecided,
    PersonUnknown,
    SecondOfficialNeeded,
    UnknownDecision,
)
from population_register.identifiers import IdentifierKind
from population_register.matching_store import set_account_holder
from population_register.merge_store import list_merges
from population_register.model import LinkOutcome
from population_register.model_files import shipped_model
from population_register.queue_store import QueueFilter, list_queue
from population_register.scoring import Scorer
from population_register.service.accepting import accept_records
from population_register.service.groups import members_of
from population_register.service.merging import (
    Decider,
    ask_agency,
    merge_persons,
    rule_apart,
    undo_merge,
    undo_ruling,
)
from population_register.service.persons import find_person, list_source_records, read_as_believed
from population_register.service.reviewing import explain_person, list_cases, read_case
from tests.population_register.register_builders import (
    ANNA,
    NOON,
    OLEG,
    a_record,
    a_withdrawal,
    accept,
    an_access,
    read,
    values_of,
)

pytestmark = [pytest.mark.db, pytest.mark.usefixtures("agencies")]
SNILS = IdentifierKind.SNILS
BY = Decider(official="operator-1", reason="seen both passports", at=NOON + timedelta(days=1))
BY_NOBODY = PersonId(UUID(int=1))
LATER = NOON + timedelta(days=2)
NAMELESS = {k: v for k, v in ANNA.items() if k != "snils"}
DOUBTFUL = {**NAMELESS, "birthdate": "1986-04-13", "inn": "500100732259"}


@pytest.fixture
def two(session: Session, keyring: Keyring) -> tuple[PersonId, PersonId]:
    """Anna, and a record that is doubtful: a question."""
    anna = accept(session, keyring, a_record())
    other = accept(session, keyring, a_record("tax", attributes=DOUBTFUL))
    assert other.outcome is LinkOutcome.ASK
    return anna.person_id, other.person_id


class TestCases:
    def test_doubtful_record_is_a_case_with_both_sides_and_the_evidence(
        self, session: Session, keyring: Keyring, two: tuple[PersonId, PersonId]
    ) -> None:
        (case,) = list_cases(session, limit=10)

        view = read_case(session, keyring, case.person_id, case.other_person_id, by=BY)

        assert {case.person_id, case.other_person_id} == set(two)
        sides = [[v.attributes for r in side for v in r.versions] for side in view.records]
        assert sorted(sides, key=str) == sorted([[ANNA], [DOUBTFUL]], key=str)
        assert any(words.startswith("same family name: +") for words in view.compared[0].words)
        for person_id in two:
            assert list_entries(session, person_id)[0].entry.actor.id == "operator-1"

    def test_what_was_decided_is_no_case_any_more(
        self, session: Session, keyring: Keyring, two: tuple[PersonId, PersonId]
    ) -> None:
        ruling = rule_apart(session, keyring, *two, by=BY)
        assert list_cases(session, limit=10) == []

        undo_ruling(session, keyring, ruling.ruling_id, by=BY)
        assert len(list_cases(session, limit=10)) == 1

        merge = merge_persons(session, keyring, *two, by=BY)
        assert list_cases(session, limit=10) == []

        undo_merge(session, keyring, merge.merge_id, by=BY)
        assert len(list_cases(session, limit=10)) == 1

    def test_question_to_an_agency_stays_a_case(
        self, session: Session, keyring: Keyring, two: tuple[PersonId, PersonId]
    ) -> None:
        ask_agency(session, keyring, *two, a_record("tax").agency_id, by=BY)

        (case,) = list_cases(session, limit=10)

        assert case.asked_agency == "tax"

    def test_every_link_can_be_explained(self, session: Session, keyring: Keyring) -> None:
        anna = accept(session, keyring, a_record())
        accept(session, keyring, a_record("health"))

        decisions = explain_person(session, keyring, anna.person_id, by=BY)

        second, first = sorted(decisions, key=lambda decision: decision.outcome)

        assert (first.outcome, first.words) == ("new", ())
        assert second.outcome == "linked"
        assert any(words.startswith("same snils: +") for words in second.words)

    def test_link_by_the_model_of_another_release_keeps_its_score(
        self, session: Session, keyring: Keyring
    ) -> None:
        older = Scorer(replace(shipped_model(), version="persons-0"))
        anna = accept(session, keyring, a_record())
        record = a_record("health")
        accept_records(session, keyring, record.agency_id, [record], at=NOON, scorer=older)

        decisions = explain_person(session, keyring, anna.person_id, by=BY)

        (linked,) = (decision for decision in decisions if decision.outcome == "linked")
        assert linked.bits is not None
        assert "persons-0" in linked.words[0]

    def test_nobody_decides_about_somebody_whose_data_was_destroyed(
        self, session: Session, two: tuple[PersonId, PersonId]
    ) -> None:
        shred_person_key(session, two[1], at=LATER)

        assert list_cases(session, limit=10) == []
        assert list_cases(session, limit=10, person_id=two[0]) == []
        assert list_queue(session, QueueFilter(), after=None, limit=9, at=LATER) == []


class TestMerge:
    def test_both_identifiers_read_the_record_of_both(
        self, session: Session, keyring: Keyring, two: tuple[PersonId, PersonId]
    ) -> None:
        merge_persons(session, keyring, *two, by=BY)

        for person_id in two:
            record = values_of(read(session, keyring, person_id))
            assert (record["snils"], record["inn"]) == (ANNA["snils"], DOUBTFUL["inn"])
            assert members_of(session, person_id) == tuple(sorted(two))
        assert find_person(session, keyring, IdentifierKind.INN, DOUBTFUL["inn"]) == min(two)
        assert find_person(session, keyring, SNILS, ANNA["snils"]) == min(two)

    def test_new_record_of_a_merged_person_is_in_the_record_of_both(
        self, session: Session, keyring: Keyring, two: tuple[PersonId, PersonId]
    ) -> None:
        merge_persons(session, keyring, *two, by=BY)

        accept(session, keyring, a_record("health", attributes={**ANNA, "birthplace": "Каменка"}))

        for person_id in two:
            assert values_of(read(session, keyring, person_id))["birthplace"] == "Каменка"

    def test_undone_merge_leaves_both_as_if_it_had_never_been(
        self, session: Session, keyring: Keyring, two: tuple[PersonId, PersonId]
    ) -> None:
        merge = merge_persons(session, keyring, *two, by=BY)
        place = {"birthplace": "Каменка"}
        accept(session, keyring, a_record("health", attributes={**ANNA, **place}))
        accept(session, keyring, a_record("tax", version=2, attributes={**DOUBTFUL, "enp": "1"}))

        undo_merge(session, keyring, merge.merge_id, by=BY)

        anna, other = two
        assert values_of(read(session, keyring, anna)) == {**ANNA, **place}
        assert values_of(read(session, keyring, other)) == {**DOUBTFUL, "enp": "1"}
        assert members_of(session, anna) == (anna,)
        assert find_person(session, keyring, IdentifierKind.INN, DOUBTFUL["inn"]) == other
        assert len(list_source_records(session, keyring, an_access(session, anna))) == 2

    def test_chain_of_merges_comes_apart_where_it_is_cut(
        self, session: Session, keyring: Keyring, two: tuple[PersonId, PersonId]
    ) -> None:
        anna, other = two
        oleg = accept(session, keyring, a_record("health", attributes=OLEG)).person_id
        first = merge_persons(session, keyring, anna, other, by=BY)
        merge_persons(session, keyring, other, oleg, by=BY)
        assert set(members_of(session, anna)) == {anna, other, oleg}

        undo_merge(session, keyring, first.merge_id, by=BY)

        assert members_of(session, anna) == (anna,)
        assert set(members_of(session, oleg)) == {other, oleg}
        assert "snils" in values_of(read(session, keyring, oleg))

    def test_history_of_decisions_stays(
        self, session: Session, keyring: Keyring, two: tuple[PersonId, PersonId]
    ) -> None:
        merge = merge_persons(session, keyring, *two, by=BY)
        undo_merge(session, keyring, merge.merge_id, by=BY)

        (kept,) = list_merges(session, two[0])

        assert (kept.decided_by, kept.undone_by, kept.undone_at) == (
            "operator-1",
            "operator-1",
            BY.at,
        )

    def test_twice_is_refused(
        self, session: Session, keyring: Keyring, two: tuple[PersonId, PersonId]
    ) -> None:
        merge = merge_persons(session, keyring, *two, by=BY)
        with pytest.raises(AlreadyDecided):
            merge_persons(session, keyring, *two, by=BY)
        with pytest.raises(AlreadyDecided):
            rule_apart(session, keyring, *two, by=BY)
        undo_merge(session, keyring, merge.merge_id, by=BY)
        with pytest.raises(AlreadyDecided):
            undo_merge(session, keyring, merge.merge_id, by=BY)
        with pytest.raises(UnknownDecision):
            undo_merge(session, keyring, two[0], by=BY)
        with pytest.raises(UnknownDecision):
            undo_ruling(session, keyring, two[0], by=BY)

    def test_nobody_is_merged_with_nobody(
        self, session: Session, keyring: Keyring, two: tuple[PersonId, PersonId]
    ) -> None:
        with pytest.raises(PersonUnknown):
            merge_persons(session, keyring, two[0], PersonId(BY_NOBODY), by=BY)
        with pytest.raises(AlreadyDecided):
            merge_persons(session, keyring, two[0], two[0], by=BY)

    @pytest.mark.parametrize("second", [None, "operator-1"])
    def test_two_confirmed_accounts_need_two_officials(
        self,
        session: Session,
        keyring: Keyring,
        two: tuple[PersonId, PersonId],
        second: str | None,
    ) -> None:
        alone = Decider(official="operator-1", reason="x", at=NOON, confirmed_by=second)
        both = Decider(official="operator-1", reason="x", at=NOON, confirmed_by="operator-2")

        for person_id in two:
            set_account_holder(session, person_id, NOON)

        with pytest.raises(SecondOfficialNeeded):
            merge_persons(session, keyring, *two, by=alone)
        assert members_of(session, two[0]) == (two[0],)

        merge = merge_persons(session, keyring, *two, by=both)
        assert merge.confirmed_by == "operator-2"


class TestAutomatic:
    """Records say that two known persons are one; a human may know better."""

    NUMBERS: ClassVar[dict[str, Any]] = {"snils": ANNA["snils"], "enp": "7700007777000017"}
    LINK: ClassVar[dict[str, Any]] = {**ANNA, **NUMBERS, "inn": "500100732259"}

    def two_until_a_bridge(
        self, session: Session, keyring: Keyring
    ) -> tuple[PersonId, PersonId, PersonId]:
        one = accept(session, keyring, a_record(attributes=self.NUMBERS))
        other = accept(
            session, keyring, a_record("tax", attributes={**NAMELESS, "inn": "500100732259"})
        )
        assert one.person_id != other.person_id
        late = a_record("health", attributes=self.LINK, arrived_at=LATER)
        bridge = accept(session, keyring, late)
        return one.person_id, other.person_id, bridge.person_id

    def test_bridge_makes_two_known_persons_one(self, session: Session, keyring: Keyring) -> None:
        one, other, bridge = self.two_until_a_bridge(session, keyring)

        assert bridge in {one, other}
        assert members_of(session, one) == members_of(session, other) == tuple(sorted({one, other}))
        (merge,) = list_merges(session, one)
        assert (merge.kind, merge.decided_by, merge.reason) == ("automatic", "model", "persons-4")
        assert values_of(read(session, keyring, one))["inn"] == "500100732259"

    def test_undone_it_stays_undone_whatever_comes(
        self, session: Session, keyring: Keyring
    ) -> None:
        one, other, _ = self.two_until_a_bridge(session, keyring)
        (merge,) = list_merges(session, one)

        undo_merge(session, keyring, merge.merge_id, by=BY)
        accept(session, keyring, a_record("interior", attributes=self.LINK, arrived_at=LATER))

        assert members_of(session, one) == (one,)
        assert members_of(session, other) == (other,)
        assert find_person(session, keyring, IdentifierKind.INN, "500100732259") == other

    def test_withdrawn_bridge_lets_them_go(self, session: Session, keyring: Keyring) -> None:
        one, _, _ = self.two_until_a_bridge(session, keyring)
        accept(session, keyring, a_withdrawal("health"))

        assert members_of(session, one) == (one,)
        assert values_of(read(session, keyring, one)) == self.NUMBERS
        assert list_merges(session, one)[0].undone_by == "model"


class TestBelief:
    """What did we believe on one day about another, across a merge and its undoing?"""

    def believed(
        self, session: Session, keyring: Keyring, person_id: PersonId, day: int
    ) -> dict[str, Any]:
        record = read_as_believed(
            session,
            keyring,
            an_access(session, person_id),
            about=NOON.date(),
            believed_at=NOON + timedelta(days=day),
        )
        return values_of(record)

    def test_across_a_merge_and_its_undoing(self, session: Session, keyring: Keyring) -> None:
        anna = accept(session, keyring, a_record()).person_id
        other = accept(session, keyring, a_record("tax", attributes=DOUBTFUL)).person_id
        merge = merge_persons(session, keyring, anna, other, by=BY)  # on day 1
        later = Decider(official="operator-2", reason="was wrong", at=NOON + timedelta(days=5))
        undo_merge(session, keyring, merge.merge_id, by=later)

        for person_id in (anna, other):
            together = self.believed(session, keyring, person_id, 3)
            assert (together["snils"], together["inn"]) == (ANNA["snils"], DOUBTFUL["inn"])
        for day in (0, 6):
            assert self.believed(session, keyring, anna, day) == ANNA
            assert self.believed(session, keyring, other, day) == DOUBTFUL
        assert self.believed(session, keyring, anna, -1) == {}

    def test_record_that_moved_counts_where_it_was(
        self, session: Session, keyring: Keyring
    ) -> None:
        anna = accept(session, keyring, a_record()).person_id
        accept(session, keyring, a_record("health", attributes={**ANNA, "enp": "1"}))
        view = explain_person(session, keyring, anna, by=BY)
        (ref,) = {decision.record for decision in view if decision.agency_id == "health"}
        rule_apart(session, keyring, anna, anna, by=BY, records=[ref])  # on day 1

        assert self.believed(session, keyring, anna, 0)["enp"] == "1"
        assert "enp" not in self.believed(session, keyring, anna, 2)

    def test_whoever_is_opened_for_it_has_an_entry(
        self, session: Session, keyring: Keyring
    ) -> None:
        anna = accept(session, keyring, a_record()).person_id
        other = accept(session, keyring, a_record("tax", attributes=DOUBTFUL)).person_id
        merge_persons(session, keyring, anna, other, by=BY)
        before = len(list_entries(session, other))

        self.believed(session, keyring, anna, 2)

        assert len(list_entries(session, other)) == before + 1


class TestSplit:
    def test_record_that_is_somebody_else_s_goes_to_a_person_of_its_own(
        self, session: Session, keyring: Keyring
    ) -> None:
        anna = accept(session, keyring, a_record())
        wrong = accept(session, keyring, a_record("health", attributes={**ANNA, "enp": "1"}))
        assert wrong.person_id == anna.person_id
        view = explain_person(session, keyring, anna.person_id, by=BY)
        (ref,) = {decision.record for decision in view if decision.agency_id == "health"}

        ruling = rule_apart(session, keyring, anna.person_id, anna.person_id, by=BY, records=[ref])

        (new,) = set(ruling.persons) - {anna.person_id}
        assert values_of(read(session, keyring, anna.person_id)) == ANNA
        assert values_of(read(session, keyring, new)) == {**ANNA, "enp": "1"}
        undo_ruling(session, keyring, ruling.ruling_id, by=BY)
        assert members_of(session, new) == members_of(session, anna.person_id)
        assert len(members_of(session, new)) == 2
