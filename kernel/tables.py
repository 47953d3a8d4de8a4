"""Tables of the kernel: the key hierarchy. No row holds a key in the clear."""

from sqlalchemy import CheckConstraint, Column, Index, Integer, LargeBinary, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from kernel.db import Instant, metadata

zone_keys = Table(
    "zone_keys",
    metadata,
    # Unique over all zones, so that an envelope names its key by the version alone.
    Column("key_version", Integer, primary_key=True, autoincrement=False),
    Column("zone", Text, nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False, comment="sealed under the root key"),
    Column("created_at", Instant, nullable=False),
)

person_keys = Table(
    "person_keys",
    metadata,
    Column("person_id", Uuid, primary_key=True),
    Column("zone", Text, nullable=False),
    Column("key_version", Integer, nullable=False, comment="of the zone key that wraps it"),
    # NULL after shredding: the row stays, so that a late writer can't make the person a new key.
    Column("wrapped_key", LargeBinary),
    Column("created_at", Instant, nullable=False),
    Column("shredded_at", Instant),
    CheckConstraint(
        "(wrapped_key IS NULL) = (shredded_at IS NOT NULL)", name="shredded_has_no_key"
    ),
    # Rotation walks this index; without it each pass would read every person.
    Index("ix_person_keys_key_version_person_id", "key_version", "person_id"),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("use", Text, nullable=False, comment="oidc, partner, consent, log"),
    Column("alg", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("private_key_sealed", LargeBinary, nullable=False, comment="PKCS#8, under the root key"),
    Column("public_jwk", JSONB, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("activated_at", Instant),
    Column("retired_at", Instant),
    CheckConstraint("state IN ('next', 'current', 'retired')", name="state"),
    # One signer per use and algorithm, whatever two rotations do at once.
    Index(
        "uq_signing_keys_current",
        "use",
        "alg",
        unique=True,
        postgresql_where="state = 'current'",
    ),
    Index(
        "uq_signing_keys_next",
        "use",
        "alg",
        unique=True,
        postgresql_where="state = 'next'",
    ),
)
