"""Try to compress nothing that is sealed: it never gets smaller, and persons change often."""

from alembic import op

revision = "0024_sealed_is_dense"
down_revision = "0023_review_desk"

_COLUMNS = ("record_sealed", "standings_sealed")


def upgrade() -> None:
    """Store long values of persons as they are."""
    for column in _COLUMNS:
        op.execute(f"ALTER TABLE persons ALTER COLUMN {column} SET STORAGE EXTERNAL")


def downgrade() -> None:
    """Let the server try again."""
    for column in _COLUMNS:
        op.execute(f"ALTER TABLE persons ALTER COLUMN {column} SET STORAGE EXTENDED")
