"""Nothing is kept that nobody uses: settings that are not read, templates that are not shown."""

import re

import pytest

from kernel.settings import Settings
from tools.docs import CONTEXTS, ROOT

SOURCE = "\n".join(
    path.read_text(encoding="utf-8")
    for package in CONTEXTS
    for path in sorted((ROOT / package).rglob("*.py"))
)
TEMPLATES = {
    f"{package}/{path.name}": path.read_text(encoding="utf-8")
    for package in CONTEXTS
    if package != "app"  # whose page stands alone
    for path in sorted((ROOT / package / "templates").glob("*.html"))
}
"""Texts of templates, by the names under which pages show them."""


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_read(name: str) -> None:
    assert re.search(rf"\.{name}\b", SOURCE), f"nobody reads {name}"


def test_every_template_is_shown() -> None:
    texts = [SOURCE, *TEMPLATES.values()]
    named = {name for text in texts for name in re.findall(r"[\"']([\w/]+\.html)[\"']", text)}

    assert TEMPLATES
    assert TEMPLATES.keys() - named == set()
