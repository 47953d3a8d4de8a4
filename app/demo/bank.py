"""The demo bank: a site where people sign in with Civitas and apply for a loan without typing.

It runs in its own process and knows the issuer's URL and its own key. What a partner must write is
in `relying_party.py`; here are only the pages around it.

    python -m app.demo.bank --issuer http://localhost:8000 --port 8001 --folder .civitas/bank
"""

# ruff: noqa: TID251  # a partner has no kernel to take randomness from

import asyncio
import json
import os
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import httpx2
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from joserfc.jwk import ECKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from app.demo.bank_words import ITEM_WORDS, WORDS
from app.demo.relying_party import Begun, Refused, RelyingParty, SignedIn
from app.demo.wire import describe

DISCLOSURE: Mapping[str, Any] = {
    "purpose": "credit_assessment",
    "items": [
        "family_name",
        "given_name",
        "middle_name",
        "birthdate",
        "passport",
        "snils",
        "inn",
        "registration_address",
        "document:income_certificate",
        "document:ct_scan",
    ],
    "expires_in_days": 30,
    "retention_days": 365,
}
"""What the bank asks for, and what for: one purpose, named items, two periods."""

MOST_TRIES = 300
BETWEEN_TRIES_SECONDS = 0.1
CLIENT_FILE = "client.json"
TOKEN_FILE = "initial_access_token"  # noqa: S105  # the name of a file
COOKIE = "bank_session"
MOST_SESSIONS = 1000
CHUNK = 64 * 1024
TEMPLATES = Path(__file__).parent / "templates"

_templates = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
)


@dataclass(slots=True)
class Visit:
    """What the bank remembers of one browser; on the server, found by a random cookie."""

    begun: Begun | None = None
    signed_in: SignedIn | None = None


