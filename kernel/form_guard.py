"""Forms that only our own pages can send.

A page's form carries a token that is derived from a random cookie of the browser under a key that
only we have. Another site can make a browser send the cookie, but it can neither read it nor
compute the token. Besides, the browser itself says where a request comes from (`Sec-Fetch-Site`,
`Origin`), and that must be us.
"""

from collections.abc import Callable
from typing import Annotated, cast

from fastapi import Depends, Form, Request
from starlette.responses import Response

from kernel.errors import DomainError
from kernel.secret import b64url, equal, random_b64url

FIELD = "form_token"
_COOKIE = "civitas_browser"
_COOKIE_BYTES = 32  # 256 random bits
_COOKIE_CHARACTERS = 43

DigestForm = Callable[[str], bytes]
"""A keyed digest, the same in every process: `partial(keyring.blind_index, "form")`."""


class ForeignForm(DomainError):
    """The form was not sent by a page that we gave to this browser, or cookies are blocked."""

    code = "foreign_form"
    status = 403
    title = "This form was not sent from our page, or the page is out of date."


class FormGuard:
    """Makes and checks the tokens of forms.

    Args:
        digest: Keyed; without the key nobody can compute a token.
        issuer: Our public address, for `Origin`.
    """

    def __init__(self, *, digest: DigestForm, issuer: str) -> None:
        self._digest = digest
        self._origin = "/".join(issuer.split("/", 3)[:3])
        self._is_https = issuer.startswith("https://")
        # `__Host-`: a neighbouring host can't set it, so it can't plant one whose token it has.
        self.cookie_name = f"__Host-{_COOKIE}" if self._is_https else _COOKIE

    def token(self, request: Request) -> str:
        """Return the token for this browser's forms; a new one gets its cookie on the answer."""
        browser = self._browser(request)
        if browser is None:
            browser = request.state.new_browser = random_b64url(_COOKIE_BYTES)
        return b64url(self._digest(browser))

    def set_cookie(self, request: Request, response: Response) -> None:
        """Give a new browser its cookie, if a form was made for it."""
        new_browser = getattr(request.state, "new_browser", None)
        if new_browser is not None:
            response.set_cookie(
                self.cookie_name,
                new_browser,
                httponly=True,
                secure=self._is_https,
                samesite="lax",
                path="/",
            )

    def check(self, request: Request, presented: str) -> None:
        """Refuse a form that did not come from our page in this browser.

        Args:
            request: A request that changes something.
            presented: The field `form_token` as received.

        Raises:
            ForeignForm: 403. No cookie, another browser's token, or another site's page.
        """
        site = request.headers.get("sec-fetch-site")
        if site is not None and site != "same-origin":
            raise ForeignForm(reason="sec-fetch-site", site=site)
        origin = request.headers.get("origin")
        if origin is not None and origin != self._origin:
            raise ForeignForm(reason="origin")
        cookie = request.cookies.get(self.cookie_name, "")
        expected = b64url(self._digest(cookie))
        if len(cookie) != _COOKIE_CHARACTERS or not equal(expected.encode(), presented.encode()):
            raise ForeignForm(reason="token")

    def _browser(self, request: Request) -> str | None:
        cookie = request.cookies.get(self.cookie_name, "")
        if len(cookie) == _COOKIE_CHARACTERS:
            return cookie
        return cast("str | None", getattr(request.state, "new_browser", None))


def check_form(request: Request, form_token: Annotated[str, Form()] = "") -> None:
    """Refuse a posted form that did not come from our page (a dependency of routes)."""
    guard: FormGuard = request.app.state.pages.guard
    guard.check(request, form_token)


FormFromOurPage = Depends(check_form)
"""For `dependencies=[…]` of every route that a form posts to."""
