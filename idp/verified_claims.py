"""Verified claims: what a client asks for, and what it is answered. No I/O.

A request is a template: what it names is returned, what it restricts must be so. The whole
verification that we could state is laid against the template; where a restriction is not met, the
parent of what it stands on is left out, up to the whole element. Nothing of it is ever an error,
except a request that no template can be read from.

Source:
    OpenID Connect for Identity Assurance 1.0, 5; OpenID Identity Assurance Schema Definition 1.0,
    5; OpenID Connect for Identity Assurance Claims Registration 1.0, 4.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeAlias

import orjson

from idp.assurance import AssuranceLevel
from idp.claims import ITEMS_OF_CLAIM, claims_from
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

COUNTRY_CODE = "RUS"
MOST_ENTRIES = 8
LARGEST_REQUEST = 8192  # bytes of JSON: it is kept with the grant

JSON: TypeAlias = Any
_RESTRICTIONS = frozenset({"value", "values", "max_age"})
_LEAF_MEMBERS = _RESTRICTIONS | {"essential", "purpose"}
_ALWAYS_THERE = frozenset({"trust_framework", "type", "check_method"})
"""What a valid response has wherever its parent is: Schema Definition, 5.4."""


class Fact(Protocol):
    """What the register says about an item: the register's own attribute value."""

    @property
    def value(self) -> JSON:
        """The value."""
        ...

    @property
    def source(self) -> str:
        """The agency that says so."""
        ...

    @property
    def recorded_at(self) -> datetime:
        """When it said so to us."""
        ...


class _Left(Enum):
    """What is left of an element that is not returned."""

    OUT = "out"  # there is nothing to return
    UNMET = "unmet"  # a restriction is not met: what it stands on is left out too


_OUT: Final = _Left.OUT
_UNMET: Final = _Left.UNMET


def check_request(asked: JSON) -> None:
    """Hold the `verified_claims` member of a request against its form.

    Raises:
        InvalidAuthorizationRequest: 400. Not an object or a list of them, too large, without
            `verification/trust_framework`, without `claims` or with empty ones, evidence without a
            type, a restriction that is none.

    Source:
        OpenID Connect for Identity Assurance, 5.1 and 5.2.
    """
    entries = asked if isinstance(asked, list) else [asked]
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
        _check_claims(entry.get("claims", _OUT))
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
        if name not in _LEAF_MEMBERS:
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
    for entry in _entries(asked):
        items |= dict.fromkeys(_items_of(entry))
    return tuple(items)


def _entries(asked: JSON) -> list[Mapping[str, JSON]]:
    return asked if isinstance(asked, list) else [asked]


def _items_of(entry: Mapping[str, JSON]) -> list[str]:
    verification = entry["verification"]
    claims = [name for name in entry["claims"] or () if name in ITEMS_OF_VERIFIED_CLAIM]
    levels = verification.get("assurance_level")
    if (
        not claims
        or not _meets(verification["trust_framework"], TRUST_FRAMEWORK, at=_LONG_AGO)
        or not any(_meets(levels, name, at=_LONG_AGO) for name in ASSURANCE_LEVELS)
    ):
        return []
    items = [item for claim in claims for item in ITEMS_OF_VERIFIED_CLAIM[claim]]
    for member in verification.get("evidence") or ():
        if member["type"]["value"] == DOCUMENT:
            wanted = (member.get("document_details") or {}).get("type")
            items += [i for t, i in ITEM_OF_DOCUMENT.items() if _meets(wanted, t, at=_LONG_AGO)]
    return items


_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """What an answer is made from.

    Attributes:
        facts: By item; an item that the register does not have is absent.
        level: Of the account, when the person agreed.
        agencies: Names of agencies, by identifier.
        at: Now.
    """

    facts: Mapping[str, Fact]
    level: AssuranceLevel
    agencies: Mapping[str, str]
    at: datetime


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
            found[where] = [entry for each in both for entry in _entries(each)]
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


def answer(asked: JSON, grounds: Grounds) -> JSON:
    """Return the `verified_claims` of a response; None when there is nothing to say.

    Args:
        asked: As `check_request` accepted it.
        grounds: What we know.

    Returns:
        An object for an object, a list for a list: as many members as can be fulfilled.

    Source:
        OpenID Connect for Identity Assurance, 5.6 and 5.7.
    """
    answers = [found for entry in _entries(asked) if (found := _answer(entry, grounds)) is not None]
    if not answers:
        return None
    return answers if isinstance(asked, list) else answers[0]


def _answer(entry: Mapping[str, JSON], grounds: Grounds) -> dict[str, JSON] | None:
    if not _items_of(entry):
        return None
    claims = {
        name: value
        for name, value in _claims(entry["claims"], grounds.facts).items()
        if _meets(entry["claims"][name], value, at=grounds.at)
    }
    wanted = entry["verification"]
    level = _level(wanted.get("assurance_level"), grounds.level)
    if not claims or level is None:
        return None
    verification = _project(wanted, _verification(claims, level, grounds), at=grounds.at)
    if isinstance(verification, _Left):
        return None
    return {"verification": verification, "claims": claims}


def _claims(names: Iterable[str], facts: Mapping[str, Fact]) -> dict[str, JSON]:
    values = {item: fact.value for item, fact in facts.items()}
    found = claims_from(values, [name for name in names if name in ITEMS_OF_CLAIM])
    if "place_of_birth" in names and values.get("birthplace"):
        found["place_of_birth"] = {"locality": values["birthplace"]}
    if "nationalities" in names and values.get("citizenships"):
        found["nationalities"] = list(values["citizenships"])
    return found


