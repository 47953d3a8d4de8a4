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
    """A person's records were opened, to put together anew what they are recognised by."""

    action: ClassVar[str] = "population_register.person.rederived"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsRead:
    """A person was counted, or became a row without a name, for statistics."""

    action: ClassVar[str] = "population_register.statistics.read"


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeLookedAt:
    """A person's record was looked at for what happened: after a change, or on a birthday."""

    action: ClassVar[str] = "population_register.life.looked_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeEventTold:
    """An agency that subscribed to such events fetched one."""

    action: ClassVar[str] = "population_register.life_event.told"


LIFE_EVENT_TASK = "population_register.life_event.happened"
"""The job that lets other contexts act upon an event of a person: death, and that it was none.
Enqueued by name, in the transaction that derived the event; arguments: person_id, kind."""

LIFE_EVENTS_TOLD_TASK = "population_register.life_events.told"
"""The job that tells a subscriber that its sequence goes on. Argument: agency_id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseOpened:
    """An official looked at the records of two persons who may be one."""

    action: ClassVar[str] = "population_register.case.opened"


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonsMerged:
    """An official decided that two persons are one."""

    action: ClassVar[str] = "population_register.person.merged"


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonsUnmerged:
    """An official decided that what was put together is not one person."""

    action: ClassVar[str] = "population_register.person.unmerged"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsRuledApart:
    """An official decided that records are about two people, or took that back."""

    action: ClassVar[str] = "population_register.person.ruled_apart"


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeProposed:
    """An official found that two people with accounts are one; another one has to confirm."""

    action: ClassVar[str] = "population_register.merge.proposed"


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeConfirmed:
    """A second official confirmed that two people are one."""

    action: ClassVar[str] = "population_register.merge.confirmed"


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeRejected:
    """A second official did not confirm that two people are one."""

    action: ClassVar[str] = "population_register.merge.rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyAsked:
    """An official asked an agency whether records of two people are about one."""

    action: ClassVar[str] = "population_register.agency.asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsistencyChecked:
    """A person's records were looked through for contradictions and impossible histories."""

    action: ClassVar[str] = "population_register.consistency.checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRead:
    """An agency read in its work list what it has to look at about a person."""

    action: ClassVar[str] = "population_register.finding.read"


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingAnswered:
    """An agency answered what was found about a person, or what the person disputes."""

    action: ClassVar[str] = "population_register.finding.answered"
