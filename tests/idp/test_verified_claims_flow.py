"""Verified claims over HTTP: asked for, agreed to, read, written down, taken back."""

import json
from itertools import count
from typing import Any
from uuid import UUID

import pytest

from audit.api import list_entries
from consent.service import list_consents, withdraw
from examples.conformance_config import VERIFIED
from idp.assurance import AssuranceLevel
from idp.service import grant_management
from idp.verified_claims import TRUST_FRAMEWORK
from kernel.ids import ClientId, GrantId
from tests.idp import test_ciba, test_device
from tests.idp.idp_world import (
    NOON,
    IdpWorld,
    Person,
    RelyingParty,
    claims_of,
    disclosure,
    parameters_of,
)
from tests.idp.test_jwe import EC, a_client, opened
from tests.idp.test_jwe import signed_in as payload_of
from tests.idp.test_verified_claims import SCHEMA, ask

_numbers = count(2_806_000_001)


def someone(world: IdpWorld) -> Person:
    """Return somebody with a passport of their own: nobody else is found by it."""
    return world.someone(
        birthplace="г. Тверь",
        citizenships=["RUS"],
        passport={
            "series_number": str(next(_numbers)),
            "issued_on": "2006-04-01",
            "issuer": "ОВД Твери",
        },
    )


RECORD = {"type": {"value": "electronic_record"}, "record": {"source": {"name": None}}}


def claims_parameter(userinfo: object = None, id_token: object = None) -> str:
    asked = {"userinfo": userinfo, "id_token": id_token}
    return json.dumps({n: {"verified_claims": v} for n, v in asked.items() if v is not None})


def told(client: RelyingParty, tokens: dict[str, Any]) -> dict[str, Any]:
    answer = client.userinfo(tokens["access_token"])
    assert answer.status_code == 200, answer.text
    found = dict(answer.json())
    if "verified_claims" in found:
        SCHEMA.validate(found["verified_claims"])
    return found


def reads(world: IdpWorld, person: Person) -> list[tuple[str, str | None, str | None, str]]:
    with world.session() as session:
        return sorted(
            (e.outcome, e.reason, e.purpose, " ".join(e.items))
            for e in (logged.entry for logged in list_entries(session, person.person_id, limit=99))
            if e.action == "idp.userinfo.read"
        )


