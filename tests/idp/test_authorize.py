"""The authorization endpoint over HTTP: shown, redirected, or answered silently."""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import select

from consent.service import list_consents, withdraw
from idp.assurance import AssuranceLevel
from idp.service import administration
from idp.tables import interactions, pushed_requests
from tests.idp.idp_world import (
    ISSUER,
    REDIRECT_URI,
    IdpWorld,
    claims_of,
    disclosure,
    parameters_of,
)


def page_of(answer: Any) -> str:  # noqa: ANN401
    """Return the text of a page that redirects nobody."""
    assert "location" not in answer.headers
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"].startswith("text/html")
    return str(answer.text)


def redirected(answer: Any) -> dict[str, str]:  # noqa: ANN401
    assert answer.status_code == 303, answer.text
    location = answer.headers["location"]
    assert location.startswith(REDIRECT_URI + "?"), location
    return parameters_of(location)


class TestNeverRedirected:
    @pytest.mark.spec("RFC6749-4.1.2.1")
    def test_unknown_client(self, world: IdpWorld) -> None:
        client = world.a_relying_party()

        for client_id in ("nobody", None, "'; DROP TABLE clients --"):
            page_of(world.http.get(client.url(client_id=client_id)))

    @pytest.mark.spec("RFC6749-3.1.2.4")
    @pytest.mark.parametrize(
        "uri",
        [
            None,
            "https://evil.example/callback",
            REDIRECT_URI + "?next=https://evil.example",
            "https://rp.example@evil.example/callback",
            "javascript:alert(1)",
        ],
    )
    def test_unregistered_redirect_uri(self, world: IdpWorld, uri: str | None) -> None:
        client = world.a_relying_party()

        page = page_of(world.http.get(client.url(redirect_uri=uri)))

        assert uri is None or uri not in page

    def test_disabled_client(self, world: IdpWorld) -> None:
        client = world.a_relying_party()
        with world.session() as session:
            administration.disable_client(session, client.client_id, at=world.clock.now())

        page_of(world.http.get(client.url()))

    @pytest.mark.spec("RFC6749-3.1")
    def test_repeated_parameter(self, world: IdpWorld) -> None:
        client = world.a_relying_party()

        page_of(world.http.get(client.url() + "&state=again"))
        page_of(world.http.get(client.url() + f"&redirect_uri={REDIRECT_URI}"))

    def test_nul_and_broken_text(self, world: IdpWorld) -> None:
        client = world.a_relying_party()

        for broken in ("%00", "%ff", "%c0%80"):
            page_of(world.http.get(client.url() + f"&login_hint={broken}"))

    def test_parameter_of_a_megabyte(self, world: IdpWorld) -> None:
        client = world.a_relying_party()
        form = client.parameters() | {"login_hint": "x" * 1_000_000}

        answer = world.http.post("/authorize", data=form)

        assert answer.status_code in {400, 413}

    @pytest.mark.spec("RFC9126-2.2")
    def test_request_uri_that_was_not_pushed(self, world: IdpWorld) -> None:
        client = world.a_relying_party()
        for request_uri in ("urn:ietf:params:oauth:request_uri:guess",
                            "urn:ietf:params:oauth:request_uri:cvp0_" + "A" * 43 + "_00000000"):  # fmt: skip  # noqa: E501
            query = urlencode({"client_id": client.client_id, "request_uri": request_uri})
            page_of(world.http.get(f"/authorize?{query}"))


