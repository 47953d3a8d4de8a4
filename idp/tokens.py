"""Tokens that we sign: access tokens (RFC 9068), ID tokens (OpenID Connect Core, 2). No I/O."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from idp.claims import claims_of_scopes
from idp.jose import NotVerified, PublicKey, parse_jwks, verify_jws
from idp.model import JSONObject
from kernel.ids import ClientId, GrantId, PartnerId
from kernel.secret import Secret, b64url, sha256
from kernel.signing import SigningKeys

USE = "oidc"
X5T = "x5t#S256"  # RFC 8705, 3.1
ACCESS_TOKEN_TYPE = "at+jwt"  # noqa: S105  # a media type: RFC 9068, 2.1
ACCESS_TOKEN_ALG = "ES256"  # noqa: S105
ID_TOKEN_ALGORITHMS: tuple[str, ...] = ("RS256", "ES256", "PS256", "EdDSA")
"""What a client may register; RS256 is what it gets when it registers nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """On whose behalf tokens are issued, and what the person allowed.

    Attributes:
        sub: Pairwise; the client's own identifier where there is no person.
        authorization_details: Members of type `civitas_disclosure`.
        claims: What the UserInfo endpoint returns beside what the scopes ask for.
        sid: The client's name for the browser's session; None without a person.
    """

    sub: str
    scope: tuple[str, ...]
    claims: tuple[str, ...] = ()
    authorization_details: Sequence[JSONObject] = ()
    grant_id: GrantId | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()
    auth_time: datetime | None = None
    sid: str | None = None


def access_token_claims(
    subject: Subject,
    *,
    issuer: str,
    client_id: ClientId,
    partner_id: PartnerId,
    audience: Sequence[str],
    jti: str,
    jkt: str | None,
    at: datetime,
    expires_at: datetime,
    x5t: str | None = None,
    act: JSONObject | None = None,
) -> dict[str, object]:
    """Return the claims of an access token.

    Source:
        RFC 9068, 2.2; RFC 9396, 9.1; RFC 9449, 6.1; RFC 8705, 3.1; RFC 8693, 4.1.
    """
    claims: dict[str, object] = {
        "iss": issuer,
        "sub": subject.sub,
        "aud": audience[0] if len(audience) == 1 else list(audience),
        "client_id": client_id,
        "partner_id": partner_id,
        "jti": jti,
        "iat": int(at.timestamp()),
        "exp": int(expires_at.timestamp()),
        "scope": " ".join(subject.scope),
    }
    if subject.grant_id is not None:
        claims["grant_id"] = str(subject.grant_id)
    if subject.auth_time is not None:
        claims["auth_time"] = int(subject.auth_time.timestamp())
    if subject.acr is not None:
        claims["acr"] = subject.acr
    if subject.claims:
        claims["userinfo"] = list(subject.claims)
    if subject.authorization_details:
        claims["authorization_details"] = list(subject.authorization_details)
    if act is not None:
        claims["act"] = act
    bound_to = {name: value for name, value in (("jkt", jkt), (X5T, x5t)) if value is not None}
    if bound_to:
        claims["cnf"] = bound_to
    return claims


