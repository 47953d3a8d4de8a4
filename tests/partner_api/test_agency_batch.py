"""Questions by the thousand: a line in, a line out, each on its own, counted, and watched."""

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from audit.api import NewEntry
from examples.verify_answer import NotEvidence, verify_answer
from kernel.ids import PartnerId
from partner_api.agencies.batch import CHUNK
from partner_api.agencies.browsing import Alarm, Pattern
from partner_api.agencies.store import list_alarms
from partner_api.events import PersonResolved
from partner_api.store import save_limit
from population_register.api import revoke_mandate
from population_register.tables import persons
from tests.partner_api.agency_world import (
    BATCH,
    Asker,
    Someone,
    an_asker,
    an_inn,
    logged,
    someone,
)
from tests.partner_api.partner_world import World

pytestmark = pytest.mark.db


@pytest.fixture
def asker(world: World) -> Asker:
    return an_asker(world)


def send(
    asker: Asker,
    lines: list[Any],
    path: str = BATCH,
    *,
    accept: str = "*/*",
    **more: Any,  # noqa: ANN401
) -> httpx.Response:
    body = b"\n".join(
        line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines
    )
    headers = {"Content-Type": "application/x-ndjson", "Accept": accept}
    return asker.post(path, body, headers=headers, **more)


def resolved(world: World, person: Someone) -> list[NewEntry]:
    return [e for e in logged(world, person.person_id) if e.action == PersonResolved.action]


def read(answered: httpx.Response) -> list[dict[str, Any]]:
    assert answered.status_code == 200, answered.text
    return [json.loads(line) for line in answered.text.splitlines()]


def test_each_line_is_answered_in_order_and_by_itself(world: World, asker: Asker) -> None:
    one, other = someone(world), someone(world)
    first, second, nobody = one.inn, other.inn, an_inn()

    answers = read(
        send(
            asker,
            [
                {"id": "a", "identifiers": {"inn": first}},
                {"id": "b", "identifiers": {"inn": "500100732258"}},
                b"{not json",
                b"",
                {"id": 4, "identifiers": {"inn": nobody}},
                {
                    "id": "c",
                    "identifiers": {"inn": second},
                    "attributes": {"birthdate": other.birthdate},
                },
                {"id": "d", "pseudonym": "malformed"},
            ],
        )
    )

    assert [(each["id"], each.get("outcome"), each.get("error")) for each in answers] == [
        ("a", "match", None),
        ("b", None, "question_refused"),
        (None, None, "invalid_request"),
        (4, "none", None),
        ("c", "match", None),
        ("d", None, "question_refused"),
    ]
    assert answers[0]["fields"]["inn"]["value"] == first
    assert answers[1]["errors"][0]["code"] == "check_digit"
    assert [len(resolved(world, each)) for each in (one, other)] == [1, 1]
    assert resolved(world, one)[0].entry_id.hex == answers[0]["entry_id"].replace("-", "")


def test_line_of_nothing_but_mistakes_is_answered_shortly(asker: Asker) -> None:
    """A question of 16 KiB held 25 times as much memory, until all of the batch was answered."""
    line = {"id": "a", "attributes": {f"x{n}": 1 for n in range(1000)}}

    answered = send(asker, [line] * 3)

    assert [each["error"] for each in read(answered)] == ["question_refused"] * 3
    assert len(answered.content) < 3 * 500


def test_answers_are_signed_line_by_line(world: World, asker: Asker) -> None:
    person = someone(world)
    lines = [
        json.dumps({"id": number, "identifiers": {"inn": inn}}).encode()
        for number, inn in enumerate((person.inn, an_inn(), "500100732258"))
    ]
    keys = world.http.get("/agency/v1/jwks").json()

    found, nobody, refused = read(send(asker, lines, accept="application/jwt"))

    assert [found["id"], nobody["id"]] == [0, 1]
    claims = [
        verify_answer(answer["signed"], line, keys)
        for answer, line in zip((found, nobody), lines, strict=False)
    ]
    assert [each["answer"]["outcome"] for each in claims] == ["match", "none"]
    assert {each["aud"] for each in claims} == {asker.agency_id}
    assert claims[0]["jti"] != claims[1]["jti"]
    assert "signed" not in refused
    assert refused["error"] == "question_refused"
    with pytest.raises(NotEvidence):
        verify_answer(found["signed"], lines[1], keys)


def test_person_whose_data_is_damaged_spoils_one_line(world: World, asker: Asker) -> None:
    people = [someone(world) for _ in range(3)]
    with world.session() as session:
        is_second = persons.c.person_id == people[1].person_id
        session.execute(update(persons).where(is_second).values(record_sealed=b"\0" * 99))

    answers = read(
        send(asker, [{"id": n, "identifiers": {"inn": p.inn}} for n, p in enumerate(people)])
    )

    assert [each.get("outcome", each.get("error")) for each in answers] == [
        "match",
        "undecryptable",
        "match",
    ]
    assert [len(resolved(world, each)) for each in people] == [1, 0, 1]


