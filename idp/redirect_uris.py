"""Whether a redirect URI is one that the client registered. No I/O."""

from collections.abc import Iterable
from urllib.parse import urlsplit

_LOOPBACK = {"127.0.0.1", "[::1]", "::1"}


def is_registered_redirect_uri(uri: str, registered: Iterable[str]) -> bool:
    """Tell whether an address is registered, character by character.

    A native app registers without the port that it learns when it starts.

    Source:
        RFC 6749, 3.1.2.3; RFC 9700, 4.1.3; RFC 8252, 7.3.
    """
    return any(uri == known or _differs_by_loopback_port(uri, known) for known in registered)


def _differs_by_loopback_port(uri: str, registered: str) -> bool:
    """A native app learns its port when it starts (RFC 8252, 7.3): IP literals only."""
    if not registered.startswith(("http://127.0.0.1", "http://[::1]")):
        return False
    try:
        ours, theirs = urlsplit(registered), urlsplit(uri)
        _ = theirs.port  # raises when it is no number
    except ValueError:
        return False
    if theirs.hostname is None or ours.hostname not in _LOOPBACK:
        return False
    host = f"[{theirs.hostname}]" if ":" in theirs.hostname else theirs.hostname
    port = "" if theirs.port is None else f":{theirs.port}"
    rebuilt = f"http://{host}{port}"  # neither userinfo, nor another spelling of the host
    return (
        theirs.hostname == ours.hostname
        and uri.startswith(rebuilt)
        and uri[len(rebuilt) :] == registered[len(f"http://{ours.netloc}") :]
    )
