"""Loading feeds: everything good in, everything bad reported, nothing twice, nothing lost."""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from kernel.clock import FrozenClock
from kernel.ids import AgencyId, new_id
from kernel.keyring import Keyring
from population_register import feed_store
from population_register.errors import FeedRefused, UnknownAgency, UnknownFeed
from population_register.feed_formats import FeedFormat
from population_register.identifiers import IdentifierKind
from population_register.model import AgencyRole, FeedCounts, FeedReport
from population_register.service import feeds as service
from population_register.service import reading_ahead
from population_register.service.agencies import add_agency
from population_register.service.feeds import (
    get_feed,
    guess_format,
    list_feeds,
    load_feed,
    write_rejections,
)
from population_register.service.persons import find_person
from population_register.tables import feed_rejections, persons, source_records
from population_register.values import MAX_PROBLEMS_PER_ROW
from tests.population_register.register_builders import (
    NOON,
    a_stranger,
    an_agency,
    read,
    values_of,
)

pytestmark = [pytest.mark.db, pytest.mark.usefixtures("agencies")]


class Loader:
    """Loads bytes as a feed of one agency."""

    def __init__(
        self, sessions: sessionmaker[Session], keyring: Keyring, clock: FrozenClock
    ) -> None:
        self._given = sessions, keyring, clock

    def __call__(
        self,
        data: bytes,
        agency: str = "pension",
        feed_format: FeedFormat = FeedFormat.NDJSON,
        **more: Any,  # noqa: ANN401
    ) -> FeedReport:
        return load_feed(
            *self._given,
            agency_id=AgencyId(agency),
            file=io.BytesIO(data),
            feed_format=feed_format,
            **more,
        )


@pytest.fixture
def load(
    session: Session, sessions: sessionmaker[Session], keyring: Keyring, clock: FrozenClock
) -> Loader:
    session.commit()  # the agencies
    return Loader(sessions, keyring, clock)


def snils(ordinal: int) -> str:
    number = f"{900_000_000 + ordinal:09d}"
    check = sum(int(digit) * (9 - place) for place, digit in enumerate(number)) % 101 % 100
    return f"{number}{check:02d}"


def a_row(ordinal: int, **changed: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "record_number": f"П-{ordinal}",
        "version": 1,
        "valid_from": "2020-01-01",
        **a_stranger(ordinal),
        "snils": snils(ordinal),
        **changed,
    }


def ndjson(*rows: Mapping[str, Any] | str) -> bytes:
    lines = (row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows)
    return "".join(f"{line}\n" for line in lines).encode()


def rejections(session: Session, report: FeedReport) -> list[tuple[int, str, str]]:
    return [
        (found.line, found.problem.field, found.problem.reason)
        for found in feed_store.stream_rejections(session, report.feed_id)
    ]


