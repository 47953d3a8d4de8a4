"""The frame of every page: headers, guarded forms, escaping, languages, refusals."""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.responses import PlainTextResponse, Response

from kernel.errors import Conflict, DomainError, NotFound
from kernel.form_guard import ForeignForm, FormFromOurPage
from kernel.pages import PagePart, Pages, RefusalText, Static, content_security_policy
from kernel.secret import sha256
from tests.asgi import client_of

ISSUER = "http://localhost:8000"
HOSTILE = "<script>alert(1)</script>{{ 7*7 }}\"'"


class Peculiar(Conflict):
    """A refusal with a text of its own."""

    code = "peculiar"


class WithPage(Conflict):
    """A refusal with a page of its own."""

    code = "with_page"


PART = PagePart(
    package="idp",
    texts={"peculiar": RefusalText(heading="Peculiar thing", advice="Do this.")},
    refusal_pages={
        WithPage: lambda _request, refusal, headers: PlainTextResponse(
            refusal.code, status_code=refusal.status, headers=dict(headers)
        )
    },
)


def make_client(*, issuer: str = ISSUER, key: bytes = b"k") -> AbstractContextManager[httpx.Client]:
    app = FastAPI()
    pages = app.state.pages = Pages(
        [PART], issuer=issuer, form_digest=lambda browser: sha256(key + browser.encode())
    )
    app.mount("/static", Static())

    @app.get("/form")
    def form(request: Request) -> Response:
        asker = {"name": HOSTILE, "address": HOSTILE, "is_verified": False}
        return pages.render(
            request, "idp/sign_in.html", asker=asker, action="/form", cancel_action="/form",
            username=HOSTILE, errors={"username": HOSTILE}, leads_to="http://bank.example/back",
        )  # fmt: skip

    @app.post("/form", dependencies=[FormFromOurPage])
    def send() -> str:
        return "done"

    @app.exception_handler(DomainError)
    def refuse(request: Request, refusal: Exception) -> Response:
        assert isinstance(refusal, DomainError)
        request.state.request_id = "request-1"
        return pages.refusal(request, refusal, {"X-Sent-Along": "yes"})

    @app.get("/refuse/{name}")
    def refused(name: str) -> None:
        raise {"peculiar": Peculiar, "with_page": WithPage, "other": NotFound}[name]

    return client_of(app, base_url=issuer)


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with make_client() as client:
        yield client


def token_on(page: str) -> str:
    found = re.search(r'name="form_token" value="([^"]+)"', page)
    assert found is not None
    return found[1]


class TestHeaders:
    def test_page_is_not_stored_not_framed_and_runs_only_our_files(
        self, client: httpx.Client
    ) -> None:
        headers = client.get("/form").headers

        assert headers["cache-control"] == "no-store"
        assert headers["x-frame-options"] == "DENY"
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "base-uri 'none'" in policy
        assert "unsafe" not in policy

    def test_form_may_end_at_the_client_that_asked(self) -> None:
        assert "form-action 'self';" in content_security_policy()
        assert "form-action 'self' https:;" in content_security_policy("https://bank.example/x")
        assert " http://127.0.0.1:81;" in content_security_policy("http://127.0.0.1:81/x?y#z")
        assert " my.app:;" in content_security_policy("my.app:/back")

    def test_no_page_has_inline_script_or_style(self, client: httpx.Client) -> None:
        page = client.get("/form").text

        assert re.search(r"<script(?![^>]*\bsrc=)", page) is None
        assert re.search(r"\bon\w+=|\bstyle=|<style|javascript:", page) is None

    def test_static_file_named_with_its_digest_is_kept_for_a_year(
        self, client: httpx.Client
    ) -> None:
        page = client.get("/form").text
        address = re.search(r'href="(/static/civitas\.css\?v=\w+)"', page)
        assert address is not None

        answer = client.get(address[1])

        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert client.get("/static/../pages.py").status_code == 404


class TestEscaping:
    def test_hostile_names_are_shown_as_text(self, client: httpx.Client) -> None:
        page = client.get("/form").text

        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7*7 }}" in page
        assert 'value="&lt;script' in page


