"""The device authorization grant: RFC 8628."""

import re
from typing import Any

import httpx
import pytest
from sqlalchemy import delete

from idp.buckets import DEFERRED_REQUESTS
from idp.errors import InvalidClientMetadata, LoginRequired
from idp.grant_types import DEVICE_GRANT
from idp.service import devices
from idp.service.administration import disable_client
from idp.service.sessions import end_session, list_sessions
from idp.store.grants import revoke_grants_of_person
from idp.tables import sign_in_failures
from idp.user_codes import ALPHABET, MalformedUserCode, mint_user_code, parse_user_code
from kernel.ids import ClientId
from kernel.secret import random_bytes
from tests.idp.idp_world import (
    ISSUER,
    PASSWORD,
    Browser,
    IdpWorld,
    Person,
    ProofKey,
    RelyingParty,
    claims_of,
    disclosure,
)
from tests.idp.test_token_endpoint import error as status_and_error

GRANTS = [DEVICE_GRANT, "refresh_token"]


def error(answer: httpx.Response) -> str:
    return status_and_error(answer)[1]


def begin(device: RelyingParty, **parameters: str) -> dict[str, Any]:
    answer = ask(device, **parameters)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def ask(device: RelyingParty, **parameters: str) -> httpx.Response:
    return device.post("/device_authorization", {"scope": "openid"} | parameters)


def poll(device: RelyingParty, device_code: str, **change: str) -> httpx.Response:
    return device.post("/token", {"grant_type": DEVICE_GRANT, "device_code": device_code} | change)


def signed_in(world: IdpWorld, person: Person) -> Browser:
    browser = world.browser()
    page = browser.get("/sign-in")
    answer = browser.http.post(
        "/sign-in",
        data={
            "username": person.username,
            "password": PASSWORD,
            "form_token": browser.form_token(page),
        },
    )
    assert answer.status_code == 303
    return browser


def type_code(browser: Browser, user_code: str) -> httpx.Response:
    page = browser.get("/device")
    return browser.http.post(
        "/device", data={"user_code": user_code, "form_token": browser.form_token(page)}
    )


def decide(browser: Browser, address: str, decision: str = "allow") -> httpx.Response:
    page = browser.get(address)
    assert page.status_code == 200, page.text
    return browser.http.post(
        address,
        data={
            "decision": decision,
            "shown": browser.hidden(page, "shown"),
            "form_token": browser.form_token(page),
        },
    )


def address_of(started: dict[str, Any]) -> str:
    return str(started["verification_uri_complete"]).removeprefix(ISSUER)


@pytest.fixture(autouse=True)
def _nobody_failed(world: IdpWorld) -> None:
    """Every test comes from the same address, and begins at noon."""
    with world.session() as session:
        session.execute(delete(sign_in_failures))


@pytest.fixture
def device(world: IdpWorld) -> RelyingParty:
    """A television: it can't keep a secret."""
    return world.a_relying_party(method="none", grant_types=GRANTS, client_name="Телевизор")


@pytest.fixture
def person(world: IdpWorld) -> Person:
    return world.someone()