class TestRefusedToTheClient:
    @pytest.mark.spec("RFC6749-4.1.2.1")
    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"response_type": None}, "invalid_request"),
            ({"response_type": "token"}, "unsupported_response_type"),
            ({"scope": "unknown"}, "invalid_scope"),
            ({"request_uri": "https://rp.example/r"}, "invalid_request_uri"),
            ({"prompt": "none login"}, "invalid_request"),
            ({"authorization_details": "[{}]"}, "invalid_authorization_details"),
            ({"id_token_hint": "not.a.token"}, "invalid_request"),
        ],
        ids=range(7),
    )
    def test_with_state_and_issuer(
        self, world: IdpWorld, change: dict[str, Any], code: str
    ) -> None:
        parameters = redirected(world.http.get(world.a_relying_party().url(**change)))

        assert parameters["error"] == code
        assert parameters["state"] == "st-1"
        assert parameters["iss"] == ISSUER  # RFC 9207, 2
        assert set(parameters) == {"error", "error_description", "state", "iss"}

    @pytest.mark.spec("OAuth2-FP-2")
    def test_by_form_if_it_asked_for_one(self, world: IdpWorld) -> None:
        answer = world.http.get(
            world.a_relying_party().url(response_mode="form_post", scope="unknown")
        )

        assert answer.status_code == 200
        assert f'action="{REDIRECT_URI}"' in answer.text
        assert 'value="invalid_scope"' in answer.text

    @pytest.mark.spec("RFC9126-5")
    def test_fapi2_client_that_did_not_push(self, world: IdpWorld) -> None:
        client = world.a_fapi2_client()

        assert redirected(world.http.get(client.url(client.verifier())))["error"] == (
            "invalid_request"
        )

    def test_state_that_is_unsound_does_not_come_back(self, world: IdpWorld) -> None:
        parameters = redirected(world.http.get(world.a_relying_party().url(state="a\tb")))

        assert parameters["error"] == "invalid_request"
        assert "state" not in parameters


