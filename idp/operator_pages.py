"""Sign-in of officials to the desk, and what its pages ask: who is here, and may they."""

from collections.abc import Callable, Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from idp.cookies import known_browser, set_known_browser
from idp.dependencies import password_hasher_of
from idp.errors import (
    DeskSignInGone,
    NobodyAtDesk,
    OperatorSignInFailed,
    RoleMissing,
    SecondFactorFailed,
)
from idp.operators import Operator, OperatorRole
from idp.second_factor import address_of, code_at, readable
from idp.service import second_factors
from idp.service.operators import (
    find_operator_by_cookie,
    remember_desk_browser,
    sign_out_operator,
    verify_operator,
)
from kernel.db import UnitOfWork, unit_of_work_of
from kernel.errors import DomainError
from kernel.form_guard import FormFromOurPage
from kernel.languages import _
from kernel.pages import Place, RefusalText, render, see_other
from kernel.secret import Secret

router = APIRouter(include_in_schema=False)

DESK: Final = "/desk"
SIGN_IN: Final = "/desk/sign-in"
CODE: Final = "/desk/code"
_COOKIE = "civitas_desk"
_WAITING_COOKIE = "civitas_desk_sign_in"


class EmptyDeskSignIn(OperatorSignInFailed):
    """Name or password was left empty: nothing was tried, nothing is counted."""

    keeps_writes = False


class EmptyCode(SecondFactorFailed):
    """The code was left empty: nothing was tried, nothing is counted."""

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


@router.get(SIGN_IN)
def show_sign_in(request: Request) -> Response:
    """Ask for name and password."""
    return _sign_in_page(request)


@router.post(SIGN_IN, dependencies=[FormFromOurPage])
def sign_in(
    request: Request,
    session: UnitOfWork,
    username: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Verify an official's password, and go on to the code."""
    request.state.typed_username = username
    if not username.strip() or not password:
        raise EmptyDeskSignIn
    state = request.app.state
    waiting = verify_operator(
        session,
        state.keyring,
        password_hasher_of(request),
        operator_id=username,
        password=Secret(password),
        address=_address(request),
        browser=known_browser(request, is_desk=True),
        at=state.clock.now(),
    )
    response = see_other(CODE)
    _set(request, response, _WAITING_COOKIE, waiting)
    return response


@router.get(CODE)
def show_code(request: Request, session: UnitOfWork) -> Response:
    """Ask for the code of now; show who has no second factor yet how to set one up."""
    return _code_page(request, session)


@router.post(CODE, dependencies=[FormFromOurPage])
def complete_sign_in(
    request: Request, session: UnitOfWork, code: Annotated[str, Form(max_length=100)] = ""
) -> Response:
    """Sign in to the desk whoever has typed the code of now."""
    state = request.app.state
    if not code.strip():
        raise EmptyCode
    signed_in = second_factors.complete(
        session,
        state.keyring,
        cookie=_cookie(request, _WAITING_COOKIE),
        code=code,
        address=_address(request),
        browser=known_browser(request, is_desk=True),
        replaces=_cookie(request),
        at=state.clock.now(),
    )
    response = see_other(DESK)
    _set(request, response, _COOKIE, signed_in.cookie)
    _delete(request, response, _WAITING_COOKIE)
    kept = remember_desk_browser(
        state.keyring, known_browser(request, is_desk=True), operator_id=signed_in.operator_id
    )
    set_known_browser(request, response, kept, is_desk=True)
    return response


@router.post("/desk/sign-out", dependencies=[FormFromOurPage])
def sign_out(request: Request, session: UnitOfWork) -> Response:
    """End the session of this browser."""
    sign_out_operator(session, _cookie(request))
    response = see_other(SIGN_IN)
    _delete(request, response, _COOKIE)
    return response


def _name(request: Request, cookie: str) -> str:
    """Return the cookie's name; one with `__Host-` can't be set by a neighbouring host."""
    return f"__Host-{cookie}" if request.app.state.settings.is_https else cookie


def _cookie(request: Request, cookie: str = _COOKIE) -> str | None:
    return request.cookies.get(_name(request, cookie))


def _set(request: Request, response: Response, cookie: str, value: Secret[str]) -> None:
    """Give the browser a cookie. Without `Max-Age`: it ends with the browser, or before."""
    response.set_cookie(
        _name(request, cookie),
        value.reveal(),
        path="/",
        secure=request.app.state.settings.is_https,
        httponly=True,
        samesite="strict",
    )


def _delete(request: Request, response: Response, cookie: str) -> None:
    response.delete_cookie(
        _name(request, cookie),
        path="/",
        secure=request.app.state.settings.is_https,
        httponly=True,
        samesite="strict",
    )


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


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
        path=SIGN_IN,
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


def show_sign_in_again(
    request: Request, refusal: DomainError, headers: Mapping[str, str]
) -> Response:
    """Show the form of the password: what followed it came too late, or from elsewhere."""
    errors = {"username": _("It took too long, or something has changed. Begin again")}
    return _sign_in_page(request, status=refusal.status, headers=headers, errors=errors)


def show_failed_code(
    request: Request, refusal: DomainError, headers: Mapping[str, str]
) -> Response:
    """Show the form of the code again."""
    error = _("Enter the code of six digits")
    if not isinstance(refusal, EmptyCode):
        error = _("The code is wrong or was used before. Wait for the next one")
    try:
        with unit_of_work_of(request.app.state.sessions) as session:
            return _code_page(request, session, status=refusal.status, headers=headers, error=error)
    except DeskSignInGone as gone:
        return show_sign_in_again(request, gone, headers)


def _code_page(
    request: Request,
    session: Session,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    error: str | None = None,
) -> Response:
    """Show the form of the code.

    Raises:
        DeskSignInGone: 401. No password was given in this browser, or too long ago.
    """
    state = request.app.state
    at = state.clock.now()
    cookie = _cookie(request, _WAITING_COOKIE)
    asked = second_factors.find_asked(session, state.keyring, cookie, at=at)
    known = state.known_second_factors.get(asked.operator_id)
    return render(
        request,
        "idp/desk_code.html",
        status=status,
        headers=headers,
        path=CODE,
        operator_id=asked.operator_id,
        secret=asked.offered and readable(asked.offered).reveal(),
        secret_address=asked.offered and address_of(asked.offered, asked.operator_id).reveal(),
        known_code=known and not asked.offered and code_at(known, at=at),
        error=error,
    )


PLACE = Place(
    prefix=DESK,
    link=_("Go to the desk"),
    footer=_(
        "The desk is for officials. Every record that you open is written into the log of the "
        "person whom it is about."
    ),
)
"""Refusals at the desk lead back to the desk."""

TEXTS: Mapping[str, RefusalText] = {
    "role_missing": RefusalText(
        heading=_("Your role does not allow this"),
        advice=_("Nothing was changed. Ask a colleague whose task it is."),
    ),
}
"""What officials are told about refusals, by code."""
