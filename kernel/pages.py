"""Pages: the frame that every context's HTML stands in, its languages and its security headers.

A context brings templates (`idp/templates`, seen as `idp/sign_in.html`), texts for its refusals,
and pages for refusals that are more than a sentence (a failed sign-in shows the form again). The
composition root gathers them; this module knows none of them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import Request
from jinja2 import Environment, PackageLoader, PrefixLoader, select_autoescape
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope
from typing_extensions import override

from kernel import languages
from kernel.errors import DomainError
from kernel.form_guard import FIELD, DigestForm, FormGuard
from kernel.languages import Language, _

STATIC_FOLDER = Path(__file__).parent / "static"
LANGUAGE_COOKIE = "civitas_language"
_YEAR_SECONDS = 365 * 24 * 60 * 60

RefusalPage = Callable[[Request, Any, Mapping[str, str]], Response]
"""Shows a refusal of one class: request, refusal, headers to send along."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalText:
    """What a person is told about a refusal: what happened, and what they can do now."""

    heading: str
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A part of the site with a front door of its own: refusals there lead back to it.

    Attributes:
        prefix: How addresses of it begin; it is the address of its front door.
        link: Words of the link to it.
        footer: What stands at the foot of its pages.
    """

    prefix: str
    link: str
    footer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PagePart:
    """What one context brings to the pages.

    Attributes:
        package: Its name; `templates/` in it is seen as `<package>/…`.
        texts: Texts for its refusals, by code.
        refusal_pages: Pages of its own for classes of refusals.
        places: Parts of the site that are not the person's account.
    """

    package: str
    texts: Mapping[str, RefusalText] = field(default_factory=dict)
    refusal_pages: Mapping[type[DomainError], RefusalPage] = field(default_factory=dict)
    places: tuple[Place, ...] = ()


_BY_CODE: Mapping[str, RefusalText] = {
    "foreign_form": RefusalText(
        heading=_("This page is out of date"),
        advice=_(
            "Nothing was changed. Go back, reload the page and try again. If it happens again, "
            "allow cookies for this site."
        ),
    ),
}

_BY_STATUS: Mapping[int, RefusalText] = {
    400: RefusalText(
        heading=_("We could not understand the request"),
        advice=_("Nothing was changed. Go back to the site that you came from and start again."),
    ),
    401: RefusalText(
        heading=_("You need to sign in"),
        advice=_("Sign in and open the page again."),
    ),
    403: RefusalText(
        heading=_("This is not allowed"),
        advice=_("Nothing was changed. Go back to the site that you came from and start again."),
    ),
    404: RefusalText(
        heading=_("Page not found"),
        advice=_(
            "There is nothing at this address, or it is not yours to see. Check the address, or "
            "begin anew below."
        ),
    ),
    409: RefusalText(
        heading=_("This has already been done"),
        advice=_("Nothing was changed. Open the page again to see how things stand."),
    ),
    413: RefusalText(
        heading=_("This is too large"),
        advice=_("Nothing was stored. Choose a smaller file."),
    ),
    422: RefusalText(
        heading=_("We could not understand the request"),
        advice=_("Nothing was changed. Go back, check what you entered and try again."),
    ),
    429: RefusalText(
        heading=_("Too many attempts"),
        advice=_("Wait a few minutes and try again."),
    ),
}

_OTHERWISE = RefusalText(
    heading=_("Something went wrong on our side"),
    advice=_(
        "Nothing was changed. Try again in a few minutes. If it happens again, write to support "
        "and name the number below."
    ),
)


class Pages:
    """Everything that is needed to answer with a page; one per process.

    Args:
        parts: What the contexts bring.
        issuer: Our public address, without a slash at the end.
        form_digest: Keyed digest for the tokens of forms.
    """

    def __init__(self, parts: Iterable[PagePart], *, issuer: str, form_digest: DigestForm) -> None:
        parts = tuple(parts)
        self.guard = FormGuard(digest=form_digest, issuer=issuer)
        self._is_https = issuer.startswith("https://")
        self._texts = dict(_BY_CODE)
        self._refusal_pages: dict[type[DomainError], RefusalPage] = {}
        for part in parts:
            self._texts.update(part.texts)
            self._refusal_pages.update(part.refusal_pages)
        self._places = tuple(place for part in parts for place in part.places)
        packages = ["kernel", *(part.package for part in parts)]
        self._environments = {
            code: _environment(languages.language(code), packages) for code in languages.CODES
        }

    def render(
        self,
        request: Request,
        template: str,
        /,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        leads_to: str | None = None,
        image: str | None = None,
        ui_locales: str = "",
        path: str | None = None,
        **context: object,
    ) -> HTMLResponse:
        """Answer with a page.

        Args:
            request: Decides the language and gets the tokens of forms.
            template: `<package>/<name>.html`.
            status: HTTP status.
            headers: Sent along.
            leads_to: Address of another site where a form of this page ends after redirects.
            image: Address of an image on another site that this page shows.
            ui_locales: What the client that sent the person here asked for.
            path: Where this page is read, when it answers a form that was sent elsewhere; the
                language switch leads there, with this request's query unless it has one itself.
            context: Values of the template.

        Security:
            Pages are about one person: they are never stored by a cache, never framed, and run no
            script and no style that is not ours.
        """
        language = language_of(request, ui_locales)
        html = (
            self._environments[language.code]
            .get_template(template)
            .render(
                {
                    "language_links": _language_links(request, language, path),
                    "form_token": lambda: self.guard.token(request),
                    "form_token_field": FIELD,
                    **context,
                }
            )
        )
        response = HTMLResponse(html, status_code=status, headers=dict(headers or {}))
        response.headers["Cache-Control"] = "no-store"
        response.headers["Content-Language"] = language.code
        response.headers["Content-Security-Policy"] = content_security_policy(leads_to, image)
        # With `no-referrer` browsers send `Origin: null` even to ourselves, and the guard could not
        # tell our forms from others'.
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["Vary"] = "Cookie, Accept-Language"
        response.headers["X-Frame-Options"] = "DENY"
        self._remember_language(request, response)
        self.guard.set_cookie(request, response)
        return response

    def refusal(
        self, request: Request, refusal: DomainError, headers: Mapping[str, str]
    ) -> Response:
        """Answer with the page of a refusal.

        Args:
            request: The refused request; its id is shown, so that support can find it.
            refusal: What is refused.
            headers: Sent along.
        """
        for cls in type(refusal).__mro__:
            page = self._refusal_pages.get(cls)
            if page is not None:
                return page(request, refusal, headers)
        text = self._texts.get(refusal.code) or _BY_STATUS.get(refusal.status, _OTHERWISE)
        return self.render(
            request,
            "kernel/refusal.html",
            status=refusal.status,
            headers=headers,
            heading=text.heading,
            advice=text.advice,
            code=refusal.code,
            request_id=str(getattr(request.state, "request_id", "")),
            place=self._place_of(request.url.path),
        )

    def _place_of(self, path: str) -> Place | None:
        for place in self._places:
            if path == place.prefix or path.startswith(f"{place.prefix}/"):
                return place
        return None

    def _remember_language(self, request: Request, response: Response) -> None:
        asked = languages.parse_ui_locales(request.query_params.get("ui_locales", ""))
        if asked and asked[0] in languages.CODES:
            response.set_cookie(
                LANGUAGE_COOKIE,
                asked[0],
                max_age=_YEAR_SECONDS,
                httponly=True,
                secure=self._is_https,
                samesite="lax",
            )


def language_of(request: Request, ui_locales: str = "") -> Language:
    """Return the language in which to answer.

    What the person chose on our pages counts most: the switch in the header (`?ui_locales=` on the
    page itself), then the cookie it left. Then what the client asked for, then the browser.

    Args:
        request: The request to answer.
        ui_locales: Of the authorization request that the person comes from, if any.
    """
    return languages.choose(
        languages.parse_ui_locales(request.query_params.get("ui_locales", "")),
        [request.cookies.get(LANGUAGE_COOKIE, "")],
        languages.parse_ui_locales(ui_locales),
        languages.parse_accept_language(request.headers.get("accept-language", "")),
    )


def render(request: Request, template: str, /, **options: Any) -> HTMLResponse:  # noqa: ANN401  # those of Pages.render
    """Answer with a page of the application that got the request; see `Pages.render`."""
    pages: Pages = request.app.state.pages
    return pages.render(request, template, **options)


def see_other(address: str) -> RedirectResponse:
    """Send the browser on to another page after a form."""
    return RedirectResponse(address, status_code=303, headers={"Cache-Control": "no-store"})


def content_security_policy(leads_to: str | None = None, image: str | None = None) -> str:
    """Return the policy of a page.

    Args:
        leads_to: Address of another site where a form of the page ends.
        image: Address of an image on another site; of a plain host, as it was registered.

    Chromium applies `form-action` to every redirect after a form was sent, also to those that the
    client's site makes after ours, which we can't know. So a page whose form ends at a client
    allows https, and the client's own origin or scheme where that is something else.

    Source:
        CSP Level 3, 6.4.1 (the check of redirects is left open there).
    """
    form_action = "'self'"
    if leads_to is not None:
        address = urlsplit(leads_to)
        form_action += " https:"
        if address.scheme == "http":
            form_action += f" http://{address.netloc}"
        elif address.scheme != "https":
            form_action += f" {address.scheme}:"
    img_src = "'self'"
    if image is not None:
        address = urlsplit(image)
        img_src += f" {address.scheme}://{address.netloc}"
    return (
        f"default-src 'none'; style-src 'self'; script-src 'self'; img-src {img_src}; "
        f"base-uri 'none'; form-action {form_action}; frame-ancestors 'none'"
    )


class Static(StaticFiles):
    """Our style sheet, script and icon, under `/static`; kept by browsers for a year.

    Templates name them with their digest (`civitas.css?v=…`): a changed file has another address.
    """

    def __init__(self) -> None:
        super().__init__(directory=STATIC_FOLDER)

    @override
    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer with a file."""
        response = await super().get_response(path, scope)
        versioned = scope["query_string"].startswith(b"v=") or ".min." in path
        response.headers["Cache-Control"] = (
            f"public, max-age={_YEAR_SECONDS}, immutable" if versioned else "public, max-age=300"
        )
        return response


