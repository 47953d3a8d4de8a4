"""Background work of consent: write down what ran out, and let the recipients know."""

from consent.service import announce_endings
from kernel.db import unit_of_work_of
from kernel.jobs import JobContext, Tasks

tasks = Tasks()

AT_ONCE = 500
"""Consents a transaction; the rest follows in the next."""


@tasks.task("consent.record.announce", cron="* * * * * */15")
def announce(context: JobContext) -> None:
    """Announce the consents that expired or were used up since the last time."""
    while True:
        with unit_of_work_of(context.sessions) as session:
            told = announce_endings(session, at=context.clock.now(), limit=AT_ONCE)
        if told < AT_ONCE:
            return
