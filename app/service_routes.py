"""What whoever runs the service asks it: is it alive, ready, how busy, what does it offer."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Request
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, Response

from app.openapi import render_readable

log = structlog.get_logger("civitas")

router = APIRouter(tags=["service"])


@router.get("/healthz", summary="Does the process live?", response_class=JSONResponse)
async def healthz() -> Mapping[str, str]:
    """Answer without asking anything else: a process that can't reach its database still lives."""
    return {"status": "ok"}


def check_database(request: Request) -> bool:
    """Ask the database for nothing; tell whether it answered."""
    try:
        with request.app.state.sessions() as session:
            session.execute(text("SELECT 1"))
    except SQLAlchemyError:
        log.warning("app.database.unreachable", exc_info=True)
        return False
    return True


@router.get(
    "/readyz",
    summary="Can the process answer requests?",
    response_class=JSONResponse,
    responses={503: {"description": "The database can't be reached."}},
)
def readyz(is_reachable: Annotated[bool, Depends(check_database, scope="function")]) -> Response:
    """Answer 200 when the database answers; a balancer sends requests only then."""
    if is_reachable:
        return JSONResponse({"status": "ready"})
    return JSONResponse({"status": "unavailable", "reason": "database"}, status_code=503)


@router.get("/metrics", summary="Prometheus metrics, for the inside", response_class=Response)
async def metrics(request: Request) -> Response:
    """Write the metrics in Prometheus's text format, for addresses in `CIVITAS_METRICS_FROM`.

    Raises:
        HTTPException: 404. Asked from elsewhere, or through a proxy: like an address of nothing.
    """
    if not request.app.state.insiders.include(request):
        raise HTTPException(HTTPStatus.NOT_FOUND)
    exposition: Response = request.app.state.metrics.exposition()
    return exposition


@router.get("/openapi.json", summary="This description", include_in_schema=False)
async def openapi(request: Request) -> JSONResponse:
    """Write the OpenAPI description of both lanes."""
    document: dict[str, Any] = request.app.openapi()
    return JSONResponse(document)


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> HTMLResponse:
    """Show the description as a page that needs neither scripts nor anything from elsewhere."""
    page, policy = render_readable(request.app.openapi())
    return HTMLResponse(page, headers={"Content-Security-Policy": policy})
