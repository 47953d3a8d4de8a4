"""Discovery and keys: RFC 8414, OpenID Connect Discovery, RFC 7517. Serialised once."""

import orjson
from starlette.requests import Request
from starlette.responses import Response

from idp.dependencies import provider_of
from idp.metadata import provider_metadata
from kernel.signing import JWKS_KEPT_FOR

PUBLISHED_USES = ("oidc", "partner", "consent")
"""Whatever we sign that a partner may want to verify: tokens, reads, consents."""

_FOR_ANYONE = {
    # Keys are published before they sign and stay after: a copy a few minutes old is good.
    "Cache-Control": f"public, max-age={int(JWKS_KEPT_FOR.total_seconds())}",
    "Access-Control-Allow-Origin": "*",
}


class Published:
    """The documents of this process, as bytes; one per process."""

    def __init__(self) -> None:
        self._metadata: bytes = b""
        self._jwks: bytes = b""
        self._jwks_of: tuple[object, ...] = ()

    def metadata(self, request: Request) -> bytes:
        """Return the metadata document."""
        if not self._metadata:
            provider = provider_of(request)
            self._metadata = orjson.dumps(
                provider_metadata(
                    provider.issuer,
                    mtls_url=provider.mtls_url,
                    has_authorities=provider.authorities is not None,
                )
            )
        return self._metadata

    def jwks(self, request: Request) -> bytes:
        """Return the JWK Set; written again when the keys were reloaded."""
        signing = provider_of(request).signing
        sets = tuple(signing.public_jwks(use) for use in PUBLISHED_USES)
        if len(sets) != len(self._jwks_of) or any(
            new is not old for new, old in zip(sets, self._jwks_of, strict=True)
        ):
            keys = [key for jwks in sets for key in jwks["keys"]]  # type: ignore[attr-defined]
            self._jwks, self._jwks_of = orjson.dumps({"keys": keys}), sets
        return self._jwks


def published_of(request: Request) -> Published:
    """Return the documents of this process."""
    state = request.app.state
    published: Published | None = getattr(state, "published", None)
    if published is None:
        published = state.published = Published()
    return published


async def discovery(request: Request) -> Response:
    """Answer with the metadata document."""
    return Response(
        published_of(request).metadata(request), headers=_FOR_ANYONE, media_type="application/json"
    )


async def jwks(request: Request) -> Response:
    """Answer with the keys that verify what we sign."""
    return Response(
        published_of(request).jwks(request),
        headers=_FOR_ANYONE,
        media_type="application/jwk-set+json",
    )
