"""Client-Initiated Backchannel Authentication: the rules of its request. No I/O.

Source:
    OpenID Connect CIBA Core 1.0, 7.1 to 7.3 and 13; FAPI-CIBA, 5.2.2.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from idp.errors import (
    ExpiredLoginHintToken,
    InvalidAuthorizationRequest,
    InvalidBindingMessage,
    InvalidRequestObject,
    InvalidScope,
    UnknownUserId,
)
from idp.jose import NotVerified, PublicKey, verify_jws
from idp.model import POLL, Client
from idp.policy import Policy
from idp.request_objects import TYPES, RequestObject, algorithms_of, read_parameters
from idp.tokens import verify_id_token_hint
from kernel.secret import Secret

LONGEST_BINDING_MESSAGE = 100  # characters: it is compared by eye
LONGEST_NOTIFICATION_TOKEN = 1024  # characters; CIBA, 7.1
SHORTEST_NOTIFICATION_TOKEN = 22  # characters of base64: 128 bits (CIBA, 7.1)
LONGEST_LIFE = timedelta(minutes=60)  # FAPI-CIBA, 5.2.2, 9 and 10

HINTS = ("login_hint", "id_token_hint", "login_hint_token")
_OUTSIDE = frozenset(
    {"request", "client_id", "client_secret", "client_assertion", "client_assertion_type"}
)
_REQUIRED = ("iss", "aud", "exp", "nbf", "iat", "jti")  # CIBA, 7.1.1
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750, 2.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """Whom the client means.

    Attributes:
        kind: `sub`, the client's own name of a person; `username`, a name for signing in.
    """

    kind: Literal["sub", "username"]
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How a backchannel request wants to be handled.

    Attributes:
        notification_token: With which the client is called back; None where it polls.
        binding_message: Shown to the person, and wherever they deal with the client; may be empty.
    """

    notification_token: Secret[str] | None
    binding_message: str
    expires_in: timedelta


def open_signed_request(
    client: Client,
    compact: str,
    beside: Mapping[str, str],
    keys: Sequence[PublicKey],
    *,
    issuer: str,
    policy: Policy,
    at: datetime,
) -> RequestObject:
    """Verify a signed authentication request and read its parameters.

    1. Nothing but what authenticates the client stands beside it. 2. It is signed by the client, in
    the algorithm that it registered. 3. `typ` names no other kind of JWT. 4. It has every claim
    that it must have. 5. `iss` is the client; 6. `aud` is us. 7. Now lies between `nbf` and `exp`,
    which are no more than an hour apart, and `nbf` is no more than an hour ago. 8. There is no
    request inside.

    Raises:
        InvalidAuthorizationRequest: 400 `invalid_request`. The first rule that was broken.

    Source:
        CIBA, 7.1.1 and 7.2; FAPI-CIBA, 5.2.2, 9 to 11.
    """
    if beside.keys() - _OUTSIDE:  # 1
        raise InvalidAuthorizationRequest("Parameters can't stand beside a signed request.")
    registered = client.metadata.backchannel_authentication_request_signing_alg
    algorithms = [alg for alg in algorithms_of(client) if registered in {None, alg}]
    try:
        verified = verify_jws(compact, keys, algorithms=algorithms)  # 2
    except NotVerified as error:
        raise InvalidAuthorizationRequest(
            "The signed request can't be verified.", reason=str(error)
        ) from error
    claims = verified.claims
    typ = verified.header.get("typ", "jwt")
    if not isinstance(typ, str) or typ.lower().removeprefix("application/") not in TYPES:  # 3
        raise InvalidAuthorizationRequest("typ of the signed request names another kind of JWT.")
    for name in _REQUIRED:  # 4
        if claims.get(name) in (None, "", []):
            raise InvalidAuthorizationRequest(f"The signed request has no {name}.")
    _check_parties(claims, client, issuer)  # 5, 6
    _check_life(claims, policy=policy, at=at)  # 7
    if not isinstance(claims["jti"], str):
        raise InvalidAuthorizationRequest("jti of the signed request is not a text.")
    if {"request", "request_uri"} & claims.keys():  # 8
        raise InvalidAuthorizationRequest("A request can't stand in a signed request.")
    try:
        return read_parameters(claims)
    except InvalidRequestObject as error:
        raise InvalidAuthorizationRequest(error.detail) from error


def _check_parties(claims: Mapping[str, object], client: Client, issuer: str) -> None:
    named = (claims["iss"], claims.get("client_id", client.client_id))
    if any(name != client.client_id for name in named):
        raise InvalidAuthorizationRequest("iss of the signed request is not the client.")
    audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    if issuer not in audience:
        raise InvalidAuthorizationRequest("aud of the signed request is not this server.")


def _check_life(claims: Mapping[str, object], *, policy: Policy, at: datetime) -> None:
    now, longest = at.timestamp(), LONGEST_LIFE.total_seconds()
    skew = policy.clock_skew.total_seconds()
    exp, nbf, iat = (_instant(claims, name) for name in ("exp", "nbf", "iat"))
    if exp <= now:
        raise InvalidAuthorizationRequest("The signed request has expired.")
    if max(nbf, iat) > now + skew:
        raise InvalidAuthorizationRequest("The signed request is not valid yet.")
    if nbf < now - longest:
        raise InvalidAuthorizationRequest("nbf of the signed request is more than an hour ago.")
    if exp - nbf > longest:
        raise InvalidAuthorizationRequest("The signed request lives longer than an hour.")


