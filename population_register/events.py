"""What agencies did, as the access log names it."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordAccepted:
    """An agency's source record was kept; it opened what was known, to derive the record anew."""

    action: ClassVar[str] = "population_register.record.accepted"


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonCompared:
    """What a person is recognised by was opened, to decide whether a record is about them."""

    action: ClassVar[str] = "population_register.person.compared"


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonRederived:
    """A person's record was derived anew, because a record came or went, or persons became one."""

    action: ClassVar[str] = "population_register.person.rederived"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsRead:
    """A person was counted, or became a row without a name, for statistics."""

    action: ClassVar[str] = "population_register.statistics.read"
