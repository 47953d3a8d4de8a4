"""What is over is forgotten: webhooks that came to their end, counts of minutes that are over."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy.orm import Session, sessionmaker

from kernel.db import unit_of_work_of
from partner_api import store

QUOTAS_KEPT = timedelta(minutes=10)

DELIVERIES_KEPT = timedelta(days=30)
"""So long an event that is announced again is known to have been delivered, and a partner can be
told what became of a webhook."""

AT_ONCE = 1000
"""Rows in one transaction."""


def forget_old(sessions: sessionmaker[Session], *, at: datetime) -> Mapping[str, int]:
    """Delete what is over; return how many rows, by table.

    Transaction:
        Small ones, until nothing is left.
    """
    with unit_of_work_of(sessions) as session:
        minutes = store.delete_old_minutes(session, before=at - QUOTAS_KEPT)
    deliveries = 0
    while True:
        with unit_of_work_of(sessions) as session:
            deleted = store.delete_old_deliveries(
                session, before=at - DELIVERIES_KEPT, limit=AT_ONCE
            )
        deliveries += deleted
        if deleted < AT_ONCE:
            break
    counts = {"partner_quotas": minutes, "webhook_deliveries": deliveries}
    return {table: count for table, count in counts.items() if count}
