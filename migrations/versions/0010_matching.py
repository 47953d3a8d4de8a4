"""Link records by matching: keys with their bearers, standings, merges, rulings."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010_matching"
down_revision = "0009_initial_access_uses"

INSTANT = sa.DateTime(timezone=True)
UNDONE = (
    "(undone_at IS NULL) = (undone_by IS NULL) AND (undone_at IS NULL) = (undone_reason IS NULL)"
)


def upgrade() -> None:
    """Create the tables anew that change their shape; what they held is derived again."""
    op.drop_table("linking_keys")
    op.create_table(
        "linking_keys",
        sa.Column("key", sa.BigInteger, autoincrement=False, comment="keyed digest"),
        sa.Column("bearers", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_linking_keys"),
    )
    op.add_column(
        "persons",
        sa.Column(
            "standings_sealed", sa.LargeBinary, comment="records as they are compared, person key"
        ),
    )
    op.add_column("persons", sa.Column("group_id", sa.Uuid, comment="NULL when not merged"))
    op.create_index(
        "ix_persons_group_id", "persons", ["group_id"], postgresql_where="group_id IS NOT NULL"
    )
    op.drop_index("ix_record_links_person_id", table_name="record_links")
    op.drop_index("ix_person_identifiers_person_id", table_name="person_identifiers")
    op.drop_table("person_traits")
    op.drop_table("link_decisions")
    _create_decisions()
    _create_merges()
    _create_rulings()


def _create_decisions() -> None:
    op.create_table(
        "link_decisions",
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("decision_id", sa.Uuid, nullable=False),
        sa.Column("agency_id", sa.Text, nullable=False),
        sa.Column("record_digest", sa.LargeBinary, nullable=False),
        sa.Column("decided_at", INSTANT, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("other_person_id", sa.Uuid, comment="where it came from, or went"),
        sa.Column("evidence_sealed", sa.LargeBinary, comment="person key"),
        sa.PrimaryKeyConstraint("person_id", "decision_id", name="pk_link_decisions"),
        sa.CheckConstraint("outcome IN ('linked', 'new', 'ask', 'came', 'left')", name="outcome"),
    )
    op.create_table(
        "match_pairs",
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("record_digest", sa.LargeBinary, nullable=False),
        sa.Column("other_digest", sa.LargeBinary, nullable=False),
        sa.Column("other_person_id", sa.Uuid, nullable=False),
        sa.Column("bits", sa.Double, nullable=False, comment="the score"),
        sa.Column("found_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint(
            "person_id", "record_digest", "other_digest", name="pk_match_pairs"
        ),
        sa.CheckConstraint("person_id <> other_person_id", name="two_persons"),
    )


def _create_merges() -> None:
    op.create_table(
        "person_merges",
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("merge_id", sa.Uuid, nullable=False),
        sa.Column("other_person_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("decided_at", INSTANT, nullable=False),
        sa.Column("decided_by", sa.Text, nullable=False),
        sa.Column("confirmed_by", sa.Text, comment="the second official"),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("undone_at", INSTANT),
        sa.Column("undone_by", sa.Text),
        sa.Column("undone_reason", sa.Text),
        sa.PrimaryKeyConstraint("person_id", "merge_id", name="pk_person_merges"),
        sa.CheckConstraint("kind IN ('automatic', 'decided')", name="kind"),
        sa.CheckConstraint("person_id <> other_person_id", name="two_persons"),
        sa.CheckConstraint(UNDONE, name="undone_by_somebody"),
    )


def _create_rulings() -> None:
    op.create_table(
        "match_rulings",
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("ruling_id", sa.Uuid, nullable=False),
        sa.Column("other_person_id", sa.Uuid, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("agency_id", sa.Text, comment="who was asked"),
        sa.Column(
            "records",
            sa.LargeBinary,
            nullable=False,
            comment="digests of this side's, 32 bytes each",
        ),
        sa.Column("decided_at", INSTANT, nullable=False),
        sa.Column("decided_by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("undone_at", INSTANT),
        sa.Column("undone_by", sa.Text),
        sa.Column("undone_reason", sa.Text),
        sa.PrimaryKeyConstraint("person_id", "ruling_id", name="pk_match_rulings"),
        sa.CheckConstraint("verdict IN ('different', 'asked')", name="verdict"),
        sa.CheckConstraint("person_id <> other_person_id", name="two_persons"),
        sa.CheckConstraint("(verdict = 'asked') = (agency_id IS NOT NULL)", name="asked_somebody"),
        sa.CheckConstraint(UNDONE, name="undone_by_somebody"),
    )


def downgrade() -> None:
    """Create the tables as they were; they are empty, and feeds fill them again."""
    for table in ("match_rulings", "person_merges", "match_pairs", "link_decisions"):
        op.drop_table(table)
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
        postgresql_where="outcome = 'ask'",
    )
    op.create_table(
        "person_traits",
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("field", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("person_id", "field", "digest", name="pk_person_traits"),
    )
    op.create_index("ix_person_identifiers_person_id", "person_identifiers", ["person_id"])
    op.create_index("ix_record_links_person_id", "record_links", ["person_id"])
    op.drop_index("ix_persons_group_id", table_name="persons")
    op.drop_column("persons", "group_id")
    op.drop_column("persons", "standings_sealed")
    op.drop_table("linking_keys")
    op.create_table(
        "linking_keys",
        sa.Column(
            "digest", sa.LargeBinary, nullable=False, comment="keyed digest of an identifier"
        ),
        sa.PrimaryKeyConstraint("digest", name="pk_linking_keys"),
    )
