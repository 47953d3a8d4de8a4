"""Background work of audit: the sequencer."""

from audit.service.sequencing import MOST_AT_ONCE, sequence
from kernel.db import unit_of_work_of
from kernel.jobs import JobContext, Tasks

tasks = Tasks()


def origin_of(issuer: str) -> str:
    """Return the log's name: its address without the scheme (C2SP tlog-tiles, "Parameters")."""
    return f"{issuer.partition('://')[2]}/log"


@tasks.task("audit.log.sequence", cron="* * * * * */2")
def sequence_log(context: JobContext) -> None:
    """Make leaves of everything that waits; each round is a transaction of its own."""
    while True:
        with unit_of_work_of(context.sessions) as session:
            added = sequence(
                session,
                context.signing,
                origin=origin_of(context.settings.issuer),
                at=context.clock.now(),
            )
        if added < MOST_AT_ONCE:
            return