class TestAuthorization:
    @pytest.mark.spec("RFC8628-3.2")
    def test_device_gets_codes_and_where_to_type_them(self, device: RelyingParty) -> None:
        answer = ask(device)

        body = answer.json()
        assert answer.headers["cache-control"] == "no-store"
        assert re.fullmatch(rf"[{ALPHABET}]{{4}}-[{ALPHABET}]{{4}}", body["user_code"])
        assert body["verification_uri"] == f"{ISSUER}/device"
        assert body["verification_uri_complete"] == f"{ISSUER}/device/{body['user_code'].lower()}"
        assert (body["expires_in"], body["interval"]) == (600, 5)
        assert body["user_code"] not in body["device_code"]

    @pytest.mark.spec("RFC8628-3.1")
    @pytest.mark.parametrize("method", ["none", "client_secret_basic", "private_key_jwt"])
    def test_client_authenticates_as_registered(self, world: IdpWorld, method: str) -> None:
        client = world.a_relying_party(method=method, grant_types=GRANTS)

        assert ask(client).status_code == 200

    @pytest.mark.spec("RFC8628-3.1")
    def test_client_that_has_to_authenticate_and_does_not_is_refused(self, world: IdpWorld) -> None:
        client = world.a_relying_party(grant_types=GRANTS)

        answer = client.post(
            "/device_authorization", {"client_id": client.client_id}, authenticate=False
        )

        assert (answer.status_code, error(answer)) == (401, "invalid_client")

    def test_client_that_is_not_registered_for_it_is_refused(self, world: IdpWorld) -> None:
        assert error(ask(world.a_relying_party())) == "unauthorized_client"

    @pytest.mark.spec("RFC8628-3.1")
    @pytest.mark.parametrize(
        ("parameters", "code"),
        [
            ({"scope": "no such thing"}, "invalid_scope"),
            ({"scope": 'open"id'}, "invalid_scope"),
            ({"authorization_details": "{}"}, "invalid_authorization_details"),
            ({"authorization_details": '[{"type": "x"}]'}, "invalid_authorization_details"),
            ({"resource": "https://elsewhere.example"}, "invalid_target"),
            ({"claims": "["}, "invalid_request"),
        ],
        ids=str,
    )
    def test_what_can_not_be_asked_is_refused(
        self, device: RelyingParty, parameters: dict[str, str], code: str
    ) -> None:
        answer = ask(device, **parameters)

        assert (answer.status_code, error(answer)) == (400, code)

    def test_repeated_parameter_is_refused(self, device: RelyingParty) -> None:
        form = [("client_id", device.client_id), ("scope", "openid"), ("scope", "profile")]

        assert error(device.post("/device_authorization", form, authenticate=False)) == (
            "invalid_request"
        )

    @pytest.mark.spec("RFC8628-4")
    def test_provider_says_where_devices_ask(self, world: IdpWorld) -> None:
        document = world.http.get("/.well-known/openid-configuration").json()

        assert document["device_authorization_endpoint"] == f"{ISSUER}/device_authorization"
        assert DEVICE_GRANT in document["grant_types_supported"]

    def test_fapi2_client_can_not_register_for_it(self, world: IdpWorld) -> None:
        with pytest.raises(InvalidClientMetadata):
            world.a_fapi2_client(grant_types=["authorization_code", DEVICE_GRANT])

    def test_client_without_a_browser_needs_no_redirect_uri(self, world: IdpWorld) -> None:
        asked = {"grant_types": [DEVICE_GRANT], "token_endpoint_auth_method": "none"}

        assert world.http.post("/register", json=asked).status_code == 201


