"""Addresses where a person confirms that an account of a regional system opens theirs."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from idp import cookies
from idp.dependencies import current_session, provider_of
from idp.errors import SignInFailed
from idp.model import InteractionId, SignedIn
from idp.page_views import visible
from idp.service import upstream_requests as requests
from idp.service import upstreams as service
from idp.signing_in import begin_session, sign_in_by_password
from kernel.db import UnitOfWork, unit_of_work_of
from kernel.form_guard import FormFromOurPage
from kernel.pages import language_of, render
from kernel.secret import Secret

router = APIRouter(include_in_schema=False)

CONFIRM = "/upstream/confirm"


@router.get(CONFIRM + "/{confirmation_id}")
def show_confirmation(request: Request, session: UnitOfWork, confirmation_id: str) -> Response:
    """Ask whether an account there shall open the account here."""
    return _confirmation_page(request, session, confirmation_id)


@router.post(CONFIRM + "/{confirmation_id}", dependencies=[FormFromOurPage])
def confirm(
    request: Request,
    session: UnitOfWork,
    confirmation_id: str,
    username: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Connect, as the person says."""
    provider = provider_of(request)
    at = request.app.state.clock.now()
    binding = cookies.interaction_binding(request, confirmation_id)
    upstream, it = requests.find_confirmation(
        session, provider, confirmation_id=confirmation_id, binding=binding, at=at
    )
    request.state.upstream_return = it.return_to
    request.state.typed_username = username
    signed_in: SignedIn | None = None
    if it.is_by_number:
        signed_in = sign_in_by_password(request, session, username, Secret(password))
    entered = service.confirm(
        session,
        provider,
        confirmation_id=confirmation_id,
        binding=binding,
        sign_in=current_session(request, session),
        signed_in=signed_in,
        at=at,
    )
    response: Response = render(
        request,
        "idp/upstream_connected.html",
        upstream_name=upstream.name(language_of(request).code),
        then=it.return_to,
    )
    if entered is not None:
        begin_session(request, session, entered, response)
    cookies.clear_interaction_binding(request, response, InteractionId(confirmation_id))
    return response


def _confirmation_page(
    request: Request,
    session: Session,
    confirmation_id: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> Response:
    upstream, it = requests.find_confirmation(
        session,
        provider_of(request),
        confirmation_id=confirmation_id,
        binding=cookies.interaction_binding(request, confirmation_id),
        at=request.app.state.clock.now(),
    )
    return render(
        request,
        "idp/upstream_confirm.html",
        status=status,
        headers=headers,
        path=f"{CONFIRM}/{confirmation_id}",
        action=f"{CONFIRM}/{confirmation_id}",
        upstream_name=upstream.name(language_of(request).code),
        shown_name=visible(it.asserted.shown_name),
        is_by_number=it.is_by_number,
        then=it.return_to,
        username=getattr(request.state, "typed_username", ""),
        errors=errors or {},
    )


def show_failed_confirmation(
    request: Request, headers: Mapping[str, str], sentence: str
) -> Response:
    """Show the form again, with one sentence for every reason."""
    with unit_of_work_of(request.app.state.sessions) as session:
        return _confirmation_page(
            request,
            session,
            request.path_params["confirmation_id"],
            status=SignInFailed.status,
            headers=headers,
            errors={"username": sentence},
        )
