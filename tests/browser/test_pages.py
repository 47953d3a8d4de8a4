"""Every page in a real browser: accessible, readable at any width, working without JavaScript."""

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import ARTEFACTS, PICTURES, NewPage
from tests.browser.gallery import SAMPLES, hostile_samples

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(60)]

NAMES = [*SAMPLES, "refusal"]
NARROWEST = 320
"""Pixels at which nothing may need scrolling sideways (WCAG 2.2, 1.4.10)."""

LOOKS = (("en", 1100), ("ru", 360))
"""Each page is looked at in each language and at each width, though not in every combination."""

_RUN_AXE = """async () => {
  const found = await axe.run(document, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    rules: {"target-size": {enabled: true}},
  });
  return found.violations.map(v => ({
    rule: v.id, help: v.help, where: v.nodes.slice(0, 5).map(n => n.html),
  }));
}"""


def violations(page: Page) -> list[dict[str, object]]:
    found = page.evaluate(_RUN_AXE)
    assert isinstance(found, list)
    return found


@pytest.mark.spec("WCAG22-AA")
@pytest.mark.spec("WCAG22-1.4.10")
@pytest.mark.parametrize("name", NAMES)
def test_page_has_no_accessibility_violation(page_with_axe: Page, name: str) -> None:
    page = page_with_axe

    for code, width in LOOKS:
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(f"/page/{name}?ui_locales={code}")
        if PICTURES:
            folder = ARTEFACTS / "pages"
            page.screenshot(path=folder / f"{name}-{code}-{width}.png", full_page=True)
        assert violations(page) == [], (name, code, width)
        page.set_viewport_size({"width": NARROWEST, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROWEST, (name, code)


def test_policy_lets_our_style_and_script_in(new_page: NewPage) -> None:
    page = new_page()

    page.goto("/page/sign-in?ui_locales=en")

    expect(page.get_by_role("button", name="Show password")).to_be_visible()
    colour = page.locator(".civitas-header").evaluate("e => getComputedStyle(e).borderTopColor")
    assert colour == "rgb(23, 89, 79)"


def test_sign_in_can_be_filled_without_javascript(new_page: NewPage) -> None:
    page = new_page(javascript=False)

    page.goto("/page/sign-in?ui_locales=en")

    page.get_by_label("Name for signing in").fill("anna")
    page.get_by_label("Password", exact=True).fill("secret")
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    assert page.locator("#username").get_attribute("autocomplete") == "username"
    assert page.locator("#password").get_attribute("autocomplete") == "current-password"


def test_menu_is_there_without_javascript(new_page: NewPage) -> None:
    page = new_page(width=360, javascript=False)

    page.goto("/page/log?ui_locales=en")

    expect(page.get_by_role("link", name="Consents")).to_be_visible()


def test_consent_is_answered_by_two_buttons(new_page: NewPage) -> None:
    page = new_page()

    page.goto("/page/consent?ui_locales=en")

    buttons = page.locator("button[name=decision]")
    assert [b.get_attribute("value") for b in buttons.all()] == ["allow", "deny"]
    expect(buttons.first).to_have_text("Allow")


@pytest.mark.spec("WCAG22-2.4.1")
def test_first_tab_skips_to_the_content(new_page: NewPage) -> None:
    page = new_page()
    page.goto("/page/overview?ui_locales=en")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to main content")).to_be_focused()
    page.keyboard.press("Enter")

    assert page.url.endswith("#main-content")


@pytest.mark.spec("WCAG22-3.3.1")
def test_error_summary_leads_to_its_field(new_page: NewPage) -> None:
    page = new_page()
    page.goto("/page/sign-in-failed?ui_locales=en")

    summary = page.locator(".govuk-error-summary")
    expect(summary).to_be_focused()
    assert page.title().startswith("Error:")
    summary.get_by_role("link").click()

    expect(page.locator("#username")).to_be_focused()


def test_switch_turns_the_page_into_the_other_language(new_page: NewPage) -> None:
    page = new_page()
    page.goto("/page/consent?ui_locales=ru")

    page.get_by_role("link", name="English").click()

    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Share your data")
    page.goto("/page/overview")
    expect(page.locator("html")).to_have_attribute("lang", "en")


@pytest.mark.parametrize("name", list(SAMPLES))
def test_names_and_titles_never_become_markup(gallery: httpx.Client, name: str) -> None:
    page = gallery.get(f"/hostile/{name}")

    assert page.status_code == 200
    assert "<i>x" not in page.text
    assert "{{" not in page.text or "{{7*7}}" in page.text
    assert hostile_samples()[name] is not None