class TestPolling:
    @pytest.mark.spec("RFC8628-3.5")
    def test_undecided_is_pending(self, device: RelyingParty) -> None:
        started = begin(device)

        answer = poll(device, started["device_code"])

        assert (answer.status_code, error(answer)) == (400, "authorization_pending")

    @pytest.mark.spec("RFC8628-3.5")
    def test_polling_too_fast_makes_the_wait_longer(
        self, world: IdpWorld, device: RelyingParty
    ) -> None:
        code = begin(device)["device_code"]
        said = [error(poll(device, code))]

        world.later(seconds=2)
        said.append(error(poll(device, code)))
        world.later(seconds=6)  # enough for the first interval, not for the longer one
        said.append(error(poll(device, code)))
        world.later(seconds=15)
        said.append(error(poll(device, code)))

        assert said == ["authorization_pending", "slow_down", "slow_down", "authorization_pending"]

    @pytest.mark.spec("RFC8628-3.5")
    def test_polling_at_the_interval_is_never_too_fast(
        self, world: IdpWorld, device: RelyingParty
    ) -> None:
        code = begin(device)["device_code"]

        for _ in range(4):
            assert error(poll(device, code)) == "authorization_pending"
            world.later(seconds=5)

    @pytest.mark.spec("RFC8628-3.5")
    @pytest.mark.parametrize(
        ("seconds", "code"), [(599, "authorization_pending"), (600, "expired_token")]
    )
    def test_device_code_expires(
        self, world: IdpWorld, device: RelyingParty, seconds: int, code: str
    ) -> None:
        started = begin(device)
        world.later(seconds=seconds)

        assert error(poll(device, started["device_code"])) == code

    @pytest.mark.spec("RFC8628-3.5")
    def test_refused_is_refused(
        self, world: IdpWorld, device: RelyingParty, person: Person
    ) -> None:
        started = begin(device)
        page = decide(signed_in(world, person), address_of(started), "deny")

        assert page.status_code == 200
        answer = poll(device, started["device_code"])
        assert (answer.status_code, error(answer)) == (400, "access_denied")

    @pytest.mark.spec("RFC8628-3.4")
    @pytest.mark.parametrize("code", [None, "", "x", "cvd0_x", "cvd9_" + "A" * 43 + "_00000000"])
    def test_malformed_or_missing_code_is_refused(
        self, device: RelyingParty, code: str | None
    ) -> None:
        form = {"grant_type": DEVICE_GRANT}
        if code is not None:
            form["device_code"] = code

        answer = device.post("/token", form)

        assert error(answer) == ("invalid_grant" if code else "invalid_request")

    @pytest.mark.spec("RFC8628-3.4")
    def test_code_of_another_client_is_refused(
        self, world: IdpWorld, device: RelyingParty, person: Person
    ) -> None:
        started = begin(device)
        decide(signed_in(world, person), address_of(started))
        other = world.a_relying_party(method="none", grant_types=GRANTS)

        assert error(poll(other, started["device_code"])) == "invalid_grant"
        assert poll(device, started["device_code"]).status_code == 200

    def test_client_disabled_after_the_decision_gets_nothing(
        self, world: IdpWorld, device: RelyingParty, person: Person
    ) -> None:
        started = begin(device)
        decide(signed_in(world, person), address_of(started))
        with world.session() as session:
            disable_client(session, ClientId(device.client_id), at=world.clock.now())

        assert error(poll(device, started["device_code"])) == "invalid_client"

    def test_resource_that_was_not_granted_spends_nothing(
        self, world: IdpWorld, device: RelyingParty, person: Person
    ) -> None:
        started = begin(device)
        decide(signed_in(world, person), address_of(started))

        answer = poll(device, started["device_code"], resource="https://elsewhere.example")

        assert error(answer) == "invalid_target"
        assert poll(device, started["device_code"]).status_code == 200