def test_fields_of_the_query_narrow_all_answers(world: World, asker: Asker) -> None:
    inn = someone(world).inn

    (answer,) = read(send(asker, [{"id": 1, "identifiers": {"inn": inn}}], BATCH + "&fields=inn"))

    assert list(answer["fields"]) == ["inn"]


def test_person_asked_about_twice_sees_two_entries(world: World, asker: Asker) -> None:
    person = someone(world)

    answers = read(send(asker, [{"id": n, "identifiers": {"inn": person.inn}} for n in range(2)]))

    assert {each["entry_id"] for each in answers} == {
        str(entry.entry_id) for entry in resolved(world, person)
    }


def test_batch_that_outgrows_the_quota_is_answered_as_far_as_it_goes(
    world: World, asker: Asker
) -> None:
    with world.session() as session:
        save_limit(session, PartnerId(asker.client_id), requests_per_minute=CHUNK + 50)
    lines = [{"id": n, "identifiers": {"inn": "500100732259"}} for n in range(CHUNK + 60)]

    answers = read(send(asker, lines))

    assert len(answers) == CHUNK + 60
    assert {each.get("error") for each in answers[:CHUNK]} == {None}
    assert {each.get("error") for each in answers[CHUNK:]} == {"quota_exceeded"}


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"path": BATCH.replace("purpose", "reason")}, 400),
        ({"path": BATCH.partition("?")[0]}, 400),
        ({"path": BATCH + "&fields=shoe_size"}, 400),
        ({"path": BATCH.replace("tax_code_85", "family_code_8")}, 403),
        ({"official": None}, 403),
    ],
    ids=["no purpose", "nothing", "field", "basis", "official"],
)
def test_batch_that_rests_on_nothing_is_refused(
    asker: Asker, change: dict[str, Any], status: int
) -> None:
    assert (
        send(asker, [{"id": 1, "identifiers": {"inn": an_inn()}}], **change).status_code == status
    )


def test_too_many_questions_are_refused_before_any_is_answered(asker: Asker) -> None:
    line = b'{"id":1,"identifiers":{"inn":"500100732259"}}'

    refused = send(asker, [line] * 10_001)

    assert (refused.status_code, refused.json()["code"]) == (400, "too_many_questions")


def test_line_that_never_ends_is_refused(asker: Asker) -> None:
    assert send(asker, [b"{" + b" " * (17 * 1024)]).status_code == 413


def test_replayed_assertion_answers_no_batch(asker: Asker) -> None:
    made = asker.official()
    lines = [{"id": 1, "identifiers": {"inn": an_inn()}}]

    statuses = [send(asker, lines, official=made).status_code for _ in range(2)]

    assert statuses == [200, 403]


def test_mandate_revoked_before_the_batch_gives_nothing(world: World) -> None:
    asker = an_asker(world, fields=())
    (granted,) = asker.mandate("inn")
    inn = someone(world).inn
    lines = [{"id": 1, "identifiers": {"inn": inn}}]
    assert read(send(asker, lines))[0]["outcome"] == "match"
    with world.session() as session:
        revoke_mandate(session, granted.mandate_id, by="test", at=world.clock.now())

    assert send(asker, lines).json()["code"] == "mandate_missing"


class TestBrowsing:
    def test_many_names_that_meet_nobody_raise_one_alarm_an_hour(
        self, world: World, asker: Asker
    ) -> None:
        lines = [
            {"id": n, "attributes": {"family_name": "Неведомый", "birthdate": f"19{n:02}-01-01"}}
            for n in range(30, 70)
        ]

        for _ in range(2):
            read(send(asker, lines))

        with world.session() as session:
            raised = [each for each in list_alarms(session) if each.agency_id == asker.agency_id]
        assert (
            'civitas_agency_alarms_total{pattern="many_names"}' in world.http.get("/metrics").text
        )
        assert [(each.official, each.alarm) for each in raised] == [
            ("inspector-7", Alarm(pattern=Pattern.MANY_NAMES, asked=40, matched=0))
        ]

    def test_questions_one_by_one_count_too(self, world: World, asker: Asker) -> None:
        asker.ask(attributes={"family_name": "Неведомый", "birthdate": "1940-01-01"})
        world.app.state.agency_desk.tally.write()  # there is a desk since the first question
        for year in range(41, 71):
            asker.ask(attributes={"family_name": "Неведомый", "birthdate": f"19{year}-01-01"})
        world.clock.advance(timedelta(seconds=5))
        asker.ask(attributes={"family_name": "Неведомый", "birthdate": "1939-01-01"})

        with world.session() as session:
            raised = [each for each in list_alarms(session) if each.agency_id == asker.agency_id]
        assert [each.alarm.pattern for each in raised] == [Pattern.MANY_NAMES]

    def test_work_raises_none(self, world: World, asker: Asker) -> None:
        inn = someone(world).inn

        read(send(asker, [{"id": n, "identifiers": {"inn": inn}} for n in range(150)]))

        with world.session() as session:
            assert all(each.agency_id != asker.agency_id for each in list_alarms(session))
