"""The OpenAPI description: both lanes in one document, and a readable page of it.

Hot routes are plain Starlette routes; what is known of them is their path, their methods and the
docstring of their endpoint, and that is what is published.
"""

import base64
import hashlib
import inspect
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.routing import Route

from app.route_classes import Shape, route_class_of
from idp.api import PROTOCOL_OPERATIONS
from partner_api.api import OPERATIONS as PARTNER_OPERATIONS

TEMPLATES = Path(__file__).parent / "templates"

_PROBLEM = {
    "type": "object",
    "description": "RFC 9457. `code` is the only field to branch on; docs/errors.md lists them.",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "pointer": {"type": "string"},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}
_OAUTH_ERROR = {
    "type": "object",
    "description": "RFC 6749, 5.2.",
    "required": ["error"],
    "properties": {
        "error": {"type": "string"},
        "error_description": {"type": "string"},
        "error_uri": {"type": "string", "format": "uri"},
    },
}


_UNWORDLY = re.compile(r"\W+")


def describe(api: FastAPI, hot_routes: Iterable[Route]) -> None:
    """Let `api.openapi()` describe the hot routes too, computed once on first use."""
    routes = tuple(hot_routes)

    @cache
    def document() -> dict[str, Any]:
        described = get_openapi(
            title=api.title,
            version=api.version,
            summary=api.summary,
            routes=api.routes,
            license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        )
        paths: dict[str, Any] = described["paths"]
        for route in routes:
            operations = paths.setdefault(route.path_format, {})
            for method in sorted((route.methods or set()) - {"HEAD", "OPTIONS"}):
                operations[method.lower()] = _operation(route, method)
        schemas = described.setdefault("components", {}).setdefault("schemas", {})
        schemas.pop("HTTPValidationError", None)
        schemas.pop("ValidationError", None)
        schemas["Problem"] = _PROBLEM
        schemas["OAuthError"] = _OAUTH_ERROR
        for (path, method), members in (*PROTOCOL_OPERATIONS.items(), *PARTNER_OPERATIONS.items()):
            paths[path][method].update(members)
        for path, operations in paths.items():
            for operation in operations.values():
                _describe_refusals(path, operation)
        described["paths"] = dict(sorted(paths.items()))
        return described

    api.openapi = document  # type: ignore[method-assign]


def _operation(route: Route, method: str) -> dict[str, Any]:
    documentation = inspect.getdoc(route.endpoint) or ""
    first, _, rest = documentation.partition("\n\n")
    body, *_ = rest.split("\n\nArgs:", 1)
    return {
        "summary": " ".join(first.split()),
        "description": body,
        "operationId": f"{_UNWORDLY.sub('_', route.path.strip('/'))}_{method.lower()}",
        "parameters": [
            {"name": parameter, "in": "path", "required": True, "schema": {"type": "string"}}
            for parameter in route.param_convertors
        ],
        "responses": {"200": {"description": "As the specification of this address says."}},
        "tags": [route_class_of(route.path).name],
    }


def _describe_refusals(path: str, operation: dict[str, Any]) -> None:
    """State the one shape in which this address refuses."""
    responses: dict[str, Any] = operation.setdefault("responses", {})
    responses.pop("422", None)
    content: Mapping[str, Any]
    match route_class_of(path).shape:
        case Shape.OAUTH:
            schema = {"$ref": "#/components/schemas/OAuthError"}
            content = {"application/json": {"schema": schema}}
        case Shape.PROBLEM:
            schema = {"$ref": "#/components/schemas/Problem"}
            content = {"application/problem+json": {"schema": schema}}
        case Shape.PAGE:
            content = {"text/html": {"schema": {"type": "string"}}}
    responses["default"] = {"description": "Refused.", "content": content}


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined
    )


def render_readable(document: Mapping[str, Any]) -> tuple[str, str]:
    """Write the description as one page of HTML and return it with its content security policy."""
    style = (TEMPLATES / "docs.css").read_text()
    page = _environment().get_template("docs.html").render(document=document, style=style)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    return page, policy