class TestPlaces:
    """Where it is asked for is where it is returned."""

    @pytest.mark.spec("IDA-5.1", "IDA-6")
    def test_only_in_userinfo(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), someone(world)
        tokens = client.tokens(person, claims=claims_parameter(ask(evidence=[RECORD], time=None)))

        assert told(client, tokens)["verified_claims"] == {
            "verification": {
                "trust_framework": TRUST_FRAMEWORK,
                "time": NOON.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "evidence": [
                    {
                        "type": "electronic_record",
                        "record": {
                            "type": "population_register",
                            "source": {"name": "Налоговая служба"},
                        },
                    }
                ],
            },
            "claims": {"family_name": "Волкова"},
        }
        assert "verified_claims" not in claims_of(tokens["id_token"])

    @pytest.mark.spec("IDA-5.1", "IDA-6")
    def test_only_in_the_id_token(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()
        tokens = client.tokens(person, claims=claims_parameter(id_token=ask(assurance_level=None)))

        assert claims_of(tokens["id_token"])["verified_claims"] == {
            "verification": {"trust_framework": TRUST_FRAMEWORK, "assurance_level": "confirmed"},
            "claims": {"family_name": "Волкова"},
        }
        assert set(told(client, tokens)) == {"sub"}

    def test_what_the_conformance_suite_is_told_to_ask_for(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), someone(world)
        tokens = client.tokens(person, claims=claims_parameter(VERIFIED))

        found = told(client, tokens)["verified_claims"]

        assert found["verification"]["evidence"] == [
            {"type": "document", "document_details": {"type": "idcard"}}
        ]
        assert set(found["claims"]) == set(VERIFIED["claims"])

    def test_beside_plain_claims_and_in_both_places(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(dpop=True), world.someone()
        asked = {
            "userinfo": {"given_name": None, "verified_claims": [ask({"birthdate": None})]},
            "id_token": {"over_18": None, "verified_claims": ask()},
        }
        tokens = client.tokens(person, claims=json.dumps(asked))

        found = told(client, tokens)

        assert found["given_name"] == "Анна"
        assert found["verified_claims"][0]["claims"] == {"birthdate": person.birthdate}
        id_token = claims_of(tokens["id_token"])
        assert id_token["over_18"] is True
        assert id_token["verified_claims"]["claims"] == {"family_name": "Волкова"}

    @pytest.mark.spec("OIDCC-5.3.2", "IDA-5")
    def test_signed_and_encrypted(self, world: IdpWorld) -> None:
        client = a_client(
            world,
            EC,
            "userinfo",
            alg="ECDH-ES",
            enc="A256GCM",
            userinfo_signed_response_alg="RS256",
        )
        token = client.tokens(world.someone(), claims=claims_parameter(ask()))["access_token"]

        found = payload_of(opened(client.userinfo(token).text, EC, "ECDH-ES", "A256GCM"))

        assert found["verified_claims"]["claims"] == {"family_name": "Волкова"}

    def test_the_refreshed_token_opens_them_too(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()
        tokens = client.tokens(
            person, scope="openid offline_access", claims=claims_parameter(ask())
        )

        refreshed = client.refresh(tokens["refresh_token"]).json()

        assert told(client, refreshed)["verified_claims"]["claims"] == {"family_name": "Волкова"}


class TestRefusals:
    @pytest.mark.spec("IDA-5.1")
    @pytest.mark.parametrize("asked", [ask({}), {"claims": {"name": None}}, [], "all"])
    def test_what_is_not_a_request(self, world: IdpWorld, asked: object) -> None:
        client = world.a_relying_party()

        answer = world.browser().get(client.url(claims=claims_parameter(asked)))

        refused = parameters_of(answer.headers["location"])
        assert refused["error"] == "invalid_request"
        assert "verified_claims" in refused["error_description"]

    @pytest.mark.spec("IDA-5.7.3")
    @pytest.mark.parametrize(
        "asked",
        [
            ask(trust_framework={"value": "eidas"}),
            ask({"family_name": {"value": "0b6bd0a6-7a5e-4a2b-8f7a-0d7a6c1f4b77"}}),
            ask({"favourite_colour": {"essential": True}}),
            ask(evidence=[{"type": {"value": "vouch"}}]),
        ],
    )
    def test_what_can_not_be_fulfilled_is_left_out(self, world: IdpWorld, asked: object) -> None:
        client, person = world.a_relying_party(), world.someone()
        tokens = client.tokens(person, claims=claims_parameter(asked, asked))

        assert "verified_claims" not in claims_of(tokens["id_token"])
        assert set(told(client, tokens)) == {"sub"}

    def test_an_account_that_is_not_proven_gets_none_and_nothing_is_read(
        self, world: IdpWorld
    ) -> None:
        client = world.a_relying_party()
        person = world.someone(level=AssuranceLevel.SIMPLIFIED)
        tokens = client.tokens(person, claims=claims_parameter(ask()))

        assert set(told(client, tokens)) == {"sub"}
        assert reads(world, person) == []

    def test_the_same_purpose_twice(self, world: IdpWorld) -> None:
        client = world.a_relying_party()
        details = disclosure("family_name", purpose="identification")

        answer = world.browser().get(
            client.url(claims=claims_parameter(ask()), authorization_details=details)
        )

        refused = parameters_of(answer.headers["location"])
        assert refused["error"] == "invalid_authorization_details"

    def test_without_openid_nothing_is_asked(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()
        details = disclosure("family_name")
        browser = world.browser()
        browser.get(
            client.url(scope="", claims=claims_parameter(ask()), authorization_details=details)
        )

        client.tokens(
            person, scope=None, claims=claims_parameter(ask()), authorization_details=details
        )

        with world.session() as session:
            purposes = {c.purpose for c in list_consents(session, person.person_id)}
        assert "identification" not in purposes


class TestConsent:
    def test_the_person_is_asked_in_words(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), someone(world)
        document = {"type": {"value": "document"}, "document_details": {"type": None}}
        browser = world.browser()
        start = browser.get(
            client.url(claims=claims_parameter(ask(evidence=[document])), ui_locales="ru")
        )
        sign_in = browser.get(start.headers["location"])

        page = browser.sign_in(sign_in, person).text

        assert "установить вашу личность" in page
        assert "Фамилия" in page
        assert "Паспорт: серия, номер" in page
        assert "заменяет показ документа" in page

    @pytest.mark.spec("IDA-5.7.2")
    def test_who_refuses_shares_nothing(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()

        answer = world.browser().authorize(
            client.url(claims=claims_parameter(ask())), person, "deny"
        )

        assert answer["error"] == "access_denied"

    def test_each_read_is_in_the_log(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), someone(world)
        document = {
            "type": {"value": "document"},
            "document_details": {"type": {"value": "idcard"}},
        }
        asked = claims_parameter(ask(evidence=[document]), ask({"birthdate": None}))
        tokens = client.tokens(person, claims=asked)

        told(client, tokens)

        assert reads(world, person) == [
            ("allowed", None, "identification", "birthdate"),
            ("allowed", None, "identification", "family_name passport"),
        ]

    @pytest.mark.spec("IDA-5.7.2")
    def test_what_was_taken_back_is_left_out_and_the_attempt_written_down(
        self, world: IdpWorld
    ) -> None:
        client, person = world.a_relying_party(), world.someone()
        tokens = client.tokens(
            person,
            claims=json.dumps({"userinfo": {"given_name": None, "verified_claims": ask()}}),
        )
        with world.session() as session:
            (record,) = (
                each
                for each in list_consents(session, person.person_id)
                if each.purpose == "identification"
            )
            withdraw(session, person.person_id, record.consent_id, at=world.clock.now())

        found = told(client, tokens)

        assert found["given_name"] == "Анна"
        assert "verified_claims" not in found
        assert ("refused", "withdrawn", "identification", "family_name") in reads(world, person)

    def test_a_plain_consent_does_not_open_them(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()
        client.tokens(person, claims=json.dumps({"userinfo": {"family_name": None}}))

        answer = world.browser().authorize(
            client.url(claims=claims_parameter(ask()), prompt="none"), person
        )

        assert answer["error"] == "login_required"
        browser = world.browser()
        browser.authorize(client.url(), person)
        again = browser.authorize(client.url(claims=claims_parameter(ask()), prompt="none"))
        assert again["error"] == "consent_required"

    def test_a_revoked_token_opens_nothing(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()
        tokens = client.tokens(person, claims=claims_parameter(ask()))
        client.post("/revoke", {"token": tokens["access_token"]})

        assert client.userinfo(tokens["access_token"]).status_code == 401


class TestOtherWays:
    """Where there is no browser that the client sent."""

    def test_a_device(self, world: IdpWorld) -> None:
        device = world.a_relying_party(method="none", grant_types=test_device.GRANTS)
        person = world.someone()
        begun = test_device.begin(device, claims=claims_parameter(ask(), ask({"birthdate": None})))
        browser = test_device.signed_in(world, person)
        test_device.decide(browser, test_device.address_of(begun))

        tokens = test_device.poll(device, begun["device_code"]).json()

        assert told(device, tokens)["verified_claims"]["claims"] == {"family_name": "Волкова"}
        in_token = claims_of(tokens["id_token"])["verified_claims"]
        assert in_token["claims"] == {"birthdate": person.birthdate}

    def test_the_back_channel(self, world: IdpWorld) -> None:
        client, person = test_ciba.a_client(world), world.someone()
        begun = test_ciba.begin(client, person, claims=claims_parameter(ask(), ask()))
        test_ciba.answer_it(world, person)

        tokens = test_ciba.poll(client, begun["auth_req_id"]).json()

        assert told(client, tokens)["verified_claims"]["claims"] == {"family_name": "Волкова"}
        assert claims_of(tokens["id_token"])["verified_claims"]["claims"]

    def test_a_malformed_one_is_refused_there_too(self, world: IdpWorld) -> None:
        device = world.a_relying_party(method="none", grant_types=test_device.GRANTS)

        answer = test_device.ask(device, claims=claims_parameter(ask({})))

        assert test_device.error(answer) == "invalid_request"


class TestManagedGrants:
    """Grant Management: what a grant holds is widened, and its consents end with it."""

    def test_widened(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()
        tokens = client.tokens(person, claims=claims_parameter(ask()))

        wider = client.tokens(
            person,
            claims=claims_parameter(ask({"birthdate": None})),
            grant_id=tokens["grant_id"],
            grant_management_action="merge",
        )

        found = told(client, wider)["verified_claims"]
        assert [each["claims"] for each in found] == [
            {"family_name": "Волкова"}, {"birthdate": person.birthdate},
        ]  # fmt: skip

    def test_given_up(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()
        tokens = client.tokens(
            person, claims=claims_parameter(ask()), scope="openid grant_management_revoke"
        )
        with world.session() as session:
            grant_management.revoke(
                session,
                ClientId(client.client_id),
                GrantId(UUID(tokens["grant_id"])),
                at=world.clock.now(),
            )

            (record,) = list_consents(session, person.person_id)

        assert not record.is_live(world.clock.now())
