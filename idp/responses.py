"""Send an authorization response through the browser: by redirect, or by a form."""

from html import escape
from urllib.parse import urlsplit

from starlette.responses import HTMLResponse, RedirectResponse, Response

from idp.model import AuthorizationResponse

_NO_STORE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}

SUBMIT_SCRIPT_PATH = "/authorize/submit.js"
SUBMIT_SCRIPT = "document.forms[0].submit();\n"

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Civitas</title></head>
<body>
<form method="post" action="{action}">
{fields}
<p>Одно нажатие, чтобы вернуться на сайт. / One click to return to the site.</p>
<button type="submit">Продолжить / Continue</button>
</form>
<script src="{script}"></script>
</body>
</html>
"""


def respond(response: AuthorizationResponse) -> Response:
    """Send the browser back to the client.

    Returns:
        303 for `query`, so that nothing that was posted to us is posted on (RFC 9700, 4.12); a
        page with a form for `form_post`, which works without JavaScript by one click.

    Source:
        RFC 6749, 4.1.2; OAuth 2.0 Form Post Response Mode, 2.
    """
    if response.response_mode == "query":
        return RedirectResponse(response.url, status_code=303, headers=_NO_STORE)
    fields = "\n".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in response.parameters
    )
    page = _PAGE.format(
        action=escape(response.redirect_uri), fields=fields, script=SUBMIT_SCRIPT_PATH
    )
    return HTMLResponse(
        page,
        headers={**_NO_STORE, "Content-Security-Policy": _policy(response.redirect_uri)},
    )


def _policy(redirect_uri: str) -> str:
    """Return a policy under which the form may go to the client, and nothing else may happen."""
    address = urlsplit(redirect_uri)
    target = (
        f"{address.scheme}://{address.netloc}"
        if address.scheme in {"http", "https"}
        else f"{address.scheme}:"
    )
    # Redirects that the client makes after the form are checked by Chromium as well: see
    # `kernel.pages.content_security_policy`.
    return (
        f"default-src 'none'; script-src 'self'; form-action {target} https:; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
