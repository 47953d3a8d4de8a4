"""Agencies read and answer their work lists over HTTP: their own, once, by a named official."""

from collections.abc import Mapping
from itertools import count
from typing import Any
from uuid import UUID

import httpx
import pytest

from audit.api import Actor, list_entries
from kernel.ids import PersonId
from population_register.sector_pseudonyms import person_behind
from population_register.service.consistency import check_person
from tests.partner_api.agency_world import RECORDS, Asker, an_asker, an_inn
from tests.partner_api.partner_world import World
from tests.population_register.register_builders import a_stranger

pytestmark = pytest.mark.db

WORKLIST = "/agency/v1/worklist"
_numbers = count(500_000)  # nobody else's
NOBODYS = UUID("0193b0a0-0000-7000-8000-000000000000")


@pytest.fixture
def asker(world: World) -> Asker:
    return an_asker(world).with_token(scope=["register.worklist"])


@pytest.fixture
def person(world: World, asker: Asker) -> PersonId:
    return somebody(world, asker)


def somebody(world: World, asker: Asker) -> PersonId:
    """Let an agency say something impossible of somebody, and find it."""
    said = a_stranger(next(_numbers))
    row = {
        "record_number": f"Н-{an_inn()}",
        "version": 1,
        "valid_from": "2020-01-01",
        **said,
        "inn": an_inn(),
        "self_employed": {"registered_on": "1901-01-01"},
    }
    sender = asker.with_token()
    sent = sender.post(RECORDS, row)
    assert sent.status_code == 201, sent.text

    person_id = person_behind(world.keyring, asker.agency_id, sent.json()["pseudonym"])
    check_person(world.app.state.sessions, world.keyring, person_id, at=world.clock.now())
    return person_id


def listed(asker: Asker, query: str = "", **change: Any) -> httpx.Response:  # noqa: ANN401
    official = change.pop("official", "")
    headers = asker.headers(WORKLIST, method="GET")
    if official is not None:
        headers["Civitas-Official"] = official or asker.official()
    return asker.world.http.get(WORKLIST + query, headers={**headers, **change})


def answer(asker: Asker, item_id: object, body: Any = None, **more: Any) -> httpx.Response:  # noqa: ANN401
    said = {"answer": "refused", "explanation": "Всё верно"} if body is None else body
    return asker.post(f"{WORKLIST}/{item_id}/answer", said, **more)


def test_item_names_the_rule_the_record_and_the_due_day(
    world: World, asker: Asker, person: PersonId
) -> None:
    answered = listed(asker)

    (item,) = answered.json()["items"]
    assert answered.headers["cache-control"] == "no-store"
    assert answered.json()["next"] is None
    assert item["rule"] == "active_before_birth"
    assert item["title"]["en"] == "A document, an entry or a registration before birth"
    assert item["attributes"] == ["birthdate", "self_employed"]
    assert len(item["record_numbers"]) == 1
    assert (item["due_on"], item["status"], item["answer"]) == ("2026-12-07", "open", None)
    assert str(person) not in answered.text
    with world.session() as session:
        entries = [each.entry for each in list_entries(session, person)]
    (entry,) = [e for e in entries if e.action == "population_register.finding.read"]
    assert entry.actor == Actor(kind="agency", id=asker.agency_id, official="inspector-7")
    assert entry.subject == item["pseudonym"]


@pytest.mark.usefixtures("person")
def test_answer_is_taken_once(asker: Asker) -> None:
    (item,) = listed(asker).json()["items"]

    first = answer(asker, item["item_id"])
    second = answer(asker, item["item_id"], {"answer": "corrected"})

    assert (first.status_code, first.json()["status"]) == (200, "answered")
    assert (second.status_code, second.json()["code"]) == (409, "work_item_done")
    assert listed(asker).json()["items"] == []
    (kept,) = listed(asker, "?status=answered").json()["items"]
    assert (kept["answer"], kept["explanation"]) == ("refused", "Всё верно")
    assert listed(asker, "?status=open,overdue,corrected").json()["items"] == []


def test_another_agencys_item_is_as_unknown_as_none(world: World, asker: Asker) -> None:
    somebody(world, asker)
    (item,) = listed(asker).json()["items"]
    other = an_asker(world).with_token(scope=["register.worklist"])

    assert listed(other).json()["items"] == []
    for item_id in (item["item_id"], NOBODYS):
        refused = answer(other, item_id)
        assert (refused.status_code, refused.json()["code"]) == (404, "unknown_work_item")


@pytest.mark.usefixtures("person")
@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"answer": "perhaps"}, 400),
        ({"answer": "refused"}, 400),
        ({"answer": "refused", "explanation": " "}, 400),
        ({"answer": "corrected", "explanation": "я" * 1001}, 400),
        ({"answer": "corrected", "explanation": 7}, 400),
        ({"answer": ["corrected"]}, 400),
        ({"answer": "corrected", "shoe_size": 44}, 400),
        (b"[]", 400),
        (b"{", 400),
        (b"{" + b" " * 16 * 1024 + b"}", 413),
    ],
    ids=str,
)
def test_malformed_answer_is_refused(asker: Asker, body: Any, status: int) -> None:  # noqa: ANN401
    (item,) = listed(asker).json()["items"]

    assert answer(asker, item["item_id"], body).status_code == status
    assert listed(asker).json()["items"][0]["status"] == "open"


@pytest.mark.parametrize("query", ["?status=late", "?status=open,late", "?after=x", "?status=,"])
def test_malformed_question_is_refused(asker: Asker, query: str) -> None:
    assert listed(asker, query).status_code in {400, 422}


@pytest.mark.parametrize("scope", [["register.feed"], ["register.resolve"], []], ids=str)
def test_scope_for_work_lists_is_needed(asker: Asker, scope: list[str]) -> None:
    without = asker.with_token(scope=scope)

    assert listed(without).status_code == 403
    assert answer(without, NOBODYS).json()["code"] == "insufficient_scope"


@pytest.mark.parametrize("change", [{"iss": "another"}, {"exp": 1}, {"sub": None}], ids=str)
def test_official_has_to_be_proven(asker: Asker, change: Mapping[str, Any]) -> None:
    unproven = asker.official(**change)

    assert listed(asker, official=unproven).json()["code"] == "official_unproven"
    assert answer(asker, NOBODYS, official=unproven).json()["code"] == "official_unproven"
    assert listed(asker, official=None).status_code == 403


def test_assertion_and_proof_are_used_once(asker: Asker) -> None:
    official = asker.official()
    headers = asker.headers(WORKLIST, method="GET")

    assert listed(asker, official=official).status_code == 200
    assert listed(asker, official=official).json()["code"] == "official_unproven"
    assert listed(asker, **headers).status_code == 200
    assert listed(asker, **headers).status_code == 401


def test_anonymous_and_partner_are_refused(world: World, asker: Asker) -> None:
    access = world.a_grant()
    partner = Asker(
        world=world,
        agency_id=asker.agency_id,
        client_id=access.client_id,
        token=access.token,
        official_key=asker.official_key,
    )

    assert world.http.get(WORKLIST).status_code == 401
    assert world.http.post(f"{WORKLIST}/{NOBODYS}/answer", json={}).status_code == 401
    assert listed(partner).status_code == 403
