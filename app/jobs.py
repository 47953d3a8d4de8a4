"""Background work that belongs to no context: the signing keys of all of them."""

from datetime import timedelta

import structlog

from kernel.db import unit_of_work_of
from kernel.jobs import JobContext, Tasks

log = structlog.get_logger("civitas")

tasks = Tasks()


@tasks.task("app.signing_keys.rotate", cron="23 * * * *")
def rotate_signing_keys(context: JobContext) -> None:
    """Let the next keys sign where the current ones have signed for long enough."""
    days = context.settings.signing_key_days
    if days == 0:
        return
    at = context.clock.now()
    with unit_of_work_of(context.sessions) as session:
        kids = context.signing.rotate_due(session, period=timedelta(days=days), at=at)
    if kids:
        context.signing.reload(at=at)
        log.info("signing_keys.rotated", kids=kids)
