"""Browsing is told from work by counts alone."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session, sessionmaker

from kernel.clock import FrozenClock
from kernel.ids import AgencyId
from partner_api.agencies import counting
from partner_api.agencies.browsing import Alarm, Counts, Pattern, find_alarms
from partner_api.agencies.store import add_counts
from partner_api.service.forgetting import QUESTION_COUNTS_KEPT, forget_old

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("counts", "patterns"),
    [
        (Counts(), set()),
        (Counts(by_name=29), set()),
        (Counts(by_name=30), {Pattern.MANY_NAMES}),
        (Counts(by_name=30, by_name_matched=8), {Pattern.MANY_NAMES}),
        (Counts(by_name=30, by_name_matched=9), set()),
        (Counts(by_number=99), set()),
        (Counts(by_number=100, by_number_matched=49), {Pattern.MANY_NUMBERS}),
        (Counts(by_number=100, by_number_matched=50), set()),
        (Counts(by_name=40, by_number=200), {Pattern.MANY_NAMES, Pattern.MANY_NUMBERS}),
    ],
    ids=lambda value: str(value) if isinstance(value, Counts) else "",
)
def test_much_asked_and_few_met_is_a_pattern(counts: Counts, patterns: set[Pattern]) -> None:
    assert {alarm.pattern for alarm in find_alarms(counts)} == patterns


def test_alarm_says_how_many() -> None:
    assert find_alarms(Counts(by_name=50, by_name_matched=2)) == (
        Alarm(pattern=Pattern.MANY_NAMES, asked=50, matched=2),
    )


def test_counts_are_written_though_nobody_asks_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Mapping[counting.Key, Counts]] = []
    is_written, loop = asyncio.Event(), asyncio.new_event_loop()

    def write(_: object, counted: Mapping[counting.Key, Counts], **_at: object) -> list[Alarm]:
        written.append(counted)
        loop.call_soon_threadsafe(is_written.set)
        return []

    monkeypatch.setattr(counting, "WRITE_EVERY", timedelta(milliseconds=1))
    monkeypatch.setattr(counting, "raise_alarms", write)
    tally = counting.Tally(sessionmaker(), FrozenClock(NOON), tell=lambda _: None)

    async def ask() -> None:
        for _ in range(2):
            assert not tally.add(AgencyId("tax"), "inspector-7", Counts(by_name=1), at=NOON)
            tally.write_later()
        await is_written.wait()

    loop.run_until_complete(asyncio.wait_for(ask(), 5))
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    assert written == [{(AgencyId("tax"), "inspector-7", NOON): Counts(by_name=2)}]


@pytest.mark.db
def test_counts_are_added_up_and_forgotten_after_three_months(
    session: Session, sessions: sessionmaker[Session]
) -> None:
    hour, later = NOON, NOON + timedelta(hours=1)
    add_counts(session, AgencyId("tax"), "inspector-7", hour, Counts(by_name=2))
    total = add_counts(session, AgencyId("tax"), "inspector-7", hour, Counts(by_name=1))
    add_counts(session, AgencyId("tax"), "inspector-7", later, Counts(by_name=1))
    session.commit()

    early = forget_old(sessions, at=hour + QUESTION_COUNTS_KEPT)
    late = forget_old(sessions, at=hour + QUESTION_COUNTS_KEPT + timedelta(seconds=1))

    assert total == Counts(by_name=3)
    assert (early, late) == ({}, {"agency_question_counts": 1})


numbers = st.integers(0, 500)


@given(numbers, numbers, numbers)
def test_more_questions_that_meet_nobody_never_make_fewer_alarms(
    asked: int, matched: int, more: int
) -> None:
    counts = Counts(by_name=asked + matched, by_name_matched=matched)

    before = find_alarms(counts)
    after = find_alarms(counts + Counts(by_name=more))

    assert {alarm.pattern for alarm in before} <= {alarm.pattern for alarm in after}
