"""A dependency that opens a transaction says `scope="function"`.

The bug: with FastAPI's default scope the status line is sent first and the code after `yield` runs
second. The client holds a 200 for a commit that is about to fail.

Flagged: `Depends(f)` without `scope="function"`, where `f` is `unit_of_work`, or a function of the
same file that is annotated to yield a `Session`, a `Connection` or an `AsyncSession`.
Not flagged: dependencies that open no transaction.
Instead: take `UnitOfWork` from kernel.db, or add `scope="function"`.
"""

import ast
from collections.abc import Iterator

from tools.lint.source import Finding, Source, last_name

NAME = "session-scope"

_GENERATORS = {"Iterator", "Generator", "AsyncIterator", "AsyncGenerator"}
_TRANSACTIONS = {"Session", "AsyncSession", "Connection", "AsyncConnection"}


def check(source: Source) -> Iterator[Finding]:
    """Yield every transaction that would end after the answer was sent."""
    openers = {"unit_of_work"} | {
        function.name for function in source.functions() if _yields_transaction(function.returns)
    }
    for call in source.calls():
        if last_name(call.func) != "Depends" or not call.args:
            continue
        if last_name(call.args[0]) in openers and not _ends_before_the_answer(call):
            yield Finding(
                call.lineno, 'the commit would come after the answer: add scope="function"'
            )


def _yields_transaction(returns: ast.expr | None) -> bool:
    if not isinstance(returns, ast.Subscript) or last_name(returns.value) not in _GENERATORS:
        return False
    return any(
        last_name(node) in _TRANSACTIONS
        for node in ast.walk(returns.slice)
        if isinstance(node, ast.expr)
    )


def _ends_before_the_answer(call: ast.Call) -> bool:
    return any(
        keyword.arg == "scope"
        and isinstance(keyword.value, ast.Constant)
        and keyword.value.value == "function"
        for keyword in call.keywords
    )
