"""Verified claims: what a client asks for. No I/O.

A request is a template: what it names is returned, what it restricts must be so
(`verified_answer.py`). The only error is a request that no template can be read from.

Source:
    OpenID Connect for Identity Assurance 1.0, 5; OpenID Identity Assurance Schema Definition 1.0,
    5; OpenID Connect for Identity Assurance Claims Registration 1.0, 4.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from typing import Any, TypeAlias

import orjson

from idp.assurance import AssuranceLevel
from idp.claims import ITEMS_OF_CLAIM
from idp.errors import InvalidAuthorizationRequest

VERIFIED_CLAIMS = "verified_claims"
IDENTIFICATION = "identification"
"""The purpose under which a person is asked for them."""

USERINFO, ID_TOKEN = "userinfo", "id_token"
_LEVEL = "level"

TRUST_FRAMEWORK = "urn:civitas:trust-framework:population-register"
"""The rules by which we identify people; docs/partners.md says what they are."""

ASSURANCE_LEVELS: Mapping[str, AssuranceLevel] = MappingProxyType(
    {"confirmed": AssuranceLevel.CONFIRMED, "standard": AssuranceLevel.STANDARD}
)
"""Levels of the trust framework, strongest first. A name that somebody chose is not verified."""

ITEMS_OF_VERIFIED_CLAIM: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **ITEMS_OF_CLAIM,
        "place_of_birth": ("birthplace",),
        "nationalities": ("citizenships",),
    }
)
"""Which items of the register each verified claim is read from; every one there is."""

ITEM_OF_DOCUMENT: Mapping[str, str] = MappingProxyType(
    {"idcard": "passport", "passport": "foreign_passport"}
)
"""Types of documents, and the item each lies in: the passport of the Russian citizen is the card
by which people are identified at home, the other one is for travel."""

DOCUMENT, ELECTRONIC_RECORD = EVIDENCE = ("document", "electronic_record")
ELECTRONIC_RECORD_TYPE = "population_register"
CHECK_METHOD = "data"
"""Compared with the data of the authority that answers for it."""

MOST_ENTRIES = 8
LARGEST_REQUEST = 8192  # bytes of JSON: it is kept with the grant

JSON: TypeAlias = Any
RESTRICTIONS = frozenset({"value", "values", "max_age"})
LEAF_MEMBERS = RESTRICTIONS | {"essential", "purpose"}


def check_request(asked: JSON) -> None:
    """Hold the `verified_claims` member of a request against its form.

    Raises:
        InvalidAuthorizationRequest: 400. Not an object or a list of them, too large, without
            `verification/trust_framework`, without `claims` or with empty ones, evidence without a
            type, a restriction that is none.

    Source:
        OpenID Connect for Identity Assurance, 5.1 and 5.2.
    """
    entries = entries_of(asked)
    if not 0 < len(entries) <= MOST_ENTRIES:
        raise _malformed(f"is one object, or a list of one to {MOST_ENTRIES}")
    if len(orjson.dumps(asked)) > LARGEST_REQUEST:
        raise _malformed(f"is longer than {LARGEST_REQUEST} bytes")
    for entry in entries:
        if not isinstance(entry, dict):
            raise _malformed("is an object, or a list of objects")
        verification = entry.get("verification")
        if not isinstance(verification, dict) or "trust_framework" not in verification:
            raise _malformed("has verification with trust_framework")
        _check_claims(entry.get("claims", ()))
        _check_evidence(verification.get("evidence"))
        _check_restrictions(entry)


def _check_claims(claims: JSON) -> None:
    if claims is None:
        return
    if not isinstance(claims, dict) or not claims:
        raise _malformed("has claims, and they are not empty")
    if not all(claim is None or isinstance(claim, dict) for claim in claims.values()):
        raise _malformed("asks for each claim by null or an object")


def _check_evidence(evidence: JSON) -> None:
    if evidence is None:
        return
    if not isinstance(evidence, list) or not evidence:
        raise _malformed("asks for evidence by a list that is not empty")
    for member in evidence:
        of_type = member.get("type") if isinstance(member, dict) else None
        if not isinstance(of_type, dict) or not isinstance(of_type.get("value"), str):
            raise _malformed("names the type of each evidence by one value")


def _check_restrictions(element: JSON) -> None:
    if isinstance(element, list):
        for member in element:
            _check_restrictions(member)
    if not isinstance(element, dict):
        return
    max_age = element.get("max_age")
    is_number = isinstance(max_age, int | float) and not isinstance(max_age, bool)
    if max_age is not None and not (is_number and max_age >= 0):
        raise _malformed("has a max_age that is no number of seconds")
    values = element.get("values")
    if values is not None and not (isinstance(values, list) and values):
        raise _malformed("has values that are no list, or an empty one")
    for name, member in element.items():
        if name not in LEAF_MEMBERS:
            _check_restrictions(member)


def _malformed(what: str) -> InvalidAuthorizationRequest:
    return InvalidAuthorizationRequest(f"verified_claims in claims is malformed: it {what}.")


def items_of_request(verified: Mapping[str, JSON]) -> tuple[str, ...]:
    """Return the items that a whole request asks for, wherever it wants them returned."""
    asked = (items_asked(each) for each in verified.values())
    return tuple(dict.fromkeys(item for items in asked for item in items))


def items_asked(asked: JSON) -> tuple[str, ...]:
    """Return the items that would be read to answer, in the order of the claims.

    An entry of another trust framework, or of a level that there is not, is never fulfilled: for
    it nobody is asked and nothing is read.
    """
    items: dict[str, None] = {}
    for entry in entries_of(asked):
        items |= dict.fromkeys(items_of_entry(entry))
    return tuple(items)


def entries_of(asked: JSON) -> list[Mapping[str, JSON]]:
    """Return what is asked for as a list, also where it is one object."""
    return asked if isinstance(asked, list) else [asked]


def items_of_entry(entry: Mapping[str, JSON]) -> list[str]:
    """Return the items that would be read to answer one entry; none where it can't be fulfilled."""
    verification = entry["verification"]
    claims = [name for name in entry["claims"] or () if name in ITEMS_OF_VERIFIED_CLAIM]
    levels = verification.get("assurance_level")
    if (
        not claims
        or not meets(verification["trust_framework"], TRUST_FRAMEWORK, at=LONG_AGO)
        or not any(meets(levels, name, at=LONG_AGO) for name in ASSURANCE_LEVELS)
    ):
        return []
    items = [item for claim in claims for item in ITEMS_OF_VERIFIED_CLAIM[claim]]
    for member in verification.get("evidence") or ():
        if member["type"]["value"] == DOCUMENT:
            wanted = (member.get("document_details") or {}).get("type")
            items += [i for t, i in ITEM_OF_DOCUMENT.items() if meets(wanted, t, at=LONG_AGO)]
    return items


