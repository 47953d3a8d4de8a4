"""`commit()` is called by nobody but `kernel.db`.

The bug: a service that commits in the middle leaves half a request behind when the second half
fails, and a refusal after it can no longer take anything back ("Transactions" in the style guide).

Flagged: any call of a method named `commit`.
Not flagged: `kernel/db.py`, whose job it is; migrations; tests, tools and load tests.
Instead: let the unit of work commit; a refusal that must leave a trace says `keeps_writes = True`.
"""

import ast
from collections.abc import Iterator

from tools.lint.source import Finding, Source

NAME = "commit"

_ALLOWED = ("kernel/db.py", "migrations/", "tests/", "tools/", "loadtests/")


def check(source: Source) -> Iterator[Finding]:
    """Yield every commit outside of `kernel.db`."""
    if str(source.path).startswith(_ALLOWED):
        return
    for call in source.calls():
        if isinstance(call.func, ast.Attribute) and call.func.attr == "commit":
            yield Finding(
                call.lineno,
                "only kernel.db commits: let the unit of work do it, or raise a refusal that says "
                "keeps_writes",
            )