class TestForms:
    def test_form_of_our_page_is_accepted(self, client: httpx.Client) -> None:
        token = token_on(client.get("/form").text)

        answer = client.post(
            "/form",
            data={"form_token": token},
            headers={"Origin": ISSUER, "Sec-Fetch-Site": "same-origin"},
        )

        assert answer.json() == "done"

    def test_second_page_keeps_the_browser_and_its_token(self, client: httpx.Client) -> None:
        first = token_on(client.get("/form").text)

        second = client.get("/form")

        assert token_on(second.text) == first
        assert "civitas_browser" not in second.headers.get("set-cookie", "")

    @pytest.mark.parametrize(
        "headers",
        [
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "none"},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": ISSUER + ".evil.example"},
            {"Origin": "http://localhost:8001"},
        ],
        ids=str,
    )
    def test_form_of_another_site_is_refused(
        self, client: httpx.Client, headers: dict[str, str]
    ) -> None:
        token = token_on(client.get("/form").text)

        answer = client.post("/form", data={"form_token": token}, headers=headers)

        assert answer.status_code == ForeignForm.status

    @pytest.mark.parametrize("token", ["", "x" * 43, "ы" * 43], ids=["none", "wrong", "not-ascii"])
    def test_form_without_the_token_is_refused(self, client: httpx.Client, token: str) -> None:
        client.get("/form")

        answer = client.post("/form", data={"form_token": token})

        assert answer.status_code == 403

    def test_token_of_another_browser_is_refused(self, client: httpx.Client) -> None:
        client.get("/form")
        with make_client() as other:
            token = token_on(other.get("/form").text)

        answer = client.post("/form", data={"form_token": token})

        assert answer.status_code == 403

    def test_token_cannot_be_made_without_the_key(self, client: httpx.Client) -> None:
        client.get("/form")
        with make_client(key=b"guess") as forger:
            forger.cookies = client.cookies
            token = token_on(forger.get("/form").text)

        answer = client.post("/form", data={"form_token": token})

        assert answer.status_code == 403

    def test_browser_without_cookies_is_refused(self, client: httpx.Client) -> None:
        token = token_on(client.get("/form").text)
        client.cookies.clear()

        assert client.post("/form", data={"form_token": token}).status_code == 403

    def test_cookie_is_bound_to_the_host_over_https(self) -> None:
        with make_client(issuer="https://civitas.example") as client:
            cookie = client.get("/form").headers["set-cookie"]

        assert cookie.startswith("__Host-civitas_browser=")
        assert "Secure" in cookie
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie


class TestLanguage:
    def test_switch_is_remembered(self, client: httpx.Client) -> None:
        switched = client.get("/form?ui_locales=en&x=1", headers={"Accept-Language": "ru"})

        later = client.get("/form", headers={"Accept-Language": "ru"})

        assert '<html lang="en"' in switched.text
        assert "/form?x=1&amp;ui_locales=ru" in switched.text
        assert '<html lang="en"' in later.text
        assert later.headers["content-language"] == "en"

    def test_browser_decides_where_nobody_chose(self, client: httpx.Client) -> None:
        answer = client.get("/form", headers={"Accept-Language": "en-US,en;q=0.9"})

        assert '<html lang="en"' in answer.text
        assert "set-cookie" not in answer.headers or "language" not in answer.headers["set-cookie"]


class TestRefusals:
    def test_text_of_the_context_is_shown(self, client: httpx.Client) -> None:
        answer = client.get("/refuse/peculiar", headers={"Accept-Language": "en"})

        assert answer.status_code == 409
        assert answer.headers["x-sent-along"] == "yes"
        for part in ("Peculiar thing", "Do this.", "request-1", "peculiar"):
            assert part in answer.text

    def test_page_of_the_context_is_shown(self, client: httpx.Client) -> None:
        assert client.get("/refuse/with_page").text == "with_page"

    def test_unknown_refusal_is_told_by_its_status(self, client: httpx.Client) -> None:
        answer = client.get("/refuse/other", headers={"Accept-Language": "ru"})

        assert answer.status_code == 404
        assert "Страница не найдена" in answer.text
