"""Lock the documents of people who died."""

import sqlalchemy as sa
from alembic import op

revision = "0018_vault_locks"
down_revision = "0017_consents_end_at_death"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "vault_locks",
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("locked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("person_id", name="pk_vault_locks"),
    )


def downgrade() -> None:
    """Drop the table: the documents can be opened again."""
    op.drop_table("vault_locks")
