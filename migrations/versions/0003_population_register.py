"""Create the tables of population_register."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003_population_register"
down_revision = "0002_audit"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "agencies",
        sa.Column("agency_id", sa.Text, nullable=False),
        sa.Column(
            "role",
            sa.Text,
            nullable=False,
            comment="decides which attributes it is the authority of",
        ),
        sa.Column("name_ru", sa.Text, nullable=False),
        sa.Column("name_en", sa.Text, nullable=False),
        sa.Column("mapping", postgresql.JSONB, nullable=False, comment="its names for our fields"),
        sa.Column("is_active", sa.Boolean, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("agency_id", name="pk_agencies"),
    )
    op.create_table(
        "linking_keys",
        sa.Column(
            "digest", sa.LargeBinary, nullable=False, comment="keyed digest of an identifier"
        ),
        sa.PrimaryKeyConstraint("digest", name="pk_linking_keys"),
    )
    op.create_table(
        "persons",
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("derived_at", INSTANT, nullable=False),
        sa.Column("record_version", sa.Integer, nullable=False, comment="counts changes, from 1"),
        sa.Column(
            "record_sealed", sa.LargeBinary, nullable=False, comment="derived record, person key"
        ),
        sa.PrimaryKeyConstraint("person_id", name="pk_persons"),
        sa.CheckConstraint("record_version > 0", name="record_version"),
    )
    _create_records()
    _create_indexes_of_persons()
    _create_feeds()


def _create_records() -> None:
    op.create_table(
        "source_records",
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("agency_id", sa.Text, nullable=False),
        sa.Column(
            "record_digest",
            sa.LargeBinary,
            nullable=False,
            comment="of the agency's record number",
        ),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("content_digest", sa.LargeBinary, nullable=False),
        sa.Column("body_sealed", sa.LargeBinary, nullable=False, comment="person key"),
        sa.Column("arrived_at", INSTANT, nullable=False),
        sa.Column("entry_id", sa.Uuid, nullable=False, comment="access entry that accounts for it"),
        sa.PrimaryKeyConstraint(
            "person_id", "agency_id", "record_digest", "version", name="pk_source_records"
        ),
        sa.CheckConstraint("version > 0", name="version"),
    )
    op.create_table(
        "record_links",
        sa.Column("agency_id", sa.Text, nullable=False),
        sa.Column("record_digest", sa.LargeBinary, nullable=False),
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.PrimaryKeyConstraint("agency_id", "record_digest", name="pk_record_links"),
    )
    op.create_index("ix_record_links_person_id", "record_links", ["person_id"])
    op.create_table(
        "link_decisions",
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("agency_id", sa.Text, nullable=False),
        sa.Column("record_digest", sa.LargeBinary, nullable=False),
        sa.Column("decided_at", INSTANT, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("evidence", postgresql.JSONB, nullable=False),
        sa.PrimaryKeyConstraint(
            "person_id", "agency_id", "record_digest", "decided_at", name="pk_link_decisions"
        ),
        sa.CheckConstraint("outcome IN ('linked', 'new', 'ask')", name="outcome"),
    )
    op.create_index(
        "ix_link_decisions_ask",
        "link_decisions",
        ["decided_at"],
        postgresql_where=sa.text("outcome = 'ask'"),
    )
    op.create_table(
        "early_withdrawals",
        sa.Column("agency_id", sa.Text, nullable=False),
        sa.Column("record_digest", sa.LargeBinary, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("content_digest", sa.LargeBinary, nullable=False),
        sa.Column("body_sealed", sa.LargeBinary, nullable=False, comment="zone key: no person yet"),
        sa.Column("arrived_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint(
            "agency_id", "record_digest", "version", name="pk_early_withdrawals"
        ),
    )


def _create_indexes_of_persons() -> None:
    op.create_table(
        "person_identifiers",
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.PrimaryKeyConstraint("digest", "kind", "person_id", name="pk_person_identifiers"),
    )
    op.create_index("ix_person_identifiers_person_id", "person_identifiers", ["person_id"])
    op.create_table(
        "person_traits",
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("field", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("person_id", "field", "digest", name="pk_person_traits"),
    )


def _create_feeds() -> None:
    counters = ("linked", "new", "ask", "held", "unchanged", "rejected")
    op.create_table(
        "feeds",
        sa.Column("feed_id", sa.Uuid, nullable=False),
        sa.Column("agency_id", sa.Text, nullable=False),
        sa.Column(
            "content_digest",
            sa.LargeBinary,
            nullable=False,
            comment="SHA-256 of file and mapping",
        ),
        sa.Column("format", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False, comment="bytes"),
        sa.Column("offset", sa.BigInteger, nullable=False, comment="bytes done with"),
        sa.Column("lines", sa.BigInteger, nullable=False, comment="lines done with"),
        *(sa.Column(f"rows_{name}", sa.BigInteger, nullable=False) for name in counters),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT),
        sa.PrimaryKeyConstraint("feed_id", name="pk_feeds"),
        sa.ForeignKeyConstraint(
            ["agency_id"], ["agencies.agency_id"], name="fk_feeds_agency_id_agencies"
        ),
        sa.UniqueConstraint(
            "agency_id", "content_digest", name="uq_feeds_agency_id_content_digest"
        ),
    )
    op.create_table(
        "feed_rejections",
        sa.Column("feed_id", sa.Uuid, nullable=False),
        sa.Column("line", sa.BigInteger, nullable=False),
        sa.Column("ordinal", sa.Integer, nullable=False, comment="of the problem within its row"),
        sa.Column("field", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("advice", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("feed_id", "line", "ordinal", name="pk_feed_rejections"),
        sa.ForeignKeyConstraint(
            ["feed_id"],
            ["feeds.feed_id"],
            name="fk_feed_rejections_feed_id_feeds",
            ondelete="CASCADE",
        ),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in (
        "feed_rejections",
        "feeds",
        "person_traits",
        "person_identifiers",
        "early_withdrawals",
        "link_decisions",
        "record_links",
        "source_records",
        "persons",
        "linking_keys",
        "agencies",
    ):
        op.drop_table(table)
