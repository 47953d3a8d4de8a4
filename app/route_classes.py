"""What kind of address a path is: how large a body it takes, and in which shape it refuses.

One table, read from the top; the first prefix that fits decides. The path is compared whole or up
to a slash, so that `/tokens` is not `/token`.
"""

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

KIB = 1024
MIB = 1024 * KIB


class Shape(Enum):
    """How a refusal is written."""

    OAUTH = "oauth"  # RFC 6749, 5.2: {"error", "error_description"}
    PAGE = "page"  # a page for a person in a browser
    PROBLEM = "problem"  # RFC 9457: application/problem+json


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteClass:
    """One kind of address.

    Attributes:
        name: Label of the metrics and of the access log.
        shape: How its refusals are written.
        body_limit: Largest request body in bytes; more is refused with 413 and not read.
        is_resource: Whether clients read a person's data here; answers then carry
            `x-fapi-interaction-id`.
    """

    name: str
    shape: Shape
    body_limit: int
    is_resource: bool = False


# The largest legitimate protocol body is a pushed authorization request with a request object and
# a few `authorization_details`: about 10 KiB.
PROTOCOL = RouteClass(name="protocol", shape=Shape.OAUTH, body_limit=64 * KIB)
USERINFO = RouteClass(name="protocol", shape=Shape.OAUTH, body_limit=64 * KIB, is_resource=True)
PARTNER = RouteClass(name="partner", shape=Shape.PROBLEM, body_limit=64 * KIB, is_resource=True)
PAGE = RouteClass(name="page", shape=Shape.PAGE, body_limit=64 * KIB)
UPLOAD = RouteClass(name="upload", shape=Shape.PAGE, body_limit=1024 * MIB)
SERVICE = RouteClass(name="service", shape=Shape.PROBLEM, body_limit=64 * KIB)

# A record with all of its lists full takes some 20 KiB.
AGENCY = RouteClass(name="agency", shape=Shape.PROBLEM, body_limit=256 * KIB)
# 10,000 questions of some 200 bytes; a long one has 16 KiB.
BATCH = RouteClass(name="batch", shape=Shape.PROBLEM, body_limit=16 * MIB)
FEED = RouteClass(name="feed", shape=Shape.PROBLEM, body_limit=1024 * MIB)

TABLE: tuple[tuple[str, RouteClass], ...] = (
    ("/agency/v1/resolve/batch", BATCH),
    ("/agency/v1/feeds", FEED),
    ("/agency", AGENCY),
    ("/partner", PARTNER),
    ("/token", PROTOCOL),
    ("/par", PROTOCOL),
    ("/userinfo", USERINFO),
    ("/device_authorization", PROTOCOL),
    ("/backchannel_authentication", PROTOCOL),
    ("/introspect", PROTOCOL),
    ("/revoke", PROTOCOL),
    ("/register", PROTOCOL),
    ("/grants", PROTOCOL),
    ("/jwks", PROTOCOL),
    ("/.well-known", PROTOCOL),
    ("/authorize", PAGE),
    ("/check-session", PAGE),
    ("/interaction", PAGE),
    ("/device", PAGE),
    ("/sign-in", PAGE),
    ("/upstream", PAGE),
    ("/sign-out", PAGE),
    ("/signed-out", PAGE),
    ("/end-session", PAGE),
    ("/account/documents/new", UPLOAD),
    ("/account", PAGE),
    ("/desk", PAGE),
    ("/language", PAGE),
    ("/docs", PAGE),
    ("/log", SERVICE),
    ("/healthz", SERVICE),
    ("/readyz", SERVICE),
    ("/metrics", SERVICE),
    ("/openapi.json", SERVICE),
    ("/static", SERVICE),
)


@lru_cache(maxsize=1024)
def route_class_of(path: str) -> RouteClass:
    """Return the kind of address `path` is; an unknown one is a page.

    Args:
        path: The decoded path of the request, with its leading slash.
    """
    for prefix, route_class in TABLE:
        if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in {"", "/"}:
            return route_class
    return PAGE
