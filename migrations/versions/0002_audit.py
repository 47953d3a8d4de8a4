"""Create the tables of audit: entries that wait and that rest, tiles, checkpoints."""

import sqlalchemy as sa
from alembic import op

revision = "0002_audit"
down_revision = "0001_kernel"

INSTANT = sa.DateTime(timezone=True)
LEAF_COMMENT = "audit.leaf, the bytes that are hashed"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "audit_waiting_entries",
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("entry_id", sa.Uuid, nullable=False),
        sa.Column("leaf", sa.LargeBinary, nullable=False, comment=LEAF_COMMENT),
        sa.PrimaryKeyConstraint("person_id", "entry_id", name="pk_audit_waiting_entries"),
    )
    op.create_table(
        "audit_entries",
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("entry_id", sa.Uuid, nullable=False),
        sa.Column("leaf", sa.LargeBinary, nullable=False, comment=LEAF_COMMENT),
        sa.Column("leaf_index", sa.BigInteger, nullable=False, comment="its place in the tree"),
        sa.PrimaryKeyConstraint("person_id", "entry_id", name="pk_audit_entries"),
        sa.CheckConstraint("leaf_index >= 0", name="leaf_index_not_negative"),
    )
    op.create_index("ix_audit_entries_leaf_index", "audit_entries", ["leaf_index"])
    op.create_table(
        "audit_tiles",
        sa.Column("level", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("tile_index", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("hashes", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("level", "tile_index", name="pk_audit_tiles"),
        sa.CheckConstraint("level >= 0 AND tile_index >= 0", name="place_not_negative"),
        sa.CheckConstraint(
            "octet_length(hashes) BETWEEN 32 AND 8192 AND octet_length(hashes) & 31 = 0",
            name="whole_hashes",
        ),
    )
    # Hashes don't compress; trying costs time on each of the sequencer's rounds.
    op.execute("ALTER TABLE audit_tiles ALTER COLUMN hashes SET STORAGE EXTERNAL")
    op.create_table(
        "audit_checkpoints",
        sa.Column("tree_size", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("root_hash", sa.LargeBinary, nullable=False),
        sa.Column("note", sa.Text, nullable=False, comment="C2SP checkpoint, as signed"),
        sa.Column("signed_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("tree_size", name="pk_audit_checkpoints"),
        sa.CheckConstraint("tree_size >= 0", name="tree_size_not_negative"),
        sa.CheckConstraint("octet_length(root_hash) = 32", name="root_hash_is_sha256"),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in ("audit_checkpoints", "audit_tiles", "audit_entries", "audit_waiting_entries"):
        op.drop_table(table)
