"""Request objects: authorization requests as signed JWTs (RFC 9101). No I/O.

What a request object says is all that counts: parameters that stand beside it are not looked at
(RFC 9101, 6.3), except `client_id`, which says whose keys verify it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from idp.errors import InvalidRequestObject
from idp.jose import ALGORITHMS, FAPI2_ALGORITHMS, NotVerified, PublicKey, verify_jws
from idp.model import Client
from idp.policy import Policy

TYPES = frozenset({"oauth-authz-req+jwt", "jwt"})  # RFC 9101, 10.8; older clients say JWT

LONGEST_LIFE = timedelta(minutes=60)  # FAPI 2.0 Message Signing, 5.3.1
RESOURCE = "resource"

_NOT_INSIDE = frozenset({"request", "request_uri"})  # RFC 9101, 4
_OF_THE_JWT = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti", "sub"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestObject:
    """An authorization request that its client signed.

    Attributes:
        parameters: As the pipeline reads them: text; JSON for `claims` and the like.
        resources: Values of `resource`.
    """

    parameters: Mapping[str, str]
    resources: tuple[str, ...]


def algorithms_of(client: Client) -> tuple[str, ...]:
    """Return the algorithms in which a client may sign; never `none`."""
    allowed = FAPI2_ALGORITHMS if client.is_fapi2 else ALGORITHMS
    registered = client.metadata.request_object_signing_alg
    return allowed if registered is None else tuple(alg for alg in allowed if alg == registered)


def open_request_object(
    client: Client,
    compact: str,
    keys: Sequence[PublicKey],
    *,
    issuer: str,
    policy: Policy,
    at: datetime,
) -> RequestObject:
    """Verify a request object and read its parameters.

    1. It is signed by the client, in an algorithm that it may use. 2. `typ` names no other kind of
    JWT. 3. `client_id` is the client, 4. and so is `iss`. 5. `aud` is us. 6. It is no client
    assertion: it has no `sub`, or another one. 7. `exp` and `nbf`: now lies between them; FAPI 2.0
    wants both, no more than an hour apart, and `nbf` no more than an hour ago. 8. There is no
    request object inside. 9. Parameters are text, or JSON where a parameter is JSON.

    Args:
        client: Whose it should be.
        compact: As received.
        keys: The client's.
        issuer: Ours.
        policy: How far clocks may differ.
        at: Now.

    Raises:
        InvalidRequestObject: 400. The first rule that was broken.

    Source:
        RFC 9101, 4, 5, 6.1, 6.2 and 10.8; FAPI 2.0 Message Signing, 5.3.1.
    """
    try:
        verified = verify_jws(compact, keys, algorithms=algorithms_of(client))  # 1
    except NotVerified as error:
        raise InvalidRequestObject(reason=str(error)) from error
    claims = verified.claims
    typ = verified.header.get("typ", "jwt")
    if not isinstance(typ, str) or typ.lower().removeprefix("application/") not in TYPES:  # 2
        raise InvalidRequestObject("typ of the request object names another kind of JWT.")
    if claims.get("client_id") != client.client_id:  # 3
        raise InvalidRequestObject("client_id of the request object is not the client.")
    if claims.get("iss", client.client_id) != client.client_id:  # 4
        raise InvalidRequestObject("iss of the request object is not the client.")
    _check_audience(claims.get("aud"), issuer, is_required=client.is_fapi2)  # 5
    if claims.get("sub") == client.client_id:  # 6
        raise InvalidRequestObject("A client assertion is not a request object.")
    _check_life(claims, is_fapi2=client.is_fapi2, policy=policy, at=at)  # 7
    if _NOT_INSIDE & claims.keys():  # 8
        raise InvalidRequestObject("request and request_uri can't stand in a request object.")
    return read_parameters(claims)  # 9


def read_parameters(claims: Mapping[str, object]) -> RequestObject:
    """Return the parameters that verified claims stand for.

    Raises:
        InvalidRequestObject: 400. One is neither text nor JSON.
    """
    return RequestObject(
        parameters={
            name: _as_parameter(name, value)
            for name, value in claims.items()
            if name not in _OF_THE_JWT and name != RESOURCE and value is not None
        },
        resources=_resources(claims.get(RESOURCE, ())),
    )


def _check_audience(aud: object, issuer: str, *, is_required: bool) -> None:
    """Hold the audience against us: our issuer identifier, alone or in a list."""
    if aud is None and not is_required:
        return
    audience = aud if isinstance(aud, list) else [aud]
    if issuer not in audience:
        raise InvalidRequestObject("aud of the request object is not this server.")


def _check_life(
    claims: Mapping[str, object], *, is_fapi2: bool, policy: Policy, at: datetime
) -> None:
    now = at.timestamp()
    skew = policy.clock_skew.total_seconds()
    longest = LONGEST_LIFE.total_seconds()
    exp, nbf = _instant(claims, "exp"), _instant(claims, "nbf")
    if is_fapi2 and (exp is None or nbf is None):
        raise InvalidRequestObject("The request object needs exp and nbf.")
    if exp is not None and exp <= now:
        raise InvalidRequestObject("The request object has expired.")
    if nbf is not None and nbf > now + skew:
        raise InvalidRequestObject("The request object is not valid yet.")
    if is_fapi2 and exp is not None and nbf is not None:
        if nbf < now - longest:
            raise InvalidRequestObject("nbf of the request object is more than an hour ago.")
        if exp - nbf > longest:
            raise InvalidRequestObject("The request object lives longer than an hour.")


def _instant(claims: Mapping[str, object], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) >= 1 << 40:
        raise InvalidRequestObject(f"{name} of the request object is not an instant.")
    return float(value)


def _as_parameter(name: str, value: object) -> str:
    """Return a member as the parameter that it stands for (RFC 9101, 4)."""
    match value:
        case str():
            return value
        case bool():
            raise InvalidRequestObject(f"{name[:40]} of the request object is not text.")
        case int():
            return str(value)
        case dict() | list():
            return orjson.dumps(value).decode()
        case _:
            raise InvalidRequestObject(f"{name[:40]} of the request object is not text.")


def _resources(value: object) -> tuple[str, ...]:
    values = value if isinstance(value, list | tuple) else (value,)
    if not all(isinstance(member, str) for member in values):
        raise InvalidRequestObject("resource of the request object is not text.")
    return tuple(values)
