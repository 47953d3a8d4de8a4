"""Keep who gets statistics, what the population is counted as, and what was given out."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0011_statistics"
down_revision = "0010_matching"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "statistics_recipients",
        sa.Column("recipient_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("budget_milli", sa.Integer, nullable=False, comment="thousandths of epsilon"),
        sa.Column("spent_milli", sa.Integer, nullable=False, server_default="0"),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("recipient_id", name="pk_statistics_recipients"),
        sa.CheckConstraint("spent_milli BETWEEN 0 AND budget_milli", name="budget"),
    )
    op.create_table(
        "statistics_snapshots",
        sa.Column("snapshot_id", sa.Uuid, nullable=False),
        sa.Column("taken_at", INSTANT, nullable=False, comment="when the last person was counted"),
        sa.Column("table_sealed", sa.LargeBinary, nullable=False, comment="zone key"),
        sa.PrimaryKeyConstraint("snapshot_id", name="pk_statistics_snapshots"),
    )
    op.create_table(
        "statistics_releases",
        sa.Column("release_id", sa.Uuid, nullable=False),
        sa.Column("recipient_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("released_at", INSTANT, nullable=False),
        sa.Column("request", JSONB, nullable=False),
        sa.Column("report", JSONB, nullable=False, comment="what was promised, never a true count"),
        sa.Column("snapshot_id", sa.Uuid),
        sa.Column("question_digest", sa.LargeBinary),
        sa.Column("epsilon_milli", sa.Integer),
        sa.Column("answer", JSONB, comment="with its noise"),
        sa.PrimaryKeyConstraint("release_id", name="pk_statistics_releases"),
        sa.ForeignKeyConstraint(
            ["recipient_id"],
            ["statistics_recipients.recipient_id"],
            name="fk_statistics_releases_recipient_id_statistics_recipients",
        ),
        sa.ForeignKeyConstraint(
            ["snapshot_id"],
            ["statistics_snapshots.snapshot_id"],
            name="fk_statistics_releases_snapshot_id_statistics_snapshots",
        ),
        sa.CheckConstraint("kind IN ('count', 'extract')", name="kind"),
        sa.UniqueConstraint(
            "recipient_id", "snapshot_id", "question_digest", name="uq_statistics_releases_question"
        ),
    )
    op.create_index(
        "ix_statistics_releases_recipient_id",
        "statistics_releases",
        ["recipient_id", "released_at"],
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("statistics_releases")
    op.drop_table("statistics_snapshots")
    op.drop_table("statistics_recipients")
