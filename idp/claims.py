"""Claims about a person: what asks for them, what they are read from. No I/O.

Source:
    OpenID Connect Core, 5.1 (standard claims), 5.4 (scopes), 5.5 (the `claims` parameter).
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from idp.errors import InvalidAuthorizationRequest
from idp.model import ClaimsRequest, JSONObject
from kernel.errors import InvalidRequest
from kernel.strict_json import parse_json

_NAME_PARTS = ("family_name", "given_name", "middle_name")

ITEMS_OF_CLAIM: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "name": _NAME_PARTS,
        "family_name": ("family_name",),
        "given_name": ("given_name",),
        "middle_name": ("middle_name",),
        "gender": ("gender",),
        "birthdate": ("birthdate",),
        "address": ("registration_address",),
        "over_14": ("over_14",),
        "over_18": ("over_18",),
        "over_21": ("over_21",),
    }
)
"""Which items of the register each claim is read from; every claim there is."""

CLAIMS_OF_SCOPE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "openid": (),
        "profile": ("name", *_NAME_PARTS, "gender", "birthdate"),
        "address": ("address",),
        "offline_access": (),
    }
)
"""Every scope there is, and the claims it asks for from the UserInfo endpoint."""

_VERIFIED = "verified_claims"
_MOST_CLAIMS = 64
_WHOLE_DATE = len("2026-11-23")
_YEAR = len("2026")


def claims_of_scopes(scopes: Iterable[str]) -> tuple[str, ...]:
    """Return the claims that scopes ask for, without repetition."""
    return tuple(
        dict.fromkeys(claim for scope in scopes for claim in CLAIMS_OF_SCOPE.get(scope, ()))
    )


def items_of_claims(claims: Iterable[str]) -> tuple[str, ...]:
    """Return the items that claims are read from, without repetition."""
    return tuple(dict.fromkeys(item for claim in claims for item in ITEMS_OF_CLAIM.get(claim, ())))


def parse_claims_parameter(text: str | None) -> ClaimsRequest:
    """Read the `claims` parameter; what we don't know in it is ignored.

    Its `verified_claims` members are returned as received: `idp.verified_claims` reads them.

    Args:
        text: As received; None when there is none.

    Raises:
        InvalidAuthorizationRequest: 400. Not a JSON object of objects.

    Source:
        OpenID Connect Core, 5.5 and 5.5.1.
    """
    if text is None:
        return ClaimsRequest()
    try:
        asked = parse_json(text)
    except InvalidRequest as error:
        raise InvalidAuthorizationRequest("claims is not JSON.") from error
    if not isinstance(asked, dict):
        raise InvalidAuthorizationRequest("claims is not a JSON object.")
    userinfo = _member(asked, "userinfo")
    id_token = _member(asked, "id_token")
    acr = id_token.get("acr") or {}
    acr_values = _values(acr)
    subs = {value for m in (userinfo, id_token) for value in _values(m.get("sub") or {})}
    if len(subs) > 1:
        raise InvalidAuthorizationRequest("claims asks for more than one sub.")
    return ClaimsRequest(
        userinfo=tuple(name for name in userinfo if name in ITEMS_OF_CLAIM),
        id_token=tuple(name for name in id_token if name in ITEMS_OF_CLAIM),
        essential_acr=acr_values if acr.get("essential") is True else (),
        acr_values=acr_values,
        sub=next(iter(subs), None),
        verified={
            where: member[_VERIFIED]
            for where, member in (("userinfo", userinfo), ("id_token", id_token))
            if _VERIFIED in member
        },
    )


def _member(asked: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    member = asked.get(name)
    if member is None:
        return {}
    if not isinstance(member, dict) or len(member) > _MOST_CLAIMS:
        raise InvalidAuthorizationRequest(f"{name} in claims is not a JSON object.")
    if any(
        not (value is None or isinstance(value, dict) or claim == _VERIFIED)
        for claim, value in member.items()
    ):
        raise InvalidAuthorizationRequest("A member of claims is neither null nor an object.")
    return member


def _values(request: Mapping[str, Any]) -> tuple[str, ...]:
    values = request.get("values", [request["value"]] if "value" in request else [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InvalidAuthorizationRequest("A value in claims is not a text.")
    return tuple(values)


def claims_from(attributes: JSONObject, claims: Iterable[str]) -> dict[str, object]:
    """Return the claims, from the values of the items they are read from.

    Args:
        attributes: Value by item; an item that the register does not have is absent.
        claims: Which ones. A claim without a value is left out (OpenID Connect Core, 5.3.2).
    """
    result: dict[str, object] = {}
    for claim in claims:
        value = _claim(claim, attributes)
        if value is not None and value != "":
            result[claim] = value
    return result


def _claim(claim: str, attributes: JSONObject) -> object:
    match claim:
        case "name":
            parts = (attributes.get(part) for part in ("given_name", "middle_name", "family_name"))
            return " ".join(part for part in parts if isinstance(part, str) and part)
        case "address":
            return _address(attributes.get("registration_address"))
        case "birthdate":
            # A year, or a whole date; a month alone has no form: OpenID Connect Core, 5.1.
            birthdate = str(attributes.get("birthdate") or "")
            return birthdate if len(birthdate) == _WHOLE_DATE else birthdate[:_YEAR]
        case _:
            (item,) = ITEMS_OF_CLAIM[claim]
            return attributes.get(item)


def _address(value: object) -> dict[str, str] | None:
    """Return the Address Claim (OpenID Connect Core, 5.1.1)."""
    if not isinstance(value, Mapping):
        return None
    street = ", ".join(str(value[part]) for part in ("street", "house", "flat") if value.get(part))
    members = {
        "formatted": value.get("formatted"),
        "street_address": street,
        "locality": value.get("locality"),
        "region": value.get("region"),
        "postal_code": value.get("postal_code"),
        "country": value.get("country"),
    }
    address = {name: str(member) for name, member in members.items() if member}
    return address or None
