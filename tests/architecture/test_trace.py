"""Promise 1, no read without a trace: who may say that an entry was recorded, and who opens."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTEXTS = ("audit", "population_register", "consent", "vault", "idp", "partner_api", "portal")
SOURCES = sorted(
    path for context in (*CONTEXTS, "app", "kernel") for path in (ROOT / context).rglob("*.py")
)


def calls(path: Path, name: str) -> Iterator[ast.Call]:
    """Every call of a function or method of this name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Name) and called.id == name:
                yield node
            if isinstance(called, ast.Attribute) and called.attr == name:
                yield node


def files_that_call(name: str) -> set[str]:
    return {str(path.relative_to(ROOT)) for path in SOURCES if any(calls(path, name))}


def test_only_audit_and_the_hot_lane_say_that_an_entry_was_recorded() -> None:
    """A hot statement that carries `append_entry` is the one other way to write an entry."""
    outside = files_that_call("recorded") - {"audit/service/access.py"}

    assert outside
    for file in outside:
        path = Path(file)
        # Or the very module that composes the statement, where both lanes run it.
        assert (
            path.name == "hot.py"
            or path.parent.name == "hot"
            or any(calls(ROOT / path, "append_entry"))
        ), f"{file} is neither the hot lane nor where the statement is composed"
        assert any(
            any(calls(other, "append_entry")) for other in (ROOT / path.parts[0]).rglob("*.py")
        ), f"{file} says recorded, and its context appends nothing"


def test_only_audit_makes_the_capability() -> None:
    assert files_that_call("RecordedEntry") == {"audit/model.py"}


@pytest.mark.parametrize("name", ["person_key"])
def test_every_key_is_asked_for_because_of_an_entry(name: str) -> None:
    for path in SOURCES:
        for call in calls(path, name):
            reasons = [keyword for keyword in call.keywords if keyword.arg == "because"]
            assert reasons, f"{path}:{call.lineno} asks for a key without a reason"
