"""Background work of the register: loading what agencies sent."""

from uuid import UUID

from kernel.jobs import JobContext, Tasks
from population_register.service.uploads import LOAD_TASK, load_upload, sweep_uploads

tasks = Tasks()


@tasks.task(LOAD_TASK)
def load(context: JobContext, upload_id: str) -> None:
    """Load an uploaded feed; a job that runs twice goes on where the first one is."""
    load_upload(context.sessions, context.keyring, context.clock, UUID(upload_id))


@tasks.task("population_register.uploads.sweep", cron="17 * * * *")
def sweep(context: JobContext) -> None:
    """Forget uploads that were given up while they were sent."""
    sweep_uploads(context.sessions, at=context.clock.now())
