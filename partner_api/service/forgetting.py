"""What is over is forgotten: webhooks that came to their end, counts of minutes that are over."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy.orm import Session, sessionmaker

from kernel.db import unit_of_work_of
from partner_api import store
from partner_api.agencies.store import delete_old_counts

QUOTAS_KEPT = timedelta(minutes=10)

QUESTION_COUNTS_KEPT = timedelta(days=90)
"""So long whoever follows up an alarm sees what the same official asked before and after."""

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
        questions = delete_old_counts(session, before=at - QUESTION_COUNTS_KEPT)
    deliveries = 0
    while True:
        with unit_of_work_of(sessions) as session:
            deleted = store.delete_old_deliveries(
                session, before=at - DELIVERIES_KEPT, limit=AT_ONCE
            )
        deliveries += deleted
        if deleted < AT_ONCE:
            break
    counts = {
        "partner_quotas": minutes,
        "agency_question_counts": questions,
        "webhook_deliveries": deliveries,
    }
    return {table: count for table, count in counts.items() if count}
