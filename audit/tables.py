"""Tables of the access log.

Entries are person-scoped and distribute by `person_id`. They wait in one table and rest in another,
and are never updated. The tree is one for the whole service: its tables are small, keyed by place
in the tree, and know no person.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
)

from kernel.db import Instant, metadata

# What a read appends to: one row, one index. The sequencer empties it every few seconds, so that it
# stays small, and what is written here in the hot lane never touches what has grown for years.
audit_waiting_entries = Table(
    "audit_waiting_entries",
    metadata,
    Column("person_id", Uuid, primary_key=True),
    Column("entry_id", Uuid, primary_key=True),
    Column("leaf", LargeBinary, nullable=False, comment="audit.leaf, the bytes that are hashed"),
)

audit_entries = Table(
    "audit_entries",
    metadata,
    # Time-ordered identifiers: a person's entries lie together, and lie in their order.
    Column("person_id", Uuid, primary_key=True),
    Column("entry_id", Uuid, primary_key=True),
    Column("leaf", LargeBinary, nullable=False, comment="audit.leaf, the bytes that are hashed"),
    Column("leaf_index", BigInteger, nullable=False, comment="its place in the tree"),
    CheckConstraint("leaf_index >= 0", name="leaf_index_not_negative"),
)

# The order of the tree, for verification. Not unique: a unique index would have to carry the
# person to distribute. The sequencer's lock makes places unique, and `verify_log` checks that.
Index("ix_audit_entries_leaf_index", audit_entries.c.leaf_index)

audit_tiles = Table(
    "audit_tiles",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("tile_index", BigInteger, primary_key=True, autoincrement=False),
    # 32 bytes a hash, 256 hashes when full. The last tile of a level grows, the others stay.
    Column("hashes", LargeBinary, nullable=False),
    CheckConstraint("level >= 0 AND tile_index >= 0", name="place_not_negative"),
    CheckConstraint(
        "octet_length(hashes) BETWEEN 32 AND 8192 AND octet_length(hashes) & 31 = 0",
        name="whole_hashes",
    ),
)

audit_checkpoints = Table(
    "audit_checkpoints",
    metadata,
    # One signed tree per size: two sequencers can't both sign a tree of this size.
    Column("tree_size", BigInteger, primary_key=True, autoincrement=False),
    Column("root_hash", LargeBinary, nullable=False),
    Column("note", Text, nullable=False, comment="C2SP checkpoint, as signed"),
    Column("signed_at", Instant, nullable=False),
    CheckConstraint("tree_size >= 0", name="tree_size_not_negative"),
    CheckConstraint("octet_length(root_hash) = 32", name="root_hash_is_sha256"),
)
