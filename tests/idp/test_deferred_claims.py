"""What a device or a partner asked for in the ID token is in it, however it gets there."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import delete, text

from idp.assurance import AssuranceLevel
from idp.service.backchannel import NOTIFY_TASK
from idp.tables import sign_in_failures
from tests.idp import test_ciba, test_device
from tests.idp.idp_world import IdpWorld, Person, claims_of
from tests.idp.test_device import decide, signed_in
from tests.idp.test_resources import withdraw_all
from tests.idp.test_verified_claims import ask
from tests.idp.test_verified_claims_flow import reads
from tests.receiver import Receiver

ASKED = json.dumps(
    {
        "id_token": {"given_name": None, "over_18": None, "verified_claims": ask()},
        "userinfo": {"middle_name": None},
    }
)
READS = [
    ("allowed", None, "identification", "family_name"),
    ("allowed", None, "sign_in", "given_name over_18"),
]
Way = Callable[[IdpWorld, Person, Callable[[], None]], dict[str, Any]]


def by_device(world: IdpWorld, person: Person, before_tokens: Callable[[], None]) -> dict[str, Any]:
    device = world.a_relying_party(method="none", grant_types=test_device.GRANTS)
    started = test_device.begin(device, claims=ASKED)
    decide(signed_in(world, person), test_device.address_of(started))
    before_tokens()
    return dict(test_device.poll(device, started["device_code"]).json())


def by_poll(world: IdpWorld, person: Person, before_tokens: Callable[[], None]) -> dict[str, Any]:
    client = test_ciba.a_client(world)
    auth_req_id = test_ciba.begin(client, person, claims=ASKED)["auth_req_id"]
    test_ciba.answer_it(world, person)
    before_tokens()
    return dict(test_ciba.poll(client, auth_req_id).json())


def by_signed_request(
    world: IdpWorld, person: Person, before_tokens: Callable[[], None]
) -> dict[str, Any]:
    client = test_ciba.a_client(world)
    request = test_ciba.signed(client, login_hint=person.username, claims=json.loads(ASKED))
    answer = client.post("/backchannel_authentication", {"request": request})
    assert answer.status_code == 200, answer.text
    test_ciba.answer_it(world, person)
    before_tokens()
    return dict(test_ciba.poll(client, answer.json()["auth_req_id"]).json())


def by_push(world: IdpWorld, person: Person, before_tokens: Callable[[], None]) -> dict[str, Any]:
    client = test_ciba.a_client(world, "push", id_token_signed_response_alg="ES256")
    test_ciba.begin(
        client, person, claims=ASKED, client_notification_token=test_ciba.NOTIFICATION_TOKEN
    )
    test_ciba.answer_it(world, person)
    before_tokens()
    receiver = Receiver()
    test_ciba.tell(world, receiver)
    (body,) = receiver.bodies
    return body


each_way = pytest.mark.parametrize("way", [by_device, by_poll, by_signed_request, by_push])


@pytest.fixture(autouse=True)
def _nothing_waits(world: IdpWorld) -> None:
    with world.session() as session:
        session.execute(delete(sign_in_failures))
        session.execute(
            text("DELETE FROM procrastinate_jobs WHERE task_name = :name"), {"name": NOTIFY_TASK}
        )


@pytest.mark.spec("OIDCC-5.5")
@pytest.mark.spec("IDA-5.1")
@each_way
def test_claims_of_the_id_token_are_in_it(world: IdpWorld, way: Way) -> None:
    person = world.someone()

    known = claims_of(way(world, person, lambda: None)["id_token"])

    assert (known["given_name"], known["over_18"]) == ("Анна", True)
    assert known["verified_claims"]["claims"] == {"family_name": "Волкова"}
    assert "middle_name" not in known
    assert reads(world, person) == READS


@pytest.mark.spec("IDA-5.7.2")
@each_way
def test_what_was_withdrawn_in_between_is_left_out_and_the_sign_in_stands(
    world: IdpWorld, way: Way
) -> None:
    person = world.someone()

    known = claims_of(way(world, person, lambda: withdraw_all(world, person))["id_token"])

    assert known["acr"] == AssuranceLevel.CONFIRMED.acr
    assert not {"given_name", "over_18", "verified_claims"} & set(known)
    assert {(outcome, reason) for outcome, reason, _, _ in reads(world, person)} == {
        ("refused", "withdrawn")
    }


WANTED = json.dumps(
    {"id_token": {"acr": {"essential": True, "value": AssuranceLevel.CONFIRMED.acr}}}
)


@pytest.mark.spec("OIDCC-5.5.1.1")
class TestEssentialAcr:
    """Whoever does not reach it is asked for nothing; the client is told."""

    def test_at_a_device(self, world: IdpWorld) -> None:
        device = world.a_relying_party(method="none", grant_types=test_device.GRANTS)
        started = test_device.begin(device, claims=WANTED, scope="openid profile")
        browser = signed_in(world, world.someone(AssuranceLevel.STANDARD))

        page = browser.get(test_device.address_of(started))

        assert page.status_code == 200
        assert 'name="decision"' not in page.text
        polled = test_device.poll(device, started["device_code"])
        assert polled.json()["error"] == "access_denied"

    def test_in_the_account(self, world: IdpWorld) -> None:
        client = test_ciba.a_client(world)
        person = world.someone(AssuranceLevel.STANDARD)
        auth_req_id = test_ciba.begin(client, person, claims=WANTED)["auth_req_id"]
        browser = signed_in(world, person)
        (address,) = test_ciba.waiting_addresses(browser)

        page = browser.get(address)

        assert 'name="decision"' not in page.text
        polled = test_ciba.poll(client, auth_req_id)
        assert polled.json()["error"] == "access_denied"

    def test_form_that_was_kept_from_before_decides_nothing(self, world: IdpWorld) -> None:
        client = test_ciba.a_client(world)
        person = world.someone(AssuranceLevel.STANDARD)
        auth_req_id = test_ciba.begin(client, person, claims=WANTED)["auth_req_id"]
        browser = signed_in(world, person)
        (address,) = test_ciba.waiting_addresses(browser)
        token = browser.form_token(browser.get("/device"))

        answer = browser.http.post(
            address, data={"decision": "allow", "shown": "", "form_token": token}
        )

        assert answer.status_code == 200
        assert test_ciba.poll(client, auth_req_id).json()["error"] == "access_denied"
        assert reads(world, person) == []

    def test_who_reaches_it_is_asked(self, world: IdpWorld) -> None:
        device = world.a_relying_party(method="none", grant_types=test_device.GRANTS)
        started = test_device.begin(device, claims=WANTED)

        decide(signed_in(world, world.someone()), test_device.address_of(started))

        tokens = test_device.poll(device, started["device_code"]).json()
        assert claims_of(tokens["id_token"])["acr"] == AssuranceLevel.CONFIRMED.acr
