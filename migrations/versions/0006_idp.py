"""Create the tables of idp."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006_idp"
down_revision = "0005_vault"

INSTANT = sa.DateTime(timezone=True)

RINGS = {
    "spent_dpop_proofs": 4,
    "spent_client_assertions": 5,
    "pushed_requests": 4,
    "interactions": 4,
    "authorization_codes": 4,
    "revoked_access_tokens": 5,
    "deferred_requests": 4,
}
"""Partitioned tables, and how many partitions each has."""


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "partners",
        sa.Column("partner_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False, comment="as shown to people"),
        sa.Column("is_verified", sa.Boolean, nullable=False, comment="entered by an operator"),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("disabled_at", INSTANT),
        sa.PrimaryKeyConstraint("partner_id", name="pk_partners"),
    )
    op.create_table(
        "clients",
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("partner_id", sa.Text, nullable=False),
        sa.Column("profile", sa.Text, nullable=False),
        sa.Column(
            "metadata",
            postgresql.JSONB,
            nullable=False,
            comment="RFC 7591, with defaults filled in",
        ),
        sa.Column("sector", sa.Text, nullable=False, comment="OpenID Connect Core, 8.1"),
        sa.Column("revision", sa.Integer, server_default="1", nullable=False),
        sa.Column("secret_digest", sa.LargeBinary, comment="SHA-256"),
        sa.Column("registration_token_digest", sa.LargeBinary, comment="RFC 7592, 3"),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("disabled_at", INSTANT),
        sa.CheckConstraint("profile IN ('oidc', 'fapi2')", name="profile"),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partners.partner_id"], name="fk_clients_partner_id_partners"
        ),
        sa.PrimaryKeyConstraint("client_id", name="pk_clients"),
    )
    op.create_index("ix_clients_partner_id", "clients", ["partner_id"])
    op.create_table(
        "initial_access_tokens",
        sa.Column("token_digest", sa.LargeBinary, nullable=False),
        sa.Column("partner_id", sa.Text, nullable=False),
        sa.Column("profile", sa.Text, nullable=False, comment="to which the client is held"),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("used_at", INSTANT),
        sa.CheckConstraint("profile IN ('oidc', 'fapi2')", name="profile"),
        sa.ForeignKeyConstraint(
            ["partner_id"],
            ["partners.partner_id"],
            name="fk_initial_access_tokens_partner_id_partners",
        ),
        sa.PrimaryKeyConstraint("token_digest", name="pk_initial_access_tokens"),
    )
    op.create_table(
        "accounts",
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("account_id", sa.Uuid, nullable=False),
        sa.Column("level", sa.SmallInteger, nullable=False, comment="idp.assurance.AssuranceLevel"),
        sa.Column("password_hash_sealed", sa.LargeBinary, nullable=False),
        sa.Column("password_changed_at", INSTANT, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("disabled_at", INSTANT),
        sa.CheckConstraint("level BETWEEN 1 AND 3", name="level"),
        sa.PrimaryKeyConstraint("person_id", "account_id", name="pk_accounts"),
    )
    op.create_table(
        "sign_in_names",
        sa.Column("username_digest", sa.LargeBinary, nullable=False, comment="blind index"),
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("account_id", sa.Uuid, nullable=False),
        sa.PrimaryKeyConstraint("username_digest", name="pk_sign_in_names"),
    )
    op.create_table(
        "sign_in_failures",
        sa.Column("key_digest", sa.LargeBinary, nullable=False, comment="a name's or an address's"),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("last_failed_at", INSTANT, nullable=False),
        sa.Column("blocked_until", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("key_digest", name="pk_sign_in_failures"),
        prefixes=["UNLOGGED"],
    )
    op.create_index("ix_sign_in_failures_last_failed_at", "sign_in_failures", ["last_failed_at"])
    op.create_table(
        "sign_in_sessions",
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("session_id", sa.Uuid, nullable=False),
        sa.Column("account_id", sa.Uuid, nullable=False),
        sa.Column("level", sa.SmallInteger, nullable=False),
        sa.Column("amr", postgresql.ARRAY(sa.Text), nullable=False),
        sa.Column("auth_time", INSTANT, nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("last_used_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT),
        sa.PrimaryKeyConstraint("person_id", "session_id", name="pk_sign_in_sessions"),
    )
    op.create_index("ix_sign_in_sessions_expires_at", "sign_in_sessions", ["expires_at"])
    op.create_table(
        "session_cookies",
        sa.Column("cookie_digest", sa.LargeBinary, nullable=False),
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("session_id", sa.Uuid, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("cookie_digest", name="pk_session_cookies"),
    )
    op.create_index("ix_session_cookies_expires_at", "session_cookies", ["expires_at"])
    op.create_table(
        "session_clients",
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("session_id", sa.Uuid, nullable=False),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("known_session_id", sa.Uuid, nullable=False, comment="whose sid the client has"),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint(
            "person_id", "session_id", "client_id", "known_session_id", name="pk_session_clients"
        ),
    )
    op.create_index("ix_session_clients_expires_at", "session_clients", ["expires_at"])
    op.create_table(
        "approved_clients",
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column(
            "sub",
            sa.Text,
            nullable=False,
            comment="pairwise; by which the client names the person",
        ),
        sa.Column("first_approved_at", INSTANT, nullable=False),
        sa.Column("last_approved_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("person_id", "client_id", name="pk_approved_clients"),
    )
    op.create_index("ix_approved_clients_client_id_sub", "approved_clients", ["client_id", "sub"])
    op.create_table(
        "interactions",
        sa.Column("slot", sa.SmallInteger, nullable=False),
        sa.Column("interaction_digest", sa.LargeBinary, nullable=False),
        sa.Column(
            "binding_digest", sa.LargeBinary, nullable=False, comment="of the browser's cookie"
        ),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("request", postgresql.JSONB, nullable=False),
        sa.Column("request_uri_digest", sa.LargeBinary),
        sa.Column("request_uri_slot", sa.SmallInteger),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("answered_at", INSTANT),
        sa.PrimaryKeyConstraint("slot", "interaction_digest", name="pk_interactions"),
        postgresql_partition_by="LIST (slot)",
    )
    op.create_table(
        "pushed_requests",
        sa.Column("slot", sa.SmallInteger, nullable=False),
        sa.Column("request_uri_digest", sa.LargeBinary, nullable=False),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("request", postgresql.JSONB, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("used_at", INSTANT),
        sa.PrimaryKeyConstraint("slot", "request_uri_digest", name="pk_pushed_requests"),
        postgresql_partition_by="LIST (slot)",
    )
    op.create_table(
        "grants",
        sa.Column("grant_id", sa.Uuid, nullable=False),
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("partner_id", sa.Text, nullable=False),
        sa.Column("sub", sa.Text, nullable=False, comment="pairwise"),
        sa.Column("scope", postgresql.ARRAY(sa.Text), nullable=False),
        sa.Column("authorization_details", postgresql.JSONB, nullable=False),
        sa.Column(
            "claims",
            postgresql.JSONB,
            nullable=False,
            comment="what userinfo returns beside the scopes",
        ),
        sa.Column("resources", postgresql.ARRAY(sa.Text), nullable=False),
        sa.Column("is_refreshable", sa.Boolean, nullable=False),
        sa.Column("session_id", sa.Uuid),
        sa.Column("acr", sa.Text, nullable=False),
        sa.Column("amr", postgresql.ARRAY(sa.Text), nullable=False),
        sa.Column("auth_time", INSTANT, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False, comment="of everything issued under it"),
        sa.Column("revoked_at", INSTANT),
        sa.Column("revocation_reason", sa.Text),
        sa.CheckConstraint(
            "(revoked_at IS NULL) = (revocation_reason IS NULL)",
            name="revoked_with_reason",
        ),
        sa.PrimaryKeyConstraint("grant_id", name="pk_grants"),
    )
    op.create_index("ix_grants_expires_at", "grants", ["expires_at"])
    op.create_index("ix_grants_person_id_client_id", "grants", ["person_id", "client_id"])
    op.create_table(
        "authorization_codes",
        sa.Column("slot", sa.SmallInteger, nullable=False),
        sa.Column("code_digest", sa.LargeBinary, nullable=False),
        sa.Column("grant_id", sa.Uuid, nullable=False),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("redirect_uri", sa.Text, nullable=False),
        sa.Column("code_challenge", sa.Text),
        sa.Column("dpop_jkt", sa.Text),
        sa.Column("nonce", sa.Text),
        sa.Column("id_token_claims", postgresql.JSONB, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("spent_at", INSTANT),
        sa.PrimaryKeyConstraint("slot", "code_digest", name="pk_authorization_codes"),
        postgresql_partition_by="LIST (slot)",
    )
    op.create_table(
        "deferred_requests",
        sa.Column("slot", sa.SmallInteger, nullable=False),
        sa.Column(
            "request_digest",
            sa.LargeBinary,
            nullable=False,
            comment="of what the client polls by",
        ),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("user_code_digest", sa.LargeBinary, comment="blind index; of a device"),
        sa.Column("person_id", sa.Uuid),
        sa.Column("request", postgresql.JSONB, nullable=False),
        sa.Column(
            "notification_sealed", sa.LargeBinary, comment="how the client is told: CIBA, 10.2"
        ),
        sa.Column("interval_seconds", sa.Integer, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("last_polled_at", INSTANT),
        sa.Column("decided_at", INSTANT),
        sa.Column("grant_id", sa.Uuid, comment="what the person allowed; none: refused"),
        sa.Column("spent_at", INSTANT),
        sa.CheckConstraint("kind IN ('device', 'ciba')", name="kind"),
        sa.CheckConstraint(
            "grant_id IS NULL OR decided_at IS NOT NULL", name="granted_when_decided"
        ),
        sa.CheckConstraint("spent_at IS NULL OR grant_id IS NOT NULL", name="spent_when_granted"),
        sa.PrimaryKeyConstraint("slot", "request_digest", name="pk_deferred_requests"),
        postgresql_partition_by="LIST (slot)",
    )
    op.create_index(
        "ix_deferred_requests_slot_user_code_digest",
        "deferred_requests",
        ["slot", "user_code_digest"],
        unique=True,
    )
    op.create_index("ix_deferred_requests_person_id", "deferred_requests", ["person_id"])
    op.create_table(
        "refresh_tokens",
        sa.Column("token_digest", sa.LargeBinary, nullable=False),
        sa.Column("grant_id", sa.Uuid, nullable=False, comment="the family"),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("dpop_jkt", sa.Text, comment="RFC 9449, 5: of a public client"),
        sa.Column("issued_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("rotated_at", INSTANT),
        sa.Column("rotated_jkt", sa.Text),
        sa.PrimaryKeyConstraint("token_digest", name="pk_refresh_tokens"),
    )
    op.create_index("ix_refresh_tokens_expires_at", "refresh_tokens", ["expires_at"])
    op.create_index("ix_refresh_tokens_grant_id", "refresh_tokens", ["grant_id"])
    op.create_table(
        "revoked_access_tokens",
        sa.Column("slot", sa.SmallInteger, nullable=False),
        sa.Column("token_digest", sa.LargeBinary, nullable=False, comment="of its jti"),
        sa.Column("revoked_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("slot", "token_digest", name="pk_revoked_access_tokens"),
        postgresql_partition_by="LIST (slot)",
    )
    op.create_table(
        "spent_dpop_proofs",
        sa.Column("slot", sa.SmallInteger, nullable=False),
        sa.Column("proof_digest", sa.LargeBinary, nullable=False, comment="of key and jti"),
        sa.PrimaryKeyConstraint("slot", "proof_digest", name="pk_spent_dpop_proofs"),
        postgresql_partition_by="LIST (slot)",
    )
    op.create_table(
        "spent_client_assertions",
        sa.Column("slot", sa.SmallInteger, nullable=False),
        sa.Column("assertion_digest", sa.LargeBinary, nullable=False, comment="of client and jti"),
        sa.PrimaryKeyConstraint("slot", "assertion_digest", name="pk_spent_client_assertions"),
        postgresql_partition_by="LIST (slot)",
    )
    op.execute("CREATE SCHEMA idp_rings")
    for table, slots in RINGS.items():
        for slot in range(slots):
            op.execute(
                f"CREATE TABLE idp_rings.{table}_{slot} PARTITION OF {table} FOR VALUES IN ({slot})"
            )


def downgrade() -> None:
    """Drop the tables."""
    for table in (
        "spent_client_assertions",
        "spent_dpop_proofs",
        "revoked_access_tokens",
        "refresh_tokens",
        "deferred_requests",
        "authorization_codes",
        "grants",
        "pushed_requests",
        "interactions",
        "approved_clients",
        "session_clients",
        "session_cookies",
        "sign_in_sessions",
        "sign_in_failures",
        "sign_in_names",
        "accounts",
        "initial_access_tokens",
        "clients",
        "partners",
    ):
        op.drop_table(table)
    op.execute("DROP SCHEMA idp_rings")