LONG_AGO = datetime.min.replace(tzinfo=UTC)


def as_granted(verified: Mapping[str, JSON], level: AssuranceLevel) -> dict[str, JSON] | None:
    """Return what is kept with a grant: the request, and how sure we were of the account."""
    if not items_of_request(verified):
        return None
    return {**verified, _LEVEL: level.value}


def merged(granted: Mapping[str, JSON] | None, asked: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return a request together with what a grant holds already (Grant Management, 5.2)."""
    before = {where: (granted or {}).get(where) for where in (USERINFO, ID_TOKEN)}
    found: dict[str, JSON] = {}
    for where, kept in before.items():
        both = [each for each in (kept, asked.get(where)) if each is not None]
        if len(both) == 1 or (both and both[0] == both[1]):
            found[where] = both[0]
        elif both:
            found[where] = [entry for each in both for entry in entries_of(each)]
            check_request(found[where])
    return found


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a grant asked to be returned in one place.

    Attributes:
        asked: As `check_request` accepted it.
        items: To be read for it.
        level: How sure we were of the account when the person agreed.
    """

    asked: JSON
    items: tuple[str, ...]
    level: AssuranceLevel


def wanted_of_grant(granted: Mapping[str, JSON], where: str) -> Wanted | None:
    """Return what is wanted in one place; None where nothing need be read.

    Args:
        granted: From `as_granted`; empty for nothing.
        where: `userinfo` or `id_token`.
    """
    asked = granted.get(where)
    items = () if asked is None else items_asked(asked)
    if not items:
        return None
    level = AssuranceLevel(granted[_LEVEL])
    return None if level < min(ASSURANCE_LEVELS.values()) else Wanted(asked, items, level)


def meets(template: JSON, value: JSON, *, at: datetime) -> bool:
    """Tell whether a value is one of those wanted, and young enough."""
    if not isinstance(template, dict):
        return True
    if "value" in template and value != template["value"]:
        return False
    if "values" in template and value not in template["values"]:
        return False
    max_age = template.get("max_age")
    if max_age is None:
        return True
    until = _last_second(value)
    return until is None or at - until <= timedelta(seconds=min(max_age, _LONGEST_AGE))


_LONGEST_AGE = 10_000 * 366 * 86_400


def _last_second(value: JSON) -> datetime | None:
    """Return the last second of a date, from which its age counts (5.3.2); None for no date."""
    if not isinstance(value, str):
        return None
    try:
        if len(value) == len("2026-11-26"):
            return datetime.combine(date.fromisoformat(value), time(23, 59, 59), UTC)
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return at if at.tzinfo is not None else None
