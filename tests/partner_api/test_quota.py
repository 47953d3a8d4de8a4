"""A partner gets its requests of the minute, however many processes count them, and no more."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from kernel.db import make_engine, make_sessions, unit_of_work_of
from kernel.hot_pool import make_hot_pool
from kernel.ids import PartnerId
from partner_api.quota import MOST_PARTNERS, Quota, minute_of, seconds_left
from partner_api.store import delete_old_minutes, lease_share, save_limit

AT = datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC)
BANK = PartnerId("bank")


class TestShare:
    def test_nothing_is_spent_before_a_share_was_leased(self) -> None:
        assert Quota().spend(BANK, at=AT) is None

    def test_share_is_spent_one_by_one(self) -> None:
        quota = Quota()
        quota.add(BANK, at=AT, granted=2)

        spent = [quota.spend(BANK, at=AT) for _ in range(3)]

        assert spent == [True, True, None]

    def test_minute_is_used_up_when_the_database_gives_no_more(self) -> None:
        quota = Quota()
        quota.add(BANK, at=AT, granted=1)
        quota.add(BANK, at=AT, granted=0)

        spent = [quota.spend(BANK, at=AT) for _ in range(3)]

        assert spent == [True, False, False]

    def test_share_ends_with_its_minute(self) -> None:
        quota = Quota()
        quota.add(BANK, at=AT, granted=5)

        assert quota.spend(BANK, at=AT + timedelta(seconds=29)) is True
        assert quota.spend(BANK, at=AT + timedelta(seconds=30)) is None

    def test_shares_of_partners_are_apart(self) -> None:
        quota = Quota()
        quota.add(BANK, at=AT, granted=0)

        assert quota.spend(PartnerId("clinic"), at=AT) is None

    def test_share_of_a_new_minute_begins_anew(self) -> None:
        quota = Quota()
        later = AT + timedelta(minutes=1)
        quota.add(BANK, at=AT, granted=5)
        quota.add(BANK, at=later, granted=1)

        assert [quota.spend(BANK, at=later) for _ in range(2)] == [True, None]

    def test_only_so_many_partners_are_remembered(self) -> None:
        quota = Quota()
        for number in range(MOST_PARTNERS):
            quota.add(PartnerId(str(number)), at=AT, granted=2)
        assert quota.spend(PartnerId("0"), at=AT) is True

        quota.add(BANK, at=AT, granted=2)

        assert quota.spend(BANK, at=AT) is True
        assert quota.spend(PartnerId("0"), at=AT) is None

    @pytest.mark.parametrize(
        ("after", "left"),
        [
            (timedelta(0), 60),
            (timedelta(microseconds=1), 60),
            (timedelta(seconds=1), 59),
            (timedelta(seconds=58.5), 2),
            (timedelta(seconds=59), 1),
            (timedelta(seconds=59.9), 1),
        ],
    )
    def test_seconds_left_are_rounded_up(self, after: timedelta, left: int) -> None:
        assert seconds_left(minute_of(AT) + after) == left

    @given(st.datetimes(min_value=datetime(2020, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
    def test_seconds_left_reach_into_the_next_minute(self, at: datetime) -> None:
        left = seconds_left(at)

        assert 1 <= left <= 60
        assert minute_of(at + timedelta(seconds=left)) > minute_of(at)


async def lease(pool: object, minute: datetime) -> int:
    row = await lease_share.fetchrow(pool, partner_id=BANK, minute=minute)  # type: ignore[arg-type]
    return 0 if row is None else int(row["granted"])


@pytest.mark.db
@pytest.mark.parametrize(
    ("limit", "granted"),
    [
        pytest.param(None, 6_000, id="without a limit of its own"),
        pytest.param(1, 1, id="one"),
        pytest.param(49, 49, id="fewer than shares"),
        pytest.param(100, 100, id="whole shares"),
        pytest.param(149, 148, id="rounded down to whole shares"),
    ],
)
def test_processes_together_never_lease_more_than_the_limit(
    fresh_database: str, limit: int | None, granted: int
) -> None:
    engine = make_engine(fresh_database)
    if limit is not None:
        with unit_of_work_of(make_sessions(engine)) as session:
            save_limit(session, BANK, requests_per_minute=10_000)
            save_limit(session, BANK, requests_per_minute=limit)
    engine.dispose()

    async def race() -> tuple[int, int]:
        pool = await make_hot_pool(fresh_database, size=8)
        try:
            minute = minute_of(AT)
            leases = await asyncio.gather(*(lease(pool, minute) for _ in range(80)))
            next_minute = await lease(pool, minute + timedelta(minutes=1))
            return sum(leases), next_minute
        finally:
            await pool.close()

    leased, in_the_next_minute = asyncio.run(race())

    assert leased == granted
    assert in_the_next_minute > 0


@pytest.mark.db
def test_counts_of_old_minutes_are_deleted(session: Session) -> None:
    assert delete_old_minutes(session, before=AT) == 0
