from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.decision import Covered, Decision, NotCovered, decide
from consent.model import ConsentRecord, Ending, ItemName, PurposeCode
from kernel.ids import ConsentId, new_id
from tests.consent.consent_builders import NOON, a_record, names

OPENING = PurposeCode("account_opening")


def ruling(
    *records: ConsentRecord,
    items: frozenset[str] | frozenset[ItemName] = frozenset({"passport"}),
    at: datetime = NOON,
) -> Decision:
    return decide(records, purpose=OPENING, requested=names(*items), at=at)


class TestDecide:
    def test_one_live_record_covers_its_items(self) -> None:
        record = a_record()

        assert ruling(record) == Covered(record.consent_id)
        assert ruling(record, items=record.items) == Covered(record.consent_id)

    def test_never_given(self) -> None:
        assert ruling() == NotCovered("never_given")

    def test_another_purpose_is_never_given(self) -> None:
        assert ruling(a_record(purpose=PurposeCode("delivery"))) == NotCovered("never_given")
        assert ruling(a_record(purpose=PurposeCode("Account_Opening"))) == NotCovered("never_given")

    def test_end_is_exclusive(self) -> None:
        record = a_record()

        assert ruling(record, at=record.expires_at - timedelta(microseconds=1)) == Covered(
            record.consent_id
        )
        assert ruling(record, at=record.expires_at) == NotCovered(
            "expired", consent_id=record.consent_id
        )

    def test_withdrawal_counts_although_our_clock_is_behind(self) -> None:
        record = a_record(ended_at=NOON + timedelta(seconds=5), ending=Ending.WITHDRAWN)

        assert ruling(record, at=NOON) == NotCovered("withdrawn", consent_id=record.consent_id)

    def test_two_records_together_do_not_cover(self) -> None:
        first = a_record(items=names("passport"))
        second = a_record(items=names("birthdate"))

        assert ruling(first, second, items=names("passport", "birthdate")) == NotCovered(
            "items_missing", names("birthdate"), first.consent_id
        ) or ruling(first, second, items=names("passport", "birthdate")) == NotCovered(
            "items_missing", names("passport"), second.consent_id
        )

    def test_missing_items_are_measured_against_the_closest(self) -> None:
        narrow = a_record(items=names("birthdate"))
        wide = a_record(items=names("passport", "birthdate"))

        decision = ruling(narrow, wide, items=names("passport", "birthdate", "snils"))

        assert decision == NotCovered("items_missing", names("snils"), wide.consent_id)

    def test_last_use_is_the_last(self) -> None:
        assert isinstance(ruling(a_record(max_uses=2, uses=1)), Covered)
        used_up = a_record(max_uses=2, uses=2)
        assert ruling(used_up) == NotCovered("used_up", consent_id=used_up.consent_id)

    def test_unlimited_record_is_used_before_a_limited_one(self) -> None:
        unlimited = a_record(given_at=NOON - timedelta(days=1))
        limited = a_record(max_uses=5)

        assert ruling(limited, unlimited) == Covered(unlimited.consent_id)

    def test_newest_of_equals_covers(self) -> None:
        older = a_record(given_at=NOON - timedelta(days=1))
        newer = a_record()

        assert ruling(older, newer) == Covered(newer.consent_id)

    def test_nothing_is_covered_by_everything(self) -> None:
        assert isinstance(ruling(a_record(), items=frozenset()), NotCovered)

    @pytest.mark.parametrize("ending", list(Ending))
    def test_ended_record_covers_nothing(self, ending: Ending) -> None:
        assert isinstance(ruling(a_record(ended_at=NOON, ending=ending)), NotCovered)

    def test_reason_is_how_the_newest_ended(self) -> None:
        old = a_record(given_at=NOON - timedelta(days=9), ended_at=NOON, ending=Ending.WITHDRAWN)
        new = a_record(given_at=NOON - timedelta(days=2), expires_at=NOON - timedelta(days=1))

        assert ruling(new, old) == NotCovered("expired", consent_id=new.consent_id)

    def test_reason_is_not_that_another_took_its_place(self) -> None:
        replaced = a_record(ended_at=NOON, ending=Ending.REPLACED)
        in_its_place = a_record(ended_at=NOON, ending=Ending.WITHDRAWN)

        for order in ([replaced, in_its_place], [in_its_place, replaced]):
            assert ruling(*order) == NotCovered("withdrawn", consent_id=in_its_place.consent_id)


records = st.builds(
    a_record,
    consent_id=st.builds(lambda: ConsentId(new_id(NOON))),
    purpose=st.sampled_from([OPENING, PurposeCode("delivery")]),
    items=st.frozensets(st.sampled_from(["passport", "birthdate", "inn"]), min_size=1),
    given_at=st.sampled_from([NOON - timedelta(days=day) for day in (3, 2, 1)]),
    expires_at=st.sampled_from([NOON - timedelta(hours=1), NOON, NOON + timedelta(hours=1)]),
    max_uses=st.none() | st.integers(1, 2),
    uses=st.integers(0, 1),
).flatmap(
    lambda record: st.sampled_from(
        [record, *(replace(record, ended_at=NOON, ending=ending) for ending in Ending)]
    )
)
histories = st.lists(records, max_size=6)
requests = st.frozensets(st.sampled_from(["passport", "birthdate", "inn"]))


@given(histories, requests, st.data())
def test_withdrawal_never_makes_the_decision_more_permissive(
    history: list[ConsentRecord], requested: frozenset[str], data: st.DataObject
) -> None:
    before = ruling(*history, items=requested)
    withdrawn = [
        replace(record, ended_at=NOON, ending=Ending.WITHDRAWN)
        if data.draw(st.booleans())
        else record
        for record in history
    ]

    after = ruling(*withdrawn, items=requested)

    assert not (isinstance(before, NotCovered) and isinstance(after, Covered))


@given(histories, requests, st.timedeltas(timedelta(0), timedelta(hours=3)))
def test_time_never_makes_the_decision_more_permissive(
    history: list[ConsentRecord], requested: frozenset[str], later: timedelta
) -> None:
    before = ruling(*history, items=requested)
    after = ruling(*history, items=requested, at=NOON + later)

    assert not (isinstance(before, NotCovered) and isinstance(after, Covered))


@given(histories, requests)
def test_covered_means_one_live_record_names_all_of_it(
    history: list[ConsentRecord], requested: frozenset[str]
) -> None:
    match ruling(*history, items=requested):
        case Covered(consent_id):
            (record,) = [record for record in history if record.consent_id == consent_id]
            assert record.is_live(NOON)
            assert requested <= record.items
        case NotCovered(reason, missing):
            assert (reason == "items_missing") or not missing
            assert not any(
                record.is_live(NOON) and requested and requested <= record.items
                for record in history
                if record.purpose == OPENING
            )


@given(histories, requests, st.data())
def test_order_of_records_does_not_matter(
    history: list[ConsentRecord], requested: frozenset[str], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(history))

    first, second = ruling(*history, items=requested), ruling(*shuffled, items=requested)

    assert type(first) is type(second)
    if isinstance(first, Covered):
        assert first == second
