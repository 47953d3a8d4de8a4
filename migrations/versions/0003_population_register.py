"""Create the tables of population_register."""

revision = "0003_population_register"
down_revision = "0002_audit"


def upgrade() -> None:
    """Create the tables."""


def downgrade() -> None:
    """Drop the tables."""
