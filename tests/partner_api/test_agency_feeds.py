"""Agencies send whole feeds: sealed while they wait, loaded once, reported row by row."""

import base64
import csv
import gzip
import hashlib
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import get_ident
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import event, select

from kernel.clock import Clock, FrozenClock
from kernel.jobs import JobContext
from population_register.api import (
    FeedFormat,
    add_agency,
    begin_upload,
    close_agency,
    get_agency,
    list_feed_statuses,
)
from population_register.jobs import load, sweep
from population_register.service.uploads import ABANDONED_AFTER, CHUNK_BYTES
from population_register.tables import feed_chunks, feed_rejections, feed_uploads, source_records
from tests.partner_api.agency_world import Asker, an_asker, an_inn, set_mapping
from tests.partner_api.partner_world import World

pytestmark = pytest.mark.db

FEEDS = "/agency/v1/feeds"
NDJSON = {"Content-Type": "application/x-ndjson"}
CSV = {"Content-Type": "text/csv"}


@pytest.fixture
def asker(world: World) -> Asker:
    return an_asker(world)


def a_row(number: int, **changed: Any) -> dict[str, Any]:  # noqa: ANN401  # rows are JSON
    return {
        "record_number": f"Н-{number}",
        "version": 1,
        "valid_from": "2020-01-01",
        "family_name": "Секретова",
        "given_name": "Анна",
        "birthdate": f"{1930 + number % 60}-03-14",
        "inn": an_inn(),
        **changed,
    }


