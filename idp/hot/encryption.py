"""Encrypt an answer to the client's own key, wherever it publishes it."""

from datetime import datetime

from starlette.requests import Request

from idp.errors import UnauthorizedClient
from idp.jwe import Encryption, Kind, NoEncryptionKey, encrypt, encryption_of, has_key
from idp.model import Client, JSONObject
from idp.provider import Provider
from idp.remote_keys import remote_keys_of


class Encrypter:
    """Encrypts what one client registered for; leaves everything else as it is."""

    def __init__(self, wanted: Encryption | None, jwks: JSONObject | None) -> None:
        self._wanted = wanted
        self._jwks = jwks

    def __bool__(self) -> bool:
        return self._wanted is not None

    def __call__(self, payload: str) -> str:
        """Return the payload, encrypted if the client wants that.

        Raises:
            UnauthorizedClient: 400. It has no key for it: nothing is sent in the clear instead.
        """
        return payload if self._wanted is None else self.encrypt(payload)

    def encrypt(self, payload: str | bytes) -> str:
        """Encrypt the payload.

        Raises:
            UnauthorizedClient: 400. The client has no key for it.
        """
        assert self._wanted is not None
        try:
            return encrypt(payload, self._wanted, self._jwks)
        except NoEncryptionKey as error:
            raise UnauthorizedClient(
                "The client has no usable key for the encryption that it registered.",
                reason=str(error),
            ) from error


async def encrypter_for(
    request: Request, provider: Provider, client: Client, kind: Kind, *, at: datetime
) -> Encrypter:
    """Return what encrypts for a client."""
    wanted = encryption_of(client.metadata, kind)
    if wanted is None:
        return Encrypter(None, None)
    jwks_uri = client.metadata.jwks_uri
    if jwks_uri is None:
        return Encrypter(wanted, client.metadata.jwks)
    alg = wanted.alg
    jwks = await remote_keys_of(request).get_jwks(
        jwks_uri, policy=provider.policy, is_enough=lambda jwks: has_key(jwks, alg), at=at
    )
    return Encrypter(wanted, jwks)