class TestLoading:
    def test_good_rows_are_in_and_bad_rows_are_reported(
        self, load: Loader, session: Session
    ) -> None:
        data = ndjson(
            a_row(1),
            "not json",
            a_row(2, snils="900-000-002 84", valid_from=None),
            a_row(1, version=2, middle_name=None),
            a_row(3),
            a_row(3),
        )

        report = load(data)

        assert report.counts == FeedCounts(new=2, linked=1, unchanged=1, rejected=2)
        assert (report.offset, report.lines) == (len(data), 6)
        assert report.finished_at == NOON
        assert rejections(session, report) == [
            (2, "", "not_json"),
            (3, "valid_from", "missing"),
            (3, "snils", "check_digit"),
        ]

    def test_csv_of_an_agency_with_its_own_columns(
        self, load: Loader, session: Session, keyring: Keyring
    ) -> None:
        mapping = {
            "encoding": "windows-1251",
            "delimiter": ";",
            "date_format": "dd.mm.yyyy",
            "fields": {
                "НОМЕР": "record_number",
                "С": "valid_from",
                "ФАМ": "family_name",
                "ИМЯ": "given_name",
                "РОЖД": "birthdate",
                "СНИЛС": "snils",
            },
            "constants": {"version": "1"},
        }
        add_agency(session, an_agency("tax", AgencyRole.TAX, mapping), NOON)
        session.commit()
        data = (
            "НОМЕР;С;ФАМ;ИМЯ;РОЖД;СНИЛС\r\n"
            f"1;01.01.2020;Волкова;Анна;14.03.1986;{snils(1)}\r\n"
            f"2;01.01.2020;Волков;Олег;31.02.1986;{snils(2)}\r\n"
        ).encode("windows-1251")

        report = load(data, "tax", FeedFormat.CSV)

        assert report.counts == FeedCounts(new=1, rejected=1)
        assert rejections(session, report) == [(3, "РОЖД", "not_a_date")]
        person_id = find_person(session, keyring, IdentifierKind.SNILS, snils(1))
        assert person_id is not None
        assert values_of(read(session, keyring, person_id))["birthdate"] == "1986-03-14"

    def test_row_refused_by_the_register_is_in_the_report_too(
        self, load: Loader, session: Session
    ) -> None:
        report = load(ndjson(a_row(1), a_row(1, given_name="Ольга")))

        assert report.counts == FeedCounts(new=1, rejected=1)
        assert rejections(session, report) == [(2, "version", "version_taken")]

    def test_metacharacters_in_names_are_refused_and_in_text_kept(
        self, load: Loader, session: Session, keyring: Keyring
    ) -> None:
        place = "{{ 7*7 }} ${jndi:ldap://x} '); DROP TABLE persons; --"

        report = load(
            ndjson(a_row(1, birthplace=place), a_row(2, given_name="'); DROP TABLE persons; --"))
        )

        assert report.counts == FeedCounts(new=1, rejected=1)
        person_id = find_person(session, keyring, IdentifierKind.SNILS, snils(1))
        assert person_id is not None
        assert values_of(read(session, keyring, person_id))["birthplace"] == place

    def test_empty_file_is_a_feed_without_rows(self, load: Loader) -> None:
        report = load(b"")

        assert report.counts == FeedCounts()
        assert report.finished_at is not None

    def test_progress_is_told_after_every_batch(
        self, load: Loader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(service, "BATCH_ROWS", 2)
        told: list[FeedReport] = []

        report = load(ndjson(*(a_row(n) for n in range(1, 6))), progress=told.append)

        assert [one.counts.rows for one in told] == [2, 4, 5]
        assert told[-1] == report
        assert [one.finished_at is None for one in told] == [True, True, False]

    def test_only_the_end_of_a_feed_waits_for_the_disk(
        self, load: Loader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(service, "BATCH_ROWS", 2)
        lazy: list[Session] = []
        monkeypatch.setattr(service, "commit_lazily", lazy.append)

        load(ndjson(*(a_row(n) for n in range(1, 6))))

        assert len(lazy) == 2

    def test_long_rows_end_a_batch_early(
        self, load: Loader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reading_ahead, "MOST_BYTES", 100)
        told: list[FeedReport] = []

        load(ndjson(a_row(1), a_row(2)), progress=told.append)

        assert [one.counts.rows for one in told] == [1, 2, 2]

    def test_row_with_very_many_problems_fills_no_table(
        self, load: Loader, session: Session
    ) -> None:
        load(ndjson({f"unknown_{n}": 1 for n in range(1000)}))

        kept = session.scalar(select(func.count()).select_from(feed_rejections))
        assert kept == MAX_PROBLEMS_PER_ROW


class TestRepeating:
    def test_finished_feed_is_recognised_and_not_read_again(
        self, load: Loader, session: Session
    ) -> None:
        first = load(ndjson(a_row(1)))

        again = load(ndjson(a_row(1)))

        assert again == first
        assert session.scalar(select(func.count()).select_from(source_records)) == 1

    def test_same_file_of_another_agency_is_another_feed(self, load: Loader) -> None:
        assert load(ndjson(a_row(1))).feed_id != load(ndjson(a_row(1)), "tax").feed_id

    def test_mended_mapping_reads_the_file_again(self, load: Loader, session: Session) -> None:
        data = ndjson(a_row(1, size=44))
        refused = load(data)
        add_agency(session, an_agency("pension", AgencyRole.PENSION, {"ignore": ["size"]}), NOON)
        session.commit()

        mended = load(data)

        assert (refused.counts, mended.counts) == (FeedCounts(rejected=1), FeedCounts(new=1))

    def test_interrupted_feed_goes_on_where_it_stopped(
        self, load: Loader, session: Session, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(service, "BATCH_ROWS", 2)
        data = ndjson(*(a_row(n) for n in range(1, 8)), "bad")

        def stop_at_four(report: FeedReport) -> None:
            if report.counts.rows == 4:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            load(data, progress=stop_at_four)
        stopped = list_feeds(session, AgencyId("pension"))[0]
        report = load(data)

        assert (stopped.counts.rows, stopped.finished_at) == (4, None)
        assert report.feed_id == stopped.feed_id
        assert report.counts == FeedCounts(new=7, rejected=1)
        assert session.scalar(select(func.count()).select_from(persons)) == 7


class TestRefusals:
    def test_agency_that_is_not_known_loads_nothing(self, load: Loader) -> None:
        with pytest.raises(UnknownAgency):
            load(ndjson(a_row(1)), "nobody")

    def test_closed_agency_looks_like_an_unknown_one(self, load: Loader, session: Session) -> None:
        closed = replace(an_agency("tax", AgencyRole.TAX), is_active=False)
        add_agency(session, closed, NOON)
        session.commit()

        with pytest.raises(UnknownAgency):
            load(ndjson(a_row(1)), "tax")

    def test_header_that_is_none_takes_no_row(self, load: Loader, session: Session) -> None:
        with pytest.raises(FeedRefused):
            load(b"snils,shoe_size\n1,2\n", feed_format=FeedFormat.CSV)

        assert session.scalar(select(func.count()).select_from(source_records)) == 0

    def test_feed_nobody_began_is_not_found(self, session: Session) -> None:
        with pytest.raises(UnknownFeed):
            get_feed(session, new_id(NOON))

    @pytest.mark.parametrize(
        ("name", "feed_format"),
        [
            ("a.ndjson", FeedFormat.NDJSON),
            ("A.JSONL", FeedFormat.NDJSON),
            ("a.b.csv", FeedFormat.CSV),
        ],
    )
    def test_format_is_told_by_the_name(self, name: str, feed_format: FeedFormat) -> None:
        assert guess_format(name) is feed_format

    @pytest.mark.parametrize("name", ["feed", "feed.xlsx", ""])
    def test_name_that_tells_nothing_is_refused(self, name: str) -> None:
        with pytest.raises(FeedRefused):
            guess_format(name)


class TestReport:
    def test_report_can_be_read_as_csv_and_as_json(self, load: Loader, session: Session) -> None:
        report = load(ndjson(a_row(1, gender="=cmd"), "bad"))

        table = "".join(write_rejections(session, report.feed_id, FeedFormat.CSV))
        lines = list(write_rejections(session, report.feed_id, FeedFormat.NDJSON))

        rows = list(csv.DictReader(io.StringIO(table)))
        assert [row["line"] for row in rows] == ["1", "2"]
        assert rows[0]["reason"] == "not_in_list"
        assert [json.loads(line)["line"] for line in lines] == [1, 2]
        assert "=cmd" not in table

    def test_feeds_are_listed_latest_first(
        self, load: Loader, session: Session, clock: FrozenClock
    ) -> None:
        first = load(ndjson(a_row(1)))
        clock.advance(timedelta(minutes=1))
        second = load(ndjson(a_row(2)))

        assert list_feeds(session, AgencyId("pension")) == [second, first]
        assert get_feed(session, first.feed_id) == first
