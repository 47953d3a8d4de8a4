"""A real browser: Debian's Chromium, driven by Playwright; every test skips when it is missing."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Route,
    sync_playwright,
)

from tests.asgi import client_of
from tests.browser.gallery import make_gallery

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
ARTEFACTS = Path(__file__).parents[1] / "artefacts"
PICTURES = bool(os.environ.get("PICTURES"))
"""Whether a picture of every page is taken for whoever wants to look at them."""

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


class Window:
    """Opens pages of the gallery: what the browser asks for is answered without a network."""

    def __init__(self, chromium: Browser, gallery: httpx.Client) -> None:
        self.chromium = chromium
        self.gallery = gallery
        self.complaints: list[str] = []
        self.contexts: list[BrowserContext] = []

    def open(self, *, width: int = 1100, javascript: bool = True, bypass_csp: bool = False) -> Page:
        """Open a page in a context of its own."""
        context = self.chromium.new_context(
            viewport={"width": width, "height": 800},
            java_script_enabled=javascript,
            bypass_csp=bypass_csp,
            base_url="http://localhost:8000",
        )
        self.contexts.append(context)
        context.route("**/*", self._answer)
        page = context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._hear)
        return page

    def close(self) -> None:
        """Close what was opened."""
        for context in self.contexts:
            context.close()

    def check(self) -> None:
        """Fail if something went wrong in the browser: a blocked script, a missing file."""
        # The gallery's refusal is a 404, which the browser mentions.
        said = [text for text in self.complaints if not re.search(r"status of 404", text)]
        self.complaints.clear()
        assert said == []

    def _answer(self, route: Route) -> None:
        request = route.request
        response = self.gallery.request(
            request.method, request.url, headers=request.headers, content=request.post_data_buffer
        )
        route.fulfill(
            status=response.status_code, headers=dict(response.headers), body=response.content
        )

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)


@pytest.fixture
def new_page(chromium: Browser, gallery: httpx.Client) -> Iterator[NewPage]:
    """Open pages of the gallery; what goes wrong in the browser fails the test at its end."""
    window = Window(chromium, gallery)
    yield window.open
    window.close()
    window.check()


@pytest.fixture(scope="module")
def _window_of_the_module(
    chromium: Browser, gallery: httpx.Client, axe_source: str
) -> Iterator[Window]:
    window = Window(chromium, gallery)
    # axe runs from text, which our own policy rightly forbids.
    page = window.open(bypass_csp=True)
    page.add_init_script(axe_source)
    yield window
    window.close()


@pytest.fixture
def page_with_axe(_window_of_the_module: Window) -> Iterator[Page]:
    """A page that axe looks at: one for all tests of a module, emptied of cookies."""
    (context,) = _window_of_the_module.contexts
    (page,) = context.pages
    context.clear_cookies()
    yield page
    _window_of_the_module.check()
