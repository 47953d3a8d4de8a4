"""What other contexts may call of the population register.

Feeds and agencies are for the composition root: the commands of whoever runs the service.
"""

from population_register.attributes import ATTRIBUTES
from population_register.consistency import DISPUTED, RULE_WORDS
from population_register.deidentification import DIMENSIONS
from population_register.errors import (
    AlreadyDisputed,
    AnswerRefused,
    DisputeRefused,
    MandateMissing,
    MandateRefused,
    MappingRefused,
    PersonUnknown,
    QuestionRefused,
    RecordRefused,
    TooManyDisputes,
    UnknownAgency,
    UnknownFeed,
    UnknownMandate,
    UnknownWorkItem,
    ValueNotStated,
    ValueRefused,
    VersionTaken,
    WorkItemDone,
)
from population_register.evaluation import Quality as MatchingQuality
from population_register.events import LIFE_EVENT_TASK, LIFE_EVENTS_TOLD_TASK
from population_register.feed_formats import FeedFormat
from population_register.identifiers import Identifier, IdentifierKind
from population_register.life_events import LifeEventKind
from population_register.mandate import FIELDS as MANDATE_FIELDS
from population_register.mandate import (
    Condition,
    Given,
    LegalBasis,
    Mandate,
    Mandated,
    NotMandated,
    given_fields,
)
from population_register.mandate import decide as decide_mandate
from population_register.mandate_store import AgencyChange
from population_register.matching_store import (
    Merge,
    set_account_holder,
)
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
    civil_date,
)
from population_register.profiles import (
    profile_of,
)
from population_register.reading import PREDICATES, attributes_of, conflicts, evaluate
from population_register.resolving import (
    Description,
    Match,
    Nobody,
    Outcome,
    Possible,
    decide_by_counts,
    read_description,
)
from population_register.ruling_store import (
    Ruling,
)
from population_register.sector_pseudonyms import sector_pseudonym
from population_register.service.accepting import accept_record
from population_register.service.agencies import (
    AgencyRights,
    add_agency,
    add_official_key,
    authority_of,
    close_agency,
    describe_agency,
    get_agency,
    list_agencies,
    list_agency_changes,
    load_rights,
    parse_agency,
    retire_official_key,
)
from population_register.service.candidates import (
    CandidatePerson,
    find_candidates,
)
from population_register.service.consistency import CheckCounts, check_register
from population_register.service.evaluating import MatchingReport, evaluate_matching
from population_register.service.extracts import write_extract
from population_register.service.feeds import (
    guess_format,
    list_feeds,
    load_feed,
    write_rejections,
)
from population_register.service.groups import (
    members_of,
)
from population_register.service.life import derive_life_events, note_birthdays
from population_register.service.mandates import (
    add_legal_basis,
    grant_mandate,
    list_legal_bases,
    list_mandates,
    revoke_mandate,
)
from population_register.service.merging import (
    Decider,
    ask_agency,
    merge_persons,
    rule_apart,
    undo_merge,
    undo_ruling,
)
from population_register.service.persons import (
    find_person,
    list_source_records,
    open_record,
    read_as_believed,
    read_children,
    read_record,
)
from population_register.service.receiving import Receipt, receive_record
from population_register.service.resolving import find_outcomes, question_digests, read_records
from population_register.service.reviewing import (
    Case,
    CaseView,
    explain_person,
    list_cases,
    read_case,
)
from population_register.service.statistics import (
    add_recipient,
    count_people,
    list_recipients,
    list_releases,
    take_snapshot,
)
from population_register.service.subscriptions import (
    MOST_EVENTS,
    ToldPage,
    list_notices,
    list_subscriptions,
    read_events,
    subscribe,
    unsubscribe,
)
from population_register.service.uploads import (
    FeedStatus,
    begin_upload,
    get_feed_status,
    list_feed_statuses,
)
from population_register.service.work_lists import (
    ANSWERS,
    DISPUTES_A_DAY,
    LONGEST_SUGGESTION,
    LONGEST_TEXT,
    MOST_LISTED,
    STATUSES,
    WAITING,
    Dispute,
    Reader,
    WorkItem,
    answer_work,
    count_work,
    list_disputes,
    list_work,
    open_dispute,
)
from population_register.statements import identifier_holders, unchanged_agency
from population_register.store import current_record

