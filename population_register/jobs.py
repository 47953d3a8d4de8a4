"""Background work of the register: loading what agencies sent, deriving life events."""

from uuid import UUID

from kernel.db import unit_of_work_of
from kernel.jobs import JobContext, Tasks
from population_register.service.life import derive_life_events, note_birthdays
from population_register.service.uploads import LOAD_TASK, load_upload, sweep_uploads

tasks = Tasks()

AT_ONCE = 5_000
"""People a run: the next one comes soon, and another worker may have it."""


@tasks.task(LOAD_TASK)
def load(context: JobContext, upload_id: str) -> None:
    """Load an uploaded feed; a job that runs twice goes on where the first one is."""
    load_upload(context.sessions, context.keyring, context.clock, UUID(upload_id))


@tasks.task("population_register.uploads.sweep", cron="17 * * * *")
def sweep(context: JobContext) -> None:
    """Forget uploads that were given up while they were sent."""
    sweep_uploads(context.sessions, at=context.clock.now())


@tasks.task("population_register.life_events.derive", cron="* * * * * */10")
def derive(context: JobContext) -> None:
    """Look at whoever changed since the last time."""
    derive_life_events(context.sessions, context.keyring, context.clock.now, most=AT_ONCE)


@tasks.task("population_register.calendar.note", cron="7 * * * *")
def note_calendar(context: JobContext) -> None:
    """Note whoever has a birthday that matters, today or on a day that no worker saw."""
    with unit_of_work_of(context.sessions) as session:
        note_birthdays(session, context.keyring, at=context.clock.now())
