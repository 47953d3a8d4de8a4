"""Background work of idp: drop what has run out, tell clients that a session has ended."""

from uuid import UUID

import procrastinate
import structlog

from idp.dependencies import policy_of
from idp.provider import Provider
from idp.service import logout_notices
from idp.service.cleanup import delete_expired, empty_rings
from kernel.ids import ClientId, PersonId, SessionId
from kernel.jobs import JobContext, Tasks
from kernel.outbound import Sender

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


# After 4, 16, 64 … seconds; the eighth and last time after six hours: by then sessions are over.
_WHILE_SESSIONS_LAST = procrastinate.RetryStrategy(max_attempts=8, exponential_wait=4)


@tasks.task(logout_notices.DELIVER_TASK, retry=_WHILE_SESSIONS_LAST)
def deliver_logout(context: JobContext, *, client_id: str, person_id: str, session_id: str) -> None:
    """Attempt to tell a client once that a session has ended."""
    logout_notices.deliver(
        context.sessions,
        provider_of_worker(context),
        Sender(allow_local=context.settings.mode != "production"),
        client_id=ClientId(client_id),
        person_id=PersonId(UUID(person_id)),
        session_id=SessionId(UUID(session_id)),
        at=context.clock.now(),
    )


def provider_of_worker(context: JobContext) -> Provider:
    """Return the authorization server as a job needs it."""
    return Provider(
        issuer=context.settings.issuer,
        keyring=context.keyring,
        signing=context.signing,
        policy=policy_of(context.settings),
    )
