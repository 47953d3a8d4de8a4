"""Which fields an agency may get for a legal basis: field × condition × basis × validity. No I/O.

A mandate is given to one agency for one field. What no mandate in force names is not given, and in
the answer it looks like a value that the register does not have.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Final, Literal, TypeAlias
from uuid import UUID

from kernel.ids import AgencyId
from kernel.secret import Unprinted
from population_register.attributes import ATTRIBUTES
from population_register.errors import MandateRefused
from population_register.model import CurrentRecord, civil_date
from population_register.reading import PREDICATES, evaluate

PSEUDONYM: Final = "pseudonym"
"""The field whose mandate gives a match and the agency's own pseudonym, and no value."""

_PSEUDONYM_OF: Final = "pseudonym:"
_SECTOR = re.compile("[a-z][a-z0-9_-]{1,63}")
_LEGAL_BASIS = re.compile("[a-z][a-z0-9_.-]{1,63}")

FIELDS: Final = (*ATTRIBUTES, *PREDICATES)
"""Every value that a mandate may name, in the order in which an answer holds them."""


class Condition(StrEnum):
    """Of whom a field may be given; looked at in the record itself, on the day of the question."""

    ALWAYS = "always"
    OF_AGE = "of_age"
    UNDER_AGE = "under_age"
    CITIZEN = "citizen"
    NOT_A_CITIZEN = "not_a_citizen"
    LIVING = "living"
    DECEASED = "deceased"


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalBasis:
    """The law that a question rests on, in the words in which the person reads it in the log.

    Attributes:
        code: As agencies state it; it stays for ever, log entries name it.
        reference: Act, article and part, as a lawyer looks it up.
    """

    code: str
    title_ru: str
    title_en: str
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mandate:
    """What was given to an agency. Never deleted: revoking sets when and by whom.

    Attributes:
        field: A name of `FIELDS`; `pseudonym`; or `pseudonym:SECTOR`, the pseudonym of that sector.
        valid_from: First day, in legal time.
        valid_to: First day on which it is over; None for an open end.
        granted_by: Who gave it, as the administrator's client or `command`.
    """

    mandate_id: UUID
    agency_id: AgencyId
    field: str
    condition: Condition
    legal_basis: str
    valid_from: date
    valid_to: date | None
    granted_at: datetime
    granted_by: str
    revoked_at: datetime | None = None
    revoked_by: str | None = None

    def in_force(self, at: datetime) -> bool:
        """Tell whether it counts at an instant."""
        return self._standing(civil_date(at)) == "in_force"

    def _standing(self, today: date) -> Literal["in_force", "revoked", "not_begun", "expired"]:
        if self.revoked_at is not None:  # whatever our clock says: docs/decisions/0018
            return "revoked"
        if today < self.valid_from:
            return "not_begun"
        if self.valid_to is not None and self.valid_to <= today:
            return "expired"
        return "in_force"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mandated:
    """The agency may ask; each field with the conditions of which one must hold.

    Attributes:
        values: The fields that are values of the register, in its order.
        of_everybody: Those that may be given of everybody: their conditions need no look.
    """

    conditions: Mapping[str, frozenset[Condition]] = field(default_factory=dict)
    values: tuple[str, ...] = ()
    of_everybody: frozenset[str] = frozenset()

    def fields(self, asked: Collection[str] | None = None) -> tuple[str, ...]:
        """Return the values that may be given, narrowed to those asked for, in our order."""
        if asked is None:
            return self.values
        return tuple(name for name in self.values if name in asked)

    def pseudonym_of(self, sector: str) -> frozenset[Condition]:
        """Return the conditions of giving a person's pseudonym in another sector; one must hold.

        None if nobody's may be given.
        """
        return self.conditions.get(_PSEUDONYM_OF + sector, frozenset())


@dataclass(frozen=True, slots=True)
class NotMandated:
    """No mandate in force for this basis; `reason` is the one closest to success, for our log."""

    reason: Literal["never_granted", "revoked", "expired", "not_begun"]


Decision: TypeAlias = Mandated | NotMandated

_CLOSENESS: Final = ("never_granted", "revoked", "expired", "not_begun")


