"""What a person reads when signing in through a regional system came to nothing."""

from collections.abc import Mapping
from urllib.parse import urlencode

from fastapi import Request
from starlette.responses import Response

from idp.errors import (
    UpstreamDenied,
    UpstreamGone,
    UpstreamNotVerified,
    UpstreamPersonUnknown,
    UpstreamRefused,
    UpstreamUnavailable,
)
from kernel.languages import _
from kernel.pages import RefusalText, render

LINKS = "/account/upstreams"
"""Where a person sees what is connected."""


def show_refusal(
    request: Request, refusal: UpstreamRefused, headers: Mapping[str, str]
) -> Response:
    """Say what happened, and lead back to where the person came from."""
    then = _sign_in_address(getattr(request.state, "upstream_return", ""))
    text = TEXTS[refusal.code]
    return render(
        request,
        "idp/upstream_failed.html",
        status=refusal.status,
        headers=headers,
        heading=text.heading,
        advice=text.advice,
        code=refusal.code,
        request_id=str(getattr(request.state, "request_id", "")),
        # Never the address of the answer itself: it is spent, and holds a code.
        path=then if "?" in then else f"{then}?",
        then=then,
    )


def _sign_in_address(then: str) -> str:
    if then.startswith(("/interaction/", LINKS)):
        return then
    return f"/sign-in?{urlencode({'next': then})}" if then else "/sign-in"


_CONNECT_LATER = _(
    "Sign in with your name and password. Then you can connect the regional account under "
    "“Sign-ins” in your Civitas account, and sign in with it from then on."
)

TEXTS: Mapping[str, RefusalText] = {
    UpstreamRefused.code: RefusalText(
        heading=_("You are not signed in"), advice=_("Try again, or sign in another way.")
    ),
    UpstreamDenied.code: RefusalText(
        heading=_("The regional system did not sign you in"),
        advice=_(
            "You broke off there, or it refused. Nothing was changed here. Try again, or sign in "
            "another way."
        ),
    ),
    UpstreamUnavailable.code: RefusalText(
        heading=_("The regional system can't be reached"),
        advice=_(
            "It does not answer, or answers what we can't use. Try again in a few minutes, or sign "
            "in another way."
        ),
    ),
    UpstreamNotVerified.code: RefusalText(
        heading=_("The answer of the regional system can't be trusted"),
        advice=_(
            "It was not made for this sign-in, or not by that system. Nobody was signed in. Try "
            "again; if it happens again, tell support."
        ),
    ),
    UpstreamGone.code: RefusalText(
        heading=_("This sign-in has ended"),
        advice=_(
            "It was finished already, took too long, or began in another browser. Nobody was "
            "signed in by it. Begin again."
        ),
    ),
    UpstreamPersonUnknown.code: RefusalText(
        heading=_("We do not know who you are here"), advice=_CONNECT_LATER
    ),
    "upstream_already_linked": RefusalText(
        heading=_("That account is connected already"),
        advice=_(
            "The regional account opens another Civitas account, or yours is connected with an "
            "account of that region. Disconnect it first."
        ),
    ),
}
"""What a person is told about each refusal."""
