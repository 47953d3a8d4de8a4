"""The hot lane's routing: a dictionary for fixed paths, then the few with parameters, then FastAPI.

FastAPI's per-request machinery (exit stacks, dependency resolution, its own middleware) costs more
than a hot endpoint's whole work. A hot endpoint gets a `Request` and returns a `Response`; its
refusals are written by the same renderer as everywhere else.
"""

from collections.abc import Iterable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import MethodNotAllowed, render, render_http_exception
from kernel.errors import DomainError


class HotLane:
    """Answers the hot routes; passes everything else to the ordinary lane."""

    def __init__(self, routes: Iterable[Route], *, ordinary: ASGIApp) -> None:
        """Sort the routes.

        Args:
            routes: Starlette routes of coroutine endpoints, in the order in which they match.
            ordinary: The FastAPI application.
        """
        self.ordinary = ordinary
        self._fixed: dict[str, list[Route]] = {}
        self._with_parameters: list[Route] = []
        for route in routes:
            if route.param_convertors:
                self._with_parameters.append(route)
            else:
                self._fixed.setdefault(route.path, []).append(route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        if scope["type"] != "http":
            await self.ordinary(scope, receive, send)
            return
        routes = self._fixed.get(scope["path"])
        if routes is None:
            route = self._match(scope)
            if route is None:
                await self.ordinary(scope, receive, send)
                return
            routes = [route]
        request = Request(scope, receive, send)
        route = _route_for(scope["method"], routes)
        scope["route"] = route or routes[0]
        try:
            response = await route.endpoint(request) if route else _not_allowed(request, routes)
        except DomainError as refusal:
            response = render(request, refusal)
        except HTTPException as refusal:
            response = render_http_exception(request, refusal)
        await response(scope, receive, send)

    def _match(self, scope: Scope) -> Route | None:
        for route in self._with_parameters:
            match, child_scope = route.matches(scope)
            if match is not Match.NONE:
                scope.update(child_scope)
                return route
        return None


def _route_for(method: str, routes: list[Route]) -> Route | None:
    for route in routes:
        if route.methods is None or method in route.methods:
            return route
    return None


def _not_allowed(request: Request, routes: list[Route]) -> Response:
    allowed = sorted(set().union(*(route.methods or () for route in routes)))
    refused = render(request, MethodNotAllowed())
    refused.headers["Allow"] = ", ".join(allowed)  # RFC 9110, 15.5.6
    return refused