def static_address(name: str) -> str:
    """Return the address of a file in `static/`, with its digest."""
    digest = sha256((STATIC_FOLDER / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


def _environment(language: Language, packages: Iterable[str]) -> Environment:
    loaders = {package: PackageLoader(package) for package in packages}
    environment = Environment(
        loader=PrefixLoader(
            {**loaders, "govuk_frontend_jinja": PackageLoader("govuk_frontend_jinja")}
        ),
        autoescape=select_autoescape(["html"], default=True),
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.install_gettext_translations(language.translations, newstyle=True)  # type: ignore[attr-defined]
    environment.filters["day"] = language.day
    environment.filters["instant"] = language.instant
    environment.filters["size"] = language.size
    # Not `_`: in a template `_` marks its result as HTML, so it takes literals only.
    environment.filters["translate"] = language.text
    environment.globals["lang"] = language.code
    environment.globals["static"] = {
        name: static_address(name) for name in ("civitas.css", "civitas.js", "civitas.svg")
    }
    return environment


def _language_links(
    request: Request, current: Language, path: str | None
) -> list[dict[str, object]]:
    """Return the switch: the same page in each language, as addresses below ours."""
    address, mark, query = (path or request.url.path).partition("?")
    parameters = parse_qsl(query) if mark else request.query_params.multi_items()
    others = [(k, v) for k, v in parameters if k != "ui_locales"]
    return [
        {
            "code": code,
            "own_name": languages.language(code).own_name,
            "is_current": code == current.code,
            "href": f"{address}?{urlencode([*others, ('ui_locales', code)])}",
        }
        for code in languages.CODES
    ]