def lines(*rows: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def send(asker: Asker, data: bytes, **headers: str) -> httpx.Response:
    return asker.post(FEEDS, data, official=None, headers={**NDJSON, **headers})


@contextmanager
def counted_statements(world: World) -> Iterator[list[str]]:
    """Note every statement that is sent to the database meanwhile."""
    sent: list[str] = []
    with world.session() as session:
        engine = session.get_bind()

    def note(_conn: object, _cursor: object, statement: str, *_rest: object) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


def work(world: World, clock: Clock | None = None, *, feed_id: str | None = None) -> None:
    """Load what waits, as a worker does; of one feed alone, if so asked."""
    state = world.app.state
    context = JobContext(
        settings=state.settings,
        clock=clock or world.clock,
        sessions=state.sessions,
        keyring=state.keyring,
        signing=state.signing,
        blobs=state.blobs,
    )
    with world.session() as session:
        u = feed_uploads.c
        waiting = select(u.upload_id).where(u.feed_id.is_not(None), u.ended_at.is_(None))
        if feed_id is not None:
            waiting = waiting.where(u.feed_id == feed_id)
        uploads = session.scalars(waiting).all()
    for upload_id in uploads:
        load(context, upload_id=str(upload_id))
    sweep(context)


def records(world: World, asker: Asker) -> int:
    with world.session() as session:
        s = source_records.c
        return len(session.execute(select(s.version).where(s.agency_id == asker.agency_id)).all())


def test_feed_is_taken_loaded_and_reported(world: World, asker: Asker) -> None:
    data = lines(a_row(1), a_row(2), a_row(3, inn="500100732258"), a_row(4))

    taken = send(asker, data)
    waiting = asker.get(taken.headers["location"].removeprefix("http://localhost:8000"))
    work(world)
    finished = asker.get(f"{FEEDS}/{taken.json()['feed_id']}")
    rejections = asker.get(f"{FEEDS}/{taken.json()['feed_id']}/rejections")
    listed = asker.get(FEEDS)

    assert (taken.status_code, taken.json()["state"]) == (202, "waiting")
    assert waiting.json() == taken.json()
    assert finished.json()["state"] == "finished"
    assert finished.json()["done_bytes"] == finished.json()["size"] == len(data)
    assert finished.json()["counts"]["rejected"] == 1
    assert sum(finished.json()["counts"].values()) == 4
    assert [json.loads(line) for line in rejections.text.splitlines()] == [
        {
            "line": 3,
            "field": "inn",
            "reason": "check_digit",
            "advice": "The check digits are wrong; compare with the certificate.",
        }
    ]
    assert [feed["feed_id"] for feed in listed.json()["feeds"]] == [taken.json()["feed_id"]]


def test_list_takes_as_many_statements_for_many_feeds(world: World, asker: Asker) -> None:
    taken: list[list[str]] = []
    for number in range(3):
        send(asker, lines(a_row(number)))
        with counted_statements(world) as statements, world.session() as session:
            assert len(list_feed_statuses(session, asker.agency_id)) == number + 1
        taken.append(statements)

    assert [len(each) for each in taken] == [2, 2, 2]


def test_report_can_be_had_as_a_table(world: World, asker: Asker) -> None:
    taken = send(asker, lines(a_row(1, gender="x"), a_row(2, version=0)))
    work(world)
    path = f"{FEEDS}/{taken.json()['feed_id']}/rejections"

    headers = {**asker.headers(path, method="GET"), "Accept": "text/csv"}
    table = world.http.get(path, headers=headers)

    assert table.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [(row["line"], row["field"]) for row in rows] == [("1", "gender"), ("2", "version")]


def test_same_file_again_is_the_same_feed(world: World, asker: Asker) -> None:
    data = lines(a_row(1))

    first = send(asker, data)
    while_it_waits = send(asker, data)
    work(world)
    when_it_is_done = send(asker, data)
    work(world)

    assert [each.status_code for each in (first, while_it_waits, when_it_is_done)] == [
        202,
        202,
        200,
    ]
    assert {each.json()["feed_id"] for each in (first, while_it_waits, when_it_is_done)} == {
        first.json()["feed_id"]
    }
    assert records(world, asker) == 1
    assert world.count(feed_chunks) == 0


def test_csv_is_read_with_the_mapping_of_the_time_when_it_was_sent(
    world: World, asker: Asker
) -> None:
    set_mapping(world, asker, {"delimiter": ";", "fields": {"ИНН": "inn"}})
    inn = an_inn()
    table = f"record_number;version;valid_from;birthdate;ИНН\n1;1;2020-01-01;1986-03-14;{inn}\n"

    asker.post(FEEDS, table.encode(), official=None, headers=CSV)
    set_mapping(world, asker, {})
    work(world)

    assert asker.ask(identifiers={"inn": inn}).json()["outcome"] == "match"


def test_feed_whose_header_can_not_be_read_is_refused_with_the_reason(
    world: World, asker: Asker
) -> None:
    taken = asker.post(FEEDS, b"a,b\n1,2\n", official=None, headers=CSV)
    work(world)

    state = asker.get(f"{FEEDS}/{taken.json()['feed_id']}").json()

    assert state["state"] == "refused"
    assert state["refused"] == "Column 1 of the header is not a field; map it, or ignore it."
    assert world.count(feed_chunks) == 0


def test_file_waits_sealed_in_pieces_and_is_read_across_them(world: World, asker: Asker) -> None:
    long = "Ё" * 100_000
    data = lines(*(a_row(number, birthplace=long) for number in range(12)), a_row(99))
    assert len(data) > 2 * CHUNK_BYTES

    taken = send(asker, data)
    with world.session() as session:
        sealed = b"".join(session.scalars(select(feed_chunks.c.chunk_sealed)))
    work(world)

    assert len(sealed) > len(data)
    assert "Секретова".encode() not in sealed
    state = asker.get(f"{FEEDS}/{taken.json()['feed_id']}").json()
    assert state["counts"]["rejected"] == 12
    assert (state["done_lines"], state["done_bytes"]) == (13, len(data))


class FailingClock:
    """A clock that stops a worker in the middle of its work.

    Whoever reads ahead in a thread beside asks for the time sooner or later: that is not counted.
    """

    def __init__(self, clock: FrozenClock, calls: int) -> None:
        self._clock = clock
        self._left = calls
        self._thread = get_ident()

    def now(self) -> Any:  # noqa: ANN401
        self._left -= get_ident() == self._thread
        if self._left < 0:
            raise KeyboardInterrupt
        return self._clock.now()


@pytest.mark.timeout(30)
def test_worker_that_dies_is_followed_without_doubling_or_losing_a_row(
    world: World, asker: Asker
) -> None:
    rows = [a_row(number, version=number % 2) for number in range(1_200)]  # every other is bad
    taken = send(asker, lines(*rows))
    path = f"{FEEDS}/{taken.json()['feed_id']}"

    with pytest.raises(KeyboardInterrupt):
        work(world, FailingClock(world.clock, 1), feed_id=taken.json()["feed_id"])
    midway = asker.get(path).json()
    work(world)
    finished = asker.get(path).json()

    assert midway["state"] == "loading"
    assert 0 < midway["done_lines"] < 1_200
    assert (finished["state"], finished["done_lines"]) == ("finished", 1_200)
    assert finished["counts"]["rejected"] == 600
    assert records(world, asker) == 600
    with world.session() as session:
        r = feed_rejections.c
        bad = session.scalars(select(r.line).where(r.feed_id == UUID(taken.json()["feed_id"])))
        assert sorted(bad) == list(range(1, 1_201, 2))


def test_feed_of_an_agency_that_is_closed_meanwhile_goes_no_further_until_it_is_open(
    world: World, asker: Asker
) -> None:
    data = lines(a_row(1))
    path = f"{FEEDS}/{send(asker, data).json()['feed_id']}"
    with world.session() as session:
        agency = get_agency(session, asker.agency_id)
        close_agency(session, asker.agency_id, world.clock.now(), by="test")

    work(world)

    assert records(world, asker) == 0
    with world.session() as session:
        add_agency(session, agency, world.clock.now())
    stopped = asker.get(path).json()
    assert (stopped["state"], stopped["done_lines"]) == ("refused", 0)
    assert "closed" in stopped["refused"]
    send(asker, data)
    work(world)
    assert asker.get(path).json()["state"] == "finished"
    assert records(world, asker) == 1


class TestRefusals:
    @pytest.mark.spec("RFC9530-2")
    def test_digest_is_held_against_the_file(self, world: World, asker: Asker) -> None:
        data = lines(a_row(1))
        right = base64.b64encode(hashlib.sha256(data).digest()).decode()
        wrong = base64.b64encode(hashlib.sha256(b"").digest()).decode()

        refused = send(asker, data, **{"Content-Digest": f"sha-256=:{wrong}:"})
        malformed = send(asker, data, **{"Content-Digest": f"sha-256=:{'=' * 44}:"})
        taken = send(asker, data, **{"Content-Digest": f"sha-256=:{right}:"})

        assert [each.status_code for each in (refused, malformed, taken)] == [400, 400, 202]
        work(world)
        assert records(world, asker) == 1

    @pytest.mark.parametrize(
        ("data", "headers", "status"),
        [
            (b"", {}, 400),
            (b"{}\n", {"Content-Type": "application/json"}, 400),
            (gzip.compress(b"{}\n"), {"Content-Encoding": "gzip"}, 400),
            (b"{}\n", {"Content-Length": str((1 << 30) + 1)}, 413),
        ],
        ids=["empty", "content type", "packed", "too large"],
    )
    def test_file_that_is_none_leaves_nothing(
        self, world: World, asker: Asker, data: bytes, headers: dict[str, str], status: int
    ) -> None:
        refused = send(asker, data, **headers)

        assert refused.status_code == status
        with world.session() as session:
            u = feed_uploads.c
            assert not session.scalars(
                select(u.upload_id).where(u.agency_id == asker.agency_id)
            ).all()

    def test_feed_of_another_agency_looks_like_none(self, world: World, asker: Asker) -> None:
        taken = send(asker, lines(a_row(1)))
        work(world)
        other = an_asker(world)

        for path in ("", "/rejections"):
            theirs = other.get(f"{FEEDS}/{taken.json()['feed_id']}{path}")
            nobodys = other.get(f"{FEEDS}/00000000-0000-7000-8000-000000000000{path}")
            assert (theirs.status_code, nobodys.status_code) == (404, 404)
            assert theirs.json()["detail"] == nobodys.json()["detail"]
        assert other.get(FEEDS).json() == {"feeds": []}
        assert other.get(f"{FEEDS}/1").status_code == 422

    def test_each_address_needs_its_scope(self, asker: Asker) -> None:
        sender = asker.with_token(scope=["register.feed"])
        reader = asker.with_token(scope=["register.feed.report"])

        assert send(reader, lines(a_row(1))).json()["code"] == "insufficient_scope"
        assert sender.get(FEEDS).json()["code"] == "insufficient_scope"
        assert reader.get(FEEDS).status_code == 200

    def test_replayed_proof_takes_nothing(self, world: World, asker: Asker) -> None:
        headers = asker.headers(FEEDS)

        statuses = [send(asker, lines(a_row(n)), **headers).status_code for n in (1, 2)]

        work(world)
        assert statuses == [202, 401]
        assert records(world, asker) == 1

    def test_upload_that_was_given_up_is_swept(self, world: World, asker: Asker) -> None:
        sessions = world.app.state.sessions
        at = world.clock.now()
        given_up = begin_upload(sessions, world.keyring, asker.agency_id, FeedFormat.NDJSON, at=at)
        given_up.take(b"x" * CHUNK_BYTES)
        given_up.put()

        world.clock.advance(ABANDONED_AFTER)
        work(world)
        before = world.count(feed_chunks)
        world.clock.advance(timedelta(microseconds=1))
        work(world)

        assert (before, world.count(feed_chunks)) == (1, 0)
