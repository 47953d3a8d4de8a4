"""Who an agency's question is about: match, possible with how many, or none. No I/O.

Numbers alone are a match when one person alone has all of them; numbers that several share, or that
point to different people, are for a human: possible, with how many there are. A question that says
more is compared as records are, by the same scorer: one person who is alike enough is a match.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from kernel.ids import PersonId
from kernel.secret import Unprinted
from population_register.attributes import ATTRIBUTES
from population_register.errors import QuestionRefused, ValueRefused
from population_register.identifiers import Identifier, IdentifierKind, parse
from population_register.model import JSONValue
from population_register.values import Problems

ASKED_BY: tuple[str, ...] = (
    "family_name",
    "given_name",
    "middle_name",
    "birthdate",
    "gender",
    "birthplace",
    "registration_address",
)
"""Attributes by which a question may describe a person."""

_PSEUDONYM = re.compile("[A-Za-z0-9_-]{21}[AQgw]")  # base64url of 16 bytes
_KINDS: Mapping[str, IdentifierKind] = {kind.value: kind for kind in IdentifierKind}
MOST_IDENTIFIERS = len(IdentifierKind)


class Description(Unprinted, frozen=True, kw_only=True):
    """What a question says of the person.

    Attributes:
        identifiers: In canonical form, each kind at most once.
        attributes: Canonical values by name, of `ASKED_BY`.
        pseudonym: The agency's own, from an answer before; alone.
    """

    identifiers: tuple[Identifier, ...] = ()
    attributes: Mapping[str, JSONValue] = {}  # msgspec makes each its own
    pseudonym: str | None = None

    @property
    def is_by_name(self) -> bool:
        """Whether there is no number and no pseudonym to go by."""
        return not self.identifiers and self.pseudonym is None


def read_description(document: Mapping[str, JSONValue]) -> Description:
    """Read the members `identifiers`, `attributes` and `pseudonym` of a question.

    Raises:
        QuestionRefused: 422. Every problem with its field: a number with a wrong check digit, an
            attribute that is none, a name without a birth date, nothing at all.
    """
    problems = Problems()
    identifiers = _identifiers(document.get("identifiers"), problems)
    attributes = _attributes(document.get("attributes"), problems)
    pseudonym = document.get("pseudonym")
    if pseudonym is not None and not (
        isinstance(pseudonym, str) and _PSEUDONYM.fullmatch(pseudonym)
    ):
        problems.add("pseudonym", "form", "A pseudonym is the 22 characters that you were given.")
    if not problems.found:
        _check_enough(identifiers, attributes, pseudonym, problems)
    if problems.found:
        raise QuestionRefused(problems.found)
    return Description(identifiers=identifiers, attributes=attributes, pseudonym=pseudonym)


def _identifiers(given: JSONValue, problems: Problems) -> tuple[Identifier, ...]:
    if given is None:
        return ()
    if not isinstance(given, Mapping) or len(given) > MOST_IDENTIFIERS:
        problems.add("identifiers", "not_an_object", "An object of numbers by their kind.")
        return ()
    found: list[Identifier] = []
    for name, number in given.items():
        kind = _KINDS.get(name)
        if kind is None:
            problems.add("identifiers", "unknown_field", f"Kinds are: {', '.join(_KINDS)}.")
        elif not isinstance(number, str):
            problems.add(f"identifiers.{name}", "not_text", "Send this field as text, in quotes.")
        else:
            try:
                found.append(parse(kind, number))
            except ValueRefused as refusal:
                problems.add(f"identifiers.{name}", refusal.reason, refusal.advice)
    return tuple(found)


def _attributes(given: JSONValue, problems: Problems) -> dict[str, JSONValue]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        problems.add("attributes", "not_an_object", "An object of values by their names.")
        return {}
    read: dict[str, JSONValue] = {}
    for name, value in given.items():
        if name not in ASKED_BY:
            problems.add("attributes", "unknown_field", f"Fields are: {', '.join(ASKED_BY)}.")
            continue
        canonical = ATTRIBUTES[name].shape.read(value, f"attributes.{name}", problems)
        if canonical is not None:
            read[name] = canonical
    return read


def _check_enough(
    identifiers: Collection[Identifier],
    attributes: Mapping[str, JSONValue],
    pseudonym: str | None,
    problems: Problems,
) -> None:
    if pseudonym is not None:
        if identifiers or attributes:
            problems.add("pseudonym", "not_alone", "A pseudonym needs nothing beside it.")
    elif not identifiers and not {"family_name", "birthdate"} <= attributes.keys():
        problems.add(
            "attributes", "not_recognisable", "Send a number, or a family name and a birth date."
        )


# Decisions


@dataclass(frozen=True, slots=True)
class Match:
    """One person, and nobody else, is meant."""

    person_id: PersonId


@dataclass(frozen=True, slots=True)
class Possible:
    """Somebody may be meant; a human has to look."""

    how_many: int


@dataclass(frozen=True, slots=True)
class Nobody:
    """The register knows nobody who is meant."""


Outcome: TypeAlias = Match | Possible | Nobody


def decide_by_numbers(
    holders: Mapping[bytes, Collection[PersonId]], digests: Collection[bytes]
) -> Outcome:
    """Decide by who has or had the numbers of a question.

    Args:
        holders: By digest of a number; one that nobody has is absent.
        digests: Of every number in the question, at least one.
    """
    anybody = {person_id for digest in digests for person_id in holders.get(digest, ())}
    having_all = {
        person_id
        for person_id in anybody
        if all(person_id in holders.get(digest, ()) for digest in digests)
    }
    return decide_by_counts(
        whole=len(having_all), partial=len(anybody), person_id=next(iter(having_all), None)
    )


def decide_by_likeness(
    likest: Mapping[PersonId, float], *, link: float, having: Collection[PersonId]
) -> Outcome:
    """Decide by how like persons are to a question that says more than numbers.

    Args:
        likest: Bits of everybody who may be meant; a number that contradicts counts in them.
        link: From which on a record would be the same person's.
        having: Who has or had a number of the question: they may be meant, whatever else is said.
    """
    alike = [person_id for person_id, bits in likest.items() if bits >= link]
    if len(alike) == 1:
        return Match(alike[0])
    possible = set(alike) or {*likest, *having}
    return Possible(len(possible)) if possible else Nobody()


def decide_by_counts(*, whole: int, partial: int, person_id: PersonId | None) -> Outcome:
    """Decide as `decide_by_numbers` does, from the counts that the hot statement returns.

    Args:
        whole: How many persons have all of the numbers.
        partial: How many have any.
        person_id: One who has all.
    """
    if partial == 0:
        return Nobody()
    if whole == 1 and person_id is not None:
        return Match(person_id)
    return Possible(whole or partial)
