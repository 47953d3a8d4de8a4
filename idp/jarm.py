"""Authorization responses as signed JWTs (JARM). No I/O.

Source:
    JWT Secured Authorization Response Mode for OAuth 2.0, 2.1 to 2.3.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

import orjson

from idp.errors import UnauthorizedClient
from idp.jwe import NoEncryptionKey, encrypt, encryption_of
from idp.model import Client
from idp.tokens import USE
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
    client: Client,
    issuer: str,
    signing: SigningKeys,
    at: datetime,
) -> Parameters:
    """Return the response as its one parameter, `response`; encrypted if the client wants that.

    Args:
        parameters: What a plain response would carry.
        client: The audience; it chose the algorithms.
        issuer: Ours.
        signing: Our keys.
        at: Now.

    Raises:
        UnauthorizedClient: 400. The client has no key for the encryption that it registered.
    """
    claims = {
        **dict(parameters),
        "iss": issuer,
        "aud": client.client_id,
        "exp": int((at + LIFE).timestamp()),
    }
    metadata = client.metadata
    alg = metadata.authorization_signed_response_alg
    response = signing.jws(USE, orjson.dumps(claims), header={"typ": "JWT"}, alg=alg)
    encryption = encryption_of(metadata, "authorization")
    if encryption is not None:  # JARM, 2.2
        try:
            response = encrypt(response, encryption, metadata.jwks)
        except NoEncryptionKey as error:  # it had one when it registered
            raise UnauthorizedClient(reason=str(error)) from error
    return (("response", response),)
