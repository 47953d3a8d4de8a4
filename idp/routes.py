"""The ordinary lane of idp: authorization requests, registration, sign-out on a client's wish."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated
from urllib.parse import urlencode

from anyio import from_thread
from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from idp import check_session, cookies
from idp.dependencies import CurrentSession, TheProvider, provider_of
from idp.errors import InvalidClientMetadata
from idp.jose import PublicKey
from idp.model import InteractionStarted
from idp.registration import check_sector
from idp.remote import NotFetched, remote_documents_of
from idp.remote_keys import remote_keys_of
from idp.resource_indicators import PARAMETER as RESOURCE
from idp.responses import SUBMIT_SCRIPT, SUBMIT_SCRIPT_PATH, respond
from idp.service import administration, authorization, dynamic_registration, logout
from idp.signing_out import CONTINUE_SCRIPT, CONTINUE_SCRIPT_PATH, leave
from kernel.db import UnitOfWork
from kernel.form_guard import FIELD, FormGuard
from kernel.pages import render
from kernel.web import NO_STORE, Form, read_form, read_json, read_query

router = APIRouter(tags=["OpenID Connect"])
router.include_router(check_session.router)


async def read_parameters(request: Request) -> Form:
    """Read the parameters of a request that may come by GET or POST."""
    if request.method == "POST":
        return await read_form(request, repeatable=(RESOURCE,))
    return read_query(request, repeatable=(RESOURCE,))


Parameters = Annotated[Form, Depends(read_parameters)]


# Authorization: RFC 6749, 3.1; OpenID Connect Core, 3.1.2


@router.get("/authorize", response_class=RedirectResponse)
@router.post("/authorize", response_class=RedirectResponse)
def authorize(
    request: Request,
    session: UnitOfWork,
    provider: TheProvider,
    form: Parameters,
    sign_in: CurrentSession,
) -> Response:
    """Check an authorization request and let the person sign in and decide."""
    if _came_without_cookies(request, sign_in is not None, form):
        return _by_get("/authorize", form)
    at = request.app.state.clock.now()

    def remote_keys(jwks_uri: str, needed_for: str) -> Sequence[PublicKey]:
        # The key sets belong to the event loop; this is a thread beside it.
        get = partial(
            remote_keys_of(request).get, policy=provider.policy, needed_for=needed_for, at=at
        )
        return from_thread.run(get, jwks_uri)

    def fetch(uri: str) -> str:
        return from_thread.run(
            partial(remote_documents_of(request).text, policy=provider.policy), uri
        )

    started = authorization.start(
        session, provider, form, sign_in=sign_in, remote_keys=remote_keys, fetch=fetch, at=at
    )
    if not isinstance(started, InteractionStarted):
        answer = respond(started)
        if sign_in is None and cookies.session_cookie(request) is not None:
            # Its session ended elsewhere: pages that watch it shall hear of that.
            cookies.clear_session_cookie(request, answer)
        return answer
    response = RedirectResponse(
        f"/interaction/{started.interaction_id}", status_code=303, headers=dict(NO_STORE)
    )
    cookies.set_interaction_binding(
        request, response, started.interaction_id, started.binding, provider.policy
    )
    return response


@router.get(SUBMIT_SCRIPT_PATH, include_in_schema=False)
def submit_script() -> Response:
    """Return the script that sends a `form_post` response without a click."""
    return Response(
        SUBMIT_SCRIPT,
        media_type="text/javascript",
        headers={"Cache-Control": "public, max-age=86400"},
    )


# Registration: RFC 7591, RFC 7592


async def read_metadata(request: Request, provider: TheProvider) -> dict[str, object]:
    """Read client metadata, and hold `sector_identifier_uri` against what it leads to."""
    asked = await read_json(request)
    if not provider.policy.allows_open_registration and "authorization" not in request.headers:
        return asked  # will be refused; nothing is fetched for a stranger
    at = request.app.state.clock.now()
    asked = administration.vouched(provider, asked, at=at)
    sector_identifier_uri = asked.get("sector_identifier_uri")
    if isinstance(sector_identifier_uri, str):
        try:
            document = await remote_documents_of(request).json(
                sector_identifier_uri, policy=provider.policy
            )
        except NotFetched as error:
            raise InvalidClientMetadata("sector_identifier_uri can't be read.") from error
        redirect_uris = asked.get("redirect_uris")
        check_sector(document, redirect_uris if isinstance(redirect_uris, list) else [])
    return asked


AskedMetadata = Annotated[dict[str, object], Depends(read_metadata)]


@router.post("/register", status_code=201)
def register(
    request: Request, session: UnitOfWork, provider: TheProvider, asked: AskedMetadata
) -> Response:
    """Register a client."""
    registered = dynamic_registration.register_client(
        session,
        provider,
        asked,
        authorization_header=request.headers.get("authorization"),
        at=request.app.state.clock.now(),
    )
    return _registration(registered.as_response(provider.issuer), status=201)


@router.get("/register/{client_id}")
def read_registration(
    request: Request, session: UnitOfWork, provider: TheProvider, client_id: str
) -> Response:
    """Return a client's registration to whoever manages it."""
    registered = dynamic_registration.read_registration(
        session, client_id, authorization_header=request.headers.get("authorization")
    )
    return _registration(registered.as_response(provider.issuer))


