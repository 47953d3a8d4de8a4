"""Create the tables of consent."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004_consent"
down_revision = "0003_population_register"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "consents",
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("consent_id", sa.Uuid, nullable=False),
        sa.Column("subject", sa.Text, nullable=False, comment="the pairwise sub at the client"),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("partner_id", sa.Text, nullable=False),
        sa.Column("partner_name", sa.Text, nullable=False, comment="as shown to the person"),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("items", postgresql.ARRAY(sa.Text), nullable=False, comment="sorted"),
        sa.Column("given_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False, comment="exclusive"),
        sa.Column("retention", sa.Interval, nullable=False),
        sa.Column("given_by_relation", sa.Text, nullable=False),
        sa.Column("given_by_person_id", sa.Uuid, nullable=False),
        sa.Column("acr", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column(
            "signature", sa.Text, nullable=False, comment="compact JWS over the canonical form"
        ),
        sa.Column("max_uses", sa.Integer, comment="NULL: any number"),
        sa.Column("uses", sa.Integer, nullable=False, server_default="0"),
        sa.Column("ended_at", INSTANT),
        sa.Column("ending", sa.Text),
        sa.Column("announced_at", INSTANT),
        sa.PrimaryKeyConstraint("person_id", "consent_id", name="pk_consents"),
        sa.CheckConstraint("cardinality(items) > 0", name="items_not_empty"),
        sa.CheckConstraint("expires_at > given_at", name="expires_after_given"),
        sa.CheckConstraint("(ended_at IS NULL) = (ending IS NULL)", name="ended_with_reason"),
        sa.CheckConstraint(
            "ending IN ('withdrawn', 'expired', 'used_up', 'replaced')", name="ending"
        ),
        sa.CheckConstraint("given_by_relation IN ('self', 'parent', 'guardian')", name="relation"),
        sa.CheckConstraint(
            "given_by_relation <> 'self' OR given_by_person_id = person_id",
            name="self_is_the_person",
        ),
        sa.CheckConstraint("uses <= max_uses", name="uses_within_limit"),
        sa.CheckConstraint(
            "announced_at IS NULL OR ended_at IS NOT NULL",
            name="announced_after_end",
        ),
    )
    op.create_index(
        "ix_consents_live",
        "consents",
        ["person_id", "client_id", "purpose"],
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        "ix_consents_running_out",
        "consents",
        ["expires_at"],
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        "ix_consents_unannounced",
        "consents",
        ["ended_at"],
        postgresql_where=sa.text("announced_at IS NULL AND ended_at IS NOT NULL"),
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("consents")