def _instant(claims: Mapping[str, object], name: str) -> float:
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) >= 1 << 40:
        raise InvalidAuthorizationRequest(f"{name} of the signed request is not an instant.")
    return float(value)


def check_must_sign(client: Client) -> None:
    """Refuse a request that is not signed where it has to be.

    Source:
        FAPI-CIBA, 5.2.2, 2; CIBA, 4: a client that registered an algorithm signs.
    """
    if (
        client.is_fapi2
        or client.metadata.backchannel_authentication_request_signing_alg is not None
    ):
        raise InvalidAuthorizationRequest("This client has to sign its requests.")


def check_wishes(client: Client, parameters: Mapping[str, str], policy: Policy) -> Wishes:
    """Hold what a request wants beside access against the rules, in order.

    Raises:
        InvalidScope: 400. `openid` is missing.
        InvalidBindingMessage: 400. It can't be shown, or is missing where it is needed.
        InvalidAuthorizationRequest: 400. The notification token or the expiry is malformed.

    Source:
        CIBA, 7.1; FAPI-CIBA, 5.2.2, 2.
    """
    if "openid" not in parameters.get("scope", "").split():
        raise InvalidScope("scope has to contain openid.")
    return Wishes(
        notification_token=_notification_token(client, parameters),
        binding_message=_binding_message(client, parameters),
        expires_in=_expires_in(parameters, policy),
    )


def _notification_token(client: Client, parameters: Mapping[str, str]) -> Secret[str] | None:
    if client.metadata.backchannel_token_delivery_mode == POLL:
        return None
    token = parameters.get("client_notification_token")
    if (
        token is None
        or not SHORTEST_NOTIFICATION_TOKEN <= len(token) <= LONGEST_NOTIFICATION_TOKEN
        or not _BEARER.fullmatch(token)
    ):
        raise InvalidAuthorizationRequest("client_notification_token is missing or malformed.")
    return Secret(token)


def _binding_message(client: Client, parameters: Mapping[str, str]) -> str:
    message = parameters.get("binding_message", "")
    if not message:
        # FAPI-CIBA, 5.2.2, 2: something has to tell this request from every other.
        if client.is_fapi2 and "authorization_details" not in parameters:
            raise InvalidBindingMessage("binding_message is required.")
        return ""
    if len(message) > LONGEST_BINDING_MESSAGE or not message.isprintable() or message.isspace():
        raise InvalidBindingMessage(
            f"binding_message is at most {LONGEST_BINDING_MESSAGE} printable characters."
        )
    return message


def _expires_in(parameters: Mapping[str, str], policy: Policy) -> timedelta:
    text = parameters.get("requested_expiry")
    if text is None:
        return policy.deferred_request
    if not (text.isascii() and text.isdigit()) or len(text) > len("9999999") or int(text) == 0:
        raise InvalidAuthorizationRequest("requested_expiry is a positive whole number.")
    return min(timedelta(seconds=int(text)), policy.deferred_request)


def read_hint(
    client: Client,
    parameters: Mapping[str, str],
    keys: Sequence[PublicKey],
    our_keys: Sequence[PublicKey],
    *,
    issuer: str,
    at: datetime,
) -> Hint:
    """Return whom the client means; exactly one hint says so.

    A `login_hint` is the name by which a person signs in. An `id_token_hint` is an ID token that we
    issued to this client. A `login_hint_token` is a JWT that the client signed, with `iss`, `aud`,
    `exp` and a subject identifier `sub_id` (RFC 9493) of format `iss_sub` or `opaque`.

    Raises:
        InvalidAuthorizationRequest: 400. None, more than one, or malformed.
        ExpiredLoginHintToken: 400. The token has expired.
        UnknownUserId: 400. The token names a person in a way that we don't know.

    Source:
        CIBA, 7.1 and 7.2, 3.
    """
    present = [name for name in HINTS if name in parameters]
    if len(present) != 1:
        raise InvalidAuthorizationRequest("Exactly one hint has to name the person.")
    value = parameters[present[0]]
    match present[0]:
        case "login_hint":
            return Hint(kind="username", value=value)
        case "id_token_hint":
            try:
                claims = verify_id_token_hint(
                    value, our_keys, issuer=issuer, client_id=client.client_id
                )
            except NotVerified as error:
                raise InvalidAuthorizationRequest(
                    "id_token_hint is not an ID token of ours."
                ) from error
            return Hint(kind="sub", value=claims["sub"])
        case _:
            return _read_hint_token(client, value, keys, issuer=issuer, at=at)


def _read_hint_token(
    client: Client, compact: str, keys: Sequence[PublicKey], *, issuer: str, at: datetime
) -> Hint:
    try:
        claims = verify_jws(compact, keys, algorithms=algorithms_of(client)).claims
    except NotVerified as error:
        raise InvalidAuthorizationRequest("login_hint_token can't be verified.") from error
    audience = claims["aud"] if isinstance(claims.get("aud"), list) else [claims.get("aud")]
    exp = claims.get("exp")
    if (
        claims.get("iss") != client.client_id
        or issuer not in audience
        or isinstance(exp, bool)
        or not isinstance(exp, int | float)
    ):
        raise InvalidAuthorizationRequest("login_hint_token is not the client's, or not for us.")
    if exp <= at.timestamp():
        raise ExpiredLoginHintToken
    match claims.get("sub_id"):
        case {"format": "iss_sub", "iss": str(of), "sub": str(sub)} if of == issuer:
            return Hint(kind="sub", value=sub)
        case {"format": "opaque", "id": str(username)}:
            return Hint(kind="username", value=username)
        case _:
            raise UnknownUserId(reason="sub_id")