ITEMS = frozenset(ATTRIBUTES) | frozenset(PREDICATES)
"""Everything of the register that a consent may name."""

__all__ = [
    "ANSWERS",
    "ATTRIBUTES",
    "DIMENSIONS",
    "DISPUTED",
    "DISPUTES_A_DAY",
    "ITEMS",
    "LIFE_EVENTS_TOLD_TASK",
    "LIFE_EVENT_TASK",
    "LONGEST_SUGGESTION",
    "LONGEST_TEXT",
    "MANDATE_FIELDS",
    "MOST_EVENTS",
    "MOST_LISTED",
    "PREDICATES",
    "RULE_WORDS",
    "STATUSES",
    "WAITING",
    "Accepted",
    "Agency",
    "AgencyChange",
    "AgencyRights",
    "AgencyRole",
    "AlreadyDisputed",
    "AnswerRefused",
    "AttributeValue",
    "CandidatePerson",
    "Case",
    "CaseView",
    "CheckCounts",
    "Condition",
    "CurrentRecord",
    "Decider",
    "Description",
    "Dispute",
    "DisputeRefused",
    "FeedCounts",
    "FeedFormat",
    "FeedReport",
    "FeedStatus",
    "Given",
    "Held",
    "Identifier",
    "IdentifierKind",
    "LegalBasis",
    "LifeEventKind",
    "LinkOutcome",
    "Mandate",
    "MandateMissing",
    "MandateRefused",
    "Mandated",
    "MappingRefused",
    "Match",
    "MatchingQuality",
    "MatchingReport",
    "Merge",
    "Nobody",
    "NotMandated",
    "Outcome",
    "PersonUnknown",
    "Possible",
    "QuestionRefused",
    "Reader",
    "Receipt",
    "RecordKind",
    "RecordOutcome",
    "RecordRefused",
    "Refused",
    "Ruling",
    "SourceRecord",
    "ToldPage",
    "TooManyDisputes",
    "Unchanged",
    "UnknownAgency",
    "UnknownFeed",
    "UnknownMandate",
    "UnknownWorkItem",
    "ValueNotStated",
    "ValueRefused",
    "VersionTaken",
    "WorkItem",
    "WorkItemDone",
    "accept_record",
    "add_agency",
    "add_legal_basis",
    "add_official_key",
    "add_recipient",
    "answer_work",
    "ask_agency",
    "attributes_of",
    "authority_of",
    "begin_upload",
    "check_register",
    "civil_date",
    "close_agency",
    "conflicts",
    "count_people",
    "count_work",
    "current_record",
    "decide_by_counts",
    "decide_mandate",
    "derive_life_events",
    "describe_agency",
    "evaluate",
    "evaluate_matching",
    "explain_person",
    "find_candidates",
    "find_outcomes",
    "find_person",
    "get_agency",
    "get_feed_status",
    "given_fields",
    "grant_mandate",
    "guess_format",
    "identifier_holders",
    "list_agencies",
    "list_agency_changes",
    "list_cases",
    "list_disputes",
    "list_feed_statuses",
    "list_feeds",
    "list_legal_bases",
    "list_mandates",
    "list_notices",
    "list_recipients",
    "list_releases",
    "list_source_records",
    "list_subscriptions",
    "list_work",
    "load_feed",
    "load_rights",
    "members_of",
    "merge_persons",
    "note_birthdays",
    "open_dispute",
    "open_record",
    "parse_agency",
    "profile_of",
    "question_digests",
    "read_as_believed",
    "read_case",
    "read_children",
    "read_description",
    "read_events",
    "read_record",
    "read_records",
    "receive_record",
    "retire_official_key",
    "revoke_mandate",
    "rule_apart",
    "sector_pseudonym",
    "set_account_holder",
    "subscribe",
    "take_snapshot",
    "unchanged_agency",
    "undo_merge",
    "undo_ruling",
    "unsubscribe",
    "write_extract",
    "write_rejections",
]
