"""Background work of idp: drop what has run out, tell clients what happened."""

from uuid import UUID

import procrastinate
import structlog

from idp.dependencies import policy_of
from idp.provider import Provider
from idp.ring_tokens import RingToken
from idp.service import backchannel, logout_notices
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
        log.info("idp.rings.emptied", partitions=[each.partition for each in emptied])


@tasks.task("idp.expired.delete", cron="7 * * * *")
def drop_expired(context: JobContext) -> None:
    """Delete grants and sessions that are over."""
    deleted = delete_expired(context.sessions, at=context.clock.now())
    if deleted:
        log.info("idp.expired.deleted", **deleted)


# After 4, 16, 64 … seconds; the eighth and last time after six hours: by then sessions are over.
_WHILE_SESSIONS_LAST = procrastinate.RetryStrategy(max_attempts=8, exponential_wait=4)


@tasks.task(logout_notices.DELIVER_TASK, retry=_WHILE_SESSIONS_LAST)
def deliver_logout(context: JobContext, *, client_id: str, person_id: str, session_id: str) -> None:
    """Attempt to tell a client once that a session has ended."""
    logout_notices.deliver(
        context.sessions,
        provider_of_worker(context),
        Sender(
            allow_local=context.settings.mode != "production",
            ca_file=context.settings.outbound_ca_file,
        ),
        client_id=ClientId(client_id),
        person_id=PersonId(UUID(person_id)),
        session_id=SessionId(UUID(session_id)),
        at=context.clock.now(),
    )


# After 2, 4, 8 … seconds; the seventh and last time after two minutes: clients also poll.
_WHILE_CLIENTS_WAIT = procrastinate.RetryStrategy(max_attempts=7, exponential_wait=2)


@tasks.task(backchannel.NOTIFY_TASK, retry=_WHILE_CLIENTS_WAIT)
def notify_client(context: JobContext, *, slot: int, digest: str) -> None:
    """Attempt to tell a client once that the person has decided."""
    backchannel.notify(
        context.sessions,
        provider_of_worker(context),
        Sender(
            allow_local=context.settings.mode != "production",
            ca_file=context.settings.outbound_ca_file,
        ),
        RingToken(slot=slot, digest=bytes.fromhex(digest)),
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
