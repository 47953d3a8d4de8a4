"""Authorization responses as signed JWTs (JARM). No I/O.

Source:
    JWT Secured Authorization Response Mode for OAuth 2.0, 2.1 to 2.3.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

import orjson

from idp.tokens import USE
from kernel.ids import ClientId
from kernel.signing import SigningKeys

PLAIN_MODES: Mapping[str, Literal["query", "form_post"]] = {
    "jwt": "query",  # the default of response_type=code: JARM, 2.3.4
    "query.jwt": "query",
    "form_post.jwt": "form_post",
}
"""Response modes of JARM, and how each travels."""

LIFE = timedelta(minutes=10)  # JARM, 2.1: at most ten minutes

Parameters: TypeAlias = tuple[tuple[str, str], ...]


def sign_response(
    parameters: Parameters,
    *,
    client_id: ClientId,
    alg: str,
    issuer: str,
    signing: SigningKeys,
    at: datetime,
) -> Parameters:
    """Return the response as its one parameter, `response`.

    Args:
        parameters: What a plain response would carry.
        client_id: The audience.
        alg: What the client registered as `authorization_signed_response_alg`.
        issuer: Ours.
        signing: Our keys.
        at: Now.
    """
    claims = {
        **dict(parameters),
        "iss": issuer,
        "aud": client_id,
        "exp": int((at + LIFE).timestamp()),
    }
    header = {"typ": "JWT"}
    return (("response", signing.jws(USE, orjson.dumps(claims), header=header, alg=alg)),)
