"""Short-lived rows lie in a ring of partitions; the oldest is emptied as a whole.

A partition is chosen by an instant that is part of what the row is about and never changes (when
an assertion expires, when a proof was made), so that the same thing always meets itself in the same
partition and a unique key there is unique altogether. Emptying a partition costs the same for a
million rows as for none (TRUNCATE), and when nobody empties it, nothing fails: rows stay longer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """A ring of partitions of one table.

    Attributes:
        table: The partitioned table.
        width: How long one partition is written before the next.
        slots: Partitions in the ring.
        keeps_back: How many widths a row may lie back and still matter.
        keeps_ahead: How many widths a row may lie ahead.
    """

    table: str
    width: timedelta
    slots: int
    keeps_back: int
    keeps_ahead: int

    def __post_init__(self) -> None:
        if self.keeps_back + 1 + self.keeps_ahead >= self.slots:
            raise ValueError("a ring needs at least one slot that may be emptied")

    def slot(self, of: datetime) -> int:
        """Return the partition of a row about the instant `of`."""
        return self._turn(of) % self.slots

    def stale(self, at: datetime) -> Sequence[int]:
        """Return the partitions that hold nothing that matters at the instant `at`."""
        now = self._turn(at)
        live = {
            turn % self.slots for turn in range(now - self.keeps_back, now + self.keeps_ahead + 1)
        }
        return [slot for slot in range(self.slots) if slot not in live]

    def _turn(self, of: datetime) -> int:
        return int(of.timestamp() // self.width.total_seconds())


_TEN_MINUTES = timedelta(minutes=10)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_MONTH = timedelta(days=30)

# By the proof's own `iat`, which is accepted for about a minute on either side.
DPOP_PROOFS = Ring(
    table="spent_dpop_proofs", width=_TEN_MINUTES, slots=4, keeps_back=1, keeps_ahead=1
)
# By the assertion's own `exp`, which lies at most an hour ahead (`Policy.client_assertion`).
CLIENT_ASSERTIONS = Ring(
    table="spent_client_assertions", width=_HOUR, slots=5, keeps_back=1, keeps_ahead=2
)
# By the time of the request; they live a minute and a half (`Policy.pushed_request`).
PUSHED_REQUESTS = Ring(table="pushed_requests", width=_HOUR, slots=4, keeps_back=1, keeps_ahead=1)
# By the time of the request; they live half an hour (`Policy.interaction`).
INTERACTIONS = Ring(table="interactions", width=_HOUR, slots=4, keeps_back=1, keeps_ahead=1)
# By the time of issue. A code lives a minute, but is recognised when it comes back within a day.
AUTHORIZATION_CODES = Ring(
    table="authorization_codes", width=_DAY, slots=4, keeps_back=1, keeps_ahead=1
)
# By the family's expiry, at most ninety days ahead (`Policy.refresh_token`): a successor lies where
# its predecessor does. Wide, because every statement that names a token locks each partition.
REFRESH_TOKENS = Ring(table="refresh_tokens", width=_MONTH, slots=6, keeps_back=1, keeps_ahead=3)
# By the token's own expiry, at most an hour ahead (`Policy.access_token`).
REVOKED_ACCESS_TOKENS = Ring(
    table="revoked_access_tokens", width=_HOUR, slots=5, keeps_back=1, keeps_ahead=2
)
# By the time of the request; they live ten minutes at most (`Policy.deferred_request`).
DEFERRED_REQUESTS = Ring(
    table="deferred_requests", width=_HOUR, slots=4, keeps_back=1, keeps_ahead=1
)
# By the time of the request; they live half an hour (`Policy.interaction`).
UPSTREAM_REQUESTS = Ring(
    table="upstream_requests", width=_HOUR, slots=4, keeps_back=1, keeps_ahead=1
)

RINGS: tuple[Ring, ...] = (
    DPOP_PROOFS,
    CLIENT_ASSERTIONS,
    PUSHED_REQUESTS,
    INTERACTIONS,
    AUTHORIZATION_CODES,
    REFRESH_TOKENS,
    REVOKED_ACCESS_TOKENS,
    DEFERRED_REQUESTS,
    UPSTREAM_REQUESTS,
)

PARTITION_SCHEMA = "idp_rings"
"""Schema of the partitions: apart from the tables, which is what migrations are compared with."""


def partition(ring: Ring, slot: int) -> str:
    """Return the qualified name of one partition."""
    return f"{PARTITION_SCHEMA}.{ring.table}_{slot}"
