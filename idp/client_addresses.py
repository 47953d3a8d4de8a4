"""The addresses that a client registers: where it is called, framed, and sent codes to. No I/O."""

import re
from collections.abc import Collection
from urllib.parse import SplitResult, urlsplit

from idp.errors import InvalidClientMetadata, InvalidRedirectUri
from idp.model import ClientMetadata, ClientProfile
from idp.policy import Policy

MOST_REDIRECT_URIS = 32
LONGEST_REDIRECT_URI = 1024  # characters
MOST_REQUEST_URIS = 32
LONGEST_REQUEST_URI = 512  # characters: OpenID Connect Core, 6.2
ADDRESSES = (
    "client_uri", "logo_uri", "policy_uri", "tos_uri", "jwks_uri", "initiate_login_uri",
    "backchannel_logout_uri", "frontchannel_logout_uri",
    "backchannel_client_notification_endpoint",
)  # fmt: skip
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def check_addresses(metadata: ClientMetadata, policy: Policy, profile: ClientProfile) -> None:
    """Hold every address against what can be trusted with what is sent there.

    Raises:
        InvalidRedirectUri: 400. One is missing, has a fragment, or a scheme that can't be trusted.
        InvalidClientMetadata: 400. Another address is not acceptable; the text names it.
    """
    if "authorization_code" in metadata.grant_types and not metadata.redirect_uris:
        raise InvalidRedirectUri("At least one redirect URI is needed.")
    if len(metadata.redirect_uris) > MOST_REDIRECT_URIS:
        raise InvalidRedirectUri(f"At most {MOST_REDIRECT_URIS} redirect URIs.")
    for uri in (*metadata.redirect_uris, *metadata.post_logout_redirect_uris):
        _check_redirect_uri(uri, policy, profile)
    _check_called(metadata, policy)
    _check_request_uris(metadata, policy)
    _check_logout(metadata)


def _check_request_uris(metadata: ClientMetadata, policy: Policy) -> None:
    """Hold the addresses of request objects against what we would fetch.

    Source:
        OpenID Connect Registration, 2; OpenID Connect Core, 6.2.
    """
    if len(metadata.request_uris) > MOST_REQUEST_URIS:
        raise InvalidClientMetadata(f"At most {MOST_REQUEST_URIS} request_uris.")
    for uri in metadata.request_uris:
        schemes = ("https", "http") if policy.allows_http else ("https",)
        if not is_web_address(uri, schemes=schemes) or len(uri) > LONGEST_REQUEST_URI:
            raise InvalidClientMetadata("request_uris are https addresses.")


def _check_called(metadata: ClientMetadata, policy: Policy) -> None:
    for name in ADDRESSES:
        value = getattr(metadata, name)
        if value is None:
            continue
        # A sign-in that starts over http can be turned to somebody else's.
        may_be_http = policy.allows_http and name != "initiate_login_uri"
        if not is_web_address(value, schemes=("https", "http") if may_be_http else ("https",)):
            raise InvalidClientMetadata(f"{name} has to be an https address.")


def _check_logout(metadata: ClientMetadata) -> None:
    """Hold the addresses of sign-out against what may be called and what may be framed.

    Source:
        OpenID Connect Back-Channel Logout, 2.2; Front-Channel Logout, 2.
    """
    for name in ("backchannel_logout_uri", "frontchannel_logout_uri"):
        uri = getattr(metadata, name)
        if uri is None:
            if getattr(metadata, f"{name.removesuffix('uri')}session_required"):
                raise InvalidClientMetadata(f"{name} is missing.")
        elif "#" in uri:
            raise InvalidClientMetadata(f"{name} is not acceptable.")
    framed = metadata.frontchannel_logout_uri
    if framed is not None and _origin(framed) not in {
        _origin(uri) for uri in metadata.redirect_uris
    }:
        raise InvalidClientMetadata("frontchannel_logout_uri has the origin of no redirect URI.")


def _origin(uri: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(uri)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def _check_redirect_uri(uri: str, policy: Policy, profile: ClientProfile) -> None:
    """Hold a redirect URI against what can be trusted with a code.

    Source:
        RFC 6749, 3.1.2; RFC 8252, 7; RFC 9700, 4.1 and 4.11; FAPI 2.0 Security Profile, 5.3.2.2.
    """
    parts = _split(uri)
    if parts is None or parts.fragment or "#" in uri or "*" in parts.netloc:
        raise InvalidRedirectUri(reason="form")
    if len(uri) > LONGEST_REDIRECT_URI:
        raise InvalidRedirectUri(reason="form")
    if not uri.isascii() or not uri.isprintable() or " " in uri or "\\" in uri:
        raise InvalidRedirectUri(reason="characters")
    if "@" in parts.netloc:
        raise InvalidRedirectUri(reason="userinfo")
    if any(segment in {".", ".."} for segment in parts.path.lower().replace("%2e", ".").split("/")):
        raise InvalidRedirectUri(reason="dot segments")
    _check_redirect_scheme(parts, policy, profile)


def _check_redirect_scheme(parts: SplitResult, policy: Policy, profile: ClientProfile) -> None:
    if parts.scheme in {"https", "http"} and not _HOST.fullmatch(parts.netloc):
        raise InvalidRedirectUri(reason="host")
    match parts.scheme:
        case "https":
            pass
        case "http":
            if not (policy.allows_http or parts.hostname in _LOOPBACK):
                raise InvalidRedirectUri("A redirect URI has to be https.", reason="http")
        case scheme:
            # A private-use scheme is a domain turned around (RFC 8252, 7.1): none that means
            # something to a browser, such as `javascript`, has a dot.
            if profile is ClientProfile.FAPI2 or "." not in scheme:
                raise InvalidRedirectUri(reason="scheme")


_HOST = re.compile(r"(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]+)?", re.IGNORECASE)
"""Names, numbers and ports: with anything else an address could break out of a header."""


def is_web_address(uri: str, *, schemes: Collection[str] = ("https", "http")) -> bool:
    """Tell whether a browser can be sent to an address, or a policy can name its origin."""
    parts = _split(uri)
    return (
        parts is not None
        and parts.scheme in schemes
        and uri.isascii()
        and uri.isprintable()
        and not set(uri) & set(' "\\<>')
        and _HOST.fullmatch(parts.netloc) is not None
    )


def _split(uri: str) -> SplitResult | None:
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return None
    return parts if parts.scheme else None
