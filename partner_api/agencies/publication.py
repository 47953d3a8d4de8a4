"""What an agency looks up without a token: the keys that sign the register's answers."""

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from partner_api.agencies.desk import PATH
from partner_api.agencies.questions import KEY_USE


async def jwks(request: Request) -> Response:
    """Publish the keys that sign answers to agencies: next, current, and every retired one.

    A retired key stays: an answer is evidence for as long as somebody keeps it.
    """
    keys = request.app.state.signing.public_jwks(KEY_USE)
    return Response(
        orjson.dumps(keys),
        headers={"Cache-Control": "public, max-age=300"},
        media_type="application/jwk-set+json",
    )


routes = [Route(f"{PATH}/jwks", jwks, methods=["GET"])]
