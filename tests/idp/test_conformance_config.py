"""What `examples/conformance_config.py` lets the suite's browser do leads where the modules want.

The browser here reads the same commands as the suite's: it finds elements by their `id`, fills in
fields, presses buttons and follows links; without JavaScript.
"""

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from typing_extensions import override

from examples.conformance_config import (
    ALIAS,
    NOT_SIGNED_OUT,
    REFUSED,
    REJECTED,
    REUSED,
    SHOWN,
    SIGNED_OUT,
    VISITED_TWICE,
    arguments,
    shared_by_plans,
)
from tests.idp.idp_world import ISSUER, PASSWORD, IdpWorld, RelyingParty, parameters_of
from tests.idp.oidcc_suite import Suite

SUITE = "https://suite.example"
CALLBACK = f"{SUITE}/test/a/{ALIAS}/callback"
POST_LOGOUT = f"{SUITE}/test/a/{ALIAS}/post_logout_redirect"


@dataclass
class Form:
    action: str
    fields: dict[str, str] = field(default_factory=dict)


class Elements(HTMLParser):
    """Elements with an `id`, and the form that each is in."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.by_id: dict[str, tuple[dict[str, str], Form | None]] = {}
        self._form: Form | None = None
        self.feed(page)

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = Form(found["action"])
        if tag == "input" and self._form is not None and found.get("name"):
            self._form.fields[found["name"]] = found.get("value", "")
        if "id" in found:
            self.by_id[found["id"]] = found, self._form

    @override
    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None


class Runner:
    """The suite's browser: one for each module, with the cookies of all its visits."""

    def __init__(self, world: IdpWorld, configuration: dict[str, Any], module: str) -> None:
        self.http = world.browser().http
        self.visits: list[dict[str, Any]] = (
            configuration["override"].get(module, configuration)["browser"]
        )  # fmt: skip
        self.limits = [visit.get("match-limit") for visit in self.visits]
        self.pictures: list[str] = []
        self.url = ""
        self.page = ""

    def visit(self, url: str) -> str:
        """Do what is to be done at an address; return where the browser ends."""
        address = urljoin(ISSUER, url)
        number = next(
            n
            for n, visit in enumerate(self.visits)
            if fnmatchcase(address, visit["match"]) and self.limits[n] != 0
        )
        limit = self.limits[number]
        self.limits[number] = None if limit is None else limit - 1
        self._show(self.http.get(url))
        for task in self.visits[number]["tasks"]:
            if not fnmatchcase(self.url, task["match"]):
                assert task.get("optional"), (task, self.url)
                continue
            for command in task.get("commands", ()):
                self._do(*command)
        return self.url

    def _show(self, answer: httpx.Response) -> None:
        for _ in range(5):
            self.url, self.page = str(answer.request.url), answer.text
            if answer.status_code != 303:
                return
            target = urljoin(self.url, answer.headers["location"])
            if not target.startswith(ISSUER):
                self.url, self.page = target, '<p id="submission_complete">'
                return
            answer = self.http.get(target)

    def _do(self, what: str, kind: str, target: str, *more: Any) -> None:  # noqa: ANN401
        if (what, kind) == ("wait", "xpath"):
            assert re.search(more[1], self.page)
            if "placeholder" in more[2]:
                self.pictures.append(self.page)
            return
        assert kind == "id"
        found = Elements(self.page).by_id.get(target)
        if found is None:
            assert "optional" in more, (what, target, self.url)
            return
        element, form = found
        if what == "text":
            self.typed = getattr(self, "typed", {}) | {element["name"]: more[0]}
        elif what == "click" and form is not None:
            sent = form.fields | getattr(self, "typed", {})
            sent |= {element["name"]: element["value"]} if "name" in element else {}
            self.typed = {}
            self._show(self.http.post(form.action, data=sent))
        elif what == "click":
            self._show(self.http.get(element["href"]))


@pytest.fixture
def suite(world: IdpWorld) -> Suite:
    made = Suite(world)
    made.register(redirect_uris=[CALLBACK], post_logout_redirect_uris=[POST_LOGOUT])
    return made


def a_runner(suite: Suite, module: str) -> Runner:
    given = [ISSUER, "folder", suite.person.username, PASSWORD, "--suite", SUITE]
    return Runner(suite.world, shared_by_plans(arguments(given)), module)


def test_person_signs_in_agrees_and_need_not_again(suite: Suite) -> None:
    runner = a_runner(suite, "oidcc-prompt-none-logged-in")

    first = runner.visit(suite.url(scope="openid profile"))
    second = runner.visit(suite.url(scope="openid profile", prompt="none"))

    assert "code" in parameters_of(first)
    assert "code" in parameters_of(second)


@pytest.mark.parametrize("module", [name for name in REFUSED if name.startswith("oidcc")])
def test_page_that_refuses_is_stored(suite: Suite, module: str) -> None:
    runner = a_runner(suite, module)

    runner.visit(suite.url(redirect_uri="https://elsewhere.example/cb"))

    assert len(runner.pictures) == 1


