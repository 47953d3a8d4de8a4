"""Discovery and keys: RFC 8414, OpenID Connect Discovery, RFC 7517. Written once, then sent."""

from collections.abc import Mapping

import orjson
from starlette.requests import Request
from starlette.responses import Response

from idp.dependencies import provider_of
from idp.metadata import provider_metadata
from idp.provider import Provider
from kernel.signing import JWKS_KEPT_FOR
from kernel.web import PlainResponse

PUBLISHED_USES = ("oidc", "partner", "consent")
"""Whatever we sign that a partner may want to verify: tokens, reads, consents."""

_FOR_ANYONE = (
    # Keys are published before they sign and stay after: a copy a few minutes old is good.
    (b"cache-control", b"public, max-age=%d" % JWKS_KEPT_FOR.total_seconds()),
    (b"access-control-allow-origin", b"*"),
)


class Published:
    """The answers of one process; sending one changes nothing in it."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._keys_of: object = None
        self.metadata: Response = _answer(
            b"application/json",
            provider_metadata(
                provider.issuer,
                mtls_url=provider.mtls_url,
                has_authorities=provider.authorities is not None,
            ),
        )

    @property
    def jwks(self) -> Response:
        """The JWK Set; written again when the keys were reloaded."""
        published = self._provider.signing.published
        if published is not self._keys_of:
            keys = [key for use in PUBLISHED_USES for key in published[use]["keys"]]
            self._jwks = _answer(b"application/jwk-set+json", {"keys": keys})
            self._keys_of = published
        return self._jwks


def _answer(media_type: bytes, document: Mapping[str, object]) -> Response:
    headers = [*_FOR_ANYONE, (b"content-type", media_type)]
    return PlainResponse(orjson.dumps(document), headers)


def _published_of(request: Request) -> Published:
    """Return the answers of this process."""
    state = request.app.state
    published: Published | None = getattr(state, "published", None)
    if published is None:
        published = state.published = Published(provider_of(request))
    return published


async def discovery(request: Request) -> Response:
    """Answer with the metadata document."""
    return _published_of(request).metadata


async def jwks(request: Request) -> Response:
    """Answer with the keys that verify what we sign."""
    return _published_of(request).jwks
