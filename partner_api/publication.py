"""What a partner looks up without a token: what the API is, and the keys that sign its answers."""

from collections.abc import Mapping

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from consent.api import AUTHORIZATION_DETAILS_TYPE
from partner_api.reader import PATH
from partner_api.signatures import KEY_USE

_CACHED = {"Cache-Control": "public, max-age=300"}
_KEY_SET = "application/jwk-set+json"


def resource_metadata(issuer: str) -> Mapping[str, object]:
    """Return the metadata of the partner API as a protected resource.

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
        "dpop_bound_access_tokens_required": True,
        "resource_signing_alg_values_supported": ["ES256"],
        "authorization_details_types_supported": [AUTHORIZATION_DETAILS_TYPE],
    }


async def protected_resource(request: Request) -> Response:
    """Describe the partner API (RFC 9728, 3)."""
    issuer: str = request.app.state.settings.issuer
    return Response(
        orjson.dumps(resource_metadata(issuer)), headers=_CACHED, media_type="application/json"
    )


async def jwks(request: Request) -> Response:
    """Publish the keys that sign what partners read: next, current, and every retired one."""
    keys = request.app.state.signing.public_jwks(KEY_USE)
    return Response(orjson.dumps(keys), headers=_CACHED, media_type=_KEY_SET)


routes = [
    Route(f"{PATH}/jwks", jwks, methods=["GET"]),
    Route(f"/.well-known/oauth-protected-resource{PATH}", protected_resource, methods=["GET"]),
]