@pytest.mark.parametrize("name", SHOWN)
def test_page_that_shows_who_asks_is_stored(suite: Suite, name: str) -> None:
    runner = a_runner(suite, f"oidcc-registration-{name}")

    runner.visit(suite.url())

    (picture,) = runner.pictures
    assert 'id="username"' in picture


@pytest.mark.parametrize("module", ["oidcc-prompt-login", "oidcc-max-age-1"])
def test_second_sign_in_is_stored(suite: Suite, module: str) -> None:
    runner = a_runner(suite, module)
    runner.visit(suite.url())
    suite.world.later(seconds=2)
    asks = {"max_age": "1"} if module == "oidcc-max-age-1" else {"prompt": "login"}

    back = runner.visit(suite.url(**asks))

    assert "code" in parameters_of(back)
    assert 'id="username"' in runner.pictures[-1]


@pytest.mark.parametrize("name", SIGNED_OUT)
def test_page_after_signing_out_is_stored(suite: Suite, name: str) -> None:
    runner = a_runner(suite, f"oidcc-rp-initiated-logout-{name}")
    tokens = suite.redeem(parameters_of(runner.visit(suite.url()))["code"]).json()
    asks = {
        "no-params": "",
        "only-state": "?state=s",
        "no-post-logout-redirect-uri": f"?id_token_hint={tokens['id_token']}",
    }

    runner.visit(f"/end-session{asks[name]}")

    assert urlsplit(runner.url).path == "/signed-out"
    assert len(runner.pictures) == 1


@pytest.mark.parametrize("name", NOT_SIGNED_OUT)
def test_page_that_does_not_redirect_is_stored(suite: Suite, name: str) -> None:
    runner = a_runner(suite, f"oidcc-rp-initiated-logout-{name}")
    runner.visit(suite.url())

    runner.visit(f"/end-session?post_logout_redirect_uri={POST_LOGOUT}%2Fother")

    assert len(runner.pictures) == 1


@pytest.mark.parametrize("uri", ["frontchannel_logout_uri", None])
def test_signing_out_leads_back(suite: Suite, uri: str | None) -> None:
    if uri is not None:
        suite.register(
            redirect_uris=[CALLBACK],
            post_logout_redirect_uris=[POST_LOGOUT],
            frontchannel_logout_uri=f"{SUITE}/test/a/{ALIAS}/frontchannel_logout",
            frontchannel_logout_session_required=True,
        )
    runner = a_runner(suite, "oidcc-rp-initiated-logout")
    tokens = suite.redeem(parameters_of(runner.visit(suite.url()))["code"]).json()

    back = runner.visit(
        f"/end-session?id_token_hint={tokens['id_token']}"
        f"&post_logout_redirect_uri={POST_LOGOUT}&state=s"
    )

    assert back == f"{POST_LOGOUT}?state=s"


@pytest.mark.spec("OIDCSM-3.1")
def test_pages_that_ask_about_the_session_are_opened(suite: Suite) -> None:
    """By a browser with scripts, they lead to `session_result` by themselves."""
    browser = a_runner(suite, "oidcc-session-management-rp-initiated-logout").visits

    for page in ("session_verify", "second_session_verify"):
        (found,) = (
            visit
            for visit in browser
            if fnmatchcase(f"{SUITE}/test/a/{ALIAS}/{page}", visit["match"])
        )
        (task,) = found["tasks"]
        assert task["commands"] == [["wait", "contains", "session_result", 10]]


@pytest.fixture
def bank(suite: Suite) -> RelyingParty:
    return suite.world.a_fapi2_client(redirect_uris=[CALLBACK])


def test_person_rejects_what_they_agreed_to_in_modules_before(
    suite: Suite, bank: RelyingParty
) -> None:
    a_runner(suite, "fapi2-…-happy-flow").visit(bank.pushed_url(bank.verifier()))
    runner = a_runner(suite, REJECTED)

    back = runner.visit(bank.pushed_url(bank.verifier()))
    again = runner.visit(bank.pushed_url(bank.verifier()))

    assert parameters_of(back)["error"] == "access_denied"
    assert parameters_of(again)["error"] == "access_denied"


def test_request_uri_that_was_used_is_refused_on_a_page_that_is_stored(
    suite: Suite, bank: RelyingParty
) -> None:
    runner, url = a_runner(suite, REUSED), bank.pushed_url(bank.verifier())

    back = runner.visit(url)
    runner.visit(url)

    assert "code" in parameters_of(back)
    assert len(runner.pictures) == 1


def test_request_uri_that_was_only_looked_at_is_good(suite: Suite, bank: RelyingParty) -> None:
    runner, url = a_runner(suite, VISITED_TWICE), bank.pushed_url(bank.verifier())

    looked = runner.visit(url)
    back = runner.visit(url)

    assert urlsplit(looked).path.startswith("/interaction/")
    assert "code" in parameters_of(back)
