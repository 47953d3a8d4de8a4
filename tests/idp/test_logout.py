"""Sign-out that a client asks for: OpenID Connect RP-Initiated Logout."""

from urllib.parse import urlencode

import httpx
import pytest

from kernel.secret import b64url
from tests.idp.idp_world import Browser, IdpWorld, Person, RelyingParty
from tests.idp.test_authorize import redirected

BYE = "https://rp.example/bye?lang=ru"


def signed_in(world: IdpWorld, browser: Browser) -> tuple[RelyingParty, Person, str]:
    client, person = world.a_relying_party(post_logout_redirect_uris=[BYE]), world.someone()
    code = browser.authorize(client.url(), person)["code"]
    return client, person, client.redeem(code).json()["id_token"]


def sign_out(browser: Browser, **parameters: str) -> httpx.Response:
    return browser.get(f"/end-session?{urlencode(parameters)}")


def is_signed_in(browser: Browser, client: RelyingParty) -> bool:
    return "code" in redirected(browser.get(client.url(prompt="none")))


@pytest.fixture
def browser(world: IdpWorld) -> Browser:
    return world.browser()


class TestFollowed:
    @pytest.mark.spec("OIDCRIL-2")
    @pytest.mark.spec("OIDCRIL-3")
    def test_person_is_signed_out_and_sent_back(self, world: IdpWorld, browser: Browser) -> None:
        client, _, hint = signed_in(world, browser)

        answer = sign_out(browser, id_token_hint=hint, post_logout_redirect_uri=BYE, state="st=2&x")

        assert answer.headers["location"] == BYE + "&state=st%3D2%26x"
        assert not is_signed_in(browser, client)

    @pytest.mark.spec("OIDCRIL-3")
    def test_without_state_none_comes_back(self, world: IdpWorld, browser: Browser) -> None:
        _, _, hint = signed_in(world, browser)

        answer = sign_out(browser, id_token_hint=hint, post_logout_redirect_uri=BYE)

        assert answer.headers["location"] == BYE

    @pytest.mark.spec("OIDCRIL-2")
    def test_expired_hint_is_understood(self, world: IdpWorld, browser: Browser) -> None:
        client, person, hint = signed_in(world, browser)
        world.later(hours=2)
        browser.authorize(client.url(), person)

        assert sign_out(browser, id_token_hint=hint).status_code == 303
        assert not is_signed_in(browser, client)

    @pytest.mark.spec("OIDCRIL-2")
    def test_request_may_be_posted_from_another_site(
        self, world: IdpWorld, browser: Browser
    ) -> None:
        """The browser keeps its cookies from such a form; we ask it to come again by GET."""
        client, _, hint = signed_in(world, browser)
        form = {"id_token_hint": hint, "post_logout_redirect_uri": BYE}
        without_cookies = world.browser().http.post("/end-session", data=form)

        answer = browser.get(without_cookies.headers["location"])

        assert answer.headers["location"] == BYE
        assert not is_signed_in(browser, client)

    def test_nobody_signed_in_is_signed_out_already(self, browser: Browser) -> None:
        answer = sign_out(browser)

        assert answer.headers["location"] == "/signed-out"


class TestConfirmed:
    @pytest.mark.spec("OIDCRIL-2")
    def test_without_a_hint_the_person_is_asked(self, world: IdpWorld, browser: Browser) -> None:
        client, _, _ = signed_in(world, browser)

        page = sign_out(browser, state="only")

        assert page.status_code == 200
        assert is_signed_in(browser, client)
        answer = browser.http.post(
            "/end-session/confirm",
            data={"state": "only", "form_token": browser.form_token(page)},
        )
        assert answer.headers["location"] == "/signed-out"
        assert not is_signed_in(browser, client)

    @pytest.mark.spec("OIDCRIL-2")
    def test_hint_of_somebody_else_is_asked_about(self, world: IdpWorld, browser: Browser) -> None:
        client, _, _ = signed_in(world, browser)
        hint = client.tokens(world.someone())["id_token"]

        page = sign_out(browser, id_token_hint=hint, post_logout_redirect_uri=BYE)

        assert page.status_code == 200
        assert is_signed_in(browser, client)

    def test_another_site_can_t_confirm(self, world: IdpWorld, browser: Browser) -> None:
        client, _, _ = signed_in(world, browser)

        assert (
            browser.http.post("/end-session/confirm", data={"form_token": "x"}).status_code == 403
        )
        assert is_signed_in(browser, client)


class TestRefused:
    @pytest.mark.spec("OIDCRIL-4")
    @pytest.mark.parametrize(
        "uri",
        ["https://evil.example", BYE + "&more=1", BYE.partition("?")[0], "javascript:alert(1)"],
    )
    def test_unregistered_address_is_never_redirected_to(
        self, world: IdpWorld, browser: Browser, uri: str
    ) -> None:
        client, _, hint = signed_in(world, browser)

        answer = sign_out(browser, id_token_hint=hint, post_logout_redirect_uri=uri)

        assert answer.status_code == 400
        assert "location" not in answer.headers
        assert is_signed_in(browser, client)

    @pytest.mark.spec("OIDCRIL-3")
    def test_address_without_a_hint_is_never_redirected_to(
        self, world: IdpWorld, browser: Browser
    ) -> None:
        client, _, _ = signed_in(world, browser)

        for named in ({}, {"client_id": client.client_id}):
            answer = sign_out(browser, post_logout_redirect_uri=BYE, **named)
            assert answer.status_code == 400
        assert is_signed_in(browser, client)

    @pytest.mark.spec("OIDCRIL-4")
    def test_forged_hint_is_refused(self, world: IdpWorld, browser: Browser) -> None:
        client, _, hint = signed_in(world, browser)
        head, payload, signature = hint.split(".")
        unsigned = b64url(b'{"alg":"none"}')

        for forged in (f"{unsigned}.{payload}.", f"{head}.{payload}.{signature[:-8]}AAAAAAAA", "x"):
            answer = sign_out(browser, id_token_hint=forged, post_logout_redirect_uri=BYE)
            assert answer.status_code == 400
        assert is_signed_in(browser, client)

    @pytest.mark.spec("OIDCRIL-2")
    def test_client_id_is_the_audience_of_the_hint(self, world: IdpWorld, browser: Browser) -> None:
        _, _, hint = signed_in(world, browser)

        assert sign_out(browser, id_token_hint=hint, client_id="another").status_code == 400
