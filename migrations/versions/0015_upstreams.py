"""Create the tables of upstream providers; an account need not have a password."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015_upstreams"
down_revision = "0014_feed_uploads"

INSTANT = sa.DateTime(timezone=True)
SLOTS = 4


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "upstreams",
        sa.Column("upstream_id", sa.Text, nullable=False),
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("client_id", sa.Text, nullable=False, comment="ours, there"),
        sa.Column("auth_method", sa.Text, nullable=False),
        sa.Column(
            "credential_sealed",
            sa.LargeBinary,
            nullable=False,
            comment="a secret, or a private JWK",
        ),
        sa.Column("name_ru", sa.Text, nullable=False),
        sa.Column("name_en", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("algorithms", postgresql.ARRAY(sa.Text), nullable=False),
        sa.Column(
            "levels",
            postgresql.JSONB,
            nullable=False,
            comment="acr, or amr:<value>, to idp.assurance level",
        ),
        sa.Column("ceiling", sa.SmallInteger, nullable=False),
        sa.Column("identifies", sa.Boolean, nullable=False),
        sa.Column("snils_claim", sa.Text, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("disabled_at", INSTANT),
        sa.CheckConstraint(
            "auth_method IN ('client_secret_basic', 'private_key_jwt')", name="method"
        ),
        sa.CheckConstraint("ceiling BETWEEN 1 AND 3", name="ceiling"),
        sa.PrimaryKeyConstraint("upstream_id", name="pk_upstreams"),
    )
    op.create_table(
        "upstream_links",
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("account_id", sa.Uuid, nullable=False),
        sa.Column("upstream_id", sa.Text, nullable=False),
        sa.Column("subject_digest", sa.LargeBinary, nullable=False, comment="of issuer and sub"),
        sa.Column("linked_at", INSTANT, nullable=False),
        sa.Column("last_used_at", INSTANT),
        sa.PrimaryKeyConstraint("person_id", "account_id", "upstream_id", name="pk_upstream_links"),
    )
    op.create_table(
        "upstream_subjects",
        sa.Column("subject_digest", sa.LargeBinary, nullable=False, comment="blind index"),
        sa.Column("upstream_id", sa.Text, nullable=False),
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("account_id", sa.Uuid, nullable=False),
        sa.PrimaryKeyConstraint("subject_digest", name="pk_upstream_subjects"),
    )
    op.create_table(
        "upstream_requests",
        sa.Column("slot", sa.SmallInteger, nullable=False),
        sa.Column("request_digest", sa.LargeBinary, nullable=False, comment="of state"),
        sa.Column(
            "binding_digest", sa.LargeBinary, nullable=False, comment="of the browser's cookie"
        ),
        sa.Column("upstream_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("content_sealed", sa.LargeBinary, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("spent_at", INSTANT),
        sa.CheckConstraint("kind IN ('sign_in', 'link', 'confirm')", name="kind"),
        sa.PrimaryKeyConstraint("slot", "request_digest", name="pk_upstream_requests"),
        postgresql_partition_by="LIST (slot)",
    )
    for slot in range(SLOTS):
        op.execute(
            f"CREATE TABLE idp_rings.upstream_requests_{slot} "
            f"PARTITION OF upstream_requests FOR VALUES IN ({slot})"
        )
    op.alter_column("accounts", "password_hash_sealed", nullable=True)
    op.alter_column("accounts", "password_changed_at", nullable=True)


def downgrade() -> None:
    """Drop the tables; accounts without a password can't be opened any more, and go with them."""
    op.execute("DELETE FROM accounts WHERE password_hash_sealed IS NULL")
    op.alter_column("accounts", "password_changed_at", nullable=False)
    op.alter_column("accounts", "password_hash_sealed", nullable=False)
    for table in ("upstream_requests", "upstream_subjects", "upstream_links", "upstreams"):
        op.drop_table(table)
