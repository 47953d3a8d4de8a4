"""What a client can watch of a session: OpenID Connect Session Management 1.0.

That the script in the frame computes the same is tested in tests/browser/test_check_session.py.
"""

from http.cookies import Morsel, SimpleCookie
from urllib.parse import urlencode

import httpx
import pytest

from idp.session_state import origin_of, session_state
from kernel.secret import sha256
from tests.idp.idp_world import ISSUER, Browser, IdpWorld, Person, RelyingParty, claims_of

COOKIE = "civitas_browser_state"
SALT_CHARACTERS = 22  # base64url of 16 bytes


@pytest.fixture
def browser(world: IdpWorld) -> Browser:
    return world.browser()


def cookie_set_by(answer: httpx.Response) -> "Morsel[str]":
    for header in answer.headers.get_list("set-cookie"):
        cookie: SimpleCookie = SimpleCookie(header)
        if COOKIE in cookie:
            return cookie[COOKIE]
    raise AssertionError("the browser's state is not set")


def sign_in(browser: Browser, client: RelyingParty, person: Person) -> tuple[str, dict[str, str]]:
    """Sign a person in; return the browser's state, and what the client gets."""
    start = browser.get(client.url(prompt="login"))
    page = browser.get(start.headers["location"])
    path = page.request.url.path
    answer = browser.http.post(
        f"{path}/sign-in",
        data={
            "username": person.username,
            "password": "correct horse battery",
            "form_token": browser.form_token(page),
        },
    )
    return cookie_set_by(answer).value, browser.authorize(answer.headers["location"])


class TestState:
    @pytest.mark.spec("OIDCSM-2")
    def test_is_of_client_origin_browser_and_salt(self, world: IdpWorld, browser: Browser) -> None:
        client = world.a_relying_party()

        state, answer = sign_in(browser, client, world.someone())

        digest, _, salt = answer["session_state"].partition(".")
        text = f"{client.client_id} https://rp.example {state} {salt}"
        assert digest == sha256(text.encode()).hex()
        assert len(salt) == SALT_CHARACTERS
        assert " " not in answer["session_state"]

    @pytest.mark.spec("OIDCSM-2")
    def test_two_codes_of_one_session_have_different_states(
        self, world: IdpWorld, browser: Browser
    ) -> None:
        client = world.a_relying_party()
        _, first = sign_in(browser, client, world.someone())

        second = browser.authorize(client.url(prompt="none"))

        assert second["session_state"] != first["session_state"]

    @pytest.mark.spec("OIDCSM-3.2")
    def test_signing_in_anew_changes_it(self, world: IdpWorld, browser: Browser) -> None:
        client, person = world.a_relying_party(), world.someone()
        first, _ = sign_in(browser, client, person)
        world.later(seconds=1)

        second, _ = sign_in(browser, client, person)

        assert second != first

    @pytest.mark.spec("OIDCSM-3.2")
    def test_signing_out_takes_it_away(self, world: IdpWorld, browser: Browser) -> None:
        client = world.a_relying_party()
        _, answer = sign_in(browser, client, world.someone())
        hint = client.redeem(answer["code"]).json()["id_token"]

        left = browser.get(f"/end-session?{urlencode({'id_token_hint': hint})}")

        assert cookie_set_by(left)["max-age"] == "0"
        assert cookie_set_by(left)["path"] == "/check-session"

    @pytest.mark.spec("OIDCSM-3.2")
    def test_session_that_ended_elsewhere_is_taken_away_when_somebody_asks(
        self, world: IdpWorld, browser: Browser
    ) -> None:
        client = world.a_relying_party()
        sign_in(browser, client, world.someone())
        world.later(hours=13)

        answer = browser.get(client.url(prompt="none"))

        assert "error=login_required" in answer.headers["location"]
        assert cookie_set_by(answer)["max-age"] == "0"
        assert "set-cookie" not in world.browser().get(client.url(prompt="none")).headers

    @pytest.mark.spec("OIDCSM-2")
    def test_stands_in_a_signed_response_too(self, world: IdpWorld, browser: Browser) -> None:
        client, person = world.a_relying_party(), world.someone()

        answer = browser.authorize(client.url(response_mode="jwt"), person)

        assert "." in claims_of(answer["response"])["session_state"]

    def test_what_is_no_sign_in_has_none(self, world: IdpWorld, browser: Browser) -> None:
        client = world.a_relying_party()
        details = '[{"type":"civitas_disclosure","purpose":"account_opening","items":["inn"]}]'

        answer = browser.authorize(
            client.url(scope=None, authorization_details=details), world.someone()
        )

        assert "code" in answer
        assert "session_state" not in answer

    def test_an_installed_application_has_none(self, world: IdpWorld, browser: Browser) -> None:
        client = world.a_relying_party(redirect_uris=["example.rp.app:/callback"])

        assert "session_state" not in browser.authorize(client.url(), world.someone())

    def test_a_fapi2_client_gets_what_its_profile_describes(
        self, world: IdpWorld, browser: Browser
    ) -> None:
        client = world.a_fapi2_client()

        answer = browser.authorize(client.pushed_url(client.verifier()), world.someone())

        assert answer.keys() == {"code", "state", "iss"}

    def test_a_refusal_has_none(self, world: IdpWorld, browser: Browser) -> None:
        answer = browser.authorize(world.a_relying_party().url(prompt="none"))

        assert answer["error"] == "login_required"
        assert "session_state" not in answer


