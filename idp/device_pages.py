"""The page where a person types the code of a device, and decides: RFC 8628, 3.3."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from idp.dependencies import CurrentPerson, TheProvider
from idp.errors import UnknownUserCode
from idp.model import SignInSession
from idp.page_views import asked_disclosures, asker_of, shown_disclosures
from idp.provider import Provider
from idp.service import devices
from idp.service.devices import Waiting
from idp.user_codes import UserCode
from kernel.db import UnitOfWork
from kernel.form_guard import FormFromOurPage
from kernel.languages import _
from kernel.pages import language_of, render, see_other

router = APIRouter(include_in_schema=False)

_ONE_FORM = [FormFromOurPage]


@router.get("/device")
def show_code_form(request: Request, person: CurrentPerson) -> Response:
    """Ask for the code."""
    del person  # whoever is signed in
    return _code_form(request)


@router.post("/device", dependencies=_ONE_FORM)
def take_code(
    request: Request,
    session: UnitOfWork,
    provider: TheProvider,
    person: CurrentPerson,
    user_code: Annotated[str, Form(max_length=40)] = "",
) -> Response:
    """Go to what the device asks."""
    code, _found = _find(request, session, provider, user_code, person)
    return see_other(f"/device/{code.in_address}")


@router.get("/device/{user_code}")
def show_request(
    request: Request,
    session: UnitOfWork,
    provider: TheProvider,
    person: CurrentPerson,
    user_code: str,
) -> Response:
    """Show who asks and what for."""
    code, found = _find(request, session, provider, user_code, person)
    if found.is_unmet:
        devices.deny(session, found, at=request.app.state.clock.now())
        return _decided(request, is_allowed=False, is_unmet=True)
    language = language_of(request)
    return render(
        request,
        "idp/deferred_request.html",
        # Its logo would tell the client who opened this page, and when.
        asker=replace(asker_of(found.client, "", language), address="", logo_uri=None),
        requests=asked_disclosures(
            found.asked, language=language, at=request.app.state.clock.now()
        ),
        user_code=code.shown,
        binding_message="",
        action=f"/device/{code.in_address}",
        shown=shown_disclosures(found.session, found.asked),
        signed_in_at=found.session.auth_time,
    )


@router.post("/device/{user_code}", dependencies=_ONE_FORM)
def decide(
    request: Request,
    session: UnitOfWork,
    provider: TheProvider,
    person: CurrentPerson,
    *,
    user_code: str,
    decision: Annotated[Literal["allow", "deny"], Form()],
    shown: Annotated[str, Form()] = "",
) -> Response:
    """Take the person's decision to the device."""
    code, found = _find(request, session, provider, user_code, person)
    at = request.app.state.clock.now()
    if decision == "deny" or found.is_unmet:
        devices.deny(session, found, at=at)
        return _decided(request, is_allowed=False, is_unmet=found.is_unmet)
    if shown != shown_disclosures(found.session, found.asked):
        return see_other(f"/device/{code.in_address}")
    language = language_of(request).code
    devices.allow(session, provider, found, language=language, at=at)
    return _decided(request, is_allowed=True)


def _decided(request: Request, *, is_allowed: bool, is_unmet: bool = False) -> Response:
    return render(
        request,
        "idp/deferred_decided.html",
        is_allowed=is_allowed,
        is_unmet=is_unmet,
        path="/device",
    )


def _find(
    request: Request,
    session: Session,
    provider: Provider,
    typed: str,
    person: SignInSession,
) -> tuple[UserCode, Waiting]:
    return devices.find_device(
        session,
        provider,
        typed,
        sign_in=person,
        address=request.client.host if request.client else "",
        at=request.app.state.clock.now(),
    )


def _code_form(
    request: Request,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    error: str = "",
) -> Response:
    return render(
        request, "idp/device.html", status=status, headers=headers, path="/device", error=error
    )


def show_unknown_code(
    request: Request, refusal: UnknownUserCode, headers: Mapping[str, str]
) -> Response:
    """Show the form again, with one sentence for every reason."""
    return _code_form(
        request,
        status=refusal.status,
        headers=headers,
        error=_(
            "The code is not right, or it has expired. Check it, or let the device show a new one. "
            "After several wrong codes you have to wait"
        ),
    )
