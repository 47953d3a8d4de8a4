"""Agencies send records one by one: once, late versions right, and nothing told but theirs."""

import json
from datetime import timedelta
from typing import Any

import pytest

from population_register.api import IdentifierKind, find_person
from population_register.sector_pseudonyms import sector_pseudonym
from tests.partner_api.agency_world import RECORDS, Asker, an_asker, an_inn, set_mapping
from tests.partner_api.partner_world import World

pytestmark = pytest.mark.db


@pytest.fixture
def asker(world: World) -> Asker:
    return an_asker(world)


def a_row(**changed: Any) -> dict[str, Any]:  # noqa: ANN401  # rows are JSON
    return {
        "record_number": "Н-1",
        "version": 1,
        "valid_from": "2020-01-01",
        "family_name": "Волкова",
        "given_name": "Анна",
        "birthdate": "1986-03-14",
        **changed,
    }


def told(asker: Asker, inn: str) -> dict[str, Any]:
    """What the register says now about who has the number."""
    fields: dict[str, Any] = asker.ask(identifiers={"inn": inn}).json()["fields"]
    return {name: value["value"] for name, value in fields.items()}


def test_record_is_taken_once_and_answered_the_same_again(world: World, asker: Asker) -> None:
    row = a_row(inn=an_inn())

    first = asker.post(RECORDS, row)
    world.clock.advance(timedelta(hours=1))
    again = asker.with_token().post(RECORDS, row)

    with world.session() as session:
        person_id = find_person(session, world.keyring, IdentifierKind.INN, row["inn"])
    assert person_id is not None
    assert (first.status_code, again.status_code) == (201, 200)
    assert (
        first.json()
        == again.json()
        == {
            "record_number": "Н-1",
            "version": 1,
            "status": "accepted",
            "received_at": "2026-11-23T12:00:00Z",
            "pseudonym": sector_pseudonym(world.keyring, asker.agency_id, person_id),
        }
    )
    assert str(person_id) not in first.text


def test_same_version_with_another_content_is_refused(asker: Asker) -> None:
    inn = an_inn()
    asker.post(RECORDS, a_row(inn=inn))

    refused = asker.post(RECORDS, a_row(inn=inn, given_name="Анастасия"))

    assert (refused.status_code, refused.json()["code"]) == (409, "version_taken")
    assert told(asker, inn)["given_name"] == "Анна"


def test_versions_out_of_order_end_in_the_same_record(asker: Asker) -> None:
    answers = []
    for order in ((1, 2, 3), (3, 1, 2)):
        inn = an_inn()
        number = f"Н-{inn}"
        versions = {
            1: a_row(record_number=number, inn=inn),
            2: a_row(record_number=number, inn=inn, version=2, kind="correction", corrects=1,
                     given_name="Алла"),
            3: a_row(record_number=number, inn=inn, version=3, valid_from="2024-05-01",
                     given_name="Алла", family_name="Орлова"),
        }  # fmt: skip
        for version in order:
            assert asker.post(RECORDS, versions[version]).status_code == 201
        answers.append({**told(asker, inn), "inn": None})

    assert answers[0] == answers[1]
    assert (answers[0]["family_name"], answers[0]["given_name"]) == ("Орлова", "Алла")


def test_withdrawal_before_its_record_is_held_and_then_counts(asker: Asker) -> None:
    inn = an_inn()
    withdrawal = {
        "record_number": "Н-2",
        "version": 2,
        "kind": "withdrawal",
        "valid_from": "2020-01-01",
    }

    held = asker.post(RECORDS, withdrawal)
    again = asker.post(RECORDS, withdrawal)
    asker.post(RECORDS, a_row(record_number="Н-2", inn=inn))
    adopted = asker.post(RECORDS, withdrawal)

    assert (held.status_code, held.json()["status"], held.json()["pseudonym"]) == (
        201,
        "held",
        None,
    )
    assert (again.status_code, again.json()) == (200, held.json())
    assert (adopted.status_code, adopted.json()["status"]) == (200, "accepted")
    assert asker.ask(identifiers={"inn": inn}).json() == {"outcome": "none"}


def test_bad_record_is_told_every_problem_and_leaves_nothing(world: World, asker: Asker) -> None:
    row = a_row(inn="500100732258", gender="f", shoe_size=44)

    refused = asker.post(RECORDS, row)

    errors = {each["pointer"]: each["code"] for each in refused.json()["errors"]}
    assert (refused.status_code, refused.json()["code"]) == (422, "record_refused")
    assert errors == {"inn": "check_digit", "gender": "not_in_list", "shoe_size": "unknown_field"}
    assert "500100732258" not in refused.text
    assert asker.post(RECORDS, a_row(inn=an_inn())).status_code == 201
    assert world.clock.now() is not None


def test_row_is_read_under_the_agencys_own_names(world: World, asker: Asker) -> None:
    inn = an_inn()
    mapping = {"fields": {"ИНН_ФЛ": "inn", "ФАМ": "family_name"}, "date_format": "dd.mm.yyyy"}
    set_mapping(world, asker, mapping)
    row = {
        "record_number": 7,
        "version": 1,
        "valid_from": "01.01.2020",
        "ФАМ": "Волкова",
        "birthdate": "14.03.1986",
        "ИНН_ФЛ": inn,
    }

    taken = asker.post(RECORDS, row)
    refused = asker.post(RECORDS, {**row, "version": 2, "ИНН_ФЛ": "1"})

    assert taken.status_code == 201
    assert refused.json()["errors"][0]["pointer"] == "ИНН_ФЛ"
    assert told(asker, inn)["family_name"] == "Волкова"


def test_record_number_of_another_agency_is_another_record(world: World, asker: Asker) -> None:
    asker.post(RECORDS, a_row(inn=an_inn()))

    assert an_asker(world).post(RECORDS, a_row(inn=an_inn())).status_code == 201


def test_replayed_proof_sends_nothing(asker: Asker) -> None:
    headers = asker.headers(RECORDS)

    statuses = [
        asker.post(RECORDS, a_row(version=version), headers=headers).status_code
        for version in (1, 2)
    ]

    assert statuses == [201, 401]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[1]", 400),
        (b'{"record_number": "a\\u0000"}', 400),
        (b"{" + b" " * (256 * 1024) + b"}", 413),
        (json.dumps({"record_number": "1"}).encode(), 422),
    ],
    ids=["empty", "list", "NUL", "too large", "incomplete"],
)
def test_body_that_is_no_record_is_refused(asker: Asker, body: bytes, status: int) -> None:
    assert asker.post(RECORDS, body).status_code == status


@pytest.mark.parametrize("scope", [["register.resolve"], ["register.feed.report"], []], ids=str)
def test_scope_for_feeds_is_needed(asker: Asker, scope: list[str]) -> None:
    refused = asker.with_token(scope=scope).post(RECORDS, a_row())

    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
    assert "register.feed" in refused.json()["detail"]
    assert 'scope="register.feed"' in refused.headers["www-authenticate"]


def test_anonymous_and_partner_are_refused(world: World, asker: Asker) -> None:
    access = world.a_grant()

    anonymous = world.http.post(RECORDS, json=a_row())
    partner = Asker(
        world=world,
        agency_id=asker.agency_id,
        client_id=access.client_id,
        token=access.token,
        official_key=asker.official_key,
    ).post(RECORDS, a_row())

    assert (anonymous.status_code, partner.status_code) == (401, 403)
