"""Let officials have a second factor; whoever is at the desk signs in again, and sets it up."""

import sqlalchemy as sa
from alembic import op

revision = "0025_second_factors"
down_revision = "0024_sealed_is_dense"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables; end the sessions that a password alone has opened."""
    op.create_table(
        "operator_second_factors",
        sa.Column("operator_id", sa.Text, nullable=False),
        sa.Column("factor_id", sa.Uuid, nullable=False),
        sa.Column("secret_sealed", sa.LargeBinary, comment="RFC 6238; NULL when it was reset"),
        sa.Column("last_step", sa.BigInteger, nullable=False, comment="of which a code was used"),
        sa.Column("enrolled_at", INSTANT, nullable=False),
        sa.Column("reset_at", INSTANT),
        sa.CheckConstraint("(secret_sealed IS NULL) = (reset_at IS NOT NULL)", name="reset_whole"),
        sa.ForeignKeyConstraint(
            ["operator_id"],
            ["operators.operator_id"],
            name="fk_operator_second_factors_operator_id_operators",
        ),
        sa.PrimaryKeyConstraint("operator_id", "factor_id", name="pk_operator_second_factors"),
    )
    op.create_index(
        "uq_operator_second_factors_in_force",
        "operator_second_factors",
        ["operator_id"],
        unique=True,
        postgresql_where="reset_at IS NULL",
    )
    op.create_table(
        "operator_sign_ins",
        sa.Column("cookie_digest", sa.LargeBinary, nullable=False),
        sa.Column("operator_id", sa.Text, nullable=False),
        sa.Column("offered_sealed", sa.LargeBinary, comment="the secret to enrol with"),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["operator_id"],
            ["operators.operator_id"],
            name="fk_operator_sign_ins_operator_id_operators",
        ),
        sa.PrimaryKeyConstraint("cookie_digest", name="pk_operator_sign_ins"),
    )
    op.create_index("ix_operator_sign_ins_operator_id", "operator_sign_ins", ["operator_id"])
    op.execute("DELETE FROM operator_sessions")


def downgrade() -> None:
    """Drop the tables: a password opens the desk again."""
    op.drop_table("operator_sign_ins")
    op.drop_table("operator_second_factors")
