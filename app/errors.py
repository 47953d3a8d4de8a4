"""Write a refusal for whoever asked: OAuth JSON, redirect, problem or page.

The one place where a `DomainError` becomes a response, for both lanes. What leaves is the class's
`code` and the refusal's `detail`; `context` goes to the log. A defect leaves as a bare 500.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import orjson
import structlog
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from app.route_classes import Shape, route_class_of
from kernel.errors import DomainError, InvalidRequest, NotFound, PayloadTooLarge, TooManyRequests

log = structlog.get_logger("civitas")

DOCUMENTATION = "docs/errors.md"
"""Where `type` of a problem points, relative to the repository: `docs/errors.md#code`."""

_NO_STORE = {"Cache-Control": "no-store"}


class MethodNotAllowed(DomainError):
    """The address exists, the method does not."""

    code = "method_not_allowed"
    status = 405
    title = "This address does not answer this method."


class InvalidFields(DomainError):
    """The request is well formed, and a field in it is missing or not of its form."""

    code = "invalid_fields"
    status = 422
    title = "Some fields are missing or not of their form."


class Defect(DomainError):
    """Something broke on our side; the log has the traceback under the request's id."""

    code = "server_error"  # registered: RFC 6749, 4.1.2.1
    status = 500
    title = "Something went wrong on our side. Nothing was changed."


def render(request: Request, refusal: DomainError) -> Response:
    """Write `refusal` in the shape of the address that was asked.

    Args:
        request: The refused request; its path decides the shape.
        refusal: What is refused and why. A `redirect_to` attribute (a refusal of an authorization
            request whose `redirect_uri` was verified) wins over every shape.

    Security:
        `refusal.context` never leaves.
    """
    log_refusal(request, refusal)
    headers = {**_NO_STORE, **_headers_of(refusal)}
    redirect_to = getattr(refusal, "redirect_to", None)
    if isinstance(redirect_to, str):
        return RedirectResponse(redirect_to, status_code=303, headers=headers)
    match _shape_of(request):
        case Shape.OAUTH:
            return _oauth(refusal, headers)
        case Shape.PAGE:
            page: Response = request.app.state.pages.refusal(request, refusal, headers)
            return page
        case Shape.PROBLEM:
            return problem(request, refusal, headers, getattr(refusal, "fields", ()))


def problem(
    request: Request,
    refusal: DomainError,
    headers: Mapping[str, str],
    fields: Sequence[Mapping[str, object]] = (),
) -> Response:
    """Write an RFC 9457 problem.

    Args:
        request: The refused request; its id is named in the problem.
        refusal: What is refused and why.
        headers: Sent along.
        fields: For `invalid_fields`: where each fault is and what it is, never the value.
    """
    body: dict[str, object] = {
        "type": f"{DOCUMENTATION}#{refusal.code}",
        "title": refusal.title or HTTPStatus(refusal.status).phrase,
        "status": refusal.status,
        "detail": refusal.detail,
        "code": refusal.code,
        "request_id": request_id_of(request),
    }
    if fields:
        body["errors"] = list(fields)
    return Response(
        orjson.dumps(body),
        status_code=refusal.status,
        headers=dict(headers),
        media_type="application/problem+json",
    )


def render_http_exception(request: Request, error: Exception) -> Response:
    """Write Starlette's own refusals (no such route, wrong method) like ours."""
    assert isinstance(error, HTTPException)
    refusal: DomainError
    match error.status_code:
        case 404:
            refusal = NotFound()
        case 405:
            refusal = MethodNotAllowed()
        case 413:
            refusal = PayloadTooLarge()
        case 429:
            refusal = TooManyRequests()
        case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            refusal = Defect(status=status)
        case _:
            refusal = InvalidRequest()
    response = render(request, refusal)
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response


def render_invalid_fields(request: Request, error: Exception) -> Response:
    """Write FastAPI's 422 like every other problem; on an OAuth address it is `invalid_request`.

    Security:
        The submitted values are in the error, and stay there: they may be personal.
    """
    assert isinstance(error, RequestValidationError)
    shape = route_class_of(request.url.path).shape
    if shape is Shape.OAUTH:
        return render(request, InvalidRequest())
    refusal = InvalidFields()
    if shape is Shape.PAGE:
        return render(request, refusal)
    log_refusal(request, refusal)
    fields = [
        {
            "pointer": "/" + "/".join(str(part) for part in fault["loc"]),
            "code": fault["type"],
            "detail": fault["msg"],
        }
        for fault in error.errors()
    ]
    return problem(request, refusal, _NO_STORE, fields)


def render_domain_error(request: Request, error: Exception) -> Response:
    """Adapt `render` to the signature that Starlette's exception handlers have."""
    assert isinstance(error, DomainError)
    return render(request, error)


def render_defect(request: Request, _error: Exception) -> Response:
    """Write a bare 500; the log line with the frames is written by the outermost layer."""
    return render(request, Defect())


CLIENT_GONE = 499
"""What log and metrics say of a client that left while it was sending; nginx's number for it."""


def render_gone(_request: Request, _error: Exception) -> Response:
    """Answer a client that is not there any more: it is no defect, and nobody reads it."""
    return Response(status_code=CLIENT_GONE)


def request_id_of(request: Request) -> str:
    """Return the id that the middleware gave this request."""
    return str(getattr(request.state, "request_id", ""))


def log_refusal(request: Request, refusal: DomainError) -> None:
    """Write the refusal's code and its private context to the log."""
    log.info(
        "request.refused",
        request_id=request_id_of(request),
        code=refusal.code,
        status=refusal.status,
        refusal=type(refusal).__qualname__,
        reason={name: str(value) for name, value in refusal.context.items()},
    )


def _headers_of(refusal: DomainError) -> Mapping[str, str]:
    headers = getattr(refusal, "headers", None)
    return headers if isinstance(headers, Mapping) else {}


def _shape_of(request: Request) -> Shape:
    shape = route_class_of(request.url.path).shape
    accepted = request.headers.get("accept", "*/*")
    if shape is Shape.PAGE and "text/html" not in accepted and "*/*" not in accepted:
        return Shape.PROBLEM  # a script at a page's address
    return shape


def _oauth(refusal: DomainError, headers: Mapping[str, str]) -> Response:
    body = {"error": refusal.code, "error_description": refusal.description}
    return Response(
        orjson.dumps(body),
        status_code=refusal.status,
        headers={**headers, "Pragma": "no-cache"},  # RFC 6749, 5.2
        media_type="application/json",
    )
