"""The browser's part of signing out: OpenID Connect Front-Channel Logout.

Each client that asked for it is shown in a frame nobody sees, at the address that it registered;
then the browser goes on. Clients can't be waited for longer than the browser lets them.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

from fastapi import Request
from sqlalchemy.orm import Session
from starlette.responses import RedirectResponse, Response

from idp import cookies
from idp.dependencies import provider_of
from idp.logout_tokens import frontchannel_address
from idp.model import SessionClient
from idp.store.clients import find_client
from kernel.pages import render

SIGNED_OUT = "/signed-out"

CONTINUE_SCRIPT_PATH = "/sign-out/continue.js"
CONTINUE_SCRIPT = """\
(function () {
  var next = document.getElementById("continue").href, left = false;
  function go() { if (!left) { left = true; window.location.replace(next); } }
  window.addEventListener("load", go);
  window.setTimeout(go, 5000);
})();
"""
"""A page has loaded when its frames have, or can't; five seconds are enough for either."""

_SECONDS_WITHOUT_SCRIPT = 7
"""Not before the frames had their time. In the page, since a header would be heeded beside the
script: the client would see the browser come back twice."""


def leave(
    request: Request, session: Session, known_to: Sequence[SessionClient], *, then: str | None
) -> Response:
    """Let the browser forget its session, and its clients theirs; then send it on.

    Args:
        request: The request to answer.
        session: The open transaction, in which the session was ended.
        known_to: The clients that know the session.
        then: Where to; an address of ours, or one that a client registered. None: to our page.

    Source:
        OpenID Connect Front-Channel Logout, 2 and 3.
    """
    frames = _frames(request, session, known_to)
    target = then or SIGNED_OUT
    response: Response
    if frames:
        response = render(
            request,
            "idp/signing_out.html",
            frames=frames,
            then=target,
            script=CONTINUE_SCRIPT_PATH,
            seconds_without_script=_SECONDS_WITHOUT_SCRIPT,
        )
        origins = sorted({"{0.scheme}://{0.netloc}".format(urlsplit(frame)) for frame in frames})
        response.headers["Content-Security-Policy"] += f"; frame-src {' '.join(origins)}"
    else:
        response = RedirectResponse(target, 303, headers={"Cache-Control": "no-store"})
    cookies.clear_session_cookie(request, response)
    return response


def _frames(request: Request, session: Session, known_to: Sequence[SessionClient]) -> list[str]:
    provider = provider_of(request)
    frames = []
    for known in known_to:
        client = find_client(session, known.client_id)
        if client is not None and client.metadata.frontchannel_logout_uri is not None:
            frames.append(
                frontchannel_address(
                    client.metadata.frontchannel_logout_uri,
                    issuer=provider.issuer,
                    sid=provider.sid(client.client_id, known.session_id),
                )
            )
    return frames
