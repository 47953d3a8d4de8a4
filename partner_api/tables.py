"""Tables of the partner API: webhooks and quotas. Nothing here is a person's data."""

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

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    # One per partner: the receiver fans out.
    Column("partner_id", Text, primary_key=True),
    Column("uri", Text, nullable=False),
    Column("secret_sealed", LargeBinary, nullable=False),
    Column("previous_secret_sealed", LargeBinary, comment="signs too, for a while"),
    Column("rotated_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("disabled_at", Instant, comment="the receiver answered 410, or the partner said so"),
    CheckConstraint(
        "(previous_secret_sealed IS NULL) = (rotated_at IS NULL)", name="previous_has_date"
    ),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("webhook_id", Uuid, primary_key=True),
    Column("partner_id", Text, nullable=False),
    Column("event_type", Text, nullable=False),
    # Unique per partner and event: the event's job may run twice, the webhook is made once.
    Column("event_key", Text, nullable=False),
    Column("body", LargeBinary, nullable=False, comment="as sent; names a pseudonym only"),
    Column("created_at", Instant, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("last_attempt_at", Instant),
    Column("last_status", Integer, comment="NULL: no answer"),
    Column("delivered_at", Instant),
    Column("abandoned_at", Instant),
    # Webhooks of one key are sent one after the other, by place; NULL: in any order.
    Column("order_key", Text),
    Column("order_place", BigInteger),
    CheckConstraint("(order_key IS NULL) = (order_place IS NULL)", name="ordered"),
    CheckConstraint("delivered_at IS NULL OR abandoned_at IS NULL", name="one_outcome"),
    Index(
        "uq_webhook_deliveries_event",
        "partner_id",
        "event_type",
        "event_key",
        unique=True,
    ),
    Index(
        "ix_webhook_deliveries_waiting_in_order",
        "partner_id",
        "order_key",
        "order_place",
        postgresql_where="order_key IS NOT NULL AND delivered_at IS NULL AND abandoned_at IS NULL",
    ),
)

# Up to which position of its sequence of life events an agency was sent webhooks.
agency_notices = Table(
    "agency_notices",
    metadata,
    Column("agency_id", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
)

# Unlogged: after a crash a partner has its minute again.
partner_quotas = Table(
    "partner_quotas",
    metadata,
    Column("partner_id", Text, primary_key=True),
    Column("minute", Instant, primary_key=True, comment="its first instant"),
    Column("leased", Integer, nullable=False, comment="requests given out to processes"),
    prefixes=["UNLOGGED"],
)

partner_limits = Table(
    "partner_limits",
    metadata,
    Column("partner_id", Text, primary_key=True),
    Column("requests_per_minute", Integer, nullable=False),
    CheckConstraint("requests_per_minute > 0", name="positive"),
)

# Which agency an OAuth client speaks for: one, for ever; another one is another client.
agency_clients = Table(
    "agency_clients",
    metadata,
    Column("client_id", Text, primary_key=True),
    Column("agency_id", Text, comment="NULL: it administers mandates for all"),
    Column("bound_at", Instant, nullable=False),
)

# How many questions an official asked in an hour, and how many of them met somebody. A process
# that is killed loses its last seconds; the access log has every answer.
agency_question_counts = Table(
    "agency_question_counts",
    metadata,
    Column("agency_id", Text, primary_key=True),
    Column("official", Text, primary_key=True),
    Column("hour", Instant, primary_key=True, comment="its first instant"),
    Column("by_name", Integer, nullable=False),
    Column("by_name_matched", Integer, nullable=False),
    Column("by_number", Integer, nullable=False),
    Column("by_number_matched", Integer, nullable=False),
)

# One per official, hour and pattern: a pattern that goes on is one alarm an hour.
agency_alarms = Table(
    "agency_alarms",
    metadata,
    Column("agency_id", Text, primary_key=True),
    Column("official", Text, primary_key=True),
    Column("hour", Instant, primary_key=True),
    Column("pattern", Text, primary_key=True),
    Column("raised_at", Instant, nullable=False),
    Column("asked", Integer, nullable=False),
    Column("matched", Integer, nullable=False),
    Index("ix_agency_alarms_raised_at", "raised_at"),
)
