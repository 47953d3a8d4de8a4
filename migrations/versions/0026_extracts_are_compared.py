"""Keep, sealed, whom an extract is about, so that the next one can be held against it."""

import sqlalchemy as sa
from alembic import op

revision = "0026_extracts_are_compared"
down_revision = "0025_second_factors"


def upgrade() -> None:
    """Add the column; extracts that were given before have nothing in it."""
    op.add_column(
        "statistics_releases", sa.Column("people_sealed", sa.LargeBinary, comment="zone key")
    )


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("statistics_releases", "people_sealed")
