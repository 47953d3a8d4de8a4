"""Signing in to one's own account, and out of it."""

import httpx
import pytest

from kernel.ids import PersonId
from tests.portal.portal_builders import World, field, post, sign_in


@pytest.fixture
def anna(world: World) -> PersonId:
    return world.a_person("anna")


@pytest.mark.usefixtures("anna")
class TestSignIn:
    def test_right_password_opens_the_account(self, browser: httpx.Client) -> None:
        answer = sign_in(browser, "anna")

        assert answer.status_code == 303
        assert answer.headers["location"] == "/account"
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=lax" in cookie.lower()
        assert browser.get("/account").status_code == 200

    def test_wrong_password_and_unknown_name_look_the_same(self, browser: httpx.Client) -> None:
        wrong = sign_in(browser, "anna", "not the password")
        unknown = sign_in(browser, "nobody", "not the password")

        assert wrong.status_code == unknown.status_code == 401
        assert wrong.text.replace("anna", "nobody") == unknown.text
        assert "The name or the password is wrong" in wrong.text
        assert browser.get("/account").status_code == 303

    def test_name_is_kept_and_password_is_not(self, browser: httpx.Client) -> None:
        answer = sign_in(browser, "anna", "not the password")

        assert 'value="anna"' in answer.text
        assert "not the password" not in answer.text

    @pytest.mark.spec("WCAG22-3.3.1")
    def test_empty_fields_are_named_one_by_one(self, browser: httpx.Client) -> None:
        answer = sign_in(browser, "", "")

        assert answer.status_code == 401
        assert "Enter your name for signing in" in answer.text
        assert "Enter your password" in answer.text
        assert "<title>Error:" in answer.text
        assert 'href="#username"' in answer.text

    def test_failed_page_can_be_read_again_in_the_other_language(
        self, browser: httpx.Client
    ) -> None:
        answer = sign_in(browser, "anna", "wrong")

        assert 'href="/sign-in?ui_locales=ru"' in answer.text

    @pytest.mark.parametrize(
        "wanted",
        ["https://evil.example", "//evil.example", "/\\evil.example", "/account//evil.example",
         "/accountant", "/account\r\nX: y", "/account/../../x", "javascript:alert(1)", ""],
    )  # fmt: skip
    def test_sign_in_leads_only_into_the_account(self, browser: httpx.Client, wanted: str) -> None:
        form = browser.get("/sign-in", params={"next": wanted})

        answer = post(
            browser,
            "/sign-in",
            form.text,
            {"username": "anna", "password": "correct horse battery", "next": wanted},
        )

        assert field(form.text, "next") == "/account"
        assert answer.headers["location"] == "/account"

    def test_page_wanted_before_is_opened_after(self, browser: httpx.Client) -> None:
        sent = browser.get("/account/log")

        form = browser.get(sent.headers["location"])

        assert sent.status_code == 303
        assert field(form.text, "next") == "/account/log"

    def test_form_of_another_site_signs_nobody_in(self, browser: httpx.Client) -> None:
        answer = browser.post(
            "/sign-in", data={"username": "anna", "password": "correct horse battery"}
        )

        assert answer.status_code == 403
        assert browser.get("/account").status_code == 303

    def test_sign_in_ends_the_session_that_was_there_before(self, browser: httpx.Client) -> None:
        sign_in(browser, "anna")
        planted = browser.cookies["civitas_session"]
        form = browser.get("/sign-out")

        post(
            browser,
            "/sign-in",
            form.text,
            {"username": "anna", "password": "correct horse battery"},
        )
        browser.cookies.set("civitas_session", planted, domain="localhost.local")

        assert browser.cookies["civitas_session"] == planted
        assert browser.get("/account").status_code == 303


@pytest.mark.usefixtures("anna")
class TestSignOut:
    def test_link_alone_signs_nobody_out(self, browser: httpx.Client) -> None:
        sign_in(browser, "anna")

        browser.get("/sign-out")

        assert browser.get("/account").status_code == 200

    def test_session_ends_on_the_server(self, browser: httpx.Client) -> None:
        sign_in(browser, "anna")
        cookie = browser.cookies["civitas_session"]
        form = browser.get("/sign-out")

        answer = post(browser, "/sign-out", form.text, {})

        assert answer.headers["location"] == "/signed-out"
        browser.cookies.set("civitas_session", cookie, domain="localhost.local")
        assert browser.get("/account").status_code == 303

    def test_form_of_another_site_signs_nobody_out(self, browser: httpx.Client) -> None:
        sign_in(browser, "anna")

        answer = browser.post("/sign-out", headers={"Sec-Fetch-Site": "cross-site"})

        assert answer.status_code == 403
        assert browser.get("/account").status_code == 200


@pytest.mark.usefixtures("anna")
class TestSignOutThatASiteAsksFor:
    @pytest.mark.spec("OIDCRIL-2")
    def test_person_is_asked_and_then_signed_out(self, browser: httpx.Client) -> None:
        sign_in(browser, "anna")
        asked = browser.get("/end-session", params={"state": "<x>"})
        still = browser.get("/account").status_code

        answer = post(
            browser, "/end-session/confirm", asked.text, {"state": field(asked.text, "state")}
        )

        assert "Sign out of Civitas?" in asked.text
        assert still == 200
        assert answer.headers["location"] == "/signed-out"
        assert browser.get("/account").status_code == 303

    def test_form_of_another_site_signs_nobody_out(self, browser: httpx.Client) -> None:
        sign_in(browser, "anna")

        answer = browser.post("/end-session/confirm", data={"state": "x"})

        assert answer.status_code == 403
        assert browser.get("/account").status_code == 200
