"""A real browser: Debian's Chromium, driven by Playwright; every test skips when it is missing."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, sync_playwright

from tests.asgi import client_of
from tests.browser.gallery import make_gallery

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
ARTEFACTS = Path(__file__).parents[1] / "artefacts"
AXE = Path(__file__).parents[1] / "interop" / "node_modules" / "axe-core" / "axe.min.js"

# Without these Chromium looks up its maker's hosts at every start; as root it needs the first.
_ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip

NewPage = Callable[..., Page]


# Not for the session: while it is open, Playwright keeps an event loop running in this thread, and
# tests of other modules that run their own would fail.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"no browser tests: {CHROMIUM} is missing (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe_source() -> str:
    if not AXE.exists():
        pytest.skip(f"no accessibility tests: {AXE} is missing (make setup)")
    return AXE.read_text()


@pytest.fixture(scope="session")
def gallery() -> Iterator[httpx.Client]:
    with client_of(make_gallery()) as client:
        yield client


@pytest.fixture
def new_page(chromium: Browser, gallery: httpx.Client) -> Iterator[NewPage]:
    """Open pages of the gallery: what the browser asks for is answered without a network.

    What went wrong in the browser (a blocked script, a missing file) fails the test at its end.
    """
    contexts = []
    complaints: list[str] = []

    def answer(route: Route) -> None:
        request = route.request
        response = gallery.request(
            request.method, request.url, headers=request.headers, content=request.post_data_buffer
        )
        route.fulfill(
            status=response.status_code, headers=dict(response.headers), body=response.content
        )

    def open_page(*, width: int = 1100, javascript: bool = True, bypass_csp: bool = False) -> Page:
        context = chromium.new_context(
            viewport={"width": width, "height": 800},
            java_script_enabled=javascript,
            bypass_csp=bypass_csp,
            base_url="http://localhost:8000",
        )
        contexts.append(context)
        context.route("**/*", answer)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: complaints.append(message.text) if message.type == "error" else None,
        )
        return page

    yield open_page
    for context in contexts:
        context.close()
    # The gallery's refusal is a 404, which the browser mentions.
    assert [text for text in complaints if not re.search(r"status of 404", text)] == []
