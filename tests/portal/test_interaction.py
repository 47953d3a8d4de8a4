"""Sign-in and consent on the way to a client: what is asked, by whom, and where it ends."""

import json
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from consent.api import list_consents, withdraw
from idp.model import (
    ClientMetadata,
    ClientProfile,
    Partner,
)
from idp.store import clients
from kernel.db import unit_of_work_of
from kernel.ids import ClientId, PartnerId, PersonId
from tests.asgi import client_of
from tests.portal.portal_builders import PASSWORD, World, field, post

DETAILS = json.dumps(
    [
        {
            "type": "civitas_disclosure",
            "purpose": "credit_assessment",
            "items": ["family_name", "passport", "over_18", "document:ct_scan"],
            "retention_days": 365,
            "expires_in_days": 30,
        }
    ]
)
REQUEST = {
    "client_id": "bank-web",
    "redirect_uri": "https://bank.example/back",
    "response_type": "code",
    "scope": "openid",
    "state": "st4te",
    "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    "code_challenge_method": "S256",
    "authorization_details": DETAILS,
}


@pytest.fixture(autouse=True)
def bank(world: World) -> None:
    """A partner that an operator entered, and one that registered itself, with a client each."""
    at = world.clock.now()
    with unit_of_work_of(world.sessions) as session:
        for name, is_verified in (("bank", True), ("stranger", False)):
            partner = Partner(
                partner_id=PartnerId(name),
                name=f"ООО «{name}»",
                is_verified=is_verified,
                created_at=at,
            )
            clients.insert_partner(session, partner)
            clients.insert_client(
                session,
                client_id=ClientId(f"{name}-web"),
                partner_id=PartnerId(name),
                profile=ClientProfile.OIDC,
                metadata=ClientMetadata(
                    redirect_uris=("https://bank.example/back", "http://127.0.0.1:4711/back"),
                    client_name="Демо \u202eБанк <b>",
                    descriptive={"client_name#ru": "Банк «Ясень»"},
                    token_endpoint_auth_method="none",
                    authorization_details_types=("civitas_disclosure",),
                ),
                sector=f"{name}.example",
                secret_digest=None,
                registration_token_digest=None,
                at=at,
            )


@pytest.fixture
def anna(world: World) -> PersonId:
    return world.a_person("anna")


def arrive(browser: httpx.Client, **changes: str) -> str:
    """Come from the bank; return the address of the interaction."""
    answer = browser.get("/authorize", params={**REQUEST, **changes})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def sign_in_there(browser: httpx.Client, address: str, password: str = PASSWORD) -> httpx.Response:
    form = browser.get(address).text
    return post(browser, f"{address}/sign-in", form, {"username": "anna", "password": password})


def decide(browser: httpx.Client, address: str, decision: str) -> httpx.Response:
    page = browser.get(address).text
    fields = {"decision": decision}
    if 'name="shown"' in page:
        fields["shown"] = field(page, "shown")
    return post(browser, f"{address}/consent", page, fields)


def answer_of(response: httpx.Response) -> dict[str, str]:
    """Return what went back to the bank."""
    assert response.status_code == 303
    assert response.headers["location"].startswith("https://bank.example/back?")
    query = parse_qs(urlsplit(response.headers["location"]).query)
    return {name: values[0] for name, values in query.items()}


