"""People at the demo bank and in their own accounts: the journey's reads, as a Locust scenario.

    make run                                                    in one terminal
    .venv/bin/locust -f loadtests/locustfile.py --headless      in another

Each user signs in to the bank with Civitas once and agrees; then the bank reads their attributes
and documents again and again, and they look at who looked. `LOAD_USERS` (10) and `LOAD_SECONDS`
(60) bound it; `CIVITAS_ISSUER` and `BANK` say where the two are.
"""

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from http import HTTPStatus
from itertools import cycle
from typing import Any

import httpx2
from locust import LoadTestShape, User, between, task
from locust.exception import StopUser
from typing_extensions import override

from app.demo.browser import Browser, Page

ISSUER = os.environ.get("CIVITAS_ISSUER", "http://localhost:8000")
BANK = os.environ.get("BANK", "http://localhost:8001")
USERS = int(os.environ.get("LOAD_USERS", "10"))
SECONDS = int(os.environ.get("LOAD_SECONDS", "60"))
USERS_STARTED_PER_SECOND = 2.0
MOST_USERS = 200

logging.getLogger("httpx2").setLevel(logging.WARNING)  # one line for each request otherwise

_IDENTIFIER = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|[A-Za-z0-9_-]{20,}")


def demo_people() -> list[Mapping[str, str]]:
    """Return who can sign in, as `civitas demo people` lists them."""
    command = [sys.executable, "-m", "app.cli", "demo", "people", "--json"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    people: list[Mapping[str, str]] = json.loads(listed.stdout)
    return people


PEOPLE = cycle(demo_people())


class Citizen(User):
    """A person with a browser."""

    wait_time = between(0.2, 1.0)

    @override
    def on_start(self) -> None:
        """Sign in to the bank and agree."""
        self.browser = Browser(language="en", seen=self.record)
        person = next(PEOPLE)
        home = self.browser.open(f"{BANK}/")
        page = self.browser.send(home, home.form_to("/sign-in"))
        page = self.browser.sign_in(page, person["username"], person["password"])
        page = self.browser.decide(page, "allow")
        if page.status != HTTPStatus.OK:
            raise StopUser

    @override
    def on_stop(self) -> None:
        """Close the browser."""
        self.browser.close()

    @task(10)
    def let_the_bank_read(self) -> None:
        """Have the bank read the attributes and list the documents."""
        self.open(f"{BANK}/application")

    @task(2)
    def download_a_document(self) -> None:
        """Have the bank stream a document."""
        page = self.open(f"{BANK}/application")
        links = [link.href for link in page.links if "/documents/" in link.href]
        if links:
            self.browser.download(BANK + links[0])

    @task(3)
    def see_who_looked(self) -> None:
        """Look at the access log."""
        self.open(f"{ISSUER}/account/log")

    @task(1)
    def see_the_account(self) -> None:
        """Look at one's data and consents."""
        self.open(f"{ISSUER}/account")
        self.open(f"{ISSUER}/account/consents")

    @task(1)
    def keep_a_checkpoint(self) -> None:
        """Fetch the log's checkpoint, as a watchful citizen does."""
        self.browser.download(f"{ISSUER}/log/checkpoint")

    def open(self, url: str) -> Page:
        """Open a page."""
        return self.browser.open(url)

    def record(self, response: httpx2.Response) -> None:
        """Count an exchange in Locust's statistics."""
        failed = response.status_code >= HTTPStatus.BAD_REQUEST
        self.environment.events.request.fire(
            request_type=response.request.method,
            name=_name_of(response.request.url),
            response_time=1000 * response.elapsed.total_seconds(),
            response_length=len(response.content),
            exception=RuntimeError(f"status {response.status_code}") if failed else None,
            context={},
        )


class Bounded(LoadTestShape):
    """So many people, so many seconds, and no more."""

    @override
    def tick(self) -> tuple[int, float] | None:
        """Return how many users there should be; None when it is over."""
        run_time: float = self.get_run_time()  # type: ignore[no-untyped-call]
        if run_time > SECONDS:
            return None
        return min(USERS, MOST_USERS), USERS_STARTED_PER_SECOND


def _name_of(url: Any) -> str:  # noqa: ANN401  # httpx2's URL
    where = "bank" if str(url).startswith(BANK) else "civitas"
    return f"{where} {_IDENTIFIER.sub('{id}', url.path)}"
