"""A token, a secret or a password is never a bare `str`, and never a bare column.

The bug: a plain string shows in a traceback, a `repr`, a log line; a plain column shows in every
dump. `Secret[str]` prints nothing, a `_digest` can be compared and a `_sealed` opened by those who
may.

Flagged: parameters and fields whose name ends in `token`, `secret`, `password` or `passphrase` and
whose type is `str` or `bytes`; columns of that name.
Not flagged: `schemas.py`, where the wire's shapes are; tests, tools, load tests, examples and the
demo bank, which keep no secrets of people; names that tell more (`token_type`, `token_digest`);
the token of PKCS#11, which is a device: in a module that imports `pkcs11`, and `pkcs11_token`.
Instead: `Secret[str]` from kernel.secret; a column `…_digest` or `…_sealed`.
"""

import ast
import re
from collections.abc import Iterator

from tools.lint.source import Finding, Source, last_name

NAME = "bare-secret"

_SECRET_NAME = re.compile(r"(^|_)(token|secret|password|passphrase)$")
_BARE = {"str", "bytes", "str | None", "bytes | None"}
_ELSEWHERE = ("tests/", "tools/", "loadtests/", "examples/", "app/demo/", "migrations/env.py")


def check(source: Source) -> Iterator[Finding]:
    """Yield every secret that could be printed or dumped."""
    if str(source.path).startswith(_ELSEWHERE) or source.path.name == "schemas.py":
        return
    devices = {"pkcs11_token"} | ({"token"} if _knows_pkcs11(source) else set())
    for node in ast.walk(source.tree):
        if isinstance(node, ast.arg):
            if node.arg not in devices:
                yield from _check_type(node.arg, node.annotation, node.lineno)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            if node.target.id not in devices:
                yield from _check_type(node.target.id, node.annotation, node.lineno)
        elif isinstance(node, ast.Call) and last_name(node.func) == "Column" and node.args:
            name = node.args[0]
            if isinstance(name, ast.Constant) and _SECRET_NAME.search(str(name.value)):
                yield Finding(
                    node.lineno, f"column {name.value!r}: store a …_digest or a …_sealed value"
                )


def _knows_pkcs11(source: Source) -> bool:
    return any(
        alias.name == "pkcs11"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    )


def _check_type(name: str, annotation: ast.expr | None, line: int) -> Iterator[Finding]:
    if annotation is None or not _SECRET_NAME.search(name):
        return
    if ast.unparse(annotation) in _BARE:
        yield Finding(line, f"{name!r} could be printed: make it a Secret[str] (kernel.secret)")
