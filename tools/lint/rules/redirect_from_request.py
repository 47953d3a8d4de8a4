"""A redirect never goes where the request says, unless that was checked.

The bug: an open redirector. `?next=https://evil.example` turns our sign-in page into the first step
of somebody else's, and an unregistered `redirect_uri` receives codes.

Flagged: `RedirectResponse(…)` and `redirect(…)` whose address holds something of the request: its
`query_params`, `path_params`, `headers`, `cookies`, `url`, `base_url` or `form()`, a `str`
parameter of a route, or a local name that was made from one of these.
Not flagged: what went through a function named `parse_…` or `get_…`, since those return a checked
value or raise; what was built from literals, settings or stored rows.
Instead: look the address up (a client's registered redirect URIs), or parse it into a local path.
"""

import ast
from collections.abc import Iterator

from tools.lint.source import Finding, Source, last_name

NAME = "redirect-from-request"

_OF_REQUEST = {
    "query_params", "path_params", "headers", "cookies", "url", "base_url", "form",
}  # fmt: skip
_VERBS = {"get", "post", "put", "patch", "delete", "head", "options", "api_route", "route"}
_REDIRECTS = {"RedirectResponse", "redirect"}
_CHECKED = ("parse_", "get_")


def check(source: Source) -> Iterator[Finding]:
    """Yield every redirect to an address that the caller chose."""
    if str(source.path).startswith("tests/"):
        return
    for function in source.functions():
        tainted = _route_parameters(function)
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and _holds_request(node.value, tainted):
                for target in node.targets:
                    tainted.update(n.id for n in ast.walk(target) if isinstance(n, ast.Name))
        for node in ast.walk(function):
            if not isinstance(node, ast.Call) or last_name(node.func) not in _REDIRECTS:
                continue
            addresses = [*node.args[:1], *(k.value for k in node.keywords if k.arg == "url")]
            if any(_holds_request(address, tainted) for address in addresses):
                yield Finding(
                    node.lineno,
                    "the caller chooses where this goes: look the address up, or parse_… it first",
                )


def _route_parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Return the text parameters of a route: they come from its path, query or form."""
    is_route = any(
        isinstance(decorator, ast.Call)
        and isinstance(decorator.func, ast.Attribute)
        and decorator.func.attr in _VERBS
        for decorator in function.decorator_list
    )
    if not is_route:
        return set()
    arguments = (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
    return {
        argument.arg
        for argument in arguments
        if argument.annotation is not None
        and "Depends" not in (annotation := ast.unparse(argument.annotation))
        and "str" in annotation
    }


def _holds_request(node: ast.expr, tainted: set[str]) -> bool:
    """Tell whether an expression has a part that the caller chose and nobody checked."""
    if isinstance(node, ast.Call) and last_name(node.func).startswith(_CHECKED):
        is_of_request = isinstance(node.func, ast.Attribute) and _holds_request(
            node.func.value, tainted
        )
        if not is_of_request:
            return False
    if isinstance(node, ast.Name):
        return node.id in tainted
    if (
        isinstance(node, ast.Attribute)
        and node.attr in _OF_REQUEST
        and last_name(node.value) == "request"
    ):
        return True
    return any(
        _holds_request(child, tainted)
        for child in ast.iter_child_nodes(node)
        if isinstance(child, ast.expr)
    ) or any(
        _holds_request(keyword.value, tainted)
        for keyword in ast.iter_child_nodes(node)
        if isinstance(keyword, ast.keyword)
    )