def left_half(value: str, alg: str) -> str:
    """Return the left half of the hash that `alg` is over, of a token or a code.

    Ed25519 signs over SHA-512 (RFC 8032, 5.1), the others that we offer over SHA-256.

    Source:
        OpenID Connect Core, 3.1.3.6.
    """
    digest = hashlib.sha512 if alg == "EdDSA" else hashlib.sha256
    whole = digest(value.encode()).digest()
    return b64url(whole[: len(whole) // 2])


def id_token_claims(
    subject: Subject,
    *,
    issuer: str,
    client_id: ClientId,
    nonce: str | None,
    extra: Mapping[str, object],
    access_token: Secret[str],
    alg: str,
    at: datetime,
    expires_at: datetime,
) -> dict[str, object]:
    """Return the claims of an ID token.

    Source:
        OpenID Connect Core, 2 and 3.1.3.6.
    """
    assert subject.auth_time is not None  # an ID token is about a person who signed in
    claims: dict[str, object] = {
        **extra,
        "iss": issuer,
        "sub": subject.sub,
        "aud": client_id,
        "iat": int(at.timestamp()),
        "exp": int(expires_at.timestamp()),
        "auth_time": int(subject.auth_time.timestamp()),
        "acr": subject.acr,
        "at_hash": left_half(access_token.reveal(), alg),
    }
    if subject.amr:  # an upstream provider need not say how
        claims["amr"] = list(subject.amr)
    if nonce is not None:
        claims["nonce"] = nonce
    if subject.sid is not None:
        claims["sid"] = subject.sid
    return claims


def sign(signing: SigningKeys, claims: Mapping[str, object], *, typ: str, alg: str) -> str:
    """Sign claims as a compact JWS under the key of use `oidc`."""
    return signing.jws(USE, orjson.dumps(claims), header={"typ": typ}, alg=alg)


def our_keys(signing: SigningKeys) -> tuple[PublicKey, ...]:
    """Return the keys that verify what we signed: next, current and retired."""
    return parse_jwks(signing.public_jwks(USE))


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """What a verified access token says."""

    sub: str
    client_id: ClientId
    partner_id: PartnerId
    audience: tuple[str, ...]
    scope: tuple[str, ...]
    userinfo_claims: tuple[str, ...]
    authorization_details: tuple[JSONObject, ...]
    grant_id: GrantId | None
    jti: str
    jkt: str | None
    issued_at: datetime
    expires_at: datetime
    claims: JSONObject = field(repr=False)
    x5t: str | None = None

    @property
    def auth_time(self) -> datetime | None:
        """When the person signed in (RFC 9470, 6.2)."""
        seconds = self.claims.get("auth_time")
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)

    @property
    def actor(self) -> ClientId | None:
        """Who acts with it in place of the client that the person allowed (RFC 8693, 4.1)."""
        act = self.claims.get("act")
        return None if act is None else ClientId(act["sub"])

    def is_held_by(self, client_id: ClientId) -> bool:
        """Tell whether a token was issued to this client."""
        return client_id == (self.actor or self.client_id)

    @property
    def digest(self) -> bytes:
        """Names the token where it is revoked."""
        return sha256(self.jti.encode())


def verify_access_token(
    compact: str, keys: Sequence[PublicKey], *, issuer: str, at: datetime
) -> AccessToken:
    """Verify an access token of ours; its audience and its revocation are for the caller.

    Raises:
        NotVerified: Not ours, malformed, of another type, or expired.

    Source:
        RFC 9068, 4.
    """
    verified = verify_jws(compact, keys, algorithms=(ACCESS_TOKEN_ALG,))
    if verified.header.get("typ") != ACCESS_TOKEN_TYPE:  # an ID token is not an access token
        raise NotVerified("typ")
    return access_token_of(verified.claims, issuer=issuer, at=at)


def access_token_of(claims: Mapping[str, Any], *, issuer: str, at: datetime) -> AccessToken:
    """Read the claims of an access token that are known to be ours.

    Raises:
        NotVerified: Another issuer's, or expired.
    """
    if claims.get("iss") != issuer:
        raise NotVerified("iss")
    if not at.timestamp() < claims["exp"]:
        raise NotVerified("exp")
    audience = claims["aud"]
    grant_id = claims.get("grant_id")
    scope = tuple(claims["scope"].split())
    return AccessToken(
        sub=claims["sub"],
        client_id=ClientId(claims["client_id"]),
        partner_id=PartnerId(claims["partner_id"]),
        audience=tuple(audience) if isinstance(audience, list) else (audience,),
        scope=scope,
        userinfo_claims=tuple(
            dict.fromkeys((*claims_of_scopes(scope), *claims.get("userinfo", ())))
        ),
        authorization_details=tuple(claims.get("authorization_details", ())),
        grant_id=None if grant_id is None else GrantId(UUID(grant_id)),
        jti=claims["jti"],
        jkt=claims.get("cnf", {}).get("jkt"),
        x5t=claims.get("cnf", {}).get(X5T),
        issued_at=datetime.fromtimestamp(claims["iat"], UTC),
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
        claims=claims,
    )


def verify_id_token_hint(
    hint: str, keys: Sequence[PublicKey], *, issuer: str, client_id: ClientId | None
) -> JSONObject:
    """Verify an ID token that a client gives back to say whom it means; it may have expired.

    Args:
        hint: As received.
        keys: Ours, retired ones among them.
        issuer: Ours.
        client_id: Whose it must be; None for whoever's it is.

    Raises:
        NotVerified: Not an ID token of ours, or another client's.

    Source:
        OpenID Connect Core, 3.1.2.1; RP-Initiated Logout, 2.
    """
    verified = verify_jws(hint, keys, algorithms=ID_TOKEN_ALGORITHMS)
    claims = verified.claims
    # Nothing else that we sign is an ID token: neither an access token nor a logout token.
    if verified.header.get("typ") != "JWT" or claims.get("iss") != issuer:
        raise NotVerified("not an ID token of ours")
    if not isinstance(claims.get("sub"), str) or not isinstance(claims.get("aud"), str):
        raise NotVerified("sub or aud")
    if client_id is not None and claims["aud"] != client_id:
        raise NotVerified("aud")
    return claims
