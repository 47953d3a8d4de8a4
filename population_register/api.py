"""What other contexts may call of the population register.

Feeds and agencies are for the composition root: the commands of whoever runs the service.
"""

from population_register.attributes import ATTRIBUTES
from population_register.deidentification import DIMENSIONS
from population_register.errors import PersonUnknown, UnknownAgency, ValueRefused
from population_register.evaluation import Quality as MatchingQuality
from population_register.feed_formats import FeedFormat
from population_register.identifiers import Identifier, IdentifierKind
from population_register.model import (
    Accepted,
    Agency,
    AgencyRole,
    AttributeValue,
    CurrentRecord,
    FeedCounts,
    FeedReport,
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
from population_register.service.agencies import add_agency, list_agencies, parse_agency
from population_register.service.evaluating import MatchingReport, evaluate_matching
from population_register.service.extracts import write_extract
from population_register.service.feeds import (
    guess_format,
    list_feeds,
    load_feed,
    write_rejections,
)
from population_register.service.persons import (
    find_person,
    list_source_records,
    open_record,
    read_record,
)
from population_register.service.statistics import (
    add_recipient,
    count_people,
    list_recipients,
    list_releases,
    take_snapshot,
)
from population_register.store import current_record

ITEMS = frozenset(ATTRIBUTES) | frozenset(PREDICATES)
"""Everything of the register that a consent may name."""

__all__ = [
    "ATTRIBUTES",
    "DIMENSIONS",
    "ITEMS",
    "PREDICATES",
    "Accepted",
    "Agency",
    "AgencyRole",
    "AttributeValue",
    "CurrentRecord",
    "FeedCounts",
    "FeedFormat",
    "FeedReport",
    "Held",
    "Identifier",
    "IdentifierKind",
    "LinkOutcome",
    "MatchingQuality",
    "MatchingReport",
    "PersonUnknown",
    "RecordKind",
    "RecordOutcome",
    "Refused",
    "SourceRecord",
    "Unchanged",
    "UnknownAgency",
    "ValueRefused",
    "accept_record",
    "add_agency",
    "add_recipient",
    "attributes_of",
    "conflicts",
    "count_people",
    "current_record",
    "evaluate",
    "evaluate_matching",
    "find_person",
    "guess_format",
    "list_agencies",
    "list_feeds",
    "list_recipients",
    "list_releases",
    "list_source_records",
    "load_feed",
    "open_record",
    "parse_agency",
    "read_record",
    "take_snapshot",
    "write_extract",
    "write_rejections",
]
