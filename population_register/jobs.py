"""Background work of the register: feeds, life events, and looking for what can't be true."""

from uuid import UUID

from kernel.db import unit_of_work_of
from kernel.ids import PersonId
from kernel.jobs import JobContext, Tasks
from population_register.service.consistency import check_person, check_register
from population_register.service.deriving import RECHECK_TASK
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


@tasks.task("population_register.consistency.check", cron="23 1 1 * *")
def check(context: JobContext) -> None:
    """Look at everybody, once a month."""
    check_register(
        context.sessions, context.keyring, context.clock, holidays=context.settings.holidays
    )


@tasks.task(RECHECK_TASK)
def recheck(context: JobContext, person_id: str) -> None:
    """Look again at one person; what is no longer found is closed."""
    check_person(
        context.sessions,
        context.keyring,
        PersonId(UUID(person_id)),
        holidays=context.settings.holidays,
        at=context.clock.now(),
    )
