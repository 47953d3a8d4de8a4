"""Create the tables of the kernel: the key hierarchy, and the job queue."""

import sqlalchemy as sa
from alembic import op
from procrastinate.schema import SchemaManager
from sqlalchemy.dialects import postgresql

revision = "0001_kernel"
down_revision = None

INSTANT = sa.DateTime(timezone=True)

_DROP_QUEUE = """
DO $$
DECLARE
    statement text;
BEGIN
    FOR statement IN
        SELECT format('DROP TABLE IF EXISTS %I CASCADE', tablename) FROM pg_tables
        WHERE schemaname = current_schema AND starts_with(tablename, 'procrastinate_')
        UNION ALL
        SELECT format('DROP FUNCTION IF EXISTS %s CASCADE', oid::regprocedure) FROM pg_proc
        WHERE pronamespace = current_schema::regnamespace AND starts_with(proname, 'procrastinate_')
        UNION ALL
        SELECT format('DROP TYPE IF EXISTS %I CASCADE', typname) FROM pg_type
        WHERE typnamespace = current_schema::regnamespace AND typtype IN ('e', 'c')
        AND starts_with(typname, 'procrastinate_')
    LOOP
        EXECUTE statement;
    END LOOP;
END $$
"""


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "zone_keys",
        sa.Column("key_version", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("zone", sa.Text, nullable=False),
        sa.Column(
            "wrapped_key", sa.LargeBinary, nullable=False, comment="sealed under the root key"
        ),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("key_version", name="pk_zone_keys"),
    )
    op.create_table(
        "person_keys",
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("zone", sa.Text, nullable=False),
        sa.Column(
            "key_version", sa.Integer, nullable=False, comment="of the zone key that wraps it"
        ),
        sa.Column("wrapped_key", sa.LargeBinary),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("shredded_at", INSTANT),
        sa.PrimaryKeyConstraint("person_id", name="pk_person_keys"),
        sa.CheckConstraint(
            "(wrapped_key IS NULL) = (shredded_at IS NOT NULL)",
            name="shredded_has_no_key",
        ),
    )
    op.create_index(
        "ix_person_keys_key_version_person_id", "person_keys", ["key_version", "person_id"]
    )
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.Text, nullable=False),
        sa.Column("use", sa.Text, nullable=False, comment="oidc, partner, consent, log"),
        sa.Column("alg", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column(
            "private_key_sealed",
            sa.LargeBinary,
            nullable=False,
            comment="PKCS#8, under the root key",
        ),
        sa.Column("public_jwk", postgresql.JSONB, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("activated_at", INSTANT),
        sa.Column("retired_at", INSTANT),
        sa.PrimaryKeyConstraint("kid", name="pk_signing_keys"),
        sa.CheckConstraint("state IN ('next', 'current', 'retired')", name="state"),
    )
    for state in ("current", "next"):
        op.create_index(
            f"uq_signing_keys_{state}",
            "signing_keys",
            ["use", "alg"],
            unique=True,
            postgresql_where=sa.text(f"state = '{state}'"),
        )
    # The queue's own schema, as its version at this revision defines it.
    # Without parameters the driver sends the script as it is: many statements, and `%` as itself.
    op.get_bind().execution_options(no_parameters=True).exec_driver_sql(SchemaManager.get_schema())


def downgrade() -> None:
    """Drop the tables."""
    op.execute(_DROP_QUEUE)
    for table in ("signing_keys", "person_keys", "zone_keys"):
        op.drop_table(table)
