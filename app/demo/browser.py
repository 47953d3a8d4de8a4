"""A browser without windows: follows redirects, keeps cookies, fills and sends forms."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import httpx2
from typing_extensions import override

MOST_REDIRECTS = 10


@dataclass(slots=True)
class Button:
    """A button that sends its form."""

    text: str = ""
    name: str = ""
    value: str = ""


@dataclass(slots=True)
class Form:
    """A form as a person sees it: fields by name, and what each is for."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    by_autocomplete: dict[str, str] = field(default_factory=dict)
    buttons: list[Button] = field(default_factory=list)


@dataclass(slots=True)
class Link:
    """A link and its text."""

    href: str
    text: str = ""


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: list[Link] = []
        self.words: list[str] = []
        self._form: Form | None = None
        self._button: Button | None = None
        self._link: Link | None = None
        self._silent = 0

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        match tag:
            case "form":
                self._form = Form(values.get("action", ""), values.get("method", "get").lower())
                self.forms.append(self._form)
            case "input" if self._form is not None and "name" in values:
                self._form.fields[values["name"]] = values.get("value", "")
                if "autocomplete" in values:
                    self._form.by_autocomplete[values["autocomplete"]] = values["name"]
            case "button" if self._form is not None and values.get("type") != "button":
                self._button = Button(name=values.get("name", ""), value=values.get("value", ""))
                self._form.buttons.append(self._button)
            case "a" if "href" in values:
                self._link = Link(values["href"])
                self.links.append(self._link)
            case "script" | "style":
                self._silent += 1
            case _:
                pass

    @override
    def handle_endtag(self, tag: str) -> None:
        match tag:
            case "form":
                self._form = None
            case "button":
                self._button = None
            case "a":
                self._link = None
            case "script" | "style":
                self._silent -= 1
            case _:
                pass

    @override
    def handle_data(self, data: str) -> None:
        if self._silent or not data.strip():
            return
        self.words.append(" ".join(data.split()))
        if self._button is not None:
            self._button.text = f"{self._button.text} {data.strip()}".strip()
        if self._link is not None:
            self._link.text = f"{self._link.text} {data.strip()}".strip()


@dataclass(frozen=True, slots=True)
class Page:
    """Where the browser is, and what it shows."""

    response: httpx2.Response
    forms: list[Form]
    links: list[Link]
    text: str

    @property
    def url(self) -> str:
        """The address shown in the address bar."""
        return str(self.response.url)

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.response.status_code

    def form_with(self, autocomplete: str) -> Form:
        """Return the form that has a field for `autocomplete`."""
        return next(form for form in self.forms if autocomplete in form.by_autocomplete)

    def form_to(self, action: str) -> Form:
        """Return the form whose action ends in `action`."""
        return next(form for form in self.forms if urlsplit(form.action).path.endswith(action))

    def form_with_button(self, name: str, value: str) -> Form:
        """Return the form that has the button."""
        return next(
            form
            for form in self.forms
            if any((button.name, button.value) == (name, value) for button in form.buttons)
        )

    def link_to(self, ending: str) -> Link:
        """Return the first link whose address ends so."""
        return next(link for link in self.links if urlsplit(link.href).path.endswith(ending))


Seen = Callable[[httpx2.Response], None]


class Arrived(Exception):
    """The browser was sent to where it shall stop; `url` is that address, with what it carries."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


class Browser:
    """One person's browser.

    Args:
        language: What it prefers.
        seen: Called with every exchange, redirects too.
        stops_at: Beginning of the addresses that it does not open but raises `Arrived` for: those
            of a client that has no server.
    """

    def __init__(
        self, *, language: str = "ru", seen: Seen | None = None, stops_at: str | None = None
    ) -> None:
        self._stops_at = stops_at
        self._client = httpx2.Client(
            headers={"Accept": "text/html,*/*;q=0.8", "Accept-Language": language}, timeout=30
        )
        self._seen = seen or (lambda _response: None)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def open(self, url: str) -> Page:
        """Go to an address."""
        return self._go(self._client.build_request("GET", url), came_from=None)

    def send(
        self,
        page: Page,
        form: Form,
        button: Button | None = None,
        values: Mapping[str, str] | None = None,
    ) -> Page:
        """Fill a form and press its button.

        Args:
            page: Where the form is.
            form: What to send.
            button: Which one is pressed, if it has a name.
            values: What is typed, by the field's name.
        """
        data = {**form.fields, **(values or {})}
        if button is not None and button.name:
            data[button.name] = button.value
        url = urljoin(page.url, form.action)
        request = self._client.build_request(
            form.method.upper(), url, data=data, headers=_browser_headers(page.url, url)
        )
        return self._go(request, came_from=page.url)

    def sign_in(self, page: Page, username: str, password: str) -> Page:
        """Fill in the sign-in form of a page and send it."""
        form = page.form_with("current-password")
        fields = form.by_autocomplete
        typed = {fields["username"]: username, fields["current-password"]: password}
        return self.send(page, form, values=typed)

    def decide(self, page: Page, decision: str) -> Page:
        """Press `allow` or `deny`."""
        form = page.form_with_button("decision", decision)
        return self.send(page, form, Button(name="decision", value=decision))

    def download(self, url: str) -> httpx2.Response:
        """Fetch a file whole."""
        response = self._client.get(url)
        self._seen(response)
        return response

    def _go(self, request: httpx2.Request, came_from: str | None) -> Page:
        for _ in range(MOST_REDIRECTS):
            response = self._client.send(request)
            self._seen(response)
            if response.next_request is None:
                return _read(response)
            url = str(response.next_request.url)
            if self._stops_at is not None and url.startswith(self._stops_at):
                raise Arrived(url)
            request = self._client.build_request("GET", url)
        raise httpx2.TooManyRedirects(f"from {came_from or request.url}", request=request)


def _browser_headers(here: str, there: str) -> dict[str, str]:
    """What a browser says about where a form comes from (Fetch Metadata; RFC 6454, 7)."""
    mine, other = urlsplit(here), urlsplit(there)
    is_same = (mine.scheme, mine.netloc) == (other.scheme, other.netloc)
    return {
        "Origin": f"{mine.scheme}://{mine.netloc}",
        "Sec-Fetch-Site": "same-origin" if is_same else "same-site",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
    }


def _read(response: httpx2.Response) -> Page:
    parser = _Parser()
    if response.headers.get("content-type", "").startswith("text/html"):
        parser.feed(response.text)
    return Page(response, parser.forms, parser.links, " ".join(parser.words))
