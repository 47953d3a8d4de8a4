"""The state of a browser's session, as a client can watch it: Session Management. No I/O.

A client learns a `session_state` with each code. Its page asks ours, in a frame, whether that is
still the state; ours computes it again from a cookie that only it can read. Nothing is sent over
the network, and the client learns nothing but "changed" or "unchanged".

Source:
    OpenID Connect Session Management 1.0, 2 and 3.
"""

from urllib.parse import urlsplit

from idp.model import Client
from kernel.secret import random_b64url, sha256

CHECK_SESSION_PATH = "/check-session"
_SALT_BYTES = 16
_DEFAULT_PORTS = {"http": 80, "https": 443}


def origin_of(uri: str) -> str | None:
    """Return the origin of an address as a browser writes it (RFC 6454, 6.2).

    None for the address of an installed application: no page of it could ask.
    """
    parts = urlsplit(uri)
    if parts.scheme not in _DEFAULT_PORTS or parts.hostname is None:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = "" if parts.port in {None, _DEFAULT_PORTS[parts.scheme]} else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def session_state(client_id: str, origin: str, browser_state: str, salt: str) -> str:
    """Return the state that `check.js` computes again.

    Args:
        client_id: Who may ask.
        origin: From where it may ask.
        browser_state: `Provider.browser_state`; empty where nobody is signed in.
        salt: Without it two codes of one session would have the same state.
    """
    text = f"{client_id} {origin} {browser_state} {salt}"
    return f"{sha256(text.encode()).hex()}.{salt}"


def state_for(client: Client, redirect_uri: str, browser_state: str) -> str | None:
    """Return the `session_state` of an authorization response; None if it has none.

    Clients of the FAPI 2.0 profile get what that profile describes, and nothing beside it.
    """
    origin = origin_of(redirect_uri)
    if origin is None or client.is_fapi2:
        return None
    return session_state(client.client_id, origin, browser_state, random_b64url(_SALT_BYTES))
