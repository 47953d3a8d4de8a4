"""Create the tables of consent."""

revision = "0004_consent"
down_revision = "0003_population_register"


def upgrade() -> None:
    """Create the tables."""


def downgrade() -> None:
    """Drop the tables."""
