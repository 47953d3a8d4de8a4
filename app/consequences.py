"""What follows from a life event in the contexts that can't know of each other."""

from uuid import UUID

from consent.api import end_at_death
from idp.api import close_accounts, reopen_accounts
from kernel.db import unit_of_work_of
from kernel.ids import PersonId
from kernel.jobs import JobContext, Tasks
from population_register.api import LIFE_EVENT_TASK, LifeEventKind
from vault.api import lock_documents, unlock_documents

tasks = Tasks()


@tasks.task(LIFE_EVENT_TASK)
def act(context: JobContext, *, person_id: str, kind: str) -> None:
    """Act upon a death: accounts closed, consents ended, documents locked, all or nothing.

    If the death was a mistake, accounts and documents are open again; consents stay ended. Doing
    it twice changes nothing. Jobs about one person run in the order of the events.
    """
    who, at = PersonId(UUID(person_id)), context.clock.now()
    with unit_of_work_of(context.sessions) as session:
        if kind == LifeEventKind.DEATH:
            # Waits for whoever is agreeing to something in a session; then nobody can any more,
            # and the consents that there are, are all.
            close_accounts(session, who, at=at)
            lock_documents(session, who, at=at)
            end_at_death(session, who, at=at)
        elif kind == LifeEventKind.DEATH_ANNULLED:
            unlock_documents(session, who)
            reopen_accounts(session, who)