class TestTokens:
    @pytest.mark.spec("RFC8628-3.5")
    def test_allowed_device_gets_tokens_once(
        self, world: IdpWorld, device: RelyingParty, person: Person
    ) -> None:
        started = begin(device, scope="openid profile offline_access")
        decide(signed_in(world, person), address_of(started))

        answer = poll(device, started["device_code"])

        body = answer.json()
        assert (answer.status_code, body["scope"]) == (200, "openid profile offline_access")
        assert device.userinfo(body["access_token"]).json()["family_name"] == "Волкова"
        assert device.refresh(body["refresh_token"]).status_code == 200
        known = claims_of(body["id_token"])
        assert (known["aud"], known["iss"]) == (device.client_id, ISSUER)
        # The browser in which the person decided is not where the device is signed in.
        assert "sid" not in known
        assert error(poll(device, started["device_code"])) == "invalid_grant"

    @pytest.mark.spec("RFC9449-5")
    def test_tokens_of_a_device_with_a_key_are_bound_to_it(
        self, world: IdpWorld, person: Person
    ) -> None:
        device = world.a_relying_party(method="none", grant_types=GRANTS, dpop=True)
        started = begin(device, scope="openid offline_access")
        decide(signed_in(world, person), address_of(started))

        body = poll(device, started["device_code"]).json()

        assert body["token_type"] == "DPoP"
        device.dpop_key = ProofKey()
        assert error(device.refresh(body["refresh_token"])) == "invalid_grant"

    @pytest.mark.spec("RFC9396-7")
    def test_disclosures_are_consented_to_and_come_back(
        self, world: IdpWorld, device: RelyingParty, person: Person
    ) -> None:
        started = begin(device, authorization_details=disclosure("family_name", "inn"))
        browser = signed_in(world, person)
        page = browser.get(address_of(started))
        decide(browser, address_of(started))

        body = poll(device, started["device_code"]).json()

        assert "INN" in page.text or "ИНН" in page.text
        assert body["authorization_details"][0]["items"] == ["family_name", "inn"]

    def test_grant_revoked_before_the_poll_buys_nothing(
        self, world: IdpWorld, device: RelyingParty, person: Person
    ) -> None:
        started = begin(device)
        decide(signed_in(world, person), address_of(started))
        with world.session() as session:
            revoke_grants_of_person(session, person.person_id, reason="test", at=world.clock.now())

        assert error(poll(device, started["device_code"])) == "invalid_grant"

    def test_session_that_ended_while_they_decided_allows_nothing(
        self, world: IdpWorld, device: RelyingParty, person: Person
    ) -> None:
        started = begin(device)
        browser = signed_in(world, person)
        browser.get(address_of(started))
        provider, at = world.app.state.provider, world.clock.now()
        with world.session() as session:
            (sign_in,) = list_sessions(session, person.person_id, policy=provider.policy, at=at)
            _, it = devices.find_device(
                session, provider, started["user_code"], sign_in=sign_in, address="", at=at
            )
            end_session(session, person.person_id, sign_in.session_id, at=at)

            with pytest.raises(LoginRequired):
                devices.allow(session, provider, it, language="ru", at=at)

        assert error(poll(device, started["device_code"])) == "authorization_pending"


