"""docs/conformance.md names tests that there are."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| ((?:oidcc|fapi|ekyc)[\w-]+) \| .+ \| (`.+`) \|$", re.MULTILINE)
TEST = re.compile(r"`(test_\w+)::((?:Test\w+::)?test_\w+)`")
ROWS = ROW.findall((ROOT / "docs" / "conformance.md").read_text())
FEWEST = 210
"""Modules of the plans, without those of the profiles of single countries."""


@cache
def functions(module: str) -> set[str]:
    """Return the tests of a module, those in a class as `TestIt::test_that`."""
    (path,) = (ROOT / "tests").rglob(f"{module}.py")
    body = ast.parse(path.read_text()).body
    return {node.name for node in body if isinstance(node, ast.FunctionDef)} | {
        f"{outer.name}::{node.name}"
        for outer in body
        if isinstance(outer, ast.ClassDef)
        for node in outer.body
        if isinstance(node, ast.FunctionDef)
    }


def test_every_module_of_the_plans_has_a_row() -> None:
    assert len(ROWS) >= FEWEST


def test_each_is_driven_by_tests_that_there_are() -> None:
    for module, tests in ROWS:
        named = TEST.findall(tests)
        assert named, module
        for file, function in named:
            assert function in functions(file), module
