"""Tables of the register. What is known about a person lies in sealed columns only."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from kernel.db import Instant, metadata

agencies = Table(
    "agencies",
    metadata,
    Column("agency_id", Text, primary_key=True),
    Column("role", Text, nullable=False, comment="decides which attributes it is the authority of"),
    Column("name_ru", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    Column("mapping", JSONB, nullable=False, comment="its names for our fields"),
    Column("is_active", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    # Pseudonyms depend on it: it is set once.
    Column("sector", Text, nullable=False, comment="in which it knows people by pseudonyms"),
    Column("revision", Integer, nullable=False, comment="of it, its mandates and its keys"),
)

# What an agency was at each of its revisions that changed it, and who changed it.
agency_changes = Table(
    "agency_changes",
    metadata,
    Column("agency_id", Text, ForeignKey("agencies.agency_id"), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("document", JSONB, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("changed_by", Text, nullable=False),
    PrimaryKeyConstraint("agency_id", "revision"),
)

# Keys by which an agency signs which of its officials asks. Retired, never deleted: an assertion
# that stands in somebody's evidence is verified with the key that there was.
agency_official_keys = Table(
    "agency_official_keys",
    metadata,
    Column("agency_id", Text, ForeignKey("agencies.agency_id"), nullable=False),
    Column("kid", Text, nullable=False),
    Column("jwk", JSONB, nullable=False),
    Column("added_at", Instant, nullable=False),
    Column("retired_at", Instant),
    PrimaryKeyConstraint("agency_id", "kid"),
)

legal_bases = Table(
    "legal_bases",
    metadata,
    Column("code", Text, primary_key=True, comment="stays for ever: log entries name it"),
    Column("title_ru", Text, nullable=False),
    Column("title_en", Text, nullable=False),
    Column("reference", Text, nullable=False, comment="act, article, part"),
    Column("created_at", Instant, nullable=False),
)

# Rows are inserted, and once revoked; never deleted: what was allowed when is a question of courts.
mandates = Table(
    "mandates",
    metadata,
    Column("mandate_id", Uuid, primary_key=True),
    Column("agency_id", Text, ForeignKey("agencies.agency_id"), nullable=False),
    Column("field", Text, nullable=False),
    Column("condition", Text, nullable=False),
    Column("legal_basis", Text, ForeignKey("legal_bases.code"), nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("valid_to", Date, comment="first day on which it is over"),
    Column("granted_at", Instant, nullable=False),
    Column("granted_by", Text, nullable=False),
    Column("revoked_at", Instant),
    Column("revoked_by", Text),
    CheckConstraint("valid_to > valid_from", name="period"),
    CheckConstraint("(revoked_at IS NULL) = (revoked_by IS NULL)", name="revoked_by_somebody"),
    Index("ix_mandates_agency_id", "agency_id"),
    # Granting the same again is one mandate, not two that would have to be revoked both.
    Index(
        "uq_mandates_standing",
        "agency_id",
        "field",
        "condition",
        "legal_basis",
        "valid_from",
        unique=True,
        postgresql_where="revoked_at IS NULL",
    ),
)

# Which persons have a record with a blocking key. Whoever brings a key that nobody had inserts it,
# in ascending order: of two loads that meet the same new person, one waits for the other.
linking_keys = Table(
    "linking_keys",
    metadata,
    Column("key", BigInteger, primary_key=True, autoincrement=False, comment="keyed digest"),
    # Twenty bytes for each: a person, and the mark of the names and birth date under which.
    Column("bearers", LargeBinary, nullable=False),
)

persons = Table(
    "persons",
    metadata,
    Column("person_id", Uuid, primary_key=True),
    Column("created_at", Instant, nullable=False),
    Column("derived_at", Instant, nullable=False),
    Column("record_version", Integer, nullable=False, comment="counts changes, from 1"),
    Column("record_sealed", LargeBinary, nullable=False, comment="derived record, person key"),
    Column("standings_sealed", LargeBinary, comment="records as they are compared, person key"),
    # The person that this one is merged with others into, itself included; the oldest of them.
    Column("group_id", Uuid, comment="NULL when not merged"),
    CheckConstraint("record_version > 0", name="record_version"),
    Index("ix_persons_group_id", "group_id", postgresql_where="group_id IS NOT NULL"),
)

# Rows are inserted and never changed: what was sent is never overwritten.
source_records = Table(
    "source_records",
    metadata,
    Column("person_id", Uuid, nullable=False),
    Column("agency_id", Text, nullable=False),
    Column("record_digest", LargeBinary, nullable=False, comment="of the agency's record number"),
    Column("version", Integer, nullable=False),
    # Keyed too: tells the same row sent twice from another row under the same number.
    Column("content_digest", LargeBinary, nullable=False),
    Column("body_sealed", LargeBinary, nullable=False, comment="person key"),
    Column("arrived_at", Instant, nullable=False),
    Column("entry_id", Uuid, nullable=False, comment="access entry that accounts for it"),
    PrimaryKeyConstraint("person_id", "agency_id", "record_digest", "version"),
    CheckConstraint("version > 0", name="version"),
)

# Who an agency's record is about. One row per record number, whatever the number of versions.
record_links = Table(
    "record_links",
    metadata,
    Column("agency_id", Text, nullable=False),
    Column("record_digest", LargeBinary, nullable=False),
    Column("person_id", Uuid, nullable=False),
    PrimaryKeyConstraint("agency_id", "record_digest"),
    info={"lookup": True},  # found by the agency's number, distributed by it
)

# When each record came to a person and when it left, and why: what was believed at an instant is
# read from here. The evidence is sealed: how much an equal name says tells how rare it is.
link_decisions = Table(
    "link_decisions",
    metadata,
    Column("person_id", Uuid, nullable=False),
    Column("decision_id", Uuid, nullable=False),
    Column("agency_id", Text, nullable=False),
    Column("record_digest", LargeBinary, nullable=False),
    Column("decided_at", Instant, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("other_person_id", Uuid, comment="where it came from, or went"),
    Column("evidence_sealed", LargeBinary, comment="person key"),
    PrimaryKeyConstraint("person_id", "decision_id"),
    CheckConstraint("outcome IN ('linked', 'new', 'ask', 'came', 'left')", name="outcome"),
)

# Two records of two persons that may be one: what a human is asked, and what keeps their fates
# together when either changes. Each pair is stored from both sides.
match_pairs = Table(
    "match_pairs",
    metadata,
    Column("person_id", Uuid, nullable=False),
    Column("record_digest", LargeBinary, nullable=False),
    Column("other_digest", LargeBinary, nullable=False),
    Column("other_person_id", Uuid, nullable=False),
    Column("bits", Double, nullable=False, comment="the score"),
    Column("found_at", Instant, nullable=False),
    PrimaryKeyConstraint("person_id", "record_digest", "other_digest"),
    CheckConstraint("person_id <> other_person_id", name="two_persons"),
)

_UNDONE = (
    "(undone_at IS NULL) = (undone_by IS NULL) AND (undone_at IS NULL) = (undone_reason IS NULL)"
)

# Which persons are one, since when, by whom; never deleted, undone. Stored from both sides.
person_merges = Table(
    "person_merges",
    metadata,
    Column("person_id", Uuid, nullable=False),
    Column("merge_id", Uuid, nullable=False),
    Column("other_person_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("decided_at", Instant, nullable=False),
    Column("decided_by", Text, nullable=False),
    Column("confirmed_by", Text, comment="the second official"),
    Column("reason", Text, nullable=False),
    Column("undone_at", Instant),
    Column("undone_by", Text),
    Column("undone_reason", Text),
    PrimaryKeyConstraint("person_id", "merge_id"),
    CheckConstraint("kind IN ('automatic', 'decided')", name="kind"),
    CheckConstraint("person_id <> other_person_id", name="two_persons"),
    CheckConstraint(_UNDONE, name="undone_by_somebody"),
)

# Who has a confirmed account, as the identity provider tells: records alone don't put two of them
# together (decision 0040).
account_holders = Table(
    "account_holders",
    metadata,
    Column("person_id", Uuid, primary_key=True),
    Column("since", Instant, nullable=False),
)

# What humans said of two persons that are not one: two people, or a question to an agency.
match_rulings = Table(
    "match_rulings",
    metadata,
    Column("person_id", Uuid, nullable=False),
    Column("ruling_id", Uuid, nullable=False),
    Column("other_person_id", Uuid, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("agency_id", Text, comment="who was asked"),
    Column("records", LargeBinary, nullable=False, comment="digests of this side's, 32 bytes each"),
    Column("decided_at", Instant, nullable=False),
    Column("decided_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("undone_at", Instant),
    Column("undone_by", Text),
    Column("undone_reason", Text),
    PrimaryKeyConstraint("person_id", "ruling_id"),
    CheckConstraint("verdict IN ('different', 'asked')", name="verdict"),
    CheckConstraint("person_id <> other_person_id", name="two_persons"),
    CheckConstraint("(verdict = 'asked') = (agency_id IS NOT NULL)", name="asked_somebody"),
    CheckConstraint(_UNDONE, name="undone_by_somebody"),
)

# Who works on a case of the review queue just now; named by its two persons, the older first.
case_locks = Table(
    "case_locks",
    metadata,
    Column("person_id", Uuid, nullable=False),
    Column("other_person_id", Uuid, nullable=False),
    Column("held_by", Text, nullable=False),
    Column("held_until", Instant, nullable=False),
    PrimaryKeyConstraint("person_id", "other_person_id"),
    CheckConstraint("person_id < other_person_id", name="two_persons"),
)

# Merges of two people with confirmed accounts: one official proposes, another one confirms.
merge_proposals = Table(
    "merge_proposals",
    metadata,
    Column("person_id", Uuid, nullable=False),
    Column("proposal_id", Uuid, nullable=False),
    Column("other_person_id", Uuid, nullable=False),
    Column("proposed_at", Instant, nullable=False),
    Column("proposed_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("closed_at", Instant),
    Column("closed_by", Text),
    Column("closed_as", Text),
    Column("closed_reason", Text),
    PrimaryKeyConstraint("person_id", "proposal_id"),
    CheckConstraint("person_id < other_person_id", name="two_persons"),
    CheckConstraint("closed_by <> proposed_by", name="another_official"),
    CheckConstraint("closed_as IN ('approved', 'rejected')", name="closed_as"),
    CheckConstraint(
        "(closed_at IS NULL) = (closed_by IS NULL) AND (closed_at IS NULL) = (closed_as IS NULL)"
        " AND (closed_at IS NULL) = (closed_reason IS NULL)",
        name="closed_whole",
    ),
    Index(
        "uq_merge_proposals_open",
        "person_id",
        "other_person_id",
        unique=True,
        postgresql_where="closed_at IS NULL",
    ),
)

# A withdrawal that came before the record it withdraws: nobody to link it to yet.
early_withdrawals = Table(
    "early_withdrawals",
    metadata,
    Column("agency_id", Text, nullable=False),
    Column("record_digest", LargeBinary, nullable=False),
    Column("version", Integer, nullable=False),
    Column("content_digest", LargeBinary, nullable=False),
    Column("body_sealed", LargeBinary, nullable=False, comment="zone key: no person yet"),
    Column("arrived_at", Instant, nullable=False),
    PrimaryKeyConstraint("agency_id", "record_digest", "version"),
)

person_identifiers = Table(
    "person_identifiers",
    metadata,
    # First, because it is what is searched for; the key of the digest depends on the kind.
    Column("digest", LargeBinary, nullable=False),
    Column("kind", Text, nullable=False),
    Column("person_id", Uuid, nullable=False),
    PrimaryKeyConstraint("digest", "kind", "person_id"),
)

feeds = Table(
    "feeds",
    metadata,
    Column("feed_id", Uuid, primary_key=True),
    Column("agency_id", Text, ForeignKey("agencies.agency_id"), nullable=False),
    # The same bytes read with the same mapping are the same feed: it is resumed, not repeated.
    Column("content_digest", LargeBinary, nullable=False, comment="SHA-256 of file and mapping"),
    Column("format", Text, nullable=False),
    Column("size", BigInteger, nullable=False, comment="bytes"),
    Column("offset", BigInteger, nullable=False, comment="bytes done with"),
    Column("lines", BigInteger, nullable=False, comment="lines done with"),
    Column("rows_linked", BigInteger, nullable=False),
    Column("rows_new", BigInteger, nullable=False),
    Column("rows_ask", BigInteger, nullable=False),
    Column("rows_held", BigInteger, nullable=False),
    Column("rows_unchanged", BigInteger, nullable=False),
    Column("rows_rejected", BigInteger, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
    UniqueConstraint("agency_id", "content_digest", name="uq_feeds_agency_id_content_digest"),
)

# A file on its way from an agency: sent over HTTP, read by a worker.
feed_uploads = Table(
    "feed_uploads",
    metadata,
    Column("upload_id", Uuid, primary_key=True),
    Column("agency_id", Text, ForeignKey("agencies.agency_id"), nullable=False),
    Column("feed_format", Text, nullable=False),
    Column("mapping", JSONB, nullable=False, comment="the agency's when it began to send"),
    Column("begun_at", Instant, nullable=False),
    Column("feed_id", Uuid, ForeignKey("feeds.feed_id"), comment="NULL: not all of it is here"),
    Column("size", BigInteger, comment="bytes"),
    Column("refused", Text, comment="why not a row of it can be read"),
    Column("ended_at", Instant),
    CheckConstraint("(feed_id IS NULL) = (size IS NULL)", name="whole"),
    Index("ix_feed_uploads_feed_id", "feed_id"),
)

# People's data, not linked to anybody yet: sealed under the zone key, and gone when it was read.
feed_chunks = Table(
    "feed_chunks",
    metadata,
    Column(
        "upload_id",
        Uuid,
        ForeignKey("feed_uploads.upload_id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("ordinal", Integer, nullable=False),
    Column("chunk_sealed", LargeBinary, nullable=False, comment="zone key"),
    PrimaryKeyConstraint("upload_id", "ordinal"),
)

feed_rejections = Table(
    "feed_rejections",
    metadata,
    Column("feed_id", Uuid, ForeignKey("feeds.feed_id", ondelete="CASCADE"), nullable=False),
    Column("line", BigInteger, nullable=False),
    Column("ordinal", Integer, nullable=False, comment="of the problem within its row"),
    Column("field", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("advice", Text, nullable=False),
    PrimaryKeyConstraint("feed_id", "line", "ordinal"),
)

# Who gets statistics, and how much of the population's privacy they may use up. Spent by one
# UPDATE with its own condition; what is spent never comes back.
statistics_recipients = Table(
    "statistics_recipients",
    metadata,
    Column("recipient_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("budget_milli", Integer, nullable=False, comment="thousandths of epsilon"),
    Column("spent_milli", Integer, nullable=False, server_default="0"),
    Column("created_at", Instant, nullable=False),
    CheckConstraint("spent_milli BETWEEN 0 AND budget_milli", name="budget"),
)

# The population as a table of counts; true counts, so it is sealed. No row of a person is kept.
statistics_snapshots = Table(
    "statistics_snapshots",
    metadata,
    Column("snapshot_id", Uuid, primary_key=True),
    Column("taken_at", Instant, nullable=False, comment="when the last person was counted"),
    Column("table_sealed", LargeBinary, nullable=False, comment="zone key"),
)

# Everything that was ever given out, and under which promise.
statistics_releases = Table(
    "statistics_releases",
    metadata,
    Column("release_id", Uuid, primary_key=True),
    Column(
        "recipient_id",
        Text,
        ForeignKey("statistics_recipients.recipient_id"),
        nullable=False,
    ),
    Column("kind", Text, nullable=False),
    Column("released_at", Instant, nullable=False),
    Column("request", JSONB, nullable=False),
    Column("report", JSONB, nullable=False, comment="what was promised, never a true count"),
    # Of a count: the same question about the same snapshot has this one answer, at no new price.
    Column("snapshot_id", Uuid, ForeignKey("statistics_snapshots.snapshot_id")),
    Column("question_digest", LargeBinary),
    Column("epsilon_milli", Integer),
    Column("answer", JSONB, comment="with its noise"),
    # Of an extract: whom it is about, as a table of counts, to hold the next one against.
    Column("people_sealed", LargeBinary, comment="zone key"),
    CheckConstraint("kind IN ('count', 'extract')", name="kind"),
    Index("ix_statistics_releases_recipient_id", "recipient_id", "released_at"),
    UniqueConstraint(
        "recipient_id",
        "snapshot_id",
        "question_digest",
        name="uq_statistics_releases_question",
    ),
)

# Who changed since life events were last derived. Filled in the transaction of the change.
changed_persons = Table(
    "changed_persons",
    metadata,
    Column("person_id", Uuid, primary_key=True),
    Column("changed_at", Instant, nullable=False),
    Index("ix_changed_persons_changed_at", "changed_at"),
)

# A person as last looked at. The day on which the calendar makes an event is a keyed digest: a
# birthday in the clear would tell a birthday.
life_facts = Table(
    "life_facts",
    metadata,
    Column("person_id", Uuid, primary_key=True),
    Column("facts_sealed", LargeBinary, nullable=False, comment="person key"),
    Column("due_digest", LargeBinary, comment="blind index of the next day of the calendar"),
    Index("ix_life_facts_due_digest", "due_digest", postgresql_where="due_digest IS NOT NULL"),
)

life_events = Table(
    "life_events",
    metadata,
    Column("person_id", Uuid, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("happened_at", Instant, nullable=False, comment="when it was derived"),
    Column("body_sealed", LargeBinary, nullable=False, comment="person key"),
    PrimaryKeyConstraint("person_id", "event_id"),
)

# Which agency is told of what, on which legal basis. Rows are ended, never changed.
life_subscriptions = Table(
    "life_subscriptions",
    metadata,
    Column("agency_id", Text, ForeignKey("agencies.agency_id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("legal_basis", Text, nullable=False),
    Column("ended_at", Instant),
    PrimaryKeyConstraint("agency_id", "kind", "created_at"),
    Index(
        "uq_life_subscriptions_live",
        "agency_id",
        "kind",
        unique=True,
        postgresql_where="ended_at IS NULL",
    ),
)

# Each subscriber's own sequence. Its row stays locked until the events are committed, so that
# positions appear in their order, and a reader who goes on from the last one misses none.
life_subscribers = Table(
    "life_subscribers",
    metadata,
    Column("agency_id", Text, ForeignKey("agencies.agency_id"), primary_key=True),
    Column("last_position", BigInteger, nullable=False),
)

life_deliveries = Table(
    "life_deliveries",
    metadata,
    Column("agency_id", Text, nullable=False),
    Column("position", BigInteger, nullable=False, comment="from 1, for this agency"),
    Column("person_id", Uuid, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    PrimaryKeyConstraint("agency_id", "position", "person_id"),
    UniqueConstraint(
        "agency_id", "event_id", "person_id", name="uq_life_deliveries_agency_id_event_id"
    ),
)

# Who is whose child, as far as both are known: derived from what is said about the child.
kinships = Table(
    "kinships",
    metadata,
    Column("person_id", Uuid, nullable=False, comment="the child"),
    Column("parent_id", Uuid, nullable=False),
    Column("role", Text, nullable=False),
    PrimaryKeyConstraint("person_id", "parent_id"),
    CheckConstraint("role IN ('mother', 'father')", name="role"),
    Index("ix_kinships_parent_id", "parent_id"),
)

# What can't be true of a person, or what the person says is not: found once while it is open.
findings = Table(
    "findings",
    metadata,
    Column("person_id", Uuid, nullable=False),
    Column("finding_id", Uuid, nullable=False),
    Column("rule", Text, nullable=False, comment="of consistency.RULES, or value_disputed"),
    Column("identity_digest", LargeBinary, nullable=False, comment="keyed; of what was found"),
    Column("content_sealed", LargeBinary, nullable=False, comment="person key"),
    Column("opened_at", Instant, nullable=False),
    Column("closed_at", Instant),
    Column("closed_as", Text),
    PrimaryKeyConstraint("person_id", "finding_id"),
    CheckConstraint("closed_as IN ('corrected', 'answered')", name="closed_as"),
    CheckConstraint("(closed_at IS NULL) = (closed_as IS NULL)", name="closed_somehow"),
    # The same thing is not found twice while it is open, however many look at once.
    Index(
        "uq_findings_open",
        "person_id",
        "identity_digest",
        unique=True,
        postgresql_where="closed_at IS NULL",
    ),
)

# What an agency has to look at. Found by the agency, and by its person's findings.
work_items = Table(
    "work_items",
    metadata,
    Column("agency_id", Text, ForeignKey("agencies.agency_id"), nullable=False),
    Column("finding_id", Uuid, nullable=False),
    Column("person_id", Uuid, nullable=False),
    Column("due_on", Date, nullable=False, comment="last day for an answer"),
    Column("answered_at", Instant),
    Column("answer", Text),
    Column("answered_by", Text, comment="the agency's official"),
    Column("answer_sealed", LargeBinary, comment="person key"),
    PrimaryKeyConstraint("agency_id", "finding_id"),
    CheckConstraint("answer IN ('corrected', 'refused')", name="answer"),
    CheckConstraint(
        "(answered_at IS NULL) = (answer IS NULL) AND (answered_at IS NULL) = (answered_by IS NULL)"
        " AND (answered_at IS NULL) = (answer_sealed IS NULL)",
        name="answered_whole",
    ),
    Index("ix_work_items_person_id", "person_id", "finding_id"),
    info={"lookup": True},
)