class TestPages:
    @pytest.mark.spec("RFC8628-3.3")
    def test_person_types_the_code_sees_who_asks_and_decides(
        self, world: IdpWorld, device: RelyingParty, person: Person
    ) -> None:
        started = begin(device)
        browser = signed_in(world, person)

        answer = type_code(browser, started["user_code"])
        page = browser.get(answer.headers["location"])

        assert page.status_code == 200
        assert "Телевизор" in page.text
        assert started["user_code"] in page.text  # RFC 8628, 3.3.1
        assert "Разрешайте, только если устройство перед вами" in page.text
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]

    @pytest.mark.spec("RFC8628-3.3.1")
    def test_who_is_not_signed_in_signs_in_and_comes_back(
        self, world: IdpWorld, device: RelyingParty, person: Person
    ) -> None:
        address = address_of(begin(device))
        browser = world.browser()
        page = browser.get(browser.get(address).headers["location"])

        answer = browser.http.post(
            "/sign-in",
            data={
                "username": person.username,
                "password": PASSWORD,
                "next": browser.hidden(page, "next"),
                "form_token": browser.form_token(page),
            },
        )

        assert answer.headers["location"] == address

    @pytest.mark.spec("RFC8628-6.1")
    @pytest.mark.parametrize("write", ["{}", "{} ", " {}.", "«{}»"])
    def test_punctuation_and_case_do_not_matter(
        self, world: IdpWorld, device: RelyingParty, person: Person, write: str
    ) -> None:
        started = begin(device)

        answer = type_code(
            signed_in(world, person), write.format(started["user_code"].lower().replace("-", " "))
        )

        assert answer.headers["location"] == address_of(started)

    @pytest.mark.parametrize("typed", ["", "BCDF-GHJK", "AAAA-AAAA", "B" * 9, "<script>", "БВГД"])
    def test_unknown_code_shows_the_form_again(
        self, world: IdpWorld, person: Person, typed: str
    ) -> None:
        page = type_code(signed_in(world, person), typed)

        assert page.status_code == 404
        assert "Код неверный или его срок истёк" in page.text

    def test_expired_code_is_like_an_unknown_one(
        self, world: IdpWorld, device: RelyingParty, person: Person
    ) -> None:
        started = begin(device)
        browser = signed_in(world, person)
        world.later(minutes=10)

        assert type_code(browser, started["user_code"]).status_code == 404

    @pytest.mark.spec("RFC8628-5.1")
    def test_guessing_makes_one_wait_and_a_right_code_does_not_help(
        self, world: IdpWorld, device: RelyingParty, person: Person
    ) -> None:
        started = begin(device)
        browser = signed_in(world, person)
        for _ in range(12):
            assert type_code(browser, "BCDF-GHJK").status_code == 404

        assert type_code(browser, started["user_code"]).status_code == 404
        world.later(minutes=9)
        assert type_code(browser, begin(device)["user_code"]).status_code == 303

    def test_decision_from_elsewhere_is_refused(
        self, world: IdpWorld, device: RelyingParty, person: Person
    ) -> None:
        started = begin(device)
        browser = signed_in(world, person)

        answer = browser.http.post(address_of(started), data={"decision": "allow", "shown": "x"})

        assert answer.status_code == 403
        assert error(poll(device, started["device_code"])) == "authorization_pending"

    def test_answer_to_another_question_is_not_taken(
        self, world: IdpWorld, device: RelyingParty, person: Person
    ) -> None:
        """Somebody else signed in meanwhile, or something else is asked."""
        started = begin(device)
        browser = signed_in(world, person)
        page = browser.get(address_of(started))

        answer = browser.http.post(
            address_of(started),
            data={
                "decision": "allow",
                "shown": "another",
                "form_token": browser.form_token(page),
            },
        )

        assert answer.headers["location"] == address_of(started)
        assert error(poll(device, started["device_code"])) == "authorization_pending"

    def test_second_decision_changes_nothing(
        self, world: IdpWorld, device: RelyingParty, person: Person
    ) -> None:
        started = begin(device)
        browser = signed_in(world, person)
        page = browser.get(address_of(started))
        decide(browser, address_of(started), "deny")

        again = browser.http.post(
            address_of(started),
            data={
                "decision": "allow",
                "shown": browser.hidden(page, "shown"),
                "form_token": browser.form_token(page),
            },
        )

        assert again.status_code == 404
        assert error(poll(device, started["device_code"])) == "access_denied"

    def test_page_speaks_english(self, world: IdpWorld, device: RelyingParty) -> None:
        person = world.someone()
        browser = signed_in(world, person)

        page = browser.get(f"{address_of(begin(device))}?ui_locales=en")

        assert "Connect the device to your account?" in page.text


class TestUserCodes:
    @pytest.mark.spec("RFC8628-6.1")
    def test_code_says_where_its_request_lies(self) -> None:
        for slot in range(DEFERRED_REQUESTS.slots):
            for _ in range(50):
                code = mint_user_code(slot, random_bytes)
                assert parse_user_code(code.shown) == code
                assert parse_user_code(code.in_address) == code

    def test_every_letter_is_as_likely_as_any_other(self) -> None:
        """A byte that would favour the first letters is drawn again."""
        drawn = iter([255, 4, 255, 240, *range(240)])

        code = mint_user_code(0, lambda _count: bytes([next(drawn)]))

        assert code.letters[0] == ALPHABET[4]
        assert code.letters[1:] == ALPHABET[:7]

    @pytest.mark.parametrize("typed", ["", "B", "BCDFGHJ", "BCDFGHJKL", "BCDFGHJA", "BCDFGHJ1"])
    def test_what_is_no_code_is_refused(self, typed: str) -> None:
        with pytest.raises(MalformedUserCode):
            parse_user_code(typed)
