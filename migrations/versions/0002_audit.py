"""Create the tables of audit."""

revision = "0002_audit"
down_revision = "0001_kernel"


def upgrade() -> None:
    """Create the tables."""


def downgrade() -> None:
    """Drop the tables."""
