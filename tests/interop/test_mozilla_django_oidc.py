"""PyPI's `mozilla-django-oidc`: a Django site whose people sign in with Civitas."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.demo.browser import Form, Page
from app.ports import free_port
from tests.interop.conftest import Running, wait_for
from tests.interop.person import Visitor

_SITE = "tests.interop.django_site"
_ROOT = Path(__file__).parents[2]
_STOP_SECONDS = 30
_RENEWED_AFTER_SECONDS = 2.1  # what its settings say, and a little

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]


@dataclass(frozen=True)
class Site:
    """A running Django site."""

    url: str

    def sign_in(self, visitor: Visitor) -> Page:
        return visitor.visit(f"{self.url}/oidc/authenticate/?next=/")

    def sign_out(self, visitor: Visitor, page: Page) -> Page:
        """Press the button that sites have for it."""
        form = Form(action=f"{self.url}/oidc/logout/", method="post")
        return visitor.go_on(visitor.browser.send(page, form))


@pytest.fixture(scope="module", params=[("ES256", True), ("RS256", False)], ids=["basic", "post"])
def site(
    request: pytest.FixtureRequest, running: Running, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    alg, is_basic = request.param
    port, folder = free_port(), tmp_path_factory.mktemp("django")
    url = f"http://127.0.0.1:{port}"
    answer = httpx.post(
        f"{running.issuer}/register",
        json={
            "client_name": "Django",
            "redirect_uris": [f"{url}/oidc/callback/"],
            "post_logout_redirect_uris": [f"{url}/"],
            "id_token_signed_response_alg": alg,
            "token_endpoint_auth_method": f"client_secret_{'basic' if is_basic else 'post'}",
        },
    )
    client = answer.raise_for_status().json()
    given = {
        "issuer": running.issuer,
        "client_id": client["client_id"],
        "client_secret": client["client_secret"],
        "folder": str(folder),
        "port": port,
        "alg": alg,
        "basic": is_basic,
    }
    with (
        (folder / "django.log").open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-m", f"{_SITE}.serve"],
            cwd=_ROOT,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": f"{_SITE}.settings",
                "DJANGO_SITE": json.dumps(given),
            },
            stdout=output,
            stderr=output,
        ) as process,
    ):
        try:
            wait_for(f"{url}/", folder / "django.log", process)
            yield Site(url)
        finally:
            process.terminate()
            process.wait(_STOP_SECONDS)


def told(page: Page) -> dict[str, Any]:
    return dict(page.response.json())


@pytest.mark.spec("OIDCC-3.1")
@pytest.mark.spec("OIDCC-5.3")
def test_sign_in_and_userinfo(running: Running, site: Site) -> None:
    with running.browser(stops_at=None) as visitor:
        page = site.sign_in(visitor)

    assert page.url == f"{site.url}/"
    assert told(page)["name"] == "Анна Волкова"


def test_the_same_person_is_the_same_user_and_another_is_not(running: Running, site: Site) -> None:
    users = []
    for person in (running.person, running.person, running.other_person):
        with running.browser(person, stops_at=None) as visitor:
            users.append(told(site.sign_in(visitor))["sub"])

    assert users[0] == users[1]
    assert users[0] != users[2]


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_session_is_renewed_silently(running: Running, site: Site) -> None:
    with running.browser(stops_at=None) as visitor:
        before = told(site.sign_in(visitor))
        time.sleep(_RENEWED_AFTER_SECONDS)
        after = told(visitor.browser.open(f"{site.url}/"))  # no page of ours is shown

    assert after["sub"] == before["sub"]
    assert after["session_until"] > before["session_until"]


@pytest.mark.spec("OIDCC-3.1.2.6")
def test_session_is_not_renewed_after_signing_out_at_civitas(running: Running, site: Site) -> None:
    with running.browser(stops_at=None) as visitor:
        site.sign_in(visitor)
        page = visitor.browser.open(f"{running.issuer}/sign-out")
        visitor.browser.send(page, page.form_to("/sign-out"))
        time.sleep(_RENEWED_AFTER_SECONDS)
        page = visitor.browser.open(f"{site.url}/")

    assert page.url == f"{site.url}/?failed"
    assert told(page) == {"signed_in": False}


@pytest.mark.spec("OIDCRIL-2")
def test_logout_at_the_site_signs_out_here_too(running: Running, site: Site) -> None:
    with running.browser(stops_at=None) as visitor:
        page = site.sign_out(visitor, site.sign_in(visitor))

        assert page.url == f"{site.url}/"
        assert told(page) == {"signed_in": False}
        assert visitor.browser.download(f"{running.issuer}/account").status_code == 303


def test_answer_that_another_browser_asked_for_is_refused(running: Running, site: Site) -> None:
    callback = f"{site.url}/oidc/callback/"
    with running.browser(stops_at=callback) as visitor:
        back = visitor.follow(f"{site.url}/oidc/authenticate/?next=/")
    with running.browser(stops_at=None) as stranger:
        page = stranger.browser.open(back)

        assert page.url == f"{site.url}/?failed"
        assert told(page) == {"signed_in": False}


def test_who_says_no_is_not_signed_in(running: Running, site: Site) -> None:
    with running.browser(running.newcomer, stops_at=None) as visitor:
        page = visitor.visit(f"{site.url}/oidc/authenticate/?next=/", decision="deny")

    assert page.url == f"{site.url}/?failed"
    assert told(page) == {"signed_in": False}
