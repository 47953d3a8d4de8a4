"""Files stay within 400 lines, functions within 60.

The bug: what is past that is read by scrolling. It collects a second idea, then a third, and nobody
can say any more what belongs there; each addition looks small.

Flagged: a module of more than 400 lines; a function whose code, from `def` to its last line and
without its docstring, has more than 60. A docstring is the contract: it may be as long as that is.
Not flagged: migrations, each written once and never edited; test modules as a whole, though their
functions are: they are lists of independent cases that nobody reads from top to bottom, and each
opens an application of its own, which takes a second.
Instead: cut by idea, never by count. A new module has a name that a newcomer would look for.
The modules that are exceptions stand here, each with its reason; a function opts out on its line.
"""

import ast
from collections.abc import Iterator
from typing import Final

from tools.lint.source import Finding, Source

NAME = "length"

MOST_LINES: Final = 400
MOST_FUNCTION_LINES: Final = 60

LONG_MODULES: Final = {
    "idp/tables.py": "a list of tables: one place shows what the database holds of a context",
    "population_register/api.py": "a list of what other contexts may call",
    "population_register/tables.py": "a list of tables, as above",
}
"""Modules that may be longer, and why."""

_NEVER_EDITED: Final = "migrations/versions/"
_LISTS_OF_CASES: Final = "tests/"


def check(source: Source) -> Iterator[Finding]:
    """Yield the module, and every function, that is too long."""
    path = str(source.path)
    if path.startswith(_NEVER_EDITED):
        return
    if not path.startswith(_LISTS_OF_CASES) and path not in LONG_MODULES:
        lines = len(source.lines)
        if lines > MOST_LINES:
            yield Finding(1, f"{lines} lines, and {MOST_LINES} are the most: cut it by idea")
    for function in source.functions():
        lines = code_lines(function)
        if lines > MOST_FUNCTION_LINES:
            yield Finding(
                function.lineno,
                f"{function.name} has {lines} lines of code, and {MOST_FUNCTION_LINES} are the "
                "most: name a part of it",
            )


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many lines a function has, its docstring and its decorators not counted."""
    assert function.end_lineno is not None
    lines = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is not None:
        assert first.end_lineno is not None
        lines -= first.end_lineno - first.lineno + 1
    return lines