class Bank:
    """The bank's pages."""

    def __init__(self, relying_party: RelyingParty, *, folder: Path, home: str) -> None:
        self.relying_party = relying_party
        self._folder = folder
        self._home = home
        self._visits: dict[str, Visit] = {}

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        """Find the issuer, which may be starting too; register with it, the first time."""
        rp = self.relying_party
        for _ in range(MOST_TRIES):
            try:
                await rp.discover()
                break
            except httpx2.TransportError:
                await asyncio.sleep(BETWEEN_TRIES_SECONDS)
        known = self._folder / CLIENT_FILE
        clients = json.loads(known.read_text()) if known.exists() else {}
        us = registration_of(rp.issuer, self._home)
        if us not in clients:
            token = self._folder / TOKEN_FILE
            clients[us] = await rp.register(
                name=WORDS["en"]["bank"],
                name_ru=WORDS["ru"]["bank"],
                home=self._home,
                initial_access_token=token.read_text() if token.exists() else None,
            )
            write_secret(known, json.dumps(clients))
            token.unlink(missing_ok=True)
        rp.client_id = clients[us]
        yield

    def visit(self, request: Request) -> Visit:
        """Return what is remembered of this browser; a stranger's visit is empty."""
        return self._visits.get(request.cookies.get(COOKIE, "")) or Visit()

    async def home(self, request: Request) -> Response:
        """Show what the bank offers."""
        return self._page(request, "home.html", signed_in=self.visit(request).signed_in)

    async def sign_in(self, request: Request) -> Response:
        """Send the browser to Civitas, with the request pushed ahead."""
        begun = await self.relying_party.begin(DISCLOSURE, ui_locales=_language(request))
        while len(self._visits) >= MOST_SESSIONS:
            del self._visits[next(iter(self._visits))]
        cookie = secrets.token_urlsafe(32)
        self._visits[cookie] = Visit(begun=begun)
        response = RedirectResponse(begun.url, status_code=303)
        secure = self._home.startswith("https")
        response.set_cookie(COOKIE, cookie, httponly=True, samesite="lax", secure=secure)
        return response

    async def callback(self, request: Request) -> Response:
        """Take the answer that the browser brings back; it can be taken once."""
        visit = self.visit(request)
        begun, visit.begun = visit.begun, None
        if begun is None:
            raise Refused("unknown_request")
        visit.signed_in = await self.relying_party.finish(request.query_params, begun)
        return RedirectResponse("/application", status_code=303)

    async def application(self, request: Request) -> Response:
        """Read the person's data, now, and show it as received: with sources and dates."""
        signed_in = self._signed_in(request)
        person = await self.relying_party.read_person(signed_in)
        documents = await self.relying_party.list_documents(signed_in)
        items = ITEM_WORDS[_language(request)]
        return self._page(
            request, "application.html", person=person, documents=documents, items=items
        )

    async def document(self, request: Request) -> Response:
        """Pass a document through to the browser as it streams in."""
        signed_in = self._signed_in(request)
        opening = self.relying_party.open_document(signed_in, request.path_params["document_id"])
        incoming = await opening.__aenter__()

        async def chunks() -> AsyncIterator[bytes]:
            try:
                async for chunk in incoming.aiter_bytes(CHUNK):
                    yield chunk
            finally:
                await opening.__aexit__(None, None, None)

        passed_on = ("content-type", "content-length", "content-disposition")
        headers = {name: incoming.headers[name] for name in passed_on if name in incoming.headers}
        headers["x-content-type-options"] = "nosniff"
        return StreamingResponse(chunks(), headers=headers)

    async def sign_out(self, request: Request) -> Response:
        """Forget the browser."""
        self._visits.pop(request.cookies.get(COOKIE, ""), None)
        response = RedirectResponse("/", status_code=303)
        response.delete_cookie(COOKIE)
        return response

    async def style(self, _request: Request) -> Response:
        """Answer with the style sheet."""
        return FileResponse(TEMPLATES / "bank.css")

    async def refused(self, request: Request, error: Exception) -> Response:
        """Say in plain words what was refused; the code is what a program would branch on."""
        assert isinstance(error, Refused)
        status = 403 if error.status == 0 else error.status
        return self._page(request, "refused.html", status=status, refusal=error)

    def _signed_in(self, request: Request) -> SignedIn:
        signed_in = self.visit(request).signed_in
        if signed_in is None:
            raise Refused("not_signed_in", status=401)
        return signed_in

    def _page(
        self, request: Request, template: str, *, status: int = 200, **values: object
    ) -> HTMLResponse:
        language = _language(request)
        html = _templates.get_template(template).render(
            words=WORDS[language], language=language, issuer=self.relying_party.issuer, **values
        )
        headers = {
            "Cache-Control": "no-store",
            "Content-Security-Policy": "default-src 'none'; style-src 'self'; "
            f"form-action 'self' {self.relying_party.issuer}; frame-ancestors 'none'",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        return HTMLResponse(html, status_code=status, headers=headers)

    def app(self) -> Starlette:
        """Return the site."""
        return Starlette(
            routes=[
                Route("/", self.home),
                Route("/bank.css", self.style),
                Route("/sign-in", self.sign_in, methods=["POST"]),
                Route("/callback", self.callback),
                Route("/application", self.application),
                Route("/documents/{document_id}", self.document),
                Route("/sign-out", self.sign_out, methods=["POST"]),
            ],
            exception_handlers={Refused: self.refused},
            lifespan=self.lifespan,
        )


def _language(request: Request) -> str:
    """Russian unless the browser prefers something else."""
    preferred = request.headers.get("accept-language", "ru")
    return "ru" if preferred.lower().startswith("ru") else "en"


async def show_exchange(response: httpx2.Response) -> None:
    """Print what we sent and got, for the scripted journey; a real partner must not."""
    kind = response.headers.get("content-type", "")
    if "json" in kind or "jwt" in kind or response.is_error:
        await response.aread()
    print(*describe("bank", response), sep="\n", flush=True)  # noqa: T201


def open_key(path: Path) -> ECKey:
    """Read our private key; make it the first time."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True)
        write_secret(path, json.dumps(key.as_dict(private=True)))
    return ECKey.import_key(json.loads(path.read_text()))


def registration_of(issuer: str, home: str) -> str:
    """Name our registration with an issuer; our address is part of it (the redirect URI)."""
    return f"{home} at {issuer}"


def write_secret(path: Path, text: str) -> None:
    """Write a file that only we can read; it is there whole or not at all."""
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.rename(path)


def from_environment() -> Starlette:
    """Make the site from `BANK_ISSUER`, `BANK_HOME` and `BANK_FOLDER`."""
    folder, home = Path(os.environ["BANK_FOLDER"]), os.environ["BANK_HOME"]
    relying_party = RelyingParty(
        issuer=os.environ["BANK_ISSUER"],
        key=open_key(folder / "private.jwk"),
        redirect_uri=f"{home}/callback",
        seen=show_exchange if "BANK_SHOWS_EXCHANGES" in os.environ else None,
    )
    return Bank(relying_party, folder=folder, home=home).app()


@click.command()
@click.option("--issuer", required=True, help="Where Civitas is: http://localhost:8000")
@click.option("--port", default=8001, show_default=True, help="Port to listen on.")
@click.option("--folder", type=click.Path(path_type=Path), required=True, help="For our key.")
def main(issuer: str, port: int, folder: Path) -> None:
    """Run the demo bank."""
    from granian.constants import Interfaces  # noqa: PLC0415  # only this command needs a server
    from granian.server import Server  # noqa: PLC0415

    home = f"http://localhost:{port}"
    os.environ |= {"BANK_ISSUER": issuer, "BANK_HOME": home, "BANK_FOLDER": str(folder)}
    Server(
        "app.demo.bank:from_environment", port=port, interface=Interfaces.ASGI, factory=True
    ).serve()


if __name__ == "__main__":
    main()
