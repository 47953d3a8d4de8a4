"""The frame of Session Management, asked by a page of another origin in a real browser."""

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Route

from idp.check_session import CHECK_SCRIPT_PATH, check_script, check_session
from idp.session_state import CHECK_SESSION_PATH, session_state

if TYPE_CHECKING:
    from starlette.responses import Response

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(60)]

OURS = "https://id.example"
THEIRS = "https://bank.id.example"
"""Of the same site: this browser keeps no profile, and then blocks cookies in frames of others."""

PAGE = f"""<!DOCTYPE html><title>rp</title>
<iframe id="op" src="{OURS}{CHECK_SESSION_PATH}"></iframe>
<script>
  function ask(message) {{
    return new Promise(resolve => {{
      window.addEventListener("message", e => resolve([e.origin, e.data]), {{once: true}});
      document.getElementById("op").contentWindow.postMessage(message, "{OURS}");
    }});
  }}
</script>
"""


def answer(route: Route) -> None:
    url = route.request.url
    ours: dict[str, Response] = {
        OURS + CHECK_SESSION_PATH: check_session(),
        OURS + CHECK_SCRIPT_PATH: check_script(),
    }
    if url in ours:
        response = ours[url]
        route.fulfill(headers=dict(response.headers), body=bytes(response.body))
    else:
        route.fulfill(content_type="text/html", body=PAGE)


@pytest.mark.spec("OIDCSM-3.1")
@pytest.mark.spec("OIDCSM-3.2")
def test_page_of_another_origin_learns_whether_the_state_is_the_same(chromium: Browser) -> None:
    context = chromium.new_context()
    context.route("**/*", answer)
    page = context.new_page()
    long_id = "c" * 70  # the hashed text is longer than two blocks

    def ask(message: str) -> list[str]:
        return list(page.evaluate("message => ask(message)", message))

    def asked(client_id: str, browser_state: str) -> str:
        return f"{client_id} {session_state(client_id, THEIRS, browser_state, 'salt')}"

    def set_state(value: str) -> None:
        context.add_cookies(
            [
                {
                    "name": "__Secure-civitas_browser_state",
                    "value": value,
                    "domain": "id.example",
                    "path": CHECK_SESSION_PATH,
                    "secure": True,
                    "sameSite": "None",
                }
            ]
        )

    set_state("first-state_0")
    page.goto(f"{THEIRS}/", wait_until="load")

    assert ask(asked("client-1", "first-state_0")) == [OURS, "unchanged"]
    assert ask(asked(long_id, "first-state_0")) == [OURS, "unchanged"]
    assert ask(asked("client-1", "another")) == [OURS, "changed"]
    stolen = session_state("client-1", "https://other.example", "first-state_0", "salt")
    assert ask(f"client-1 {stolen}") == [OURS, "changed"]
    for malformed in ("", "client-1", "client-1 x.y", "client-1 " + "0" * 64):
        assert ask(malformed) == [OURS, "error"]
    set_state("second-state_0")
    assert ask(asked("client-1", "first-state_0")) == [OURS, "changed"]
    assert ask(asked("client-1", "second-state_0")) == [OURS, "unchanged"]
    context.clear_cookies()
    assert ask(asked("client-1", "second-state_0")) == [OURS, "changed"]
    assert ask(asked("client-1", "")) == [OURS, "unchanged"]
    context.close()
