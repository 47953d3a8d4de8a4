"""Tables of the register. What is known about a person lies in sealed columns only."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
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
)

# Locked, smallest digest first, by whoever is about to link a record that carries the identifier,
# or that has the record number: of two loads that meet the same person, one waits for the other.
linking_keys = Table(
    "linking_keys",
    metadata,
    Column("digest", LargeBinary, primary_key=True, comment="keyed digest of an identifier"),
)

persons = Table(
    "persons",
    metadata,
    Column("person_id", Uuid, primary_key=True),
    Column("created_at", Instant, nullable=False),
    Column("derived_at", Instant, nullable=False),
    Column("record_version", Integer, nullable=False, comment="counts changes, from 1"),
    Column("record_sealed", LargeBinary, nullable=False, comment="derived record, person key"),
    CheckConstraint("record_version > 0", name="record_version"),
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
    Index("ix_record_links_person_id", "person_id"),
    info={"lookup": True},  # found by the agency's number, distributed by it
)

# Why: the evidence of every decision, as fields that agree or differ, without their values.
link_decisions = Table(
    "link_decisions",
    metadata,
    Column("person_id", Uuid, nullable=False),
    Column("agency_id", Text, nullable=False),
    Column("record_digest", LargeBinary, nullable=False),
    Column("decided_at", Instant, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("evidence", JSONB, nullable=False),
    PrimaryKeyConstraint("person_id", "agency_id", "record_digest", "decided_at"),
    CheckConstraint("outcome IN ('linked', 'new', 'ask')", name="outcome"),
    # The work list of those who decide by hand.
    Index("ix_link_decisions_ask", "decided_at", postgresql_where="outcome = 'ask'"),
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
    Index("ix_person_identifiers_person_id", "person_id"),
)

# Digests of names and birth dates, each mixed with the person's id: equal names of two people have
# nothing in common here, so that counting digests tells nothing.
person_traits = Table(
    "person_traits",
    metadata,
    Column("person_id", Uuid, nullable=False),
    Column("field", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    PrimaryKeyConstraint("person_id", "field", "digest"),
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
