"""Client authentication (RFC 6749, 2.3; RFC 7523; OpenID Connect Core, 9). No I/O.

What a client presents is read first, then held against what it registered: exactly the method that
it registered, never another that would also have worked.
"""

from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, TypeAlias
from urllib.parse import unquote_plus

from idp import mtls
from idp.errors import InvalidClient
from idp.jose import ALGORITHMS, FAPI2_ALGORITHMS, NotVerified, PublicKey, peek_claims, verify_jws
from idp.model import Client
from idp.policy import Policy
from kernel.errors import InvalidRequest
from kernel.ids import ClientId
from kernel.secret import Secret, equal, sha256

Method: TypeAlias = Literal[
    "none", "client_secret_basic", "client_secret_post", "private_key_jwt", "tls_client_auth",
    "self_signed_tls_client_auth",
]  # fmt: skip

METHODS: tuple[Method, ...] = (
    "client_secret_basic", "client_secret_post", "private_key_jwt", "tls_client_auth",
    "self_signed_tls_client_auth", "none",
)  # fmt: skip
FAPI2_METHODS: tuple[Method, ...] = (  # FAPI 2.0, 5.3.2.1
    "private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth",
)  # fmt: skip

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"  # RFC 7523, 2.2
LONGEST_CLIENT_ID = 255  # characters
LONGEST_JTI = 255  # characters

_BASIC_CHALLENGE = {"WWW-Authenticate": 'Basic realm="Civitas", charset="UTF-8"'}


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """What a client says of itself: who it is, and how it means to show it."""

    client_id: ClientId
    method: Method
    secret: Secret[str] | None = field(default=None, repr=False)
    assertion: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """What the connection itself says of the client (RFC 8705), and what it is held against.

    Attributes:
        certificate: Of the client; None if it presented none.
        authorities: Whose certificates are taken for `tls_client_auth`; None for nobody's.
        registered: SHA-256 of each certificate in the client's own key set.
    """

    certificate: mtls.ClientCertificate | None = None
    authorities: mtls.Authorities | None = None
    registered: frozenset[bytes] = frozenset()


NO_CERTIFICATE = Connection()


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticated:
    """A client that showed who it is.

    Attributes:
        assertion_digest: Names the assertion, to be spent; None for other methods.
        assertion_expires_at: Its `exp`.
    """

    client: Client
    assertion_digest: bytes | None = None
    assertion_expires_at: datetime | None = None


def read_credentials(authorization: str | None, form: Mapping[str, str]) -> Presented:
    """Read what a client presents.

    Args:
        authorization: The header, or None.
        form: The parameters of the request.

    Raises:
        InvalidRequest: 400. More than one method (RFC 6749, 2.3), or two identities.
        InvalidClient: 401. None at all, or malformed.
    """
    secret = form.get("client_secret")
    assertion = form.get("client_assertion")
    is_basic = authorization is not None and authorization[:6].lower() == "basic "
    if sum((is_basic, secret is not None, assertion is not None)) > 1:
        raise InvalidRequest("Use one method of client authentication.")
    if is_basic:
        assert authorization is not None
        client_id, basic_secret = _read_basic(authorization[6:])
        if form.get("client_id", client_id) != client_id:
            raise InvalidRequest("client_id is not the one that authenticates.")
        return Presented(
            client_id=ClientId(client_id), method="client_secret_basic", secret=basic_secret
        )
    if assertion is not None:
        return Presented(
            client_id=ClientId(_asserted_client_id(assertion, form)),
            method="private_key_jwt",
            assertion=assertion,
        )
    named = form.get("client_id")
    if named is None or len(named) > LONGEST_CLIENT_ID:
        raise InvalidClient("Client authentication is missing.", reason="nothing presented")
    if secret is not None:
        return Presented(
            client_id=ClientId(named), method="client_secret_post", secret=Secret(secret)
        )
    return Presented(client_id=ClientId(named), method="none")


def authenticate(
    client: Client | None,
    presented: Presented,
    *,
    keys: Sequence[PublicKey],
    issuer: str,
    endpoints: Sequence[str],
    policy: Policy,
    at: datetime,
    connection: Connection = NO_CERTIFICATE,
) -> Authenticated:
    """Hold what a client presents against what it registered.

    Args:
        client: As registered; None if there is no such client, or it is disabled.
        presented: From `read_credentials`.
        keys: The client's public keys.
        issuer: Ours: the audience of assertions.
        endpoints: The endpoint that was called and the token endpoint, each under every address
            that it has: audiences that clients outside of FAPI 2.0 use.
        policy: How far ahead an assertion may expire.
        at: Now.
        connection: Its certificate, and which ones count.

    Returns:
        The client. An assertion is still to be spent.

    Raises:
        InvalidClient: 401. Whatever failed; the caller cannot tell.
    """
    headers = _BASIC_CHALLENGE if presented.method == "client_secret_basic" else {}
    if client is None:
        raise InvalidClient(headers=headers, reason="unknown or disabled")
    if presented.method == "none" and client.metadata.token_endpoint_auth_method in mtls.METHODS:
        # RFC 8705, 2: the request has the client_id, the connection the certificate.
        mtls.authenticate(
            client.metadata,
            connection.certificate,
            authorities=connection.authorities,
            registered=connection.registered,
            at=at,
        )
        return Authenticated(client=client)
    if presented.method != client.metadata.token_endpoint_auth_method:
        raise InvalidClient(headers=headers, reason="another method", method=presented.method)
    if presented.method == "none":
        return Authenticated(client=client)
    if presented.secret is not None:
        digest = sha256(presented.secret.reveal().encode())
        if client.secret_digest is None or not equal(digest, client.secret_digest):
            raise InvalidClient(headers=headers, reason="wrong secret")
        return Authenticated(client=client)
    assert presented.assertion is not None
    return _verify_assertion(
        client, presented.assertion, keys, issuer=issuer, endpoints=endpoints, policy=policy, at=at
    )


