"""How many requests a partner may make in a minute, counted in PostgreSQL, at almost no cost.

A row per request would make every read of a partner wait for the one before it to be committed.
Instead each process *leases* a share of the minute's requests in one statement, and spends the
share from memory. The database never gives out more than the limit, so all processes together
never exceed it; a share that a process did not use is lost with the minute, and a limit that is not
a multiple of its share is rounded down to one.

Concurrency: `Quota` belongs to one process and is used from its event loop and its threads;
`_lock` guards the shares. The row of a partner and minute is changed by one UPSERT at a time.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

from kernel.ids import PartnerId

DEFAULT_REQUESTS_PER_MINUTE = 6_000
"""100 a second for a partner without a limit of its own."""

SHARES_PER_MINUTE = 50
"""A share is a fiftieth of the limit: 50 statements a minute at most, whatever the load."""

MOST_PARTNERS = 10_000
"""Shares kept in memory; more partners than that at once only cost more statements."""


@dataclass(slots=True)
class _Share:
    minute: datetime
    left: int
    is_last: bool = False


class Quota:
    """One process's shares."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._shares: dict[PartnerId, _Share] = {}

    def spend(self, partner_id: PartnerId, *, at: datetime) -> bool | None:
        """Spend one request from the share in memory.

        Returns:
            True: it was spent. False: the partner's minute is used up. None: the share is empty
            or of another minute; lease one, `add` it, and ask again.
        """
        minute = minute_of(at)
        with self._lock:
            share = self._shares.get(partner_id)
            if share is None or share.minute != minute:
                return None
            if share.left > 0:
                share.left -= 1
                return True
            return False if share.is_last else None

    def add(self, partner_id: PartnerId, *, at: datetime, granted: int) -> None:
        """Take the share that the database gave out for the minute of `at`; 0: there is no more."""
        minute = minute_of(at)
        with self._lock:
            share = self._shares.get(partner_id)
            if share is None or share.minute != minute:
                if len(self._shares) >= MOST_PARTNERS:
                    self._shares.clear()
                share = self._shares[partner_id] = _Share(minute, 0)
            share.left += granted
            share.is_last = granted == 0


def minute_of(at: datetime) -> datetime:
    """Return the first instant of the minute."""
    return at.replace(second=0, microsecond=0)


def seconds_left(at: datetime) -> int:
    """Return the whole seconds, at least one, until the next minute begins."""
    rest = minute_of(at) + timedelta(minutes=1) - at
    return max(1, -int(-rest.total_seconds() // 1))
