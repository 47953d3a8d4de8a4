"""Give agencies sectors, mandates, keys and a history; bind their clients."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0012_agencies"
down_revision = "0011_statistics"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables; an agency that is there gets a sector of its own."""
    op.add_column(
        "agencies",
        sa.Column("sector", sa.Text, comment="in which it knows people by pseudonyms"),
    )
    op.add_column(
        "agencies",
        sa.Column("revision", sa.Integer, comment="of it, its mandates and its keys"),
    )
    op.execute("UPDATE agencies SET sector = agency_id, revision = 1")
    op.alter_column("agencies", "sector", nullable=False)
    op.alter_column("agencies", "revision", nullable=False)
    op.create_table(
        "agency_changes",
        sa.Column("agency_id", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("document", JSONB, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["agency_id"], ["agencies.agency_id"], name="fk_agency_changes_agency_id_agencies"
        ),
        sa.PrimaryKeyConstraint("agency_id", "revision", name="pk_agency_changes"),
    )
    op.create_table(
        "agency_official_keys",
        sa.Column("agency_id", sa.Text, nullable=False),
        sa.Column("kid", sa.Text, nullable=False),
        sa.Column("jwk", JSONB, nullable=False),
        sa.Column("added_at", INSTANT, nullable=False),
        sa.Column("retired_at", INSTANT),
        sa.ForeignKeyConstraint(
            ["agency_id"],
            ["agencies.agency_id"],
            name="fk_agency_official_keys_agency_id_agencies",
        ),
        sa.PrimaryKeyConstraint("agency_id", "kid", name="pk_agency_official_keys"),
    )
    op.create_table(
        "legal_bases",
        sa.Column("code", sa.Text, nullable=False, comment="stays for ever: log entries name it"),
        sa.Column("title_ru", sa.Text, nullable=False),
        sa.Column("title_en", sa.Text, nullable=False),
        sa.Column("reference", sa.Text, nullable=False, comment="act, article, part"),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("code", name="pk_legal_bases"),
    )
    op.create_table(
        "mandates",
        sa.Column("mandate_id", sa.Uuid, nullable=False),
        sa.Column("agency_id", sa.Text, nullable=False),
        sa.Column("field", sa.Text, nullable=False),
        sa.Column("condition", sa.Text, nullable=False),
        sa.Column("legal_basis", sa.Text, nullable=False),
        sa.Column("valid_from", sa.Date, nullable=False),
        sa.Column("valid_to", sa.Date, comment="first day on which it is over"),
        sa.Column("granted_at", INSTANT, nullable=False),
        sa.Column("granted_by", sa.Text, nullable=False),
        sa.Column("revoked_at", INSTANT),
        sa.Column("revoked_by", sa.Text),
        sa.ForeignKeyConstraint(
            ["agency_id"], ["agencies.agency_id"], name="fk_mandates_agency_id_agencies"
        ),
        sa.ForeignKeyConstraint(
            ["legal_basis"], ["legal_bases.code"], name="fk_mandates_legal_basis_legal_bases"
        ),
        sa.PrimaryKeyConstraint("mandate_id", name="pk_mandates"),
        sa.CheckConstraint("valid_to > valid_from", name="period"),
        sa.CheckConstraint(
            "(revoked_at IS NULL) = (revoked_by IS NULL)", name="revoked_by_somebody"
        ),
    )
    op.create_index("ix_mandates_agency_id", "mandates", ["agency_id"])
    op.create_index(
        "uq_mandates_standing",
        "mandates",
        ["agency_id", "field", "condition", "legal_basis", "valid_from"],
        unique=True,
        postgresql_where="revoked_at IS NULL",
    )
    op.create_table(
        "agency_clients",
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("agency_id", sa.Text, comment="NULL: it administers mandates for all"),
        sa.Column("bound_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("client_id", name="pk_agency_clients"),
    )
    op.create_table(
        "agency_question_counts",
        sa.Column("agency_id", sa.Text, nullable=False),
        sa.Column("official", sa.Text, nullable=False),
        sa.Column("hour", INSTANT, nullable=False, comment="its first instant"),
        sa.Column("by_name", sa.Integer, nullable=False),
        sa.Column("by_name_matched", sa.Integer, nullable=False),
        sa.Column("by_number", sa.Integer, nullable=False),
        sa.Column("by_number_matched", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("agency_id", "official", "hour", name="pk_agency_question_counts"),
    )
    op.create_table(
        "agency_alarms",
        sa.Column("agency_id", sa.Text, nullable=False),
        sa.Column("official", sa.Text, nullable=False),
        sa.Column("hour", INSTANT, nullable=False),
        sa.Column("pattern", sa.Text, nullable=False),
        sa.Column("raised_at", INSTANT, nullable=False),
        sa.Column("asked", sa.Integer, nullable=False),
        sa.Column("matched", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint(
            "agency_id", "official", "hour", "pattern", name="pk_agency_alarms"
        ),
    )
    op.create_index("ix_agency_alarms_raised_at", "agency_alarms", ["raised_at"])


def downgrade() -> None:
    """Drop the tables, and what agencies had more."""
    for table in (
        "agency_alarms",
        "agency_question_counts",
        "agency_clients",
        "mandates",
        "legal_bases",
        "agency_official_keys",
        "agency_changes",
    ):
        op.drop_table(table)
    op.drop_column("agencies", "revision")
    op.drop_column("agencies", "sector")