class TestSignInForClient:
    def test_page_says_who_asks(self, browser: httpx.Client) -> None:
        page = browser.get(arrive(browser)).text

        assert "Демо Банк &lt;b&gt; asks you to sign in" in page
        assert "bank.example" in page
        assert "ООО «bank»" in page
        assert "registered itself" not in page

    def test_client_that_registered_itself_is_said_to_be_unchecked(
        self, browser: httpx.Client
    ) -> None:
        page = browser.get(arrive(browser, client_id="stranger-web")).text

        assert "This site registered itself. Nobody has checked who runs it." in page

    @pytest.mark.spec("RFC7591-2.2")
    def test_language_is_the_one_the_client_asks_for(self, browser: httpx.Client) -> None:
        page = browser.get(arrive(browser, ui_locales="ru-RU en")).text

        assert '<html lang="ru"' in page
        assert "Банк «Ясень» просит вас войти" in page

    def test_policy_lets_the_form_end_at_the_client(self, browser: httpx.Client) -> None:
        address = arrive(browser, redirect_uri="http://127.0.0.1:4711/back")

        policy = browser.get(address).headers["content-security-policy"]

        assert "form-action 'self' https: http://127.0.0.1:4711;" in policy

    @pytest.mark.usefixtures("anna")
    def test_wrong_password_shows_the_same_form_for_the_same_client(
        self, browser: httpx.Client
    ) -> None:
        address = arrive(browser)

        answer = sign_in_there(browser, address, "wrong")

        assert answer.status_code == 401
        assert "asks you to sign in" in answer.text
        assert f'href="{address}?ui_locales=ru"' in answer.text

    @pytest.mark.usefixtures("anna")
    def test_right_password_leads_to_the_question(self, browser: httpx.Client) -> None:
        address = arrive(browser)

        answer = sign_in_there(browser, address)

        assert answer.headers["location"] == address
        assert "Share your data" in browser.get(address).text

    def test_person_may_go_back_without_signing_in(self, browser: httpx.Client) -> None:
        answer = answer_of(decide(browser, arrive(browser), "deny"))

        assert answer["error"] == "access_denied"
        assert answer["state"] == "st4te"

    def test_other_browser_sees_nothing(
        self, browser: httpx.Client, other_browser: httpx.Client
    ) -> None:
        address = arrive(browser)

        answer = other_browser.get(address)

        assert answer.status_code == 410
        assert "This page has expired" in answer.text
        assert "Банк" not in answer.text

    def test_old_page_has_expired(self, world: World, browser: httpx.Client) -> None:
        address = arrive(browser)
        world.later(timedelta(minutes=30))

        assert browser.get(address).status_code == 410

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"client_id": "nobody"}, "is not known to us"),
            ({"client_id": "<script>"}, "is not known to us"),
            ({"redirect_uri": "https://evil.example/"}, "can&#39;t be trusted"),
        ],
        ids=["unknown", "markup", "unregistered address"],
    )
    def test_unknown_client_is_told_to_the_person_and_not_redirected(
        self, browser: httpx.Client, change: dict[str, str], sentence: str
    ) -> None:
        answer = browser.get("/authorize", params={**REQUEST, **change})

        assert answer.status_code == 400
        assert "location" not in answer.headers
        assert sentence in answer.text
        assert "<script>" not in answer.text


