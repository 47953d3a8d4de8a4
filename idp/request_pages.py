"""Pages where a person decides what partners ask through the back channel: CIBA, 8."""

from dataclasses import replace
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from idp.dependencies import CurrentPerson, TheProvider
from idp.page_views import asked_disclosures, asker_of, shown_disclosures
from idp.service import backchannel
from kernel.db import UnitOfWork
from kernel.form_guard import FormFromOurPage
from kernel.pages import language_of, render, see_other

router = APIRouter(include_in_schema=False)

REQUESTS = "/account/requests"


@router.get(REQUESTS)
def show_requests(
    request: Request, session: UnitOfWork, provider: TheProvider, person: CurrentPerson
) -> Response:
    """List what waits."""
    language = language_of(request)
    waiting = backchannel.list_waiting(session, provider, person, at=request.app.state.clock.now())
    rows = [
        {
            "href": f"{REQUESTS}/{backchannel.name_of(it)}",
            "name": asker_of(it.client, "", language).name,
            "message": it.stored.request["parameters"].get("binding_message", ""),
            "created_at": it.stored.created_at,
            "expires_at": it.stored.expires_at,
        }
        for it in waiting
    ]
    return render(request, "idp/requests.html", rows=rows)


@router.get(REQUESTS + "/{name}")
def show_request(
    request: Request,
    session: UnitOfWork,
    provider: TheProvider,
    person: CurrentPerson,
    name: str,
) -> Response:
    """Show who asks, what for, and the message to compare."""
    at = request.app.state.clock.now()
    it = backchannel.get_waiting(session, provider, name, sign_in=person, at=at)
    if it.is_unmet:
        backchannel.deny(session, it, at=at)
        return _decided(request, is_allowed=False, is_unmet=True)
    language = language_of(request)
    return render(
        request,
        "idp/deferred_request.html",
        # Its logo would tell the client that the person looks at this, and from where.
        asker=replace(asker_of(it.client, "", language), address="", logo_uri=None),
        requests=asked_disclosures(it.asked, language=language, at=at),
        user_code="",
        binding_message=it.stored.request["parameters"].get("binding_message", ""),
        action=f"{REQUESTS}/{name}",
        shown=shown_disclosures(it.session, it.asked),
        signed_in_at=it.session.auth_time,
    )


@router.post(REQUESTS + "/{name}", dependencies=[FormFromOurPage])
def decide(
    request: Request,
    session: UnitOfWork,
    provider: TheProvider,
    person: CurrentPerson,
    *,
    name: str,
    decision: Annotated[Literal["allow", "deny"], Form()],
    shown: Annotated[str, Form()] = "",
) -> Response:
    """Take the person's decision to the partner."""
    at = request.app.state.clock.now()
    it = backchannel.get_waiting(session, provider, name, sign_in=person, at=at)
    if decision == "deny" or it.is_unmet:
        backchannel.deny(session, it, at=at)
        return _decided(request, is_allowed=False, is_unmet=it.is_unmet)
    if shown != shown_disclosures(it.session, it.asked):
        return see_other(f"{REQUESTS}/{backchannel.name_of(it)}")
    language = language_of(request).code
    backchannel.allow(session, provider, it, language=language, at=at)
    return _decided(request, is_allowed=True)


def _decided(request: Request, *, is_allowed: bool, is_unmet: bool = False) -> Response:
    return render(
        request,
        "idp/deferred_decided.html",
        is_allowed=is_allowed,
        is_unmet=is_unmet,
        path=REQUESTS,
    )
