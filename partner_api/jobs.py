"""Background work of the partner API: make webhooks of events, deliver them, forget old counts."""

from datetime import datetime
from uuid import UUID

from consent.api import CONSENT_ENDED_TASK
from kernel.db import unit_of_work_of
from kernel.ids import PartnerId
from kernel.jobs import JobContext, Tasks
from partner_api.delivery import Sender
from partner_api.service.forgetting import forget_old
from partner_api.service.webhooks import DELIVER_TASK, attempt_delivery, make_webhook

tasks = Tasks()


@tasks.task(CONSENT_ENDED_TASK)
def tell_of_ended_consent(
    context: JobContext,
    *,
    consent_id: str,
    client_id: str,
    partner_id: str,
    subject: str,
    purpose: str,
    ending: str,
    ended_at: str,
) -> None:
    """Make the webhook `consent.withdrawn`, `consent.expired` or `consent.used_up`."""
    with unit_of_work_of(context.sessions) as session:
        make_webhook(
            session,
            PartnerId(partner_id),
            event_type=f"consent.{ending}",
            event_key=consent_id,
            occurred_at=datetime.fromisoformat(ended_at),
            data={
                "consent_id": consent_id,
                "client_id": client_id,
                "sub": subject,
                "purpose": purpose,
            },
            at=context.clock.now(),
        )


@tasks.task(DELIVER_TASK)
def deliver(context: JobContext, *, webhook_id: str) -> None:
    """Attempt to deliver a webhook once."""
    attempt_delivery(
        context.sessions,
        context.keyring,
        Sender(
            allow_local=context.settings.mode != "production",
            ca_file=context.settings.outbound_ca_file,
        ),
        UUID(webhook_id),
        at=context.clock.now(),
    )


@tasks.task("partner_api.quota.forget", cron="*/5 * * * *")
def forget_counts(context: JobContext) -> None:
    """Delete the counts of minutes that are over, and webhooks that came to their end."""
    forget_old(context.sessions, at=context.clock.now())
