"""What a partner looks up without a token: what the API is, and the keys that sign its answers."""

from collections.abc import Mapping

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from consent.api import AUTHORIZATION_DETAILS_TYPE
from idp.api import DPOP_ALGORITHMS
from partner_api.reader import PATH
from partner_api.signatures import KEY_USE

_CACHED = {"Cache-Control": "public, max-age=300"}
_KEY_SET = "application/jwk-set+json"


def resource_metadata(issuer: str, *, mtls_url: str | None = None) -> Mapping[str, object]:
    """Return the metadata of the partner API as a protected resource.

    Args:
        issuer: Ours.
        mtls_url: Where certificates are asked for; None if nowhere.

    Its `jwks_uri` is not the issuer's: what signs disclosures signs no token. A key stays in it
    after it was retired, so that what a partner keeps can be verified years later.

    Source:
        RFC 9728, 2.
    """
    return {
        "resource": f"{issuer}{PATH}",
        "resource_name": "Civitas partner API",
        "resource_name#ru": "Civitas: данные для партнёров",
        "authorization_servers": [issuer],
        "jwks_uri": f"{issuer}{PATH}/jwks",
        "bearer_methods_supported": ["header"],
        # Where certificates are taken, a token may be bound to one instead (RFC 8705, 3.3).
        "tls_client_certificate_bound_access_tokens": mtls_url is not None,
        "dpop_bound_access_tokens_required": mtls_url is None,
        "dpop_signing_alg_values_supported": list(DPOP_ALGORITHMS),
        "scopes_supported": [],  # what is read is named in authorization_details
        "resource_signing_alg_values_supported": ["ES256"],
        "authorization_details_types_supported": [AUTHORIZATION_DETAILS_TYPE],
    }


async def protected_resource(request: Request) -> Response:
    """Describe the partner API (RFC 9728, 3)."""
    settings = request.app.state.settings
    issuer: str = settings.issuer
    return Response(
        orjson.dumps(resource_metadata(issuer, mtls_url=settings.mtls_url)),
        headers=_CACHED,
        media_type="application/json",
    )


async def jwks(request: Request) -> Response:
    """Publish the keys that sign what partners read: next, current, and every retired one."""
    keys = request.app.state.signing.public_jwks(KEY_USE)
    return Response(orjson.dumps(keys), headers=_CACHED, media_type=_KEY_SET)


routes = [
    Route(f"{PATH}/jwks", jwks, methods=["GET"]),
    Route(f"/.well-known/oauth-protected-resource{PATH}", protected_resource, methods=["GET"]),
]
