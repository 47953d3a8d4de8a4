"""Tables of consent."""

from sqlalchemy import CheckConstraint, Column, Index, Integer, Interval, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from kernel.db import Instant, metadata

consents = Table(
    "consents",
    metadata,
    Column("person_id", Uuid, primary_key=True),
    Column("consent_id", Uuid, primary_key=True),
    Column("subject", Text, nullable=False, comment="the pairwise sub at the client"),
    Column("client_id", Text, nullable=False),
    Column("partner_id", Text, nullable=False),
    Column("partner_name", Text, nullable=False, comment="as shown to the person"),
    Column("purpose", Text, nullable=False),
    Column("items", ARRAY(Text), nullable=False, comment="sorted"),
    Column("given_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, comment="exclusive"),
    Column("retention", Interval, nullable=False),
    Column("given_by_relation", Text, nullable=False),
    Column("given_by_person_id", Uuid, nullable=False),
    Column("acr", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("signature", Text, nullable=False, comment="compact JWS over the canonical form"),
    Column("max_uses", Integer, comment="NULL: any number"),
    Column("uses", Integer, nullable=False, server_default="0"),
    Column("ended_at", Instant),
    Column("ending", Text),
    # When subscribers were told of the ending; the announcer's queue is "ended and NULL".
    Column("announced_at", Instant),
    CheckConstraint("cardinality(items) > 0", name="items_not_empty"),
    CheckConstraint("expires_at > given_at", name="expires_after_given"),
    CheckConstraint("(ended_at IS NULL) = (ending IS NULL)", name="ended_with_reason"),
    CheckConstraint(
        "ending IN ('withdrawn', 'expired', 'used_up', 'death', 'replaced')", name="ending"
    ),
    CheckConstraint("given_by_relation IN ('self', 'parent', 'guardian')", name="relation"),
    CheckConstraint(
        "given_by_relation <> 'self' OR given_by_person_id = person_id", name="self_is_the_person"
    ),
    # Exactly so many reads, however many try at once.
    CheckConstraint("uses <= max_uses", name="uses_within_limit"),
    CheckConstraint("announced_at IS NULL OR ended_at IS NOT NULL", name="announced_after_end"),
)

# The read's index: the live records of one person for one client and purpose.
Index(
    "ix_consents_live",
    consents.c.person_id,
    consents.c.client_id,
    consents.c.purpose,
    postgresql_where=consents.c.ended_at.is_(None),
)
# The two queues of the background work: what has run out, and what nobody was told of yet.
Index(
    "ix_consents_running_out",
    consents.c.expires_at,
    postgresql_where=consents.c.ended_at.is_(None),
)
Index(
    "ix_consents_unannounced",
    consents.c.ended_at,
    postgresql_where=consents.c.announced_at.is_(None) & consents.c.ended_at.is_not(None),
)
