"""Background work of idp: drop what has run out."""

import structlog

from idp.service.cleanup import delete_expired, empty_rings
from kernel.jobs import JobContext, Tasks

log = structlog.get_logger("civitas")

tasks = Tasks()


@tasks.task("idp.rings.empty", cron="*/5 * * * *")
def turn_rings(context: JobContext) -> None:
    """Empty the partitions whose time is over."""
    emptied = empty_rings(context.sessions, at=context.clock.now())
    if emptied:
        log.info("idp.rings.emptied", partitions=emptied)


@tasks.task("idp.expired.delete", cron="7 * * * *")
def drop_expired(context: JobContext) -> None:
    """Delete grants, refresh tokens and sessions that are over."""
    deleted = delete_expired(context.sessions, at=context.clock.now())
    if deleted:
        log.info("idp.expired.deleted", rows=deleted)