class TestSignIn:
    @pytest.mark.spec("OIDCC-3.1.2.5")
    @pytest.mark.spec("RFC9207-2")
    def test_code_comes_back_with_state_and_issuer(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()

        parameters = world.browser().authorize(client.url(), person)

        assert set(parameters) == {"code", "session_state", "state", "iss"}
        assert parameters["iss"] == ISSUER
        assert parameters["state"] == "st-1"

    @pytest.mark.spec("RFC6749-4.1.1")
    def test_nothing_comes_back_for_no_state(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()

        assert "state" not in world.browser().authorize(client.url(state=None), person)

    @pytest.mark.spec("OIDCC-3.1.2.1")
    def test_request_may_be_posted(self, world: IdpWorld) -> None:
        client, person, browser = world.a_relying_party(), world.someone(), world.browser()

        answer = browser.http.post("/authorize", data=client.parameters())

        assert answer.status_code == 303
        assert browser.authorize(answer.headers["location"], person)["code"]

    @pytest.mark.spec("RFC6749-4.1.2.1")
    def test_person_may_say_no(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()

        parameters = world.browser().authorize(client.url(), person, "deny")

        assert parameters["error"] == "access_denied"
        assert parameters["state"] == "st-1"
        assert "code" not in parameters

    @pytest.mark.spec("OAuth2-FP-2")
    def test_form_post_carries_the_code_in_a_form(self, world: IdpWorld) -> None:
        client, person, browser = world.a_relying_party(), world.someone(), world.browser()
        browser.authorize(client.url(), person)

        page = browser.get(
            browser.get(client.url(response_mode="form_post", state='<&">')).headers["location"]
        )

        assert f'<form method="post" action="{REDIRECT_URI}">' in page.text
        assert 'name="code" value="cvc' in page.text
        assert "<&" not in page.text.split("<form", 1)[1]
        assert "form-action https://rp.example" in page.headers["content-security-policy"]
        assert page.headers["cache-control"] == "no-store"
        assert world.http.get("/authorize/submit.js").text.startswith("document.forms")

    def test_first_visit_is_confirmed_on_a_page_and_the_next_is_not(self, world: IdpWorld) -> None:
        client, person, browser = world.a_relying_party(), world.someone(), world.browser()
        first = browser.get(client.url())
        page = browser.sign_in(browser.get(first.headers["location"]), person)
        assert 'name="decision"' in page.text
        assert browser.decide(page).status_code == 303

        again = browser.get(browser.get(client.url()).headers["location"])

        assert parameters_of(again.headers["location"])["code"]

    def test_interaction_is_of_one_browser(self, world: IdpWorld) -> None:
        client, mine, other = world.a_relying_party(), world.browser(), world.browser()
        address = mine.get(client.url()).headers["location"]

        assert mine.get(address).status_code == 200
        assert other.get(address).status_code == 410
        assert world.http.get(address).status_code == 410

    def test_interaction_is_answered_once(self, world: IdpWorld) -> None:
        client, person, browser = world.a_relying_party(), world.someone(), world.browser()
        address = browser.get(client.url()).headers["location"]
        page = browser.sign_in(browser.get(address), person)
        assert browser.decide(page).status_code == 303

        assert browser.get(address).status_code == 410
        assert browser.decide(page).status_code == 410

    def test_interaction_ends_after_half_an_hour(self, world: IdpWorld) -> None:
        client, browser = world.a_relying_party(), world.browser()
        address = browser.get(client.url()).headers["location"]
        world.later(minutes=30)

        assert browser.get(address).status_code == 410

    def test_stored_interaction_knows_neither_address_nor_cookie(self, world: IdpWorld) -> None:
        client, browser = world.a_relying_party(), world.browser()
        address = browser.get(client.url()).headers["location"]

        with world.session() as session:
            rows = session.execute(
                select(interactions).where(interactions.c.client_id == client.client_id)
            ).all()

        assert len(rows) == 1
        assert address.rpartition("/")[2].encode() not in rows[0].interaction_digest
        assert all(
            cookie.encode() not in rows[0].binding_digest
            for cookie in dict(browser.http.cookies).values()
        )


class TestPrompt:
    @pytest.mark.spec("OIDCC-3.1.2.6")
    def test_none_without_a_session_needs_a_sign_in(self, world: IdpWorld) -> None:
        parameters = redirected(world.http.get(world.a_relying_party().url(prompt="none")))

        assert parameters["error"] == "login_required"

    @pytest.mark.spec("OIDCC-3.1.2.6")
    def test_none_at_a_client_that_is_new_to_the_person_needs_a_page(self, world: IdpWorld) -> None:
        client, person, browser = world.a_relying_party(), world.someone(), world.browser()
        browser.authorize(world.a_relying_party().url(), person)

        assert redirected(browser.get(client.url(prompt="none")))["error"] == "interaction_required"
        profile = client.url(prompt="none", scope="openid profile")
        assert redirected(browser.get(profile))["error"] == "consent_required"

    @pytest.mark.spec("OIDCC-3.1.2.1")
    def test_none_is_answered_with_a_code_where_nothing_is_to_be_asked(
        self, world: IdpWorld
    ) -> None:
        client, person, browser = world.a_relying_party(), world.someone(), world.browser()
        first = client.redeem(browser.authorize(client.url(), person)["code"]).json()
        world.later(minutes=1)

        second = client.redeem(redirected(browser.get(client.url(prompt="none")))["code"]).json()

        one, two = claims_of(first["id_token"]), claims_of(second["id_token"])
        assert (one["sub"], one["auth_time"]) == (two["sub"], two["auth_time"])

    @pytest.mark.spec("OIDCC-3.1.2.1")
    def test_login_asks_again_and_tells_the_new_time(self, world: IdpWorld) -> None:
        client, person, browser = world.a_relying_party(), world.someone(), world.browser()
        first = client.redeem(browser.authorize(client.url(), person)["code"]).json()
        world.later(minutes=1)

        second = client.redeem(browser.authorize(client.url(prompt="login"), person)["code"]).json()

        assert (
            claims_of(second["id_token"])["auth_time"] > claims_of(first["id_token"])["auth_time"]
        )

    @pytest.mark.spec("OIDCC-3.1.2.1")
    def test_consent_shows_the_page_again(self, world: IdpWorld) -> None:
        client, person, browser = world.a_relying_party(), world.someone(), world.browser()
        browser.authorize(client.url(scope="openid profile"), person)

        page = browser.get(
            browser.get(client.url(scope="openid profile", prompt="consent")).headers["location"]
        )

        assert 'name="decision"' in page.text

    @pytest.mark.spec("OIDCC-3.1.2.1")
    def test_max_age_counts_from_the_sign_in(self, world: IdpWorld) -> None:
        client, person, browser = world.a_relying_party(), world.someone(), world.browser()
        browser.authorize(client.url(), person)
        world.later(seconds=10)

        assert redirected(browser.get(client.url(prompt="none", max_age="10")))["code"]
        late = redirected(browser.get(client.url(prompt="none", max_age="9")))
        assert late["error"] == "login_required"

    @pytest.mark.spec("OIDCC-3.1.2.1")
    def test_reading_the_page_does_not_age_a_sign_in_with_max_age(self, world: IdpWorld) -> None:
        client, person, browser = world.a_relying_party(), world.someone(), world.browser()
        page = browser.get(browser.get(client.url(max_age="1")).headers["location"])
        world.later(seconds=30)
        page = browser.sign_in(page, person)
        world.later(seconds=30)

        answer = browser.decide(page)

        assert parameters_of(answer.headers["location"])["code"]

    @pytest.mark.spec("OIDCC-3.1.2.1")
    def test_id_token_hint_of_somebody_else_needs_a_sign_in(self, world: IdpWorld) -> None:
        client, anna, boris = world.a_relying_party(), world.someone(), world.someone()
        browser = world.browser()
        hint_of_boris = client.tokens(boris)["id_token"]
        hint_of_anna = client.redeem(browser.authorize(client.url(), anna)["code"]).json()[
            "id_token"
        ]

        def silently(hint: str) -> dict[str, str]:
            return redirected(browser.get(client.url(prompt="none", id_token_hint=hint)))

        assert silently(hint_of_anna)["code"]
        assert silently(hint_of_boris)["error"] == "login_required"
        world.later(days=2)
        assert silently(hint_of_anna)["error"] == "login_required"  # expired, but understood

    @pytest.mark.spec("OIDCC-3.1.2.1")
    def test_id_token_hint_of_another_client_is_refused(self, world: IdpWorld) -> None:
        client, other, person = world.a_relying_party(), world.a_relying_party(), world.someone()
        hint = other.tokens(person)["id_token"]

        answer = redirected(world.http.get(client.url(id_token_hint=hint)))

        assert answer["error"] == "invalid_request"

    @pytest.mark.spec("OIDCC-3.1.2.1")
    def test_access_token_is_no_hint(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()
        token = client.tokens(person)["access_token"]

        answer = redirected(world.http.get(client.url(id_token_hint=token)))

        assert answer["error"] == "invalid_request"

    @pytest.mark.spec("OIDCC-5.5.1.1")
    def test_essential_acr_that_is_not_reached_is_refused(self, world: IdpWorld) -> None:
        client = world.a_relying_party()
        wanted = AssuranceLevel.CONFIRMED.acr
        claims = json.dumps({"id_token": {"acr": {"essential": True, "value": wanted}}})

        low = world.browser().authorize(
            client.url(claims=claims), world.someone(AssuranceLevel.STANDARD)
        )
        high = world.browser().authorize(client.url(claims=claims), world.someone())

        assert low["error"] == "unmet_authentication_requirements"
        assert "code" in high

    @pytest.mark.spec("OIDCC-5.5.1.1")
    @pytest.mark.parametrize("more", [{}, {"prompt": "none"}, {"prompt": "consent"}], ids=str)
    def test_whoever_is_signed_in_and_does_not_reach_it_sees_no_page(
        self, world: IdpWorld, more: dict[str, str]
    ) -> None:
        client, browser = world.a_relying_party(), world.browser()
        browser.authorize(client.url(), world.someone(AssuranceLevel.STANDARD))
        wanted = AssuranceLevel.CONFIRMED.acr
        claims = json.dumps({"id_token": {"acr": {"essential": True, "value": wanted}}})

        answer = redirected(browser.get(client.url(claims=claims, scope="openid profile", **more)))

        assert answer["error"] == "unmet_authentication_requirements"

    @pytest.mark.spec("OIDCC-5.5.1.1")
    def test_whoever_signs_in_and_does_not_reach_it_is_not_asked_to_agree(
        self, world: IdpWorld
    ) -> None:
        client, browser = world.a_fapi2_client(), world.browser()
        wanted = AssuranceLevel.CONFIRMED.acr
        claims = json.dumps({"id_token": {"acr": {"essential": True, "value": wanted}}})
        url = client.pushed_url(client.verifier(), claims=claims, scope="openid profile")
        sign_in = browser.get(browser.get(url).headers["location"])

        answer = browser.sign_in(sign_in, world.someone(AssuranceLevel.STANDARD))

        assert redirected(answer)["error"] == "unmet_authentication_requirements"
        # It was answered: the request is used up with it.
        assert browser.get(url).status_code == 400

    @pytest.mark.spec("OIDCC-3.1.2.1")
    @pytest.mark.parametrize(
        "change",
        [{"display": "popup"}, {"login_hint": "anna"}, {"ui_locales": "se"},
         {"claims_locales": "se"}, {"acr_values": "1 2"}, {"extra": "foobar"}],
        ids=["display", "login_hint", "ui_locales", "claims_locales", "acr_values", "unknown"],
    )  # fmt: skip
    def test_hint_does_no_harm(self, world: IdpWorld, change: dict[str, str]) -> None:
        client, person = world.a_relying_party(), world.someone()

        assert world.browser().authorize(client.url(**change), person)["code"]

    @pytest.mark.spec("OIDCC-3.1.2.1")
    def test_login_hint_is_filled_in_and_escaped(self, world: IdpWorld) -> None:
        client, browser = world.a_relying_party(), world.browser()
        url = client.url(login_hint='"><script>alert(1)</script>')

        page = browser.get(browser.get(url).headers["location"])

        assert "<script>alert" not in page.text
        assert "alert(1)" in page.text


class TestConsent:
    def test_what_was_agreed_is_recorded_once(self, world: IdpWorld) -> None:
        client, person, browser = world.a_fapi2_client(), world.someone(), world.browser()
        details = disclosure("family_name", "inn", expires_in_days=7)
        for _ in range(2):
            client.code(person, client.verifier(), browser=browser, scope="openid",
                        authorization_details=details)  # fmt: skip

        with world.session() as session:
            (record,) = list_consents(session, person.person_id)
        assert record.client_id == client.client_id
        assert record.items == {"family_name", "inn"}
        assert record.purpose == "account_opening"
        assert record.expires_at == world.clock.now() + timedelta(days=7)
        assert record.acr == AssuranceLevel.CONFIRMED.acr

    def test_denied_request_records_nothing(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()

        world.browser().authorize(client.url(scope="openid profile"), person, "deny")

        with world.session() as session:
            assert list_consents(session, person.person_id) == []

    def test_withdrawn_consent_is_asked_for_again(self, world: IdpWorld) -> None:
        client, person, browser = world.a_relying_party(), world.someone(), world.browser()
        url = client.url(scope="openid profile")
        browser.authorize(url, person)
        with world.session() as session:
            (record,) = list_consents(session, person.person_id)
            withdraw(session, person.person_id, record.consent_id, at=world.clock.now())

        page = browser.get(browser.get(url).headers["location"])

        assert 'name="decision"' in page.text

    def test_more_than_was_agreed_is_asked_for(self, world: IdpWorld) -> None:
        client, person, browser = world.a_relying_party(), world.someone(), world.browser()
        browser.authorize(client.url(scope="openid profile"), person)

        page = browser.get(
            browser.get(client.url(scope="openid profile address")).headers["location"]
        )

        assert 'name="decision"' in page.text


class TestPushedRequests:
    @pytest.mark.spec("RFC9126-2.2")
    def test_answer_names_the_request_for_a_while(self, world: IdpWorld) -> None:
        client = world.a_relying_party()

        answer = client.push()

        assert answer.status_code == 201
        assert answer.headers["cache-control"] == "no-store"
        assert answer.json()["expires_in"] == 90
        assert answer.json()["request_uri"].startswith("urn:ietf:params:oauth:request_uri:")

    @pytest.mark.spec("RFC9126-2.3")
    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"redirect_uri": "https://evil.example/callback"}, "invalid_request"),
            ({"redirect_uri": None}, "invalid_request"),
            ({"response_type": "token"}, "unsupported_response_type"),
            ({"scope": "unknown"}, "invalid_scope"),
            ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "invalid_request"),
            ({"code_challenge": "x" * 43}, "invalid_request"),
        ],
        ids=range(6),
    )
    def test_mistake_is_told_before_the_person_is_sent(
        self, world: IdpWorld, change: dict[str, str | None], code: str
    ) -> None:
        answer = world.a_relying_party().push(**change)

        assert answer.status_code == 400
        assert answer.json()["error"] == code

    @pytest.mark.spec("FAPI2-SP-FINAL-5.3.2.2-5")
    def test_fapi2_client_without_pkce_is_refused(self, world: IdpWorld) -> None:
        assert world.a_fapi2_client().push().json()["error"] == "invalid_request"

    @pytest.mark.spec("RFC9126-2")
    def test_client_authenticates(self, world: IdpWorld) -> None:
        client = world.a_relying_party()

        answer = client.post("/par", client.parameters(), authenticate=False)

        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")

    @pytest.mark.spec("RFC9126-2")
    def test_public_client_may_push_too(self, world: IdpWorld) -> None:
        client = world.a_relying_party(method="none")

        assert client.push(client.verifier()).status_code == 201

    @pytest.mark.spec("RFC9126-4")
    def test_request_uri_is_of_one_client(self, world: IdpWorld) -> None:
        client, other = world.a_relying_party(), world.a_relying_party()
        query = {"client_id": other.client_id, "request_uri": client.push().json()["request_uri"]}

        page_of(world.http.get(f"/authorize?{urlencode(query)}"))

    @pytest.mark.spec("RFC9126-4")
    def test_request_uri_expires(self, world: IdpWorld) -> None:
        url = world.a_relying_party().pushed_url()
        world.later(seconds=90)

        page_of(world.http.get(url))

    @pytest.mark.spec("FAPI2-SP-FINAL-5.3.2.2")
    def test_request_uri_is_used_up_by_the_decision_not_by_the_visit(self, world: IdpWorld) -> None:
        client, person, browser = world.a_relying_party(), world.someone(), world.browser()
        url = client.pushed_url()
        assert browser.get(url).status_code == 303

        assert browser.authorize(url, person)["code"]

        page_of(browser.get(url))

    @pytest.mark.spec("RFC9126-7.3")
    def test_two_visits_with_one_request_uri_give_one_code(self, world: IdpWorld) -> None:
        client, person, browser = world.a_relying_party(), world.someone(), world.browser()
        url = client.pushed_url()
        addresses = [browser.get(url).headers["location"] for _ in range(2)]
        page = browser.sign_in(browser.get(addresses[0]), person)
        first = parameters_of(browser.decide(page).headers["location"])

        second = parameters_of(browser.get(addresses[1]).headers["location"])

        assert "code" in first
        assert second["error"] == "invalid_request_uri"

    @pytest.mark.spec("RFC9126-4")
    def test_parameters_beside_a_request_uri_are_ignored(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()
        url = client.pushed_url() + "&state=outside&redirect_uri=https://evil.example"

        assert world.browser().authorize(url, person)["state"] == "st-1"

    def test_stored_request_has_no_secret_in_it(self, world: IdpWorld) -> None:
        client = world.a_relying_party(method="client_secret_post")
        assert client.push().status_code == 201

        with world.session() as session:
            (stored,) = session.scalars(
                select(pushed_requests.c.request).where(
                    pushed_requests.c.client_id == client.client_id
                )
            ).all()
        assert "client_secret" not in stored["parameters"]

    @pytest.mark.spec("RFC9449-10.1")
    def test_dpop_jkt_has_to_be_the_key_of_the_proof(self, world: IdpWorld) -> None:
        client = world.a_fapi2_client()

        answer = client.push(client.verifier(), dpop_jkt="A" * 43)

        assert answer.json()["error"] == "invalid_request"
