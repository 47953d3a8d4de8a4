"""docs/conformance.md names tests that there are."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (oidcc-[\w-]+) \| .+ \| (`.+`) \|$", re.MULTILINE)
TEST = re.compile(r"`(test_\w+)::(test_\w+)`")
ROWS = ROW.findall((ROOT / "docs" / "conformance.md").read_text())
FEWEST = 80
"""Modules of the basic, config, logout and dynamic plans."""


@cache
def functions(module: str) -> set[str]:
    (path,) = (ROOT / "tests").rglob(f"{module}.py")
    return {
        node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)
    }


def test_every_module_of_the_plans_has_a_row() -> None:
    assert len(ROWS) >= FEWEST


def test_each_is_driven_by_tests_that_there_are() -> None:
    for module, tests in ROWS:
        named = TEST.findall(tests)
        assert named, module
        for file, function in named:
            assert function in functions(file), module