class TestConsent:
    @pytest.fixture
    def address(self, browser: httpx.Client, anna: PersonId) -> str:  # noqa: ARG002
        address = arrive(browser)
        sign_in_there(browser, address)
        return address

    def test_page_names_items_sources_period_and_retention(
        self, browser: httpx.Client, address: str
    ) -> None:
        page = browser.get(address).text

        for part in (
            "assess your application for a loan", "Family name", "Passport: number",
            "Whether you are 18 or older", "Computed tomography", "About your health",
            "Comes from: Ministry of Internal Affairs", "23 December 2026",
            "for 1 year after reading", "withdraw",
        ):  # fmt: skip
            assert part in page, part

    def test_values_are_not_opened_before_the_person_agreed(
        self, world: World, browser: httpx.Client, address: str, anna: PersonId
    ) -> None:
        page = browser.get(address).text

        assert "Иванова" not in page
        assert world.actions(anna) == ["population_register.record.accepted"]

    def test_allow_sends_a_code_and_records_the_consent(
        self, world: World, browser: httpx.Client, address: str, anna: PersonId
    ) -> None:
        answer = answer_of(decide(browser, address, "allow"))

        assert answer["code"]
        assert answer["state"] == "st4te"
        assert answer["iss"] == "http://localhost:8000"
        with world.sessions() as session:
            (consent,) = list_consents(session, anna)
        assert consent.items == {"family_name", "passport", "over_18", "document:ct_scan"}
        assert consent.retention == timedelta(days=365)
        assert consent.language == "en"

    def test_deny_sends_a_refusal_and_records_nothing(
        self, world: World, browser: httpx.Client, address: str, anna: PersonId
    ) -> None:
        answer = answer_of(decide(browser, address, "deny"))

        assert answer["error"] == "access_denied"
        assert "code" not in answer
        with world.sessions() as session:
            assert list_consents(session, anna) == []

    def test_question_is_answered_once(self, browser: httpx.Client, address: str) -> None:
        page = browser.get(address).text
        fields = {"decision": "allow", "shown": field(page, "shown")}
        post(browser, f"{address}/consent", page, fields)

        again = post(browser, f"{address}/consent", page, fields)

        assert again.status_code == 410

    def test_person_who_agreed_is_not_asked_again(
        self, browser: httpx.Client, address: str
    ) -> None:
        decide(browser, address, "allow")

        answer = answer_of(browser.get(arrive(browser)))

        assert answer["code"]

    @pytest.mark.parametrize("decision", ["", "ALLOW", "yes", "allow\x00"])
    def test_other_decision_is_refused(
        self, world: World, browser: httpx.Client, address: str, anna: PersonId, decision: str
    ) -> None:
        page = browser.get(address).text

        answer = browser.post(
            f"{address}/consent",
            data={
                "decision": decision,
                "shown": field(page, "shown"),
                "form_token": field(page, "form_token"),
            },
        )

        assert answer.status_code == 422
        with world.sessions() as session:
            assert list_consents(session, anna) == []

    def test_form_of_another_site_agrees_to_nothing(
        self, world: World, browser: httpx.Client, address: str, anna: PersonId
    ) -> None:
        shown = field(browser.get(address).text, "shown")

        answer = browser.post(f"{address}/consent", data={"decision": "allow", "shown": shown})

        assert answer.status_code == 403
        with world.sessions() as session:
            assert list_consents(session, anna) == []

    def test_answer_to_another_question_asks_again(
        self, world: World, browser: httpx.Client, address: str, anna: PersonId
    ) -> None:
        """While the page was open, a consent was withdrawn that had covered part of it."""
        decide(browser, address, "allow")
        second = arrive(browser, authorization_details=_two_purposes())
        page = browser.get(second).text
        with unit_of_work_of(world.sessions) as session:
            (consent,) = list_consents(session, anna)
            withdraw(session, anna, consent.consent_id, at=world.clock.now())

        answer = post(
            browser,
            f"{second}/consent",
            page,
            {"decision": "allow", "shown": field(page, "shown")},
        )

        assert "Computed tomography" not in page
        assert answer.headers["location"] == second
        assert "Computed tomography" in browser.get(second).text
        with world.sessions() as session:
            assert [each.purpose for each in list_consents(session, anna)] == ["credit_assessment"]

    def test_answer_of_another_person_asks_again(
        self, world: World, browser: httpx.Client, address: str
    ) -> None:
        """While the page was open, somebody else signed in, in another tab."""
        boris = world.a_person("boris")
        page = browser.get(address).text
        sign_in_as_boris(browser)

        answer = post(
            browser,
            f"{address}/consent",
            page,
            {"decision": "allow", "shown": field(page, "shown")},
        )

        assert answer.headers["location"] == address
        with world.sessions() as session:
            assert list_consents(session, boris) == []


def sign_in_as_boris(browser: httpx.Client) -> None:
    form = browser.get("/sign-out").text
    post(browser, "/sign-in", form, {"username": "boris", "password": PASSWORD})


def _two_purposes() -> str:
    other = {"type": "civitas_disclosure", "purpose": "delivery", "items": ["given_name"]}
    return json.dumps([*json.loads(DETAILS), other])


@pytest.fixture
def russian(world: World) -> Iterator[httpx.Client]:
    with client_of(world.app) as client:
        client.headers["Accept-Language"] = "ru"
        yield client


@pytest.mark.usefixtures("anna")
def test_whole_way_in_russian(russian: httpx.Client) -> None:
    address = arrive(russian)
    sign_in_there(russian, address)

    page = russian.get(address).text

    assert "Зачем: чтобы рассмотреть заявку на кредит" in page
    assert "1 год после прочтения" in page
    assert answer_of(decide(russian, address, "allow"))["code"]
    assert russian.get("/account").status_code == 200
