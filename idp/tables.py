"""Tables of idp.

Tables whose name stands in `idp.buckets` are partitioned by `slot`: a ring, emptied a partition at
a time. Their partitions lie in a schema of their own and are made by the migration.

Tables that start from something other than a person (a cookie, a code, a grant that a token names)
are keyed by that thing; they carry `person_id` as a value and say so in `info`.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from kernel.db import Instant, metadata

LOOKUP = {"lookup": True}
"""Marks a table that is found by something other than a person."""

partners = Table(
    "partners",
    metadata,
    Column("partner_id", Text, primary_key=True),
    Column("name", Text, nullable=False, comment="as shown to people"),
    Column("is_verified", Boolean, nullable=False, comment="entered by an operator"),
    Column("created_at", Instant, nullable=False),
    Column("disabled_at", Instant),
)

clients = Table(
    "clients",
    metadata,
    Column("client_id", Text, primary_key=True),
    Column("partner_id", Text, nullable=False),
    Column("profile", Text, nullable=False),
    Column("metadata", JSONB, nullable=False, comment="RFC 7591, with defaults filled in"),
    Column("sector", Text, nullable=False, comment="OpenID Connect Core, 8.1"),
    # Goes up with every change. What a process computed from the row is used only while the row
    # still has the revision it was computed from.
    Column("revision", Integer, nullable=False, server_default="1"),
    Column("secret_digest", LargeBinary, comment="SHA-256"),
    Column("registration_token_digest", LargeBinary, comment="RFC 7592, 3"),
    Column("created_at", Instant, nullable=False),
    Column("disabled_at", Instant),
    ForeignKeyConstraint(["partner_id"], ["partners.partner_id"]),
    CheckConstraint("profile IN ('oidc', 'fapi2')", name="profile"),
)
Index("ix_clients_partner_id", clients.c.partner_id)

initial_access_tokens = Table(
    "initial_access_tokens",
    metadata,
    Column("token_digest", LargeBinary, primary_key=True),
    Column("partner_id", Text, nullable=False),
    Column("profile", Text, nullable=False, comment="to which the client is held"),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("uses_left", Integer, nullable=False, server_default="1"),
    Column("used_at", Instant, comment="the last time"),
    ForeignKeyConstraint(["partner_id"], ["partners.partner_id"]),
    CheckConstraint("profile IN ('oidc', 'fapi2')", name="profile"),
    CheckConstraint("uses_left >= 0", name="uses_left"),
)

accounts = Table(
    "accounts",
    metadata,
    Column("person_id", Uuid, primary_key=True),
    Column("account_id", Uuid, primary_key=True),
    Column("level", SmallInteger, nullable=False, comment="idp.assurance.AssuranceLevel"),
    # A dump of the database alone can't be tried against a list of passwords: the hash is sealed.
    # None: the account is opened through an upstream provider only.
    Column("password_hash_sealed", LargeBinary),
    Column("password_changed_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("disabled_at", Instant),
    CheckConstraint("level BETWEEN 1 AND 3", name="level"),
)

# Who died: no account is opened for them, whichever way one would come about.
closed_persons = Table(
    "closed_persons",
    metadata,
    Column("person_id", Uuid, primary_key=True),
    Column("closed_at", Instant, nullable=False),
)

sign_in_names = Table(
    "sign_in_names",
    metadata,
    Column("username_digest", LargeBinary, primary_key=True, comment="blind index"),
    Column("person_id", Uuid, nullable=False),
    Column("account_id", Uuid, nullable=False),
    info=LOOKUP,
)

# Officials who sit at the desk. Disabled, never deleted: people's access logs name them for ever.
operators = Table(
    "operators",
    metadata,
    Column("operator_id", Text, primary_key=True),
    Column("name", Text, nullable=False, comment="as colleagues know them"),
    Column("roles", ARRAY(Text), nullable=False),
    Column("password_hash_sealed", LargeBinary, nullable=False),
    Column("password_changed_at", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("disabled_at", Instant),
    CheckConstraint(
        "roles <@ ARRAY['clerk', 'approver', 'auditor'] AND cardinality(roles) > 0", name="roles"
    ),
)

# What makes the codes of officials. A reset destroys the secret; the row stays, to tell of it.
operator_second_factors = Table(
    "operator_second_factors",
    metadata,
    Column("operator_id", Text, primary_key=True),
    Column("factor_id", Uuid, primary_key=True),
    Column("secret_sealed", LargeBinary, comment="RFC 6238; NULL when it was reset"),
    Column("last_step", BigInteger, nullable=False, comment="of which a code was used"),
    Column("enrolled_at", Instant, nullable=False),
    Column("reset_at", Instant),
    ForeignKeyConstraint(["operator_id"], ["operators.operator_id"]),
    CheckConstraint("(secret_sealed IS NULL) = (reset_at IS NOT NULL)", name="reset_whole"),
)
# An official has one.
Index(
    "uq_operator_second_factors_in_force",
    operator_second_factors.c.operator_id,
    unique=True,
    postgresql_where=operator_second_factors.c.reset_at.is_(None),
)

# Officials whose password was right, and whose code is not here yet. It opens nothing.
operator_sign_ins = Table(
    "operator_sign_ins",
    metadata,
    Column("cookie_digest", LargeBinary, primary_key=True),
    Column("operator_id", Text, nullable=False),
    Column("offered_sealed", LargeBinary, comment="the secret to enrol with"),
    Column("expires_at", Instant, nullable=False),
    ForeignKeyConstraint(["operator_id"], ["operators.operator_id"]),
    Index("ix_operator_sign_ins_operator_id", "operator_id"),
)

operator_sessions = Table(
    "operator_sessions",
    metadata,
    Column("cookie_digest", LargeBinary, primary_key=True),
    Column("operator_id", Text, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("last_used_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    ForeignKeyConstraint(["operator_id"], ["operators.operator_id"]),
    Index("ix_operator_sessions_operator_id", "operator_id"),
)

# Regional identity systems in which people may sign in; entered by an operator.
upstreams = Table(
    "upstreams",
    metadata,
    Column("upstream_id", Text, primary_key=True),
    Column("issuer", Text, nullable=False),
    Column("client_id", Text, nullable=False, comment="ours, there"),
    Column("auth_method", Text, nullable=False),
    Column("credential_sealed", LargeBinary, nullable=False, comment="a secret, or a private JWK"),
    Column("name_ru", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("algorithms", ARRAY(Text), nullable=False),
    Column("levels", JSONB, nullable=False, comment="acr, or amr:<value>, to idp.assurance level"),
    Column("ceiling", SmallInteger, nullable=False),
    Column("identifies", Boolean, nullable=False),
    Column("snils_claim", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("disabled_at", Instant),
    CheckConstraint("auth_method IN ('client_secret_basic', 'private_key_jwt')", name="method"),
    CheckConstraint("ceiling BETWEEN 1 AND 3", name="ceiling"),
)

# Which account an account there opens; of an account, one in each region.
upstream_links = Table(
    "upstream_links",
    metadata,
    Column("person_id", Uuid, primary_key=True),
    Column("account_id", Uuid, primary_key=True),
    Column("upstream_id", Text, primary_key=True),
    Column("subject_digest", LargeBinary, nullable=False, comment="of issuer and sub"),
    Column("linked_at", Instant, nullable=False),
    Column("last_used_at", Instant),
)

upstream_subjects = Table(
    "upstream_subjects",
    metadata,
    Column("subject_digest", LargeBinary, primary_key=True, comment="blind index"),
    Column("upstream_id", Text, nullable=False),
    Column("person_id", Uuid, nullable=False),
    Column("account_id", Uuid, nullable=False),
    info=LOOKUP,
)

# Who was sent upstream and is to come back; and links that wait to be confirmed.
upstream_requests = Table(
    "upstream_requests",
    metadata,
    Column("slot", SmallInteger, primary_key=True),
    Column("request_digest", LargeBinary, primary_key=True, comment="of state"),
    Column("binding_digest", LargeBinary, nullable=False, comment="of the browser's cookie"),
    Column("upstream_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("content_sealed", LargeBinary, nullable=False),
    Column("expires_at", Instant, nullable=False),
    # Marked, not deleted: an answer counts once.
    Column("spent_at", Instant),
    CheckConstraint("kind IN ('sign_in', 'link', 'confirm')", name="kind"),
    postgresql_partition_by="LIST (slot)",
)

# Unlogged: after a crash everybody has their attempts back, and nothing else happens.
sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("key_digest", LargeBinary, primary_key=True, comment="a name's or an address's"),
    Column("failures", Integer, nullable=False),
    Column("last_failed_at", Instant, nullable=False),
    Column("blocked_until", Instant, nullable=False),
    prefixes=["UNLOGGED"],
)
Index("ix_sign_in_failures_last_failed_at", sign_in_failures.c.last_failed_at)

sign_in_sessions = Table(
    "sign_in_sessions",
    metadata,
    Column("person_id", Uuid, primary_key=True),
    Column("session_id", Uuid, primary_key=True),
    Column("account_id", Uuid, nullable=False),
    Column("level", SmallInteger, nullable=False),
    Column("amr", ARRAY(Text), nullable=False),
    Column("auth_time", Instant, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("last_used_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("ended_at", Instant),
)
Index("ix_sign_in_sessions_expires_at", sign_in_sessions.c.expires_at)

session_cookies = Table(
    "session_cookies",
    metadata,
    Column("cookie_digest", LargeBinary, primary_key=True),
    Column("person_id", Uuid, nullable=False),
    Column("session_id", Uuid, nullable=False),
    Column("expires_at", Instant, nullable=False),
    info=LOOKUP,
)
Index("ix_session_cookies_expires_at", session_cookies.c.expires_at)

# Who knows a session under a `sid`, and has to be told when it ends. A session that follows another
# of the same person in the same browser takes its clients over: they know it under the first's.
session_clients = Table(
    "session_clients",
    metadata,
    Column("person_id", Uuid, primary_key=True),
    Column("session_id", Uuid, primary_key=True),
    Column("client_id", Text, primary_key=True),
    Column("known_session_id", Uuid, primary_key=True, comment="whose sid the client has"),
    Column("expires_at", Instant, nullable=False),
)
Index("ix_session_clients_expires_at", session_clients.c.expires_at)

# Where a person has been: the first visit to a client is always confirmed on a page.
approved_clients = Table(
    "approved_clients",
    metadata,
    Column("person_id", Uuid, primary_key=True),
    Column("client_id", Text, primary_key=True),
    Column("sub", Text, nullable=False, comment="pairwise; by which the client names the person"),
    Column("first_approved_at", Instant, nullable=False),
    Column("last_approved_at", Instant, nullable=False),
)
Index("ix_approved_clients_client_id_sub", approved_clients.c.client_id, approved_clients.c.sub)

interactions = Table(
    "interactions",
    metadata,
    Column("slot", SmallInteger, primary_key=True),
    Column("interaction_digest", LargeBinary, primary_key=True),
    Column("binding_digest", LargeBinary, nullable=False, comment="of the browser's cookie"),
    Column("client_id", Text, nullable=False),
    Column("request", JSONB, nullable=False),
    # Spent together with the interaction, not before: a person may come back to the same address.
    Column("request_uri_digest", LargeBinary),
    Column("request_uri_slot", SmallInteger),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("answered_at", Instant),
    postgresql_partition_by="LIST (slot)",
)

pushed_requests = Table(
    "pushed_requests",
    metadata,
    Column("slot", SmallInteger, primary_key=True),
    Column("request_uri_digest", LargeBinary, primary_key=True),
    Column("client_id", Text, nullable=False),
    Column("request", JSONB, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("used_at", Instant),
    postgresql_partition_by="LIST (slot)",
)

# What a person allowed a client; every token names one. Keyed by it alone: a token is where a
# request starts. Revoking it is what ends all of its tokens at once.
grants = Table(
    "grants",
    metadata,
    Column("grant_id", Uuid, primary_key=True),
    Column("person_id", Uuid, nullable=False),
    Column("client_id", Text, nullable=False),
    Column("partner_id", Text, nullable=False),
    Column("sub", Text, nullable=False, comment="pairwise"),
    Column("scope", ARRAY(Text), nullable=False),
    Column("authorization_details", JSONB, nullable=False),
    Column("claims", JSONB, nullable=False, comment="what userinfo returns beside the scopes"),
    Column("verified_claims", JSONB, comment="what was asked, and the level of the account then"),
    Column("resources", ARRAY(Text), nullable=False),
    Column("is_refreshable", Boolean, nullable=False),
    Column("session_id", Uuid),
    Column("acr", Text, nullable=False),
    Column("amr", ARRAY(Text), nullable=False),
    Column("auth_time", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, comment="of everything issued under it"),
    Column("revoked_at", Instant),
    Column("revocation_reason", Text),
    CheckConstraint(
        "(revoked_at IS NULL) = (revocation_reason IS NULL)", name="revoked_with_reason"
    ),
    info=LOOKUP,
)
Index("ix_grants_person_id_client_id", grants.c.person_id, grants.c.client_id)
Index("ix_grants_expires_at", grants.c.expires_at)

authorization_codes = Table(
    "authorization_codes",
    metadata,
    Column("slot", SmallInteger, primary_key=True),
    Column("code_digest", LargeBinary, primary_key=True),
    Column("grant_id", Uuid, nullable=False),
    Column("client_id", Text, nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("code_challenge", Text),
    Column("dpop_jkt", Text),
    Column("nonce", Text),
    Column("id_token_claims", JSONB, nullable=False),
    Column("expires_at", Instant, nullable=False),
    # Marked, not deleted: a second use is recognised and revokes the grant (RFC 6749, 4.1.2).
    Column("spent_at", Instant),
    postgresql_partition_by="LIST (slot)",
)

# What a device or a partner asks of a person who is somewhere else: RFC 8628, CIBA. `person_id` is
# there when the partner named the person.
deferred_requests = Table(
    "deferred_requests",
    metadata,
    Column("slot", SmallInteger, primary_key=True),
    Column("request_digest", LargeBinary, primary_key=True, comment="of what the client polls by"),
    Column("kind", Text, nullable=False),
    Column("client_id", Text, nullable=False),
    Column("user_code_digest", LargeBinary, comment="blind index; of a device"),
    Column("person_id", Uuid),
    Column("request", JSONB, nullable=False),
    Column("notification_sealed", LargeBinary, comment="how the client is told: CIBA, 10.2"),
    Column("interval_seconds", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("last_polled_at", Instant),
    Column("decided_at", Instant),
    Column("grant_id", Uuid, comment="what the person allowed; none: refused"),
    # Marked, not deleted: tokens are fetched once.
    Column("spent_at", Instant),
    CheckConstraint("kind IN ('device', 'ciba')", name="kind"),
    CheckConstraint("grant_id IS NULL OR decided_at IS NOT NULL", name="granted_when_decided"),
    CheckConstraint("spent_at IS NULL OR grant_id IS NOT NULL", name="spent_when_granted"),
    info=LOOKUP,
    postgresql_partition_by="LIST (slot)",
)
Index(
    "ix_deferred_requests_slot_user_code_digest",
    deferred_requests.c.slot,
    deferred_requests.c.user_code_digest,
    unique=True,
)
Index("ix_deferred_requests_person_id", deferred_requests.c.person_id)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("slot", SmallInteger, primary_key=True),
    Column("token_digest", LargeBinary, primary_key=True),
    Column("grant_id", Uuid, nullable=False, comment="the family"),
    Column("client_id", Text, nullable=False),
    Column("dpop_jkt", Text, comment="RFC 9449, 5: of a public client"),
    Column("issued_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    # Marked, not deleted: a rotated token that comes back is recognised (RFC 9700, 4.14.2).
    Column("rotated_at", Instant),
    # Who rotated it: a response that was lost may be asked for again with the same key.
    Column("rotated_jkt", Text),
    postgresql_partition_by="LIST (slot)",
)
Index("ix_refresh_tokens_grant_id", refresh_tokens.c.grant_id)

revoked_access_tokens = Table(
    "revoked_access_tokens",
    metadata,
    Column("slot", SmallInteger, primary_key=True),
    Column("token_digest", LargeBinary, primary_key=True, comment="of its jti"),
    Column("revoked_at", Instant, nullable=False),
    postgresql_partition_by="LIST (slot)",
)

spent_dpop_proofs = Table(
    "spent_dpop_proofs",
    metadata,
    Column("slot", SmallInteger, primary_key=True),
    Column("proof_digest", LargeBinary, primary_key=True, comment="of key and jti"),
    postgresql_partition_by="LIST (slot)",
)

spent_client_assertions = Table(
    "spent_client_assertions",
    metadata,
    Column("slot", SmallInteger, primary_key=True),
    Column("assertion_digest", LargeBinary, primary_key=True, comment="of client and jti"),
    postgresql_partition_by="LIST (slot)",
)
