"""What other contexts may call of the population register."""

from population_register.attributes import ATTRIBUTES
from population_register.errors import PersonUnknown, UnknownAgency, ValueRefused
from population_register.identifiers import Identifier, IdentifierKind
from population_register.model import (
    Accepted,
    Agency,
    AgencyRole,
    AttributeValue,
    CurrentRecord,
    Held,
    LinkOutcome,
    RecordKind,
    RecordOutcome,
    Refused,
    SourceRecord,
    Unchanged,
)
from population_register.reading import PREDICATES, attributes_of, conflicts, evaluate
from population_register.service.accepting import accept_record
from population_register.service.agencies import list_agencies
from population_register.service.persons import (
    find_person,
    list_source_records,
    open_record,
    read_record,
)
from population_register.store import current_record

ITEMS = frozenset(ATTRIBUTES) | frozenset(PREDICATES)
"""Everything of the register that a consent may name."""

__all__ = [
    "ATTRIBUTES",
    "ITEMS",
    "PREDICATES",
    "Accepted",
    "Agency",
    "AgencyRole",
    "AttributeValue",
    "CurrentRecord",
    "Held",
    "Identifier",
    "IdentifierKind",
    "LinkOutcome",
    "PersonUnknown",
    "RecordKind",
    "RecordOutcome",
    "Refused",
    "SourceRecord",
    "Unchanged",
    "UnknownAgency",
    "ValueRefused",
    "accept_record",
    "attributes_of",
    "conflicts",
    "current_record",
    "evaluate",
    "find_person",
    "list_agencies",
    "list_source_records",
    "open_record",
    "read_record",
]
