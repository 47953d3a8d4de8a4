"""Statistics over a register: everybody counted leaves a trace, and budgets are never overdrawn."""

import csv
import io
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from audit.api import list_entries
from kernel.clock import FrozenClock
from kernel.db import unit_of_work_of
from kernel.errors import Conflict, InvalidRequest, Undecryptable
from kernel.ids import AgencyId, PersonId
from kernel.keyring import Keyring
from kernel.root_keys import LocalKeyFile
from population_register.api import (
    add_recipient,
    count_people,
    list_recipients,
    list_releases,
    take_snapshot,
    write_extract,
)
from population_register.errors import (
    BudgetSpent,
    CountRefused,
    ExtractTellsTooMuch,
    NoSnapshot,
    UnknownRecipient,
)
from population_register.model import Accepted
from population_register.service.accepting import accept_records
from population_register.service.extracts import Extracted
from population_register.service.statistics import Counted
from population_register.tables import statistics_releases, statistics_snapshots
from tests.population_register.register_builders import (
    ANNA,
    NOON,
    a_record,
    add_agencies,
)

WOMEN, MEN = 9, 6


def introduce(session: Session) -> None:
    add_recipient(session, recipient_id="rosstat", name="Росстат", budget_milli=1000, at=NOON)


def fill(sessions: sessionmaker[Session], keyring: Keyring) -> list[PersonId]:
    """Enter people: women of forty, men of thirty; and one who died."""
    records = [
        a_record(
            "interior",
            f"n{number}",
            attributes={
                "family_name": f"Волкова{'бвгджзклмнпрстф'[number]}",
                "given_name": "Анна",
                "gender": "female" if number < WOMEN else "male",
                "birthdate": f"{1986 if number < WOMEN else 1996}-01-{number + 1:02}",
            },
        )
        for number in range(WOMEN + MEN)
    ]
    dead = a_record("interior", "dead", attributes={**ANNA, "deathdate": "2020-05-01"})
    with unit_of_work_of(sessions) as session:
        add_agencies(session)
        introduce(session)
        outcomes = accept_records(session, keyring, AgencyId("interior"), [*records, dead], at=NOON)
    return [outcome.person_id for outcome in outcomes if isinstance(outcome, Accepted)]


def come(sessions: sessionmaker[Session], keyring: Keyring, number: int, *, first: int = 0) -> None:
    """Let further women of forty come."""
    records = [
        a_record(
            "interior",
            f"later{each}",
            attributes={
                "family_name": f"Белова{'бвгдж'[each]}",
                "given_name": "Ольга",
                "gender": "female",
                "birthdate": f"1986-02-{each + 1:02}",
            },
        )
        for each in range(first, first + number)
    ]
    with unit_of_work_of(sessions) as session:
        accept_records(session, keyring, AgencyId("interior"), records, at=NOON)


@pytest.fixture
def people(sessions: sessionmaker[Session], keyring: Keyring) -> list[PersonId]:
    return fill(sessions, keyring)


@pytest.fixture
def recipient(session: Session) -> None:
    introduce(session)
    session.commit()


def count(
    sessions: sessionmaker[Session],
    keyring: Keyring,
    *where: str,
    by: tuple[str, ...] = (),
    epsilon_milli: int = 100,
    recipient_id: str = "rosstat",
) -> Counted:
    return count_people(
        sessions,
        keyring,
        recipient_id=recipient_id,
        where=where,
        by=by,
        epsilon_milli=epsilon_milli,
        at=NOON,
    )


def extract(
    sessions: sessionmaker[Session],
    keyring: Keyring,
    clock: FrozenClock,
    *fields: str,
    k: int = 5,
    most_suppressed: float = 0.0,
    recipient_id: str = "rosstat",
) -> tuple[Extracted, list[list[str]]]:
    out = io.StringIO()
    extracted = write_extract(
        sessions,
        keyring,
        clock,
        out,
        recipient_id=recipient_id,
        fields=fields,
        k=k,
        most_suppressed=most_suppressed,
    )
    return extracted, list(csv.reader(io.StringIO(out.getvalue())))


