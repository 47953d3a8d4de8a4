"""Pages of sign-in and consent, and of signing out. They work without JavaScript."""

from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from idp import (
    cookies,
    device_pages,
    operator_pages,
    request_pages,
    upstream_confirm_pages,
    upstream_pages,
)
from idp.dependencies import CurrentSession, interaction_of, provider_of
from idp.errors import (
    DeskSignInGone,
    NobodyAtDesk,
    NotSignedIn,
    OperatorSignInFailed,
    SecondFactorFailed,
    SignInFailed,
    UnknownUserCode,
    UpstreamRefused,
)
from idp.model import AuthorizationResponse, Interaction
from idp.own_addresses import AFTER_SIGN_IN, parse_own_address
from idp.page_views import asked_disclosures, asker_of, shown_digest
from idp.responses import respond
from idp.service import accounts, authorization, logout
from idp.signing_in import begin_session, sign_in_by_password
from idp.signing_out import leave
from idp.upstream_refusals import show_refusal
from kernel.db import UnitOfWork, unit_of_work_of
from kernel.form_guard import FormFromOurPage
from kernel.languages import _
from kernel.pages import PagePart, RefusalText, language_of, render, see_other
from kernel.secret import Secret

router = APIRouter(include_in_schema=False)
router.include_router(device_pages.router)
router.include_router(operator_pages.router)
router.include_router(request_pages.router)
router.include_router(upstream_pages.router)
router.include_router(upstream_confirm_pages.router)

_ONE_FORM = [FormFromOurPage]


@router.get("/interaction/{interaction_id}")
def show_interaction(request: Request, session: UnitOfWork, interaction_id: str) -> Response:
    """Ask what is still missing: sign-in, then consent; answer the client when nothing is.

    Or when whoever signed in does not reach what the client called essential.
    """
    interaction = interaction_of(request, session, interaction_id)
    if interaction.needs_sign_in:
        return _sign_in_page(request, interaction)
    if interaction.is_unmet:
        return _deny(request, session, interaction)
    if interaction.needs_consent:
        return _consent_page(request, interaction)
    return _allow(request, session, interaction)


