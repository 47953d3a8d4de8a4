"""Create the tables of findings and of agencies' work lists."""

import sqlalchemy as sa
from alembic import op

revision = "0021_work_lists"
down_revision = "0020_closed_persons"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "findings",
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("finding_id", sa.Uuid, nullable=False),
        sa.Column(
            "rule", sa.Text, nullable=False, comment="of consistency.RULES, or value_disputed"
        ),
        sa.Column(
            "identity_digest", sa.LargeBinary, nullable=False, comment="keyed; of what was found"
        ),
        sa.Column("content_sealed", sa.LargeBinary, nullable=False, comment="person key"),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("closed_at", INSTANT),
        sa.Column("closed_as", sa.Text),
        sa.CheckConstraint("closed_as IN ('corrected', 'answered')", name="closed_as"),
        sa.CheckConstraint("(closed_at IS NULL) = (closed_as IS NULL)", name="closed_somehow"),
        sa.PrimaryKeyConstraint("person_id", "finding_id", name="pk_findings"),
    )
    op.create_index(
        "uq_findings_open",
        "findings",
        ["person_id", "identity_digest"],
        unique=True,
        postgresql_where="closed_at IS NULL",
    )
    op.create_table(
        "work_items",
        sa.Column("agency_id", sa.Text, nullable=False),
        sa.Column("finding_id", sa.Uuid, nullable=False),
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("due_on", sa.Date, nullable=False, comment="last day for an answer"),
        sa.Column("answered_at", INSTANT),
        sa.Column("answer", sa.Text),
        sa.Column("answered_by", sa.Text, comment="the agency's official"),
        sa.Column("answer_sealed", sa.LargeBinary, comment="person key"),
        sa.CheckConstraint("answer IN ('corrected', 'refused')", name="answer"),
        sa.CheckConstraint(
            "(answered_at IS NULL) = (answer IS NULL) "
            "AND (answered_at IS NULL) = (answered_by IS NULL)"
            " AND (answered_at IS NULL) = (answer_sealed IS NULL)",
            name="answered_whole",
        ),
        sa.ForeignKeyConstraint(
            ["agency_id"], ["agencies.agency_id"], name="fk_work_items_agency_id_agencies"
        ),
        sa.PrimaryKeyConstraint("agency_id", "finding_id", name="pk_work_items"),
    )
    op.create_index("ix_work_items_person_id", "work_items", ["person_id", "finding_id"])


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("work_items")
    op.drop_table("findings")