class TestCounts:
    """`count_people`."""

    @pytest.mark.usefixtures("recipient")
    def test_nobody_has_counted_yet(
        self, sessions: sessionmaker[Session], keyring: Keyring
    ) -> None:
        with pytest.raises(NoSnapshot):
            count(sessions, keyring)

    @pytest.mark.usefixtures("people")
    def test_counts_are_near_and_the_price_is_taken(
        self, sessions: sessionmaker[Session], keyring: Keyring, clock: FrozenClock
    ) -> None:
        take_snapshot(sessions, keyring, clock)

        counted = count(sessions, keyring, by=("sex",), epsilon_milli=900)

        # Noise of scale 1.1: off by 25 once in ten thousand million runs.
        counts = dict(zip(counted.noisy.groups, counted.noisy.counts, strict=True))
        assert abs(counts["female",] - WOMEN) < 25
        assert counted.by == ("sex.sex",)
        assert (counted.paid_milli, counted.left_milli) == (900, 100)

    @pytest.mark.usefixtures("people")
    def test_the_same_question_has_one_answer_and_one_price(
        self, sessions: sessionmaker[Session], keyring: Keyring, clock: FrozenClock
    ) -> None:
        """Otherwise the noise could be averaged away."""
        take_snapshot(sessions, keyring, clock)
        first = count(sessions, keyring, "sex=male", epsilon_milli=10)

        again = count(sessions, keyring, "sex=male", epsilon_milli=500)

        assert again.noisy == first.noisy
        assert (again.paid_milli, again.left_milli) == (0, 990)

    @pytest.mark.usefixtures("people")
    def test_budget_that_does_not_cover_it_is_left_as_it_is(
        self, sessions: sessionmaker[Session], keyring: Keyring, clock: FrozenClock
    ) -> None:
        take_snapshot(sessions, keyring, clock)
        count(sessions, keyring, "sex=male", epsilon_milli=600)

        with pytest.raises(BudgetSpent):
            count(sessions, keyring, "sex=female", epsilon_milli=401)

        with sessions() as session:
            assert [one.left_milli for one in list_recipients(session)] == [400]
        assert count(sessions, keyring, "sex=female", epsilon_milli=400).left_milli == 0

    @pytest.mark.parametrize("epsilon_milli", [0, -1, 100_001])
    def test_price_that_is_none(
        self, sessions: sessionmaker[Session], keyring: Keyring, epsilon_milli: int
    ) -> None:
        with pytest.raises(CountRefused):
            count(sessions, keyring, epsilon_milli=epsilon_milli)

    def test_unknown_recipient(self, sessions: sessionmaker[Session], keyring: Keyring) -> None:
        with pytest.raises(UnknownRecipient):
            count(sessions, keyring, recipient_id="nobody")

    @pytest.mark.usefixtures("people")
    def test_true_counts_are_nowhere_in_the_clear(
        self, sessions: sessionmaker[Session], keyring: Keyring, clock: FrozenClock
    ) -> None:
        take_snapshot(sessions, keyring, clock)

        with sessions() as session:
            (sealed,) = session.scalars(select(statistics_snapshots.c.table_sealed))
        assert b"female" not in sealed


def test_everybody_who_was_counted_sees_it(
    sessions: sessionmaker[Session],
    keyring: Keyring,
    clock: FrozenClock,
    people: list[PersonId],
) -> None:
    seen: list[int] = []
    clock.advance(timedelta(seconds=1))

    take_snapshot(sessions, keyring, clock, seen.append)

    with sessions() as session:
        for person_id in people:
            latest = list_entries(session, person_id)[0].entry
            assert latest.action == "population_register.statistics.read"
            assert latest.purpose == "statistics"
    assert seen == [len(people)]


