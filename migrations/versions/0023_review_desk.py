"""Create the tables of review clerks: who they are, what they hold, what waits for a second one."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0023_review_desk"
down_revision = "0022_account_holders"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "case_locks",
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("other_person_id", sa.Uuid, nullable=False),
        sa.Column("held_by", sa.Text, nullable=False),
        sa.Column("held_until", INSTANT, nullable=False),
        sa.CheckConstraint("person_id < other_person_id", name="two_persons"),
        sa.PrimaryKeyConstraint("person_id", "other_person_id", name="pk_case_locks"),
    )
    op.create_table(
        "merge_proposals",
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("proposal_id", sa.Uuid, nullable=False),
        sa.Column("other_person_id", sa.Uuid, nullable=False),
        sa.Column("proposed_at", INSTANT, nullable=False),
        sa.Column("proposed_by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("closed_at", INSTANT),
        sa.Column("closed_by", sa.Text),
        sa.Column("closed_as", sa.Text),
        sa.Column("closed_reason", sa.Text),
        sa.CheckConstraint("person_id < other_person_id", name="two_persons"),
        sa.CheckConstraint("closed_by <> proposed_by", name="another_official"),
        sa.CheckConstraint("closed_as IN ('approved', 'rejected')", name="closed_as"),
        sa.CheckConstraint(
            "(closed_at IS NULL) = (closed_by IS NULL)"
            " AND (closed_at IS NULL) = (closed_as IS NULL)"
            " AND (closed_at IS NULL) = (closed_reason IS NULL)",
            name="closed_whole",
        ),
        sa.PrimaryKeyConstraint("person_id", "proposal_id", name="pk_merge_proposals"),
    )
    op.create_index(
        "uq_merge_proposals_open",
        "merge_proposals",
        ["person_id", "other_person_id"],
        unique=True,
        postgresql_where="closed_at IS NULL",
    )
    op.create_table(
        "operators",
        sa.Column("operator_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False, comment="as colleagues know them"),
        sa.Column("roles", ARRAY(sa.Text), nullable=False),
        sa.Column("password_hash_sealed", sa.LargeBinary, nullable=False),
        sa.Column("password_changed_at", INSTANT, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("disabled_at", INSTANT),
        sa.CheckConstraint(
            "roles <@ ARRAY['clerk', 'approver', 'auditor'] AND cardinality(roles) > 0",
            name="roles",
        ),
        sa.PrimaryKeyConstraint("operator_id", name="pk_operators"),
    )
    op.create_table(
        "operator_sessions",
        sa.Column("cookie_digest", sa.LargeBinary, nullable=False),
        sa.Column("operator_id", sa.Text, nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("last_used_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["operator_id"],
            ["operators.operator_id"],
            name="fk_operator_sessions_operator_id_operators",
        ),
        sa.PrimaryKeyConstraint("cookie_digest", name="pk_operator_sessions"),
    )
    op.create_index("ix_operator_sessions_operator_id", "operator_sessions", ["operator_id"])


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("operator_sessions")
    op.drop_table("operators")
    op.drop_table("merge_proposals")
    op.drop_table("case_locks")