def _verify_assertion(
    client: Client,
    assertion: str,
    keys: Sequence[PublicKey],
    *,
    issuer: str,
    endpoints: Sequence[str],
    policy: Policy,
    at: datetime,
) -> Authenticated:
    """Verify a JWT that authenticates a client (RFC 7523, 3).

    1. `iss` and 2. `sub` are the client; 3. `aud` is us; 4. `exp` is ahead, but not for ever;
    5. `nbf` and 6. `iat` have come; 7. `jti` names it; 8. and 9. it is signed by the client with
    an algorithm that it may use.
    """
    metadata = client.metadata
    algorithms = FAPI2_ALGORITHMS if client.is_fapi2 else ALGORITHMS
    if metadata.token_endpoint_auth_signing_alg is not None:
        algorithms = tuple(a for a in algorithms if a == metadata.token_endpoint_auth_signing_alg)
    try:
        claims = verify_jws(assertion, keys, algorithms=algorithms).claims  # 8, 9
    except NotVerified as error:
        raise InvalidClient(reason=str(error)) from error
    if claims.get("iss") != client.client_id or claims.get("sub") != client.client_id:  # 1, 2
        raise InvalidClient(reason="iss or sub")
    _check_audience(claims.get("aud"), client=client, issuer=issuer, endpoints=endpoints)  # 3
    now = at.timestamp()
    skew = policy.clock_skew.total_seconds()
    exp = _instant(claims.get("exp"))
    if exp is None or not now < exp <= now + policy.client_assertion.total_seconds() + skew:  # 4
        raise InvalidClient("The client assertion has expired, or expires too late.", reason="exp")
    for name in ("nbf", "iat"):  # 5, 6
        if name in claims:
            instant = _instant(claims[name])
            if instant is None or instant > now + skew:
                raise InvalidClient("The client assertion is not valid yet.", reason=name)
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= LONGEST_JTI:  # 7
        raise InvalidClient("The client assertion has no jti.", reason="jti")
    return Authenticated(
        client=client,
        assertion_digest=sha256(b"assertion\0" + client.client_id.encode() + b"\0" + jti.encode()),
        assertion_expires_at=datetime.fromtimestamp(exp, UTC),
    )


def _check_audience(aud: object, *, client: Client, issuer: str, endpoints: Sequence[str]) -> None:
    """Hold the audience against us.

    FAPI 2.0 wants the issuer as a single text, so that no other server's assertion can be meant.
    Elsewhere the endpoint that is called is accepted too (RFC 7523, 3; RFC 9126, 2; CIBA, 7.1), and
    the token endpoint, which older clients always name.
    """
    if client.is_fapi2:
        if aud != issuer:  # FAPI 2.0 Security Profile, 5.3.2.1
            raise InvalidClient("The audience of the client assertion is not the issuer.")
        return
    audience = aud if isinstance(aud, list) else [aud]
    if not any(value == issuer or value in endpoints for value in audience):
        raise InvalidClient("The audience of the client assertion is not this server.")


def _asserted_client_id(assertion: str, form: Mapping[str, str]) -> str:
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise InvalidClient("client_assertion_type is not jwt-bearer.")
    try:
        sub = peek_claims(assertion).get("sub")
    except NotVerified as error:
        raise InvalidClient(reason=str(error)) from error
    if not isinstance(sub, str) or not 0 < len(sub) <= LONGEST_CLIENT_ID:
        raise InvalidClient(reason="sub")
    # RFC 7521, 4.2: client_id is optional, and then it must be the same client.
    if form.get("client_id", sub) != sub:
        raise InvalidClient("client_id is not the subject of the client assertion.")
    return sub


def _read_basic(credentials: str) -> tuple[str, Secret[str]]:
    """Read the credentials: form-encoded, joined by a colon, base64 (RFC 6749, 2.3.1)."""
    try:
        decoded = b64decode(credentials.strip(), validate=True).decode("utf-8")
    except ValueError as error:
        raise InvalidClient(headers=_BASIC_CHALLENGE, reason="not base64") from error
    name, separator, secret = decoded.partition(":")
    client_id = unquote_plus(name)
    if not separator or not 0 < len(client_id) <= LONGEST_CLIENT_ID or "\0" in client_id:
        raise InvalidClient(headers=_BASIC_CHALLENGE, reason="no colon")
    return client_id, Secret(unquote_plus(secret))


def _instant(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1 << 40:
        return float(value)
    return None
