"""Software statements: metadata that somebody vouches for, as a signed JWT. No I/O.

An institution names the issuers whose word it takes, and their keys. What a statement says counts
for more than what stands beside it, so that a client can't register less than was vouched for.

Source:
    RFC 7591, 2.3 and 3.1.1.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TypeAlias

from idp.errors import InvalidSoftwareStatement, UnapprovedSoftwareStatement
from idp.jose import ALGORITHMS, NotVerified, PublicKey, parse_jwks, peek_claims, verify_jws
from idp.model import JSONObject
from idp.policy import Policy
from kernel.errors import InvalidRequest
from kernel.strict_json import parse_json

STATEMENT = "software_statement"
LONGEST_STATEMENT = 16 * 1024  # characters: a key set may be in it

StatementIssuers: TypeAlias = Mapping[str, tuple[PublicKey, ...]]
"""Keys by issuer."""

NOBODY: StatementIssuers = MappingProxyType({})

_OF_THE_JWT = frozenset({"iss", "sub", "aud", "exp", "nbf", "iat", "jti"})
_KEYS = frozenset({"jwks", "jwks_uri"})
_NOT_VOUCHED_FOR = frozenset({STATEMENT, "client_id", "client_secret"})


def parse_issuers(text: bytes) -> StatementIssuers:
    """Read whose statements are believed: a JSON object of JWK Sets by issuer.

    Raises:
        ValueError: It is no such object, or an issuer has no usable key.
    """
    try:
        issuers = _object(parse_json(text))
        keys = {iss: parse_jwks(_object(jwks)) for iss, jwks in issuers.items()}
    except (InvalidRequest, NotVerified) as error:
        raise ValueError("issuers of software statements are JWK Sets by issuer") from error
    if not all(keys.values()):
        raise ValueError("an issuer of software statements has no usable key")
    return MappingProxyType(keys)


def apply_statement(
    asked: JSONObject, issuers: StatementIssuers, *, audience: str, policy: Policy, at: datetime
) -> dict[str, object]:
    """Return the metadata that is asked for, with what a statement says in place of the rest.

    Args:
        asked: As received. Without a statement it stays as it is.
        issuers: Whom we believe.
        audience: Our issuer identifier.
        policy: How far clocks may differ.
        at: Now.

    Raises:
        InvalidSoftwareStatement: 400. Not a JWT, not signed by its issuer, for somebody else,
            expired, or not valid yet.
        UnapprovedSoftwareStatement: 400. Of an issuer that we don't know.
    """
    statement = asked.get(STATEMENT)
    if statement is None:
        return {name: value for name, value in asked.items() if name != STATEMENT}
    if not isinstance(statement, str) or len(statement) > LONGEST_STATEMENT:
        raise InvalidSoftwareStatement(reason="form")
    claims = _verify(statement, issuers)
    _check_life(claims, policy=policy, at=at)
    audiences = claims.get("aud", audience)
    if audience not in (audiences if isinstance(audiences, list) else [audiences]):
        raise InvalidSoftwareStatement("The software statement is for somebody else.")
    if _NOT_VOUCHED_FOR & claims.keys():
        raise InvalidSoftwareStatement("A claim of the software statement is no metadata.")
    vouched_for = {name: value for name, value in claims.items() if name not in _OF_THE_JWT}
    # RFC 7591, 3.1.1: they take precedence. Other keys beside those vouched for are not asked for.
    overruled = _KEYS if _KEYS & vouched_for.keys() else frozenset[str]()
    kept = {name: value for name, value in asked.items() if name not in overruled}
    return {**kept, **vouched_for, STATEMENT: statement}


def _verify(statement: str, issuers: StatementIssuers) -> JSONObject:
    try:
        issuer = peek_claims(statement).get("iss")
    except NotVerified as error:
        raise InvalidSoftwareStatement(reason=str(error)) from error
    if not isinstance(issuer, str):
        raise InvalidSoftwareStatement("The software statement has no iss.")  # RFC 7591, 2.3
    keys = issuers.get(issuer)
    if keys is None:
        raise UnapprovedSoftwareStatement(reason="unknown issuer", issuer=issuer[:200])
    try:
        return verify_jws(statement, keys, algorithms=ALGORITHMS).claims
    except NotVerified as error:
        raise InvalidSoftwareStatement(reason=str(error)) from error


def _check_life(claims: JSONObject, *, policy: Policy, at: datetime) -> None:
    now, skew = at.timestamp(), policy.clock_skew.total_seconds()
    for name in ("exp", "nbf", "iat"):
        value = claims.get(name, now + 1 if name == "exp" else now)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidSoftwareStatement(f"{name} of the software statement is not an instant.")
        if value <= now if name == "exp" else value > now + skew:
            raise InvalidSoftwareStatement("The software statement is not valid now.")


def _object(value: object) -> JSONObject:
    if not isinstance(value, dict):
        raise NotVerified("not an object")
    return value