class TestExtracts:
    """`write_extract`."""

    def test_rows_and_report(
        self,
        sessions: sessionmaker[Session],
        keyring: Keyring,
        clock: FrozenClock,
        people: list[PersonId],
    ) -> None:
        extracted, rows = extract(sessions, keyring, clock, "sex", "age")

        assert rows[0] == ["pseudonym", "sex", "age"]
        assert (
            sorted(row[1:] for row in rows[1:])
            == [["female", "40"]] * WOMEN + [["male", "30"]] * MEN
        )
        assert extracted.generalization.smallest == MEN
        assert extracted.levels == ("sex", "year")
        assert not any(str(person_id) in str(rows) for person_id in people)

    def test_classes_that_are_too_small_make_values_coarser(
        self,
        sessions: sessionmaker[Session],
        keyring: Keyring,
        clock: FrozenClock,
        people: list[PersonId],
    ) -> None:
        extracted, rows = extract(sessions, keyring, clock, "sex", "age", k=7)

        assert len(rows) - 1 == len(people) - 1
        assert extracted.levels in {("any", "stage_of_life"), ("any", "ten_years")}
        assert extracted.generalization.smallest >= 7

    def test_small_classes_are_left_out_where_they_may_be(
        self,
        sessions: sessionmaker[Session],
        keyring: Keyring,
        clock: FrozenClock,
        people: list[PersonId],
    ) -> None:
        extracted, rows = extract(sessions, keyring, clock, "sex", "age", k=7, most_suppressed=0.5)

        assert {tuple(row[1:]) for row in rows[1:]} == {("female", "40")}
        assert extracted.generalization.suppressed == len(people) - 1 - WOMEN

    @pytest.mark.usefixtures("people")
    def test_two_extracts_have_no_pseudonym_and_no_order_in_common(
        self, sessions: sessionmaker[Session], keyring: Keyring, clock: FrozenClock
    ) -> None:
        _, left = extract(sessions, keyring, clock, "sex")
        _, right = extract(sessions, keyring, clock, "sex")

        assert {row[0] for row in left[1:]}.isdisjoint({row[0] for row in right[1:]})
        for rows in (left, right):
            assert [row[0] for row in rows[1:]] == sorted(row[0] for row in rows[1:])

    @pytest.mark.usefixtures("people")
    def test_what_was_given_out_is_kept(
        self, sessions: sessionmaker[Session], keyring: Keyring, clock: FrozenClock
    ) -> None:
        extracted, _ = extract(sessions, keyring, clock, "sex", "age")

        with sessions() as session:
            (release,) = list_releases(session, "rosstat")
        assert release.release_id == extracted.release_id
        assert release.report["smallest_class"] == MEN
        assert release.request == {"fields": ["sex", "age"], "k": 5, "most_suppressed": 0.0}

    def test_who_came_since_can_not_be_found_by_laying_two_side_by_side(
        self,
        sessions: sessionmaker[Session],
        keyring: Keyring,
        clock: FrozenClock,
        people: list[PersonId],
    ) -> None:
        extract(sessions, keyring, clock, "sex", "age")
        come(sessions, keyring, 4)

        with pytest.raises(ExtractTellsTooMuch, match="sex by sex, age by year") as refused:
            extract(sessions, keyring, clock, "sex", "age")

        assert "fewer than k people" in str(refused.value.detail)
        with sessions() as session:
            assert len(list_releases(session, "rosstat")) == 1
        come(sessions, keyring, 1, first=4)
        _, rows = extract(sessions, keyring, clock, "sex", "age")
        assert len(rows) - 1 == len(people) - 1 + 5

    @pytest.mark.usefixtures("people")
    def test_another_recipient_has_nothing_to_lay_it_beside(
        self, sessions: sessionmaker[Session], keyring: Keyring, clock: FrozenClock
    ) -> None:
        extract(sessions, keyring, clock, "sex", "age")
        come(sessions, keyring, 1)
        with unit_of_work_of(sessions) as session:
            add_recipient(session, recipient_id="hse", name="ВШЭ", budget_milli=1000, at=NOON)

        extract(sessions, keyring, clock, "sex", "age", recipient_id="hse")

    @pytest.mark.usefixtures("people")
    def test_finer_in_another_field_is_refused(
        self, sessions: sessionmaker[Session], keyring: Keyring, clock: FrozenClock
    ) -> None:
        extract(sessions, keyring, clock, "sex")

        with pytest.raises(ExtractTellsTooMuch, match=r"\(age\)"):
            extract(sessions, keyring, clock, "age")
        extract(sessions, keyring, clock, "sex", "age")  # finer in every field that it has

    @pytest.mark.usefixtures("people")
    def test_extract_of_which_nothing_was_kept_is_the_last(
        self, sessions: sessionmaker[Session], keyring: Keyring, clock: FrozenClock
    ) -> None:
        extract(sessions, keyring, clock, "sex")
        with unit_of_work_of(sessions) as session:
            session.execute(update(statistics_releases).values(people_sealed=None))

        with pytest.raises(ExtractTellsTooMuch, match="nothing was kept"):
            extract(sessions, keyring, clock, "sex")

    @pytest.mark.usefixtures("people")
    def test_whom_an_extract_is_about_is_sealed_in_its_row(
        self, sessions: sessionmaker[Session], keyring: Keyring, clock: FrozenClock
    ) -> None:
        one, _ = extract(sessions, keyring, clock, "sex")
        other, _ = extract(sessions, keyring, clock, "sex")
        t = statistics_releases.c
        with unit_of_work_of(sessions) as session:
            sealed = session.scalar(select(t.people_sealed).where(t.release_id == one.release_id))
            assert sealed is not None
            assert b"female" not in sealed
            moved = update(statistics_releases).where(t.release_id == other.release_id)
            session.execute(moved.values(people_sealed=sealed))

        with pytest.raises(Undecryptable):
            extract(sessions, keyring, clock, "sex")

    @pytest.mark.usefixtures("recipient")
    @pytest.mark.parametrize(
        "asked",
        [
            ((), 5, 0.0),
            (("sex", "sex"), 5, 0.0),
            (("snils",), 5, 0.0),
            (("sex",), 4, 0.0),
            (("sex",), 5, 1.1),
            (("sex",), 5, float("nan")),
        ],
        ids=["no_field", "twice", "no_such_field", "k_of_four", "more_than_all", "not_a_share"],
    )
    def test_refused(
        self,
        sessions: sessionmaker[Session],
        keyring: Keyring,
        clock: FrozenClock,
        asked: tuple[tuple[str, ...], int, float],
    ) -> None:
        fields, k, most_suppressed = asked

        with pytest.raises(CountRefused):
            extract(sessions, keyring, clock, *fields, k=k, most_suppressed=most_suppressed)

        with sessions() as session:
            assert list_releases(session, "rosstat") == []

    def test_unknown_recipient(
        self, sessions: sessionmaker[Session], keyring: Keyring, clock: FrozenClock
    ) -> None:
        with pytest.raises(UnknownRecipient):
            extract(sessions, keyring, clock, "sex", recipient_id="nobody")


