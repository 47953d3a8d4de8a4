"""Access tokens as we write and read them: JWTs (RFC 9068), or opaque to everyone but us.

An opaque token is what the JWT would say, sealed. Nothing of it is stored, so that it costs no row,
and it is revoked like the other. Layout of what follows the prefix, base64url, version 1:

    hour        4 bytes   unsigned, big endian: hours since 1970 at its issue; names the key
    nonce      12 bytes   random
    ciphertext  n bytes   the claims in JSON, AES-256-GCM
    tag        16 bytes

The key of an hour is derived from the root key. No key seals for more than an hour, so that one
stays far below the 2**32 values that random nonces allow (NIST SP 800-38D, 8.3).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, TypeAlias, cast, get_args

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from typing_extensions import override

from idp.jose import NotVerified, PublicKey
from idp.tokens import (
    ACCESS_TOKEN_ALG,
    ACCESS_TOKEN_TYPE,
    AccessToken,
    access_token_of,
    our_keys,
    sign,
    verify_access_token,
)
from kernel.errors import InvalidRequest
from kernel.keyring import Keyring
from kernel.secret import Secret, b64url, b64url_decode, random_bytes
from kernel.signing import SigningKeys

Format: TypeAlias = Literal["jwt", "opaque"]
FORMATS: tuple[Format, ...] = get_args(Format)
"""What a client may register as `access_token_format`."""

OPAQUE_PREFIX = "cva_"
LONGEST_OPAQUE = 16 * 1024  # characters

_HOUR_SECONDS = 3600
_HOUR_BYTES = 4
_NONCE_BYTES = 12
_OLDEST_HOURS = 2  # an access token lives an hour at most (`Policy.access_token`)


class AccessTokens:
    """One per provider; used from any thread.

    What it remembers are constants of their keys: two threads that both work one out work out the
    same.
    """

    __slots__ = ("_issuer", "_keyring", "_published", "_sealing", "_signing")

    def __init__(self, *, issuer: str, keyring: Keyring, signing: SigningKeys) -> None:
        self._issuer = issuer
        self._keyring = keyring
        self._signing = signing
        self._published: tuple[object, tuple[PublicKey, ...]] = (None, ())
        self._sealing: Mapping[int, AESGCM] = {}

    @override
    def __repr__(self) -> str:
        return "AccessTokens(…)"

    def issue(self, claims: Mapping[str, object], *, form: str | None, at: datetime) -> str:
        """Write an access token.

        Args:
            claims: From `access_token_claims`.
            form: What its client registered; a JWT if it did not say.
            at: Now.
        """
        if form != "opaque":
            return sign(self._signing, claims, typ=ACCESS_TOKEN_TYPE, alg=ACCESS_TOKEN_ALG)
        hour = _hour_of(at)
        place = hour.to_bytes(_HOUR_BYTES, "big")
        nonce = random_bytes(_NONCE_BYTES)
        sealed = self._key_of(hour).encrypt(nonce, orjson.dumps(claims), place)
        return OPAQUE_PREFIX + b64url(place + nonce + sealed)

    def read(self, token: Secret[str], *, at: datetime) -> AccessToken:
        """Verify an access token of ours; its audience and its revocation are for the caller.

        Raises:
            NotVerified: Not ours, malformed, of another type, or expired.
        """
        presented = token.reveal()
        if presented.startswith(OPAQUE_PREFIX):
            claims = self._open(presented, now=_hour_of(at))
            return access_token_of(claims, issuer=self._issuer, at=at)
        return verify_access_token(presented, self._keys(), issuer=self._issuer, at=at)

    def _open(self, presented: str, *, now: int) -> dict[str, object]:
        if len(presented) > LONGEST_OPAQUE:
            raise NotVerified("too long")
        try:
            content = b64url_decode(presented.removeprefix(OPAQUE_PREFIX))
        except InvalidRequest as error:
            raise NotVerified("not base64url") from error
        place, nonce = content[:_HOUR_BYTES], content[_HOUR_BYTES : _HOUR_BYTES + _NONCE_BYTES]
        hour = int.from_bytes(place, "big")
        # Looked at before a key is derived: there are only so many.
        if not now - _OLDEST_HOURS <= hour <= now + 1 or len(nonce) != _NONCE_BYTES:
            raise NotVerified("not of these hours")
        try:
            opened = self._key_of(hour).decrypt(nonce, content[_HOUR_BYTES + _NONCE_BYTES :], place)
        except InvalidTag as error:
            raise NotVerified("not sealed by us") from error
        return cast("dict[str, object]", orjson.loads(opened))

    def _key_of(self, hour: int) -> AESGCM:
        known = self._sealing.get(hour)
        if known is None:
            known = AESGCM(self._keyring.blind_index("access-token", str(hour)))
            kept = {h: k for h, k in self._sealing.items() if abs(h - hour) <= _OLDEST_HOURS + 1}
            self._sealing = kept | {hour: known}
        return known

    def _keys(self) -> tuple[PublicKey, ...]:
        published = self._signing.public_jwks("oidc")
        of, keys = self._published
        if of is not published:  # the keys were reloaded
            keys = our_keys(self._signing)
            self._published = published, keys
        return keys


def _hour_of(at: datetime) -> int:
    return int(at.timestamp()) // _HOUR_SECONDS