def _level(wanted: JSON, has: AssuranceLevel) -> str | None:
    """Return the strongest level that is wanted and had: each includes those below."""
    for name, level in ASSURANCE_LEVELS.items():
        if level <= has and _meets(wanted, name, at=_LONG_AGO):
            return name
    return None


def _verification(claims: Mapping[str, JSON], level: str, grounds: Grounds) -> dict[str, JSON]:
    """Return everything that we could say about how the claims were verified."""
    used = [
        grounds.facts[item]
        for claim in claims
        for item in ITEMS_OF_VERIFIED_CLAIM[claim]
        if item in grounds.facts
    ]
    return {
        "trust_framework": TRUST_FRAMEWORK,
        "assurance_level": level,
        # Of several values, the one that was learned first: none is older than it says.
        "time": _instant(min(fact.recorded_at for fact in used)),
        "evidence": [*_records(claims, used, grounds), *_documents(grounds)],
    }


def _records(
    claims: Mapping[str, JSON], used: Sequence[Fact], grounds: Grounds
) -> list[dict[str, JSON]]:
    """Return one electronic record for each agency that a claim comes from."""
    records = []
    for source in dict.fromkeys(fact.source for fact in used):
        derived = {
            name: value
            for name, value in claims.items()
            if any(
                grounds.facts[item].source == source
                for item in ITEMS_OF_VERIFIED_CLAIM[name]
                if item in grounds.facts
            )
        }
        learned = _instant(min(fact.recorded_at for fact in used if fact.source == source))
        records.append(
            {
                "type": ELECTRONIC_RECORD,
                "check_details": [_check(source, learned, grounds)],
                "record": {
                    "type": ELECTRONIC_RECORD_TYPE,
                    "created_at": learned,
                    "source": {
                        "name": grounds.agencies.get(source, source),
                        "country_code": COUNTRY_CODE,
                    },
                },
                "derived_claims": derived,
            }
        )
    return records


def _documents(grounds: Grounds) -> list[dict[str, JSON]]:
    """Return the identity documents that the register knows and the person agreed to show."""
    documents = []
    for of_type, item in ITEM_OF_DOCUMENT.items():
        fact = grounds.facts.get(item)
        if fact is None:
            continue
        value = fact.value
        details = {
            "type": of_type,
            "document_number": value.get("series_number") or value.get("number"),
            "date_of_issuance": value.get("issued_on"),
            "date_of_expiry": value.get("expires_on"),
            "issuer": _present(
                {
                    "name": value.get("issuer"),
                    "country_code": value.get("issuing_state", COUNTRY_CODE),
                }
            ),
        }
        checked = _check(fact.source, _instant(fact.recorded_at), grounds)
        documents.append(
            {
                "type": DOCUMENT,
                "check_details": [checked],
                "document_details": _present(details),
            }
        )
    return documents


def _check(source: str, learned: str, grounds: Grounds) -> dict[str, JSON]:
    return {
        "check_method": CHECK_METHOD,
        "organization": grounds.agencies.get(source, source),
        "time": learned,
    }


def _present(members: Mapping[str, JSON]) -> dict[str, JSON]:
    return {name: value for name, value in members.items() if value}


def _instant(at: datetime) -> str:
    """Write an instant in UTC: another zone would tell where somebody was (9)."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _project(template: JSON, full: JSON, *, at: datetime) -> JSON:
    """Return the part of `full` that the template names; or what is left of it."""
    match full:
        case dict():
            return _project_object(template, full, at=at)
        case list() if isinstance(template, list):
            return _project_list(template, full, at=at)
        case _:
            return full if _meets(template, full, at=at) else _UNMET


def _project_object(template: JSON, full: Mapping[str, JSON], *, at: datetime) -> JSON:
    nested = template.keys() - _LEAF_MEMBERS if isinstance(template, dict) else set()
    if not nested:
        return full if _meets(template, full, at=at) else _UNMET
    found: dict[str, JSON] = {}
    for name, value in full.items():
        if name not in nested and name not in _ALWAYS_THERE:
            continue
        part = _project(template.get(name), value, at=at)
        if part is _UNMET:
            return _UNMET
        found[name] = part
    # What we don't have is left out, unless it had to be something.
    if any(_is_restricted(template[name]) for name in nested - full.keys()):
        return _UNMET
    if full.get("type") == DOCUMENT and "document_details" not in found:
        found["document_details"] = {"type": full["document_details"]["type"]}
    return found


def _project_list(template: Sequence[JSON], full: Sequence[JSON], *, at: datetime) -> JSON:
    """Return the members that one of the templates fits (5.2: linked by a logical OR)."""
    found = []
    for member in full:
        parts = (_project(each, member, at=at) for each in template)
        fitting = next((part for part in parts if part is not _UNMET), _OUT)
        if fitting is not _OUT:
            found.append(fitting)
    return found or _UNMET


def _is_restricted(template: JSON) -> bool:
    match template:
        case dict():
            return not _RESTRICTIONS.isdisjoint(template) or any(
                _is_restricted(member) for member in template.values()
            )
        case list():
            return any(_is_restricted(member) for member in template)
        case _:
            return False


def _meets(template: JSON, value: JSON, *, at: datetime) -> bool:
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