@router.put("/register/{client_id}")
def replace_registration(
    request: Request,
    session: UnitOfWork,
    provider: TheProvider,
    client_id: str,
    asked: AskedMetadata,
) -> Response:
    """Replace a client's registration."""
    registered = dynamic_registration.replace_registration(
        session,
        provider,
        client_id,
        asked,
        authorization_header=request.headers.get("authorization"),
        at=request.app.state.clock.now(),
    )
    return _registration(registered.as_response(provider.issuer))


@router.delete("/register/{client_id}", status_code=204)
def delete_registration(request: Request, session: UnitOfWork, client_id: str) -> Response:
    """End a client."""
    dynamic_registration.delete_registration(
        session,
        client_id,
        authorization_header=request.headers.get("authorization"),
        at=request.app.state.clock.now(),
    )
    return Response(status_code=204, headers=dict(NO_STORE))


# Sign-out: OpenID Connect RP-Initiated Logout, Front-Channel Logout


@router.get(CONTINUE_SCRIPT_PATH, include_in_schema=False)
def continue_script() -> Response:
    """Return the script that goes on when every client has been told."""
    return Response(
        CONTINUE_SCRIPT,
        media_type="text/javascript",
        headers={"Cache-Control": "public, max-age=86400"},
    )


@router.api_route("/end-session", methods=["GET", "POST"], include_in_schema=False)
def end_session(
    request: Request,
    session: UnitOfWork,
    form: Parameters,
    sign_in: CurrentSession,
) -> Response:
    """Sign a person out because a client asks; ask them when it is not clear that they want it."""
    if _came_without_cookies(request, sign_in is not None, form):
        return _by_get("/end-session", form)
    asked = logout.read_logout_request(session, provider_of(request), form, sign_in=sign_in)
    if asked.needs_confirmation:
        return render(
            request,
            "idp/sign_out.html",
            action="/end-session/confirm",
            fields=list(form.items()),
            leads_to=asked.return_to,
        )
    return _sign_out(request, session, sign_in, asked.return_to)


@router.post("/end-session/confirm", include_in_schema=False)
def confirm_end_session(
    request: Request, session: UnitOfWork, form: Parameters, sign_in: CurrentSession
) -> Response:
    """Sign a person out because they said so."""
    # Not `FormFromOurPage`: a body is read once, and here by us.
    guard: FormGuard = request.app.state.pages.guard
    guard.check(request, form.get(FIELD, ""))
    asked = logout.read_logout_request(session, provider_of(request), form, sign_in=sign_in)
    return _sign_out(request, session, sign_in, asked.return_to)


def _sign_out(
    request: Request, session: UnitOfWork, sign_in: CurrentSession, return_to: str | None
) -> Response:
    known_to = logout.sign_out(session, sign_in, at=request.app.state.clock.now())
    return leave(request, session, known_to, then=return_to)


def _came_without_cookies(request: Request, is_signed_in: bool, form: Form) -> bool:  # noqa: FBT001
    """Tell whether the browser may have left its cookies at home.

    `SameSite=Lax` keeps them from a form that another site posts. The same request by GET, which
    the browser makes after a redirect, carries them.
    """
    return request.method == "POST" and not is_signed_in and "client_secret" not in form


def _by_get(path: str, form: Form) -> Response:
    query = [(name, value) for name, value in form.items() if name != RESOURCE]
    query += [(RESOURCE, value) for value in form.every(RESOURCE)]
    return RedirectResponse(f"{path}?{urlencode(query)}", status_code=303, headers=dict(NO_STORE))


def _registration(content: dict[str, object], status: int = 200) -> Response:
    return JSONResponse(content, status_code=status, headers=dict(NO_STORE))
