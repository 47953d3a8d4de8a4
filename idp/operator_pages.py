"""Sign-in of officials to the desk, and what its pages ask: who is here, and may they."""

from collections.abc import Callable, Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from idp.cookies import known_browser, set_known_browser
from idp.dependencies import password_hasher_of
from idp.errors import NobodyAtDesk, OperatorSignInFailed, RoleMissing
from idp.operators import Operator, OperatorRole
from idp.service.operators import (
    find_operator_by_cookie,
    remember_desk_browser,
    sign_in_operator,
    sign_out_operator,
)
from kernel.db import UnitOfWork
from kernel.errors import DomainError
from kernel.form_guard import FormFromOurPage
from kernel.pages import RefusalText, render
from kernel.secret import Secret

router = APIRouter(include_in_schema=False)

DESK: Final = "/desk"
_COOKIE = "civitas_desk"


def _(message: str) -> str:
    """Mark a text for extraction; it is translated where it is shown."""
    return message


class EmptyDeskSignIn(OperatorSignInFailed):
    """Name or password was left empty: nothing was tried, nothing is counted."""

    keeps_writes = False


def current_operator(request: Request, session: UnitOfWork) -> Operator:
    """Return who sits at the desk in this browser.

    Raises:
        NobodyAtDesk: 401. Nobody does; shown as the desk's sign-in page.
    """
    at = request.app.state.clock.now()
    found = find_operator_by_cookie(session, _cookie(request), at=at)
    if found is None:
        raise NobodyAtDesk
    return found


CurrentOperator = Annotated[Operator, Depends(current_operator, scope="function")]


def operator_with(*roles: OperatorRole) -> Callable[..., Operator]:
    """Make a dependency: who sits at the desk, with one of the roles.

    Raises:
        NobodyAtDesk: 401. Nobody does.
        RoleMissing: 403. The official has none of them.
    """

    def check(operator: CurrentOperator) -> Operator:
        if not operator.may(*roles):
            raise RoleMissing(operator=operator.operator_id)
        return operator

    return check


@router.get("/desk/sign-in")
def show_sign_in(request: Request) -> Response:
    """Ask for name and password."""
    return _sign_in_page(request)


@router.post("/desk/sign-in", dependencies=[FormFromOurPage])
def sign_in(
    request: Request,
    session: UnitOfWork,
    username: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Sign an official in to the desk."""
    request.state.typed_username = username
    if not username.strip() or not password:
        raise EmptyDeskSignIn
    state = request.app.state
    cookie = sign_in_operator(
        session,
        state.keyring,
        password_hasher_of(request),
        operator_id=username,
        password=Secret(password),
        address=request.client.host if request.client else "",
        browser=known_browser(request, is_desk=True),
        replaces=_cookie(request),
        at=state.clock.now(),
    )
    response = _see(DESK)
    response.set_cookie(
        _name(request),
        cookie.reveal(),
        path="/",
        secure=state.settings.is_https,
        httponly=True,
        samesite="strict",
    )
    kept = remember_desk_browser(
        state.keyring, known_browser(request, is_desk=True), operator_id=username
    )
    set_known_browser(request, response, kept, is_desk=True)
    return response


@router.post("/desk/sign-out", dependencies=[FormFromOurPage])
def sign_out(request: Request, session: UnitOfWork) -> Response:
    """End the session of this browser."""
    sign_out_operator(session, _cookie(request))
    response = _see("/desk/sign-in")
    response.delete_cookie(
        _name(request),
        path="/",
        secure=request.app.state.settings.is_https,
        httponly=True,
        samesite="strict",
    )
    return response


def _name(request: Request) -> str:
    """Return the cookie's name; one with `__Host-` can't be set by a neighbouring host."""
    return f"__Host-{_COOKIE}" if request.app.state.settings.is_https else _COOKIE


def _cookie(request: Request) -> str | None:
    return request.cookies.get(_name(request))


def _see(address: str) -> RedirectResponse:
    return RedirectResponse(address, status_code=303, headers={"Cache-Control": "no-store"})


def _sign_in_page(
    request: Request,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> Response:
    return render(
        request,
        "idp/desk_sign_in.html",
        status=status,
        headers=headers,
        path="/desk/sign-in",
        username=getattr(request.state, "typed_username", ""),
        errors=errors or {},
    )


def show_failed_sign_in(
    request: Request, refusal: DomainError, headers: Mapping[str, str]
) -> Response:
    """Show the form again."""
    errors = {"username": _("The name or the password is wrong. After several attempts, wait")}
    return _sign_in_page(request, status=refusal.status, headers=headers, errors=errors)


def show_sign_in_first(
    request: Request, refusal: DomainError, headers: Mapping[str, str]
) -> Response:
    """Show the form instead of the page: nobody is at the desk, or not any more."""
    return _sign_in_page(request, status=refusal.status, headers=headers)


TEXTS: Mapping[str, RefusalText] = {
    "role_missing": RefusalText(
        heading=_("Your role does not allow this"),
        advice=_("Nothing was changed. Ask a colleague whose task it is."),
    ),
}
"""What officials are told about refusals, by code."""
