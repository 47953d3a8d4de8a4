"""What a client is answered that asked for verified claims. No I/O.

The whole verification that we could state is laid against the template of the request: what it
names is returned. Where a restriction is not met, the parent of what it stands on is left out, up
to the whole element. That is never an error.

Source:
    OpenID Connect for Identity Assurance 1.0, 5.6 and 5.7; OpenID Identity Assurance Schema
    Definition 1.0, 5.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Final, Protocol

from idp.assurance import AssuranceLevel
from idp.claims import ITEMS_OF_CLAIM, claims_from
from idp.verified_claims import (
    ASSURANCE_LEVELS,
    CHECK_METHOD,
    DOCUMENT,
    ELECTRONIC_RECORD,
    ELECTRONIC_RECORD_TYPE,
    ITEM_OF_DOCUMENT,
    ITEMS_OF_VERIFIED_CLAIM,
    JSON,
    LEAF_MEMBERS,
    LONG_AGO,
    RESTRICTIONS,
    TRUST_FRAMEWORK,
    entries_of,
    items_of_entry,
    meets,
)

COUNTRY_CODE = "RUS"

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
    answers = [
        found for entry in entries_of(asked) if (found := _answer(entry, grounds)) is not None
    ]
    if not answers:
        return None
    return answers if isinstance(asked, list) else answers[0]


def _answer(entry: Mapping[str, JSON], grounds: Grounds) -> dict[str, JSON] | None:
    if not items_of_entry(entry):
        return None
    claims = {
        name: value
        for name, value in _claims(entry["claims"], grounds.facts).items()
        if meets(entry["claims"][name], value, at=grounds.at)
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
        if level <= has and meets(wanted, name, at=LONG_AGO):
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
            return full if meets(template, full, at=at) else _UNMET


def _project_object(template: JSON, full: Mapping[str, JSON], *, at: datetime) -> JSON:
    nested = template.keys() - LEAF_MEMBERS if isinstance(template, dict) else set()
    if not nested:
        return full if meets(template, full, at=at) else _UNMET
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
            return not RESTRICTIONS.isdisjoint(template) or any(
                _is_restricted(member) for member in template.values()
            )
        case list():
            return any(_is_restricted(member) for member in template)
        case _:
            return False
