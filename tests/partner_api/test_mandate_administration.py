"""Mandates are administered over HTTP by the administration's client, and by nobody else."""

from typing import Any

import pytest

from tests.partner_api.agency_world import (
    BASIS,
    Asker,
    a_client,
    a_client_token,
    an_asker,
    someone,
)
from tests.partner_api.partner_world import World

pytestmark = pytest.mark.db

MANDATES = "/agency/v1/administration/mandates"
BASES = "/agency/v1/administration/legal-bases"


@pytest.fixture
def asker(world: World) -> Asker:
    return an_asker(world, fields=())


@pytest.fixture
def administration(world: World, asker: Asker) -> Asker:
    client_id = a_client(world, None)
    return Asker(
        world=world,
        agency_id=asker.agency_id,
        client_id=client_id,
        token=a_client_token(world, client_id, ["register.mandates"]),
        official_key=asker.official_key,
    )


def test_mandate_is_given_used_taken_back_and_remembered(
    world: World, asker: Asker, administration: Asker
) -> None:
    person = someone(world)
    asked = {"agency": asker.agency_id, "field": "inn", "legal_basis": BASIS}

    granted = administration.post(MANDATES, asked, official=None)
    answered = asker.ask(identifiers={"inn": person.inn})
    path = f"{MANDATES}/{granted.json()['mandate_id']}/revoke"
    revoked = administration.post(path, b"", official=None)
    refused = asker.ask(identifiers={"inn": person.inn})
    current = administration.get(f"{MANDATES}?agency={asker.agency_id}").json()
    history = administration.get(f"{MANDATES}?agency={asker.agency_id}&history=true").json()

    assert (granted.status_code, granted.json()["granted_by"]) == (201, administration.client_id)
    assert (granted.json()["condition"], granted.json()["valid_from"]) == ("always", "2026-11-23")
    assert answered.json()["fields"]["inn"]["value"] == person.inn
    assert revoked.json()["revoked_by"] == administration.client_id
    assert refused.json()["code"] == "mandate_missing"
    assert current == {"mandates": []}
    assert history == {"mandates": [revoked.json()]}


def test_legal_basis_is_entered_with_its_words(administration: Asker) -> None:
    basis = {
        "code": "housing_code_69",
        "title_ru": "Учёт жильцов",
        "title_en": "Residents",
        "reference": "ЖК РФ, 69",
    }

    entered = administration.post(BASES, basis, official=None)

    assert (entered.status_code, entered.json()) == (201, basis)
    assert basis in administration.get(BASES).json()["legal_bases"]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"field": "shoe_size"}, 400, "mandate_refused"),
        ({"legal_basis": "unknown"}, 400, "mandate_refused"),
        ({"agency": "nobody"}, 404, "unknown_agency"),
        ({"valid_from": "2026-02-02", "valid_to": "2026-02-02"}, 400, "mandate_refused"),
        ({"condition": "rich"}, 422, "invalid_fields"),
        ({"shoe_size": 44}, 422, "invalid_fields"),
    ],
    ids=str,
)
def test_mandate_that_can_not_be_is_refused(
    asker: Asker, administration: Asker, change: dict[str, Any], status: int, code: str
) -> None:
    asked = {"agency": asker.agency_id, "field": "inn", "legal_basis": BASIS, **change}

    refused = administration.post(MANDATES, asked, official=None)

    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert administration.get(f"{MANDATES}?agency={asker.agency_id}").json() == {"mandates": []}


def test_mandate_is_revoked_once(administration: Asker) -> None:
    path = f"{MANDATES}/00000000-0000-7000-8000-000000000000/revoke"

    assert administration.post(path, b"", official=None).json()["code"] == "unknown_mandate"


def test_agency_gives_itself_nothing(world: World, asker: Asker, administration: Asker) -> None:
    """Nor does the administration ask: each client is for one thing."""
    asked = {"agency": asker.agency_id, "field": "inn", "legal_basis": BASIS}
    greedy = asker.with_token(scope=["register.mandates", "register.resolve"])
    curious = administration.with_token(scope=["register.mandates", "register.resolve"])

    answers = [
        greedy.post(MANDATES, asked, official=None),
        greedy.get(MANDATES),
        curious.ask(identifiers={"inn": someone(world).inn}),
        world.http.get(MANDATES),
    ]

    assert [each.status_code for each in answers] == [403, 403, 403, 401]


def test_replayed_proof_gives_nothing(asker: Asker, administration: Asker) -> None:
    headers = administration.headers(MANDATES)

    statuses = [
        administration.post(
            MANDATES,
            {"agency": asker.agency_id, "field": field, "legal_basis": BASIS},
            official=None,
            headers=headers,
        ).status_code
        for field in ("inn", "snils")
    ]

    assert statuses == [201, 401]
