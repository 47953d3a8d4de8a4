"""Background work of the vault: the sweeper."""

from kernel.jobs import JobContext, Tasks
from vault.service.deleting import SWEEP_AT_ONCE, sweep_loose_blobs

tasks = Tasks()


@tasks.task("vault.loose_blobs.sweep", cron="*/5 * * * *")
def sweep(context: JobContext) -> None:
    """Delete what nobody needs any more, a hundred blobs a transaction."""
    while True:
        swept = sweep_loose_blobs(context.sessions, context.blobs, at=context.clock.now())
        if swept < SWEEP_AT_ONCE:
            return
