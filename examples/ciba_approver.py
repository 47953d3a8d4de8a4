"""Answer what CIBA asks a person, as the person: for a run of the OpenID conformance suite.

    python examples/ciba_approver.py http://localhost:8000 8003 anna lantern-volga-11

`http://localhost:8003/?auth_req_id=…&action=allow` (or `deny`) decides about whatever waits. Only
for people of the sandbox: whoever reaches this address decides in their name.
"""

import re
import sys
from urllib.parse import parse_qs
from wsgiref.simple_server import make_server
from wsgiref.types import StartResponse, WSGIEnvironment

import httpx2

REQUESTS = "/account/requests"
ADDRESS = re.compile(rf'href="({REQUESTS}/[\w-]+)"')


def hidden(page: httpx2.Response, name: str) -> str:
    """Return the value of a hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page.text)
    if found is None:
        raise LookupError(f"{page.url} has no field {name}")
    return found[1]


def decide(browser: httpx2.Client, username: str, password: str, decision: str) -> int:
    """Sign in, decide about each request that waits, and return how many these were."""
    page = browser.get("/sign-in")
    known = {"username": username, "password": password}
    browser.post("/sign-in", data=known | {"form_token": hidden(page, "form_token")})
    waiting = ADDRESS.findall(browser.get(REQUESTS).raise_for_status().text)
    for address in waiting:
        page = browser.get(address)
        fields = {name: hidden(page, name) for name in ("shown", "form_token")}
        browser.post(address, data=fields | {"decision": decision}).raise_for_status()
    return len(waiting)


def main(issuer: str, port: int, username: str, password: str) -> None:
    """Decide whenever somebody asks."""

    def asked(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        action = parse_qs(environ["QUERY_STRING"]).get("action", [""])[0]
        with httpx2.Client(base_url=issuer) as browser:
            count = decide(browser, username, password, "allow" if action == "allow" else "deny")
        start_response("200 OK" if count else "404 Not Found", [("Content-Type", "text/plain")])
        return [f"{action}: {count}\n".encode()]

    make_server("127.0.0.1", port, asked).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4])
