"""Lay refresh tokens in a ring of partitions by their family's expiry.

A refresh token says from now on in which partition it lies. Those issued before do not, and end:
people sign in once more.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013_refresh_token_ring"
down_revision = "0012_agencies"

INSTANT = sa.DateTime(timezone=True)
TABLE = "refresh_tokens"
SLOTS = 6


def upgrade() -> None:
    """Make the table anew, partitioned."""
    op.drop_table(TABLE)
    op.create_table(
        TABLE,
        sa.Column("slot", sa.SmallInteger, nullable=False),
        *_columns(),
        sa.PrimaryKeyConstraint("slot", "token_digest", name="pk_refresh_tokens"),
        postgresql_partition_by="LIST (slot)",
    )
    for slot in range(SLOTS):
        op.execute(
            f"CREATE TABLE idp_rings.{TABLE}_{slot} PARTITION OF {TABLE} FOR VALUES IN ({slot})"
        )
    op.create_index("ix_refresh_tokens_grant_id", TABLE, ["grant_id"])


def downgrade() -> None:
    """Make the table anew, in one piece."""
    op.drop_table(TABLE)
    op.create_table(
        TABLE, *_columns(), sa.PrimaryKeyConstraint("token_digest", name="pk_refresh_tokens")
    )
    op.create_index("ix_refresh_tokens_expires_at", TABLE, ["expires_at"])
    op.create_index("ix_refresh_tokens_grant_id", TABLE, ["grant_id"])


def _columns() -> "tuple[sa.Column[object], ...]":
    return (
        sa.Column("token_digest", sa.LargeBinary, nullable=False),
        sa.Column("grant_id", sa.Uuid, nullable=False, comment="the family"),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("dpop_jkt", sa.Text, comment="RFC 9449, 5: of a public client"),
        sa.Column("issued_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("rotated_at", INSTANT),
        sa.Column("rotated_jkt", sa.Text),
    )
