"""A person at a browser: signs in, consents, types the code of a device, signs out."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from app.demo.browser import Arrived, Browser, Form, Page
from tests.idp.idp_world import PASSWORD

CLIENT_ADDRESS = "http://localhost:9/"
"""Where clients without a server are: the browser stops there and tells the address."""

_MOST_PAGES = 8

Decision = Literal["allow", "deny"]


@dataclass
class Visitor:
    """One person in one browser; what it is asked on its way, it answers."""

    issuer: str
    username: str
    browser: Browser

    def visit(self, url: str, decision: Decision = "allow") -> Page:
        """Go through the pages of Civitas as far as they are shown; return where it ends."""
        return self.go_on(self.browser.open(url), decision)

    def go_on(self, page: Page, decision: Decision = "allow") -> Page:
        """Answer what pages of Civitas ask, from `page` on; return where it ends."""
        for _ in range(_MOST_PAGES):
            if (next_page := self._answer(page, decision)) is None:
                return page
            page = next_page
        raise AssertionError("the pages lead nowhere")

    def follow(self, url: str, decision: Decision = "allow") -> str:
        """Go through the pages; return the address at which the client gets the browser back."""
        try:
            return self.visit(url, decision).url
        except Arrived as arrived:
            return arrived.url

    def decide_device(self, url: str, user_code: str, decision: Decision = "allow") -> Page:
        """Type the code that a device shows, and decide."""
        page = self.visit(url)
        form = page.form_to("/device")
        page = self.browser.send(page, form, values={"user_code": user_code})
        return self.browser.decide(page, decision)

    def decide_request(self, message: str, decision: Decision = "allow") -> Page:
        """Find the request that shows `message` among those that wait, and decide."""
        page = self.visit(f"{self.issuer}/account/requests")
        waiting = [link for link in page.links if "/account/requests/" in link.href]
        for link in waiting:
            asked = self.browser.open(self.issuer + link.href)
            if message in asked.text:
                return self.browser.decide(asked, decision)
        raise AssertionError(f"{message} does not wait: {page.text}")

    def _answer(self, page: Page, decision: Decision) -> Page | None:
        """Answer what the page asks; None if it asks nothing."""
        if not page.url.startswith(self.issuer):
            return None
        for form in page.forms:
            if "current-password" in form.by_autocomplete:
                return self.browser.sign_in(page, self.username, PASSWORD)
            if any(button.name == "decision" for button in form.buttons):
                return self.browser.decide(page, decision)
            if page.url.startswith(f"{self.issuer}/end-session") or _is_answer(form):
                return self.browser.send(page, form)
        return None


def _is_answer(form: Form) -> bool:
    """Whether a form takes a client its answer: `response_mode=form_post`."""
    return "state" in form.fields and not form.action.startswith("/")


@contextmanager
def at_a_browser(
    issuer: str, username: str, *, stops_at: str | None = CLIENT_ADDRESS
) -> Iterator[Visitor]:
    """Open a browser for a person, with no cookies in it."""
    browser = Browser(stops_at=stops_at)
    try:
        yield Visitor(issuer, username, browser)
    finally:
        browser.close()
