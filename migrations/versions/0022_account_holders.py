"""Let the register know who has a confirmed account."""

import sqlalchemy as sa
from alembic import op

revision = "0022_account_holders"
down_revision = "0021_work_lists"

INSTANT = sa.DateTime(timezone=True)
CONFIRMED = 3  # idp.assurance.AssuranceLevel


def upgrade() -> None:
    """Create the table, and fill it with those who have one."""
    op.create_table(
        "account_holders",
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("person_id", name="pk_account_holders"),
    )
    op.execute(
        sa.text(
            "INSERT INTO account_holders (person_id, since)"
            " SELECT person_id, min(created_at) FROM accounts"
            " WHERE level = :confirmed AND disabled_at IS NULL GROUP BY person_id"
        ).bindparams(confirmed=CONFIRMED)
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("account_holders")
