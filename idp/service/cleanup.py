"""What has run out is dropped: partitions as a whole, long-lived rows in small batches."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from idp.buckets import RINGS
from idp.store import grants as store
from kernel.db import unit_of_work_of

KEPT_AFTER_EXPIRY = timedelta(days=1)
"""A session or a grant that a client still names a day after it expired is still recognised."""

AT_ONCE = 1000
"""Rows of one table in one transaction."""


@dataclass(frozen=True, slots=True)
class Emptied:
    """A partition that was emptied.

    Attributes:
        size: Bytes that it took, with its indexes.
    """

    partition: str
    size: int


def empty_rings(sessions: sessionmaker[Session], *, at: datetime) -> Sequence[Emptied]:
    """Empty every partition that holds nothing that matters any more; return those.

    Transaction:
        One for each partition: whoever uses a table waits for one TRUNCATE, not for all. A
        partition that is in use for a second is left to the next run.
    """
    emptied = []
    for ring in RINGS:
        for slot in ring.stale(at):
            try:
                with unit_of_work_of(sessions) as session:
                    size = store.size_of(session, ring, slot)
                    if size == 0:
                        continue
                    store.empty_partition(session, ring, slot)
            except OperationalError:
                continue  # somebody is reading the table; the next run will find it free
            emptied.append(Emptied(f"{ring.table}_{slot}", size))
    return emptied


def delete_expired(sessions: sessionmaker[Session], *, at: datetime) -> Mapping[str, int]:
    """Delete grants and sessions that expired more than a day ago; return how many, by table.

    Transaction:
        Small ones, until nothing is left.
    """
    total: Counter[str] = Counter()
    while True:
        with unit_of_work_of(sessions) as session:
            deleted = store.delete_expired(session, before=at - KEPT_AFTER_EXPIRY, limit=AT_ONCE)
        total.update(dict(deleted))
        if all(count < AT_ONCE for _, count in deleted):
            return +total