class TestCookie:
    @pytest.mark.spec("OIDCSM-3.2")
    def test_is_for_the_frame_alone_and_is_not_the_session(
        self, world: IdpWorld, browser: Browser
    ) -> None:
        state, _ = sign_in(browser, world.a_relying_party(), world.someone())

        answer = world.browser()
        page = answer.get("/sign-in")
        signed_in = answer.http.post(
            "/sign-in",
            data={
                "username": world.someone().username,
                "password": "correct horse battery",
                "form_token": answer.form_token(page),
            },
        )
        cookie = cookie_set_by(signed_in)

        assert (cookie["path"], cookie["samesite"].lower()) == ("/check-session", "none")
        assert cookie["secure"] is True
        assert not cookie["httponly"]
        assert cookie.value != state
        assert cookie.value not in {c.value for c in answer.http.cookies.jar if c.name != COOKIE}

    def test_of_another_session_is_no_session(self, world: IdpWorld, browser: Browser) -> None:
        client = world.a_relying_party()
        state, _ = sign_in(browser, client, world.someone())
        thief = world.browser()
        thief.http.cookies.set("civitas_session", state)

        assert thief.authorize(client.url(prompt="none"))["error"] == "login_required"


class TestFrame:
    @pytest.mark.spec("OIDCSM-3.3")
    def test_is_published(self, world: IdpWorld) -> None:
        document = world.http.get("/.well-known/openid-configuration").json()

        assert document["check_session_iframe"] == f"{ISSUER}/check-session"

    @pytest.mark.spec("OIDCSM-3.2")
    def test_may_be_framed_and_nothing_else_of_ours(self, world: IdpWorld) -> None:
        frame = world.http.get("/check-session")
        page = world.http.get("/sign-in")

        assert frame.headers["content-security-policy"].endswith("frame-ancestors *")
        assert "script-src 'self'" in frame.headers["content-security-policy"]
        assert "x-frame-options" not in frame.headers
        assert page.headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]

    def test_shows_nothing_and_runs_one_script(self, world: IdpWorld) -> None:
        frame = world.http.get("/check-session")

        assert frame.text.count("<script") == 1
        assert 'src="/check-session/check.js"' in frame.text
        script = world.http.get("/check-session/check.js")
        assert script.headers["content-type"].startswith("text/javascript")


class TestOrigin:
    @pytest.mark.spec("RFC6454-6.2")
    @pytest.mark.parametrize(
        ("uri", "origin"),
        [
            ("https://rp.example/callback?x=1", "https://rp.example"),
            ("https://RP.example:443/", "https://rp.example"),
            ("http://localhost:8001/cb", "http://localhost:8001"),
            ("http://localhost:80/cb", "http://localhost"),
            ("http://[::1]:9000/cb", "http://[::1]:9000"),
            ("example.rp.app:/callback", None),
        ],
    )
    def test_is_written_as_browsers_write_it(self, uri: str, origin: str | None) -> None:
        assert origin_of(uri) == origin

    def test_state_changes_with_each_part(self) -> None:
        states = {
            session_state(*parts)
            for parts in (
                ("c", "https://a.example", "s", "n"),
                ("d", "https://a.example", "s", "n"),
                ("c", "https://b.example", "s", "n"),
                ("c", "https://a.example", "", "n"),
                ("c", "https://a.example", "s", "m"),
            )
        }

        assert len(states) == 5