@router.post("/interaction/{interaction_id}/sign-in", dependencies=_ONE_FORM)
def sign_in_for_client(
    request: Request,
    session: UnitOfWork,
    interaction_id: str,
    username: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Sign a person in on the way to a client."""
    interaction_of(request, session, interaction_id)
    return _sign_in(
        request, session, username, Secret(password), then=f"/interaction/{interaction_id}"
    )


@router.post("/interaction/{interaction_id}/consent", dependencies=_ONE_FORM)
def decide_consent(
    request: Request,
    session: UnitOfWork,
    interaction_id: str,
    decision: Annotated[Literal["allow", "deny"], Form()],
    shown: Annotated[str, Form()] = "",
) -> Response:
    """Take the person's decision to the client."""
    interaction = interaction_of(request, session, interaction_id)
    if decision == "deny" or interaction.is_unmet:
        return _deny(request, session, interaction)
    if interaction.needs_sign_in or shown != shown_digest(interaction):
        return see_other(f"/interaction/{interaction.interaction_id}")
    return _allow(request, session, interaction)


@router.get("/sign-in")
def show_sign_in(
    request: Request,
    sign_in: CurrentSession,
    next: str = AFTER_SIGN_IN,  # noqa: A002  # the parameter's public name
    again: str = "",
) -> Response:
    """Ask for name and password; whoever is signed in goes on, unless asked to sign in again."""
    if sign_in is not None and not again:
        return see_other(parse_own_address(next))
    return _sign_in_page(request, None, next_address=next, is_again=bool(again))


@router.post("/sign-in", dependencies=_ONE_FORM)
def sign_in_for_account(
    request: Request,
    session: UnitOfWork,
    username: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
    next: Annotated[str, Form()] = AFTER_SIGN_IN,  # noqa: A002  # the field's public name
) -> Response:
    """Sign a person in to their own account."""
    return _sign_in(request, session, username, Secret(password), then=parse_own_address(next))


@router.get("/sign-out")
def show_sign_out(request: Request) -> Response:
    """Ask whether to sign out: a link can't do it, or another site could."""
    return render(request, "idp/sign_out.html", action="/sign-out", fields=[])


@router.post("/sign-out", dependencies=_ONE_FORM)
def sign_out(request: Request, session: UnitOfWork, sign_in: CurrentSession) -> Response:
    """End the session of this browser."""
    known_to = logout.sign_out(session, sign_in, at=request.app.state.clock.now())
    return leave(request, session, known_to, then=None)


@router.get("/signed-out")
def show_signed_out(request: Request) -> Response:
    """Say that nobody is signed in."""
    return render(request, "idp/signed_out.html")


class EmptySignIn(SignInFailed):
    """Name or password was left empty: nothing was tried, nothing is counted."""

    keeps_writes = False


def _sign_in(
    request: Request, session: Session, username: str, password: Secret[str], *, then: str
) -> Response:
    """Authenticate, open a session in place of the browser's old one, and go on."""
    request.state.typed_username = username
    if not username.strip() or not password.reveal():
        raise EmptySignIn
    signed_in = sign_in_by_password(request, session, username, password)
    response = see_other(then)
    begin_session(request, session, signed_in, response)
    keyring = provider_of(request).keyring
    kept = accounts.remember_browser(keyring, cookies.known_browser(request), username)
    cookies.set_known_browser(request, response, kept)
    return response


def _allow(request: Request, session: Session, interaction: Interaction) -> Response:
    language = language_of(request, interaction.request.ui_locales).code
    at = request.app.state.clock.now()
    answer = authorization.allow(
        session, provider_of(request), interaction, language=language, at=at
    )
    return _answered(request, interaction, answer)


def _deny(request: Request, session: Session, interaction: Interaction) -> Response:
    at = request.app.state.clock.now()
    answer = authorization.deny(session, provider_of(request), interaction, at=at)
    return _answered(request, interaction, answer)


def _answered(
    request: Request, interaction: Interaction, answer: AuthorizationResponse
) -> Response:
    response = respond(answer)
    cookies.clear_interaction_binding(request, response, interaction.interaction_id)
    return response


def _sign_in_page(
    request: Request,
    interaction: Interaction | None,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    next_address: str = "",
    is_again: bool = False,
) -> Response:
    """Show the sign-in form.

    Args:
        request: The request to answer.
        interaction: Of the client that asks; None for a person's own account.
        status: HTTP status.
        headers: Sent along.
        errors: What is wrong, by field; in English, to be translated.
        next_address: Where a person goes who signs in to their own account.
        is_again: Whether they are signed in, and have to sign in once more.
    """
    shared: dict[str, object] = {
        "status": status,
        "headers": headers,
        "username": getattr(request.state, "typed_username", ""),
        "errors": errors or {},
    }
    if interaction is None:
        then = parse_own_address(next_address)
        address = {"asker": None, "action": "/sign-in", "next": then}
        query = {"then": then} | ({"again": "yes"} if is_again else {})
        regions = upstream_pages.offers(request, query)
        return render(
            request, "idp/sign_in.html", path="/sign-in", regions=regions, **address, **shared
        )
    here = f"/interaction/{interaction.interaction_id}"
    redirect_uri = interaction.request.redirect_uri
    if not shared["username"]:
        shared["username"] = interaction.request.login_hint or ""
    language = language_of(request, interaction.request.ui_locales)
    asker = asker_of(interaction.client, redirect_uri, language)
    return render(
        request,
        "idp/sign_in.html",
        path=here,
        leads_to=redirect_uri,
        image=asker.logo_uri,
        ui_locales=interaction.request.ui_locales,
        asker=asker,
        action=f"{here}/sign-in",
        regions=upstream_pages.offers(
            request,
            {"interaction": interaction.interaction_id},
            ui_locales=interaction.request.ui_locales,
        ),
        cancel_action=f"{here}/consent",
        **shared,
    )


def _consent_page(request: Request, interaction: Interaction) -> Response:
    language = language_of(request, interaction.request.ui_locales)
    redirect_uri = interaction.request.redirect_uri
    asker = asker_of(interaction.client, redirect_uri, language)
    assert interaction.session is not None
    return render(
        request,
        "idp/consent.html",
        leads_to=redirect_uri,
        image=asker.logo_uri,
        ui_locales=interaction.request.ui_locales,
        asker=asker,
        requests=asked_disclosures(
            interaction.asked, language=language, at=request.app.state.clock.now()
        ),
        action=f"/interaction/{interaction.interaction_id}/consent",
        shown=shown_digest(interaction),
        signed_in_at=interaction.session.auth_time,
    )


def _show_failed_sign_in(
    request: Request, _refusal: SignInFailed, headers: Mapping[str, str]
) -> Response:
    """Show the form again, with one sentence for every reason."""
    sentence = _(
        "The name or the password is wrong, or there were too many attempts. After several "
        "wrong passwords you have to wait, up to 15 minutes"
    )
    if request.url.path.startswith(upstream_confirm_pages.CONFIRM):
        return upstream_confirm_pages.show_failed_confirmation(request, headers, sentence)
    return _sign_in_again(request, headers, {"username": sentence})


def _show_empty_sign_in(
    request: Request, _refusal: EmptySignIn, headers: Mapping[str, str]
) -> Response:
    errors = {"password": _("Enter your password")}
    if not request.state.typed_username.strip():
        errors = {"username": _("Enter your name for signing in"), **errors}
    return _sign_in_again(request, headers, errors)


def _sign_in_again(
    request: Request, headers: Mapping[str, str], errors: Mapping[str, str]
) -> Response:
    interaction_id = request.path_params.get("interaction_id")
    interaction: Interaction | None = None
    if interaction_id is not None:
        with unit_of_work_of(request.app.state.sessions) as session:
            interaction = interaction_of(request, session, interaction_id)
    return _sign_in_page(
        request, interaction, status=SignInFailed.status, headers=headers, errors=errors
    )


def _show_sign_in_first(
    request: Request, _refusal: NotSignedIn, headers: Mapping[str, str]
) -> Response:
    """Send a person who is not signed in to the sign-in page, and back afterwards."""
    wanted = request.url.path if request.method in {"GET", "HEAD"} else AFTER_SIGN_IN
    response = see_other(f"/sign-in?{urlencode({'next': parse_own_address(wanted)})}")
    response.headers.update(headers)
    return response


PART = PagePart(
    package="idp",
    places=(operator_pages.PLACE,),
    texts={
        **operator_pages.TEXTS,
        "request_gone": RefusalText(
            heading=_("There is nothing to decide any more"),
            advice=_(
                "The request has expired, was withdrawn, or was decided in another window. Nothing "
                "was changed. Begin again where you started."
            ),
        ),
        "interaction_gone": RefusalText(
            heading=_("This page has expired"),
            advice=_(
                "Your data was not shared. Go back to the site that you came from and sign in "
                "again. It works only in the browser in which you began."
            ),
        ),
        "unknown_client": RefusalText(
            heading=_("The site that sent you here is not known to us"),
            advice=_(
                "Your data was not shared. Do not enter a password on that site, and tell its "
                "operator what you see here."
            ),
        ),
        "unregistered_redirect_uri": RefusalText(
            heading=_("The site that sent you here can't be trusted"),
            advice=_(
                "It wants to send you to an address that it has not registered with us, so we "
                "stopped here. Your data was not shared."
            ),
        ),
    },
    refusal_pages={
        SignInFailed: _show_failed_sign_in,
        OperatorSignInFailed: operator_pages.show_failed_sign_in,
        NobodyAtDesk: operator_pages.show_sign_in_first,
        SecondFactorFailed: operator_pages.show_failed_code,
        DeskSignInGone: operator_pages.show_sign_in_again,
        EmptySignIn: _show_empty_sign_in,
        NotSignedIn: _show_sign_in_first,
        UnknownUserCode: device_pages.show_unknown_code,
        UpstreamRefused: show_refusal,
    },
)