def decide(mandates: Iterable[Mandate], *, legal_basis: str, at: datetime) -> Decision:
    """Decide what an agency may get for the legal basis that it states.

    Args:
        mandates: Every mandate of one agency, in any order, revoked ones too.
        legal_basis: As stated; compared exactly.
        at: Instant of the question.

    Returns:
        `Mandated`, or `NotMandated` when nothing at all is in force for the basis.
    """
    conditions: dict[str, set[Condition]] = {}
    today = civil_date(at)
    reason = 0
    for mandate in mandates:
        if mandate.legal_basis != legal_basis:
            continue
        standing = mandate._standing(today)  # noqa: SLF001  # of this module's own class
        if standing == "in_force":
            conditions.setdefault(mandate.field, set()).add(mandate.condition)
        else:
            reason = max(reason, _CLOSENESS.index(standing))
    if not conditions:
        return NotMandated(_CLOSENESS[reason])
    return Mandated(
        conditions={name: frozenset(found) for name, found in conditions.items()},
        values=tuple(name for name in FIELDS if name in conditions),
        of_everybody=frozenset(
            name for name, found in conditions.items() if Condition.ALWAYS in found
        ),
    )


def holds(condition: Condition, record: CurrentRecord) -> bool:
    """Tell whether a condition holds of a person; what is not known holds of nobody."""
    return _CONDITIONS[condition](record)


def any_holds(conditions: Iterable[Condition], record: CurrentRecord) -> bool:
    """Tell whether one of the conditions holds."""
    return any(holds(condition, record) for condition in conditions)


def _says(predicate: str, *, yes: bool) -> Callable[[CurrentRecord], bool]:
    def says(record: CurrentRecord) -> bool:
        answer = PREDICATES[predicate](record, record.on)
        return answer is not None and answer.value is yes

    return says


_CONDITIONS: Final[Mapping[Condition, Callable[[CurrentRecord], bool]]] = {
    Condition.ALWAYS: lambda _record: True,
    Condition.OF_AGE: _says("over_18", yes=True),
    Condition.UNDER_AGE: _says("over_18", yes=False),
    Condition.CITIZEN: _says("russian_citizen", yes=True),
    Condition.NOT_A_CITIZEN: _says("russian_citizen", yes=False),
    Condition.LIVING: lambda record: record.find("deathdate") is None,
    Condition.DECEASED: lambda record: record.find("deathdate") is not None,
}


class GivenValue(Unprinted, frozen=True, kw_only=True):
    """One value as an agency receives it: what, says who, of which day."""

    value: object
    source: AgencyId
    as_of: date


def given_fields(
    mandated: Mandated, fields: Iterable[str], record: CurrentRecord, at: datetime
) -> dict[str, GivenValue]:
    """Return the values of a record that may be given, each with its source and day.

    Args:
        mandated: What the agency may get.
        fields: Of `mandated.fields`.
        record: Of the person, read for the day of `at`.
        at: Instant of the question.

    Absent are, and look the same: a field without a mandate, one whose conditions don't hold of
    this person, and one of which the register says nothing.
    """
    given: dict[str, GivenValue] = {}
    for name in fields:
        if name not in mandated.of_everybody and not any_holds(mandated.conditions[name], record):
            continue
        said = evaluate(record, name, at)
        if said is not None:
            given[name] = GivenValue(value=said.value, source=said.source, as_of=said.as_of)
    return given


def check_field(name: str, condition: Condition) -> None:
    """Hold a field's name against what there is, and its condition against the field.

    Raises:
        MandateRefused: 400. Neither a value of the register nor a pseudonym; or a condition on who
            may be found: that somebody is meant is told before their record is looked at.
    """
    if name == PSEUDONYM and condition is not Condition.ALWAYS:
        raise MandateRefused("pseudonym is given with every match: it has no condition.")
    if name in FIELDS or name == PSEUDONYM:
        return
    if not name.startswith(_PSEUDONYM_OF) or not _SECTOR.fullmatch(
        name.removeprefix(_PSEUDONYM_OF)
    ):
        raise MandateRefused(
            "A mandate names an attribute or a predicate of the register (docs/feeds.md), "
            "pseudonym, or pseudonym:SECTOR."
        )


def check_legal_basis(code: str) -> None:
    """Hold the code of a legal basis against its form.

    Raises:
        MandateRefused: 400. Not of the form.
    """
    if not _LEGAL_BASIS.fullmatch(code):
        raise MandateRefused(
            "A legal basis is a code of lower-case Latin letters, digits, dots, - and _."
        )
