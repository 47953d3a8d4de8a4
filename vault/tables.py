"""Tables of the vault. The documents themselves are blobs; here is what opens them."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from kernel.db import Instant, metadata

documents = Table(
    "documents",
    metadata,
    Column("person_id", Uuid, primary_key=True),
    Column("document_id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("source", Text, comment="the agency that issued it; NULL: the person"),
    Column("title_sealed", LargeBinary, nullable=False, comment="under the person's key"),
    # Numbers the versions: raised by the statement that stores one, which so waits for another.
    Column("latest_version", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    CheckConstraint("latest_version > 0", name="has_a_version"),
)

# A consent names kinds: this finds what a partner may list.
Index("ix_documents_kind", documents.c.person_id, documents.c.kind)

document_versions = Table(
    "document_versions",
    metadata,
    Column("person_id", Uuid, primary_key=True),
    Column("document_id", Uuid, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("media_type", Text, nullable=False),
    Column("stream_format", SmallInteger, nullable=False, comment="1: Tink, 1 MiB segments"),
    Column("blob_key", Text, nullable=False, comment="random; says nothing about the person"),
    Column("wrapped_data_key", LargeBinary, nullable=False, comment="under the person's key"),
    Column("ciphertext_length", BigInteger, nullable=False),
    Column("ciphertext_digest", LargeBinary, nullable=False, comment="SHA-256"),
    Column("entry_id", Uuid, nullable=False, comment="the access entry of its storing"),
    Column("stored_at", Instant, nullable=False),
    ForeignKeyConstraint(
        ["person_id", "document_id"],
        ["documents.person_id", "documents.document_id"],
        ondelete="CASCADE",
    ),
    # Two versions never share a blob: deleting one would destroy the other.
    UniqueConstraint("person_id", "blob_key"),
    CheckConstraint("version > 0", name="version"),
    CheckConstraint("ciphertext_length > 0", name="ciphertext_length"),
    CheckConstraint("octet_length(ciphertext_digest) = 32", name="ciphertext_digest"),
)

# Blobs that no version names: written a moment ago, or thrown away. A blob is entered here, and
# committed, before its first byte is written; the transaction that files it takes it out; the
# sweeper deletes what is left. So nothing is left behind, whenever the process dies.
loose_blobs = Table(
    "loose_blobs",
    metadata,
    Column("blob_key", Text, primary_key=True),
    Column("due_at", Instant, nullable=False, comment="when the sweeper may delete it"),
)

Index("ix_loose_blobs_due_at", loose_blobs.c.due_at)

# Persons whose documents nobody opens for now: they died. Nothing is destroyed.
vault_locks = Table(
    "vault_locks",
    metadata,
    Column("person_id", Uuid, primary_key=True),
    Column("locked_at", Instant, nullable=False),
)
