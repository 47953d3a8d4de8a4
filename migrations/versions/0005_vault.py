"""Create the tables of vault."""

import sqlalchemy as sa
from alembic import op

revision = "0005_vault"
down_revision = "0004_consent"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "documents",
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("document_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("source", sa.Text, comment="the agency that issued it; NULL: the person"),
        sa.Column("title_sealed", sa.LargeBinary, nullable=False, comment="under the person's key"),
        sa.Column("latest_version", sa.Integer, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("person_id", "document_id", name="pk_documents"),
        sa.CheckConstraint("latest_version > 0", name="has_a_version"),
    )
    op.create_index("ix_documents_kind", "documents", ["person_id", "kind"])
    op.create_table(
        "document_versions",
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("document_id", sa.Uuid, nullable=False),
        sa.Column("version", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column(
            "stream_format", sa.SmallInteger, nullable=False, comment="1: Tink, 1 MiB segments"
        ),
        sa.Column(
            "blob_key", sa.Text, nullable=False, comment="random; says nothing about the person"
        ),
        sa.Column(
            "wrapped_data_key", sa.LargeBinary, nullable=False, comment="under the person's key"
        ),
        sa.Column("ciphertext_length", sa.BigInteger, nullable=False),
        sa.Column("ciphertext_digest", sa.LargeBinary, nullable=False, comment="SHA-256"),
        sa.Column("entry_id", sa.Uuid, nullable=False, comment="the access entry of its storing"),
        sa.Column("stored_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("person_id", "document_id", "version", name="pk_document_versions"),
        sa.ForeignKeyConstraint(
            ["person_id", "document_id"],
            ["documents.person_id", "documents.document_id"],
            name="fk_document_versions_person_id_document_id_documents",
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint(
            "person_id", "blob_key", name="uq_document_versions_person_id_blob_key"
        ),
        sa.CheckConstraint("version > 0", name="version"),
        sa.CheckConstraint("ciphertext_length > 0", name="ciphertext_length"),
        sa.CheckConstraint("octet_length(ciphertext_digest) = 32", name="ciphertext_digest"),
    )
    op.create_table(
        "loose_blobs",
        sa.Column("blob_key", sa.Text, nullable=False),
        sa.Column("due_at", INSTANT, nullable=False, comment="when the sweeper may delete it"),
        sa.PrimaryKeyConstraint("blob_key", name="pk_loose_blobs"),
    )
    op.create_index("ix_loose_blobs_due_at", "loose_blobs", ["due_at"])


def downgrade() -> None:
    """Drop the tables."""
    for table in ("loose_blobs", "document_versions", "documents"):
        op.drop_table(table)
