"""Let a consent end because the person died."""

from alembic import op

revision = "0017_consents_end_at_death"
down_revision = "0016_life_events"


def upgrade() -> None:
    """Allow the ending."""
    op.drop_constraint("ending", "consents", type_="check")
    op.create_check_constraint(
        "ending",
        "consents",
        "ending IN ('withdrawn', 'expired', 'used_up', 'death', 'replaced')",
    )


def downgrade() -> None:
    """Call such endings withdrawals, as the release before would have to."""
    op.execute("UPDATE consents SET ending = 'withdrawn' WHERE ending = 'death'")
    op.drop_constraint("ending", "consents", type_="check")
    op.create_check_constraint(
        "ending", "consents", "ending IN ('withdrawn', 'expired', 'used_up', 'replaced')"
    )