class TestRecipients:
    """`add_recipient`."""

    @pytest.mark.parametrize(
        ("recipient_id", "name", "budget_milli"),
        [("рос стат", "x", 1), ("", "x", 1), ("a", "", 1), ("a", "x", 0), ("a", "x", 100_001)],
    )
    def test_refused(
        self, session: Session, recipient_id: str, name: str, budget_milli: int
    ) -> None:
        with pytest.raises(InvalidRequest):
            add_recipient(
                session, recipient_id=recipient_id, name=name, budget_milli=budget_milli, at=NOON
            )

    @pytest.mark.usefixtures("recipient")
    def test_budget_is_not_renewed_by_entering_again(self, session: Session) -> None:
        with pytest.raises(Conflict):
            add_recipient(session, recipient_id="rosstat", name="x", budget_milli=9, at=NOON)


def test_of_forty_questions_at_once_as_many_pass_as_are_covered(
    fresh_sessions: sessionmaker[Session], clock: FrozenClock
) -> None:
    keyring = Keyring.open(LocalKeyFile(bytes(range(32))), fresh_sessions, at=NOON)
    fill(fresh_sessions, keyring)
    take_snapshot(fresh_sessions, keyring, clock)

    def ask(age: int) -> int:
        try:
            return count(fresh_sessions, keyring, f"age={age}", epsilon_milli=100).paid_milli
        except BudgetSpent:
            return 0

    with ThreadPoolExecutor(8) as pool:
        paid = list(pool.map(ask, range(40)))

    assert sorted(paid) == [0] * 30 + [100] * 10
    with fresh_sessions() as session:
        assert [one.left_milli for one in list_recipients(session)] == [0]


def test_extracts_of_one_instant_are_held_against_each_other(
    fresh_sessions: sessionmaker[Session], clock: FrozenClock
) -> None:
    keyring = Keyring.open(LocalKeyFile(bytes(range(32))), fresh_sessions, at=NOON)
    fill(fresh_sessions, keyring)

    def get(field: str) -> str:
        try:
            extract(fresh_sessions, keyring, clock, field)
        except ExtractTellsTooMuch:
            return "refused"
        return field

    with ThreadPoolExecutor(8) as pool:
        got = Counter(pool.map(get, ["sex", "age"] * 4))

    assert got in ({"sex": 4, "refused": 4}, {"age": 4, "refused": 4})
