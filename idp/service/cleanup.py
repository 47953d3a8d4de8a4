"""What has run out is dropped: partitions as a whole, long-lived rows in small batches."""

from datetime import datetime, timedelta

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from idp.buckets import RINGS
from idp.store import grants as store
from kernel.db import unit_of_work_of

KEPT_AFTER_EXPIRY = timedelta(days=1)
"""A refresh token that comes back a day after it expired is still recognised as reused."""

AT_ONCE = 1000
"""Rows of one table in one transaction."""


def empty_rings(sessions: sessionmaker[Session], *, at: datetime) -> list[str]:
    """Empty every partition that holds nothing that matters any more; return their names.

    Transaction:
        One for each partition: whoever uses a table waits for one TRUNCATE, not for all. A
        partition that is in use for a second is left to the next run.
    """
    emptied = []
    for ring in RINGS:
        for slot in ring.stale(at):
            try:
                with unit_of_work_of(sessions) as session:
                    if store.is_empty(session, ring, slot):
                        continue
                    store.empty_partition(session, ring, slot)
            except OperationalError:
                continue  # somebody is reading the table; the next run will find it free
            emptied.append(f"{ring.table}_{slot}")
    return emptied


def delete_expired(sessions: sessionmaker[Session], *, at: datetime) -> int:
    """Delete grants, refresh tokens and sessions that expired more than a day ago; return how many.

    Transaction:
        Small ones, until nothing is left.
    """
    total = 0
    while True:
        with unit_of_work_of(sessions) as session:
            deleted = store.delete_expired(session, before=at - KEPT_AFTER_EXPIRY, limit=AT_ONCE)
        total += sum(count for _, count in deleted)
        if all(count < AT_ONCE for _, count in deleted):
            return total
