"""Pages that can't go stale: made from the code, or compared with it."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tools.docs import CONTEXTS, DOCS, PAGES, ROOT, import_everything
from tools.specs import page as specs_page

import_everything()

MARKDOWN = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)(?:#[^)]*)?\)")
CODE_PATH = re.compile(
    rf"`((?:{'|'.join(CONTEXTS)}|tests|tools|loadtests|examples|migrations)/[\w./]+)`"
)


@pytest.mark.parametrize("name", PAGES)
def test_page_made_from_the_code_is_up_to_date(name: str) -> None:
    assert (DOCS / name).read_text() == PAGES[name](), "run `make docs`"


def test_specs_page_is_up_to_date() -> None:
    assert (DOCS / "specs.md").read_text() == specs_page(), "run `make specs`"


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_files_that_are_named_exist(page: Path) -> None:
    for target in CODE_PATH.findall(page.read_text()):
        assert (ROOT / target.rstrip("/")).exists(), target


def test_every_decision_is_listed() -> None:
    listed = (DOCS / "decisions" / "README.md").read_text()

    for record in (DOCS / "decisions").glob("0*.md"):
        assert f"({record.name})" in listed


def test_every_dependency_has_a_line_with_its_licence() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    page = (DOCS / "architecture.md").read_text()

    for requirement in project["dependencies"]:
        name = re.split(r"[\[<>=;]", requirement)[0].strip()
        assert re.search(rf"^\|.*\b{re.escape(name)}\b.*\|.*\|.*\|$", page, re.MULTILINE), name


def test_public_words_of_the_style_guide_are_in_the_glossary() -> None:
    glossary = (DOCS / "glossary.md").read_text()

    for word in ("client", "partner", "person", "account", "`sub`", "grant", "purpose", "item"):
        assert f"\n| {word} |" in glossary


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_import_contracts_hold() -> None:
    tool = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([tool], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
