"""Keep feeds that are sent over HTTP, sealed, until they are loaded."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0014_feed_uploads"
down_revision = "0013_refresh_token_ring"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "feed_uploads",
        sa.Column("upload_id", sa.Uuid, nullable=False),
        sa.Column("agency_id", sa.Text, nullable=False),
        sa.Column("feed_format", sa.Text, nullable=False),
        sa.Column("mapping", JSONB, nullable=False, comment="the agency's when it began to send"),
        sa.Column("begun_at", INSTANT, nullable=False),
        sa.Column("feed_id", sa.Uuid, comment="NULL: not all of it is here"),
        sa.Column("size", sa.BigInteger, comment="bytes"),
        sa.Column("refused", sa.Text, comment="why not a row of it can be read"),
        sa.Column("ended_at", INSTANT),
        sa.ForeignKeyConstraint(
            ["agency_id"], ["agencies.agency_id"], name="fk_feed_uploads_agency_id_agencies"
        ),
        sa.ForeignKeyConstraint(
            ["feed_id"], ["feeds.feed_id"], name="fk_feed_uploads_feed_id_feeds"
        ),
        sa.PrimaryKeyConstraint("upload_id", name="pk_feed_uploads"),
        sa.CheckConstraint("(feed_id IS NULL) = (size IS NULL)", name="whole"),
    )
    op.create_index("ix_feed_uploads_feed_id", "feed_uploads", ["feed_id"])
    op.create_table(
        "feed_chunks",
        sa.Column("upload_id", sa.Uuid, nullable=False),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("chunk_sealed", sa.LargeBinary, nullable=False, comment="zone key"),
        sa.ForeignKeyConstraint(
            ["upload_id"],
            ["feed_uploads.upload_id"],
            name="fk_feed_chunks_upload_id_feed_uploads",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("upload_id", "ordinal", name="pk_feed_chunks"),
    )


def downgrade() -> None:
    """Drop the tables: what was not loaded yet has to be sent again."""
    op.drop_table("feed_chunks")
    op.drop_table("feed_uploads")
