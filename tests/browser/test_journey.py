"""The main job in a real browser: a bank asks, a citizen allows, looks, takes it back.

Everything is real: the processes, the database, the bank, the browser. Each page is kept as a
picture in `tests/artefacts/journey`.
"""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from app.demo.bank_words import WORDS
from app.demo.instance import Instance
from tests.browser.conftest import ARTEFACTS

# The instance starts whole: database, population, two servers, a worker.
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

PATIENCE_MS = 15_000
PROOF_MS = 60_000


@dataclass
class Walk:
    """One browser that walks and keeps a picture of each page."""

    page: Page
    instance: Instance
    folder: Path
    taken: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def keep(self, name: str) -> None:
        """Keep a picture of the page."""
        self.taken.append(name)
        picture = self.folder / f"{len(self.taken):02}-{name}.png"
        self.page.screenshot(path=picture, full_page=True)

    def open(self, address: str) -> None:
        """Go to an address of Civitas."""
        self.page.goto(f"{self.instance.issuer}{address}")

    def come_from_the_bank(self, words: dict[str, str]) -> None:
        """Click what the bank offers."""
        self.page.goto(self.instance.bank)
        self.page.get_by_role("button", name=words["sign_in"]).click()

    def sign_in(self, name_label: str, password_label: str, button: str) -> None:
        """Fill the sign-in form as a person does."""
        person = self.instance.people[0]
        self.page.get_by_label(name_label).fill(str(person["username"]))
        self.page.get_by_label(password_label, exact=True).fill(str(person["password"]))
        self.page.get_by_role("button", name=button, exact=True).click()


def walk_in(
    chromium: Browser, instance: Instance, language: str, *, javascript: bool = True
) -> Walk:
    context = chromium.new_context(
        locale=language,
        viewport={"width": 1100, "height": 800},
        java_script_enabled=javascript,
        accept_downloads=True,
    )
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    walk = Walk(page, instance, ARTEFACTS / "journey" / language)
    page.on("pageerror", lambda error: walk.complaints.append(str(error)))
    page.on(
        "console",
        lambda m: walk.complaints.append(m.text) if "Content Security Policy" in m.text else None,
    )
    return walk


def test_citizen_allows_looks_and_takes_back(chromium: Browser, instance: Instance) -> None:
    walk = walk_in(chromium, instance, "en-GB")
    page, words = walk.page, dict(WORDS["en"])

    walk.come_from_the_bank(words)
    expect(page.get_by_role("heading", level=1)).to_contain_text("asks you to sign in")
    walk.keep("sign-in")
    walk.sign_in("Name for signing in", "Password", "Sign in")

    expect(page.get_by_role("heading", level=1)).to_contain_text("Share your data")
    walk.keep("consent")
    page.get_by_role("button", name="Allow", exact=True).click()

    expect(page.get_by_role("heading", name=words["application"])).to_be_visible()
    expect(page.get_by_text(words["verified"])).to_be_visible()
    walk.keep("bank")
    with page.expect_download() as download:
        page.get_by_role("link", name=words["download"]).first.click()
    assert download.value.failure() is None

    page.get_by_role("link", name=words["open_civitas"]).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("What the state knows about you")
    walk.keep("account")
    page.get_by_role("link", name="Documents", exact=True).click()
    walk.keep("documents")
    page.get_by_role("link", name="Who looked", exact=True).click()
    expect(page.get_by_text("Read your data", exact=True).first).to_be_visible()
    expect(page.get_by_text("Read a document", exact=True).first).to_be_visible()
    walk.keep("log")

    page.get_by_role("link", name="Consents", exact=True).click()
    walk.keep("consents")
    withdraw = page.get_by_role("link", name="Withdraw")  # others may have been allowed something
    withdraw.filter(has_text=WORDS["ru"]["bank"]).click()
    walk.keep("withdraw")
    page.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_text("can no longer read your data")).to_be_visible()
    walk.keep("withdrawn")

    page.goto(f"{instance.bank}/application")
    expect(page.get_by_text("consent_withdrawn")).to_be_visible()
    walk.keep("bank-refused")

    walk.open("/account/log")
    refused = page.locator(".civitas-card--refused").first
    expect(refused).to_contain_text("You had withdrawn the consent")
    walk.keep("log-refused")
    wait_for_proof(page)
    with page.expect_download() as proof:
        page.locator(".civitas-card--refused").first.get_by_role("link", name="Proof").click()
    assert '"leaf"' in proof.value.path().read_text()
    assert walk.complaints == []


def wait_for_proof(page: Page) -> None:
    """Reload the log until the refused entry has its place in the signed tree."""
    for _ in range(PROOF_MS // 500):
        if page.locator(".civitas-card--refused").first.get_by_role("link").count():
            return
        page.wait_for_timeout(500)
        page.reload()
    raise AssertionError("the entry has no proof yet")


def test_citizen_says_no_in_russian_without_javascript(
    chromium: Browser, instance: Instance
) -> None:
    walk = walk_in(chromium, instance, "ru-RU", javascript=False)
    page, words = walk.page, dict(WORDS["ru"])

    walk.come_from_the_bank(words)
    expect(page.get_by_role("heading", level=1)).to_contain_text("просит вас войти")
    walk.keep("sign-in")
    walk.sign_in("Имя для входа", "Пароль", "Войти")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Передать ваши данные")
    walk.keep("consent")
    page.get_by_role("button", name="Не разрешать").click()

    expect(page.get_by_text("access_denied")).to_be_visible()
    walk.keep("bank-denied")
    walk.open("/account/consents")
    expect(page.get_by_role("heading", name="Что вы разрешили")).to_be_visible()
    assert walk.complaints == []
