"""Remember whose life events are to be derived, what was derived, and who is told."""

import sqlalchemy as sa
from alembic import op

revision = "0016_life_events"
down_revision = "0015_upstreams"

INSTANT = sa.DateTime(timezone=True)
TABLES = (
    "kinships",
    "life_deliveries",
    "life_subscribers",
    "life_subscriptions",
    "life_events",
    "life_facts",
    "changed_persons",
)


def upgrade() -> None:
    """Create the tables; whoever is known already is looked at once, which makes no event."""
    op.create_table(
        "changed_persons",
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("person_id", name="pk_changed_persons"),
    )
    op.create_index("ix_changed_persons_changed_at", "changed_persons", ["changed_at"])
    op.create_table(
        "life_facts",
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("facts_sealed", sa.LargeBinary, nullable=False, comment="person key"),
        sa.Column(
            "due_digest", sa.LargeBinary, comment="blind index of the next day of the calendar"
        ),
        sa.PrimaryKeyConstraint("person_id", name="pk_life_facts"),
    )
    op.create_index(
        "ix_life_facts_due_digest",
        "life_facts",
        ["due_digest"],
        postgresql_where=sa.text("due_digest IS NOT NULL"),
    )
    op.create_table(
        "life_events",
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("happened_at", INSTANT, nullable=False, comment="when it was derived"),
        sa.Column("body_sealed", sa.LargeBinary, nullable=False, comment="person key"),
        sa.PrimaryKeyConstraint("person_id", "event_id", name="pk_life_events"),
    )
    op.create_table(
        "life_subscriptions",
        sa.Column("agency_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("legal_basis", sa.Text, nullable=False),
        sa.Column("ended_at", INSTANT),
        sa.PrimaryKeyConstraint("agency_id", "kind", "created_at", name="pk_life_subscriptions"),
        sa.ForeignKeyConstraint(
            ["agency_id"], ["agencies.agency_id"], name="fk_life_subscriptions_agency_id_agencies"
        ),
    )
    op.create_index(
        "uq_life_subscriptions_live",
        "life_subscriptions",
        ["agency_id", "kind"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "life_subscribers",
        sa.Column("agency_id", sa.Text, nullable=False),
        sa.Column("last_position", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("agency_id", name="pk_life_subscribers"),
        sa.ForeignKeyConstraint(
            ["agency_id"], ["agencies.agency_id"], name="fk_life_subscribers_agency_id_agencies"
        ),
    )
    op.create_table(
        "life_deliveries",
        sa.Column("agency_id", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False, comment="from 1, for this agency"),
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("agency_id", "position", "person_id", name="pk_life_deliveries"),
        sa.UniqueConstraint(
            "agency_id", "event_id", "person_id", name="uq_life_deliveries_agency_id_event_id"
        ),
    )
    op.create_table(
        "kinships",
        sa.Column("person_id", sa.Uuid, nullable=False, comment="the child"),
        sa.Column("parent_id", sa.Uuid, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("person_id", "parent_id", name="pk_kinships"),
        sa.CheckConstraint("role IN ('mother', 'father')", name="role"),
    )
    op.create_index("ix_kinships_parent_id", "kinships", ["parent_id"])
    op.execute(
        "INSERT INTO changed_persons (person_id, changed_at) SELECT person_id, now() FROM persons"
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in TABLES:
        op.drop_table(table)
