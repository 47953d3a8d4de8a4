"""Background work of the partner API: make webhooks of events, deliver them, forget old counts."""

from datetime import datetime
from uuid import UUID

from consent.api import CONSENT_ENDED_TASK
from kernel.db import unit_of_work_of
from kernel.ids import AgencyId, PartnerId
from kernel.jobs import JobContext, Tasks
from partner_api import store
from partner_api.agencies.service.clients import partner_of
from partner_api.delivery import Sender
from partner_api.service.forgetting import forget_old
from partner_api.service.webhooks import DELIVER_TASK, attempt_delivery, make_webhook
from population_register.api import LIFE_EVENTS_TOLD_TASK, list_notices

tasks = Tasks()

NOTICES_AT_ONCE = 200


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


@tasks.task(LIFE_EVENTS_TOLD_TASK)
def tell_of_life_events(context: JobContext, *, agency_id: str) -> None:
    """Make the webhooks `life_event.…` of an agency's sequence, as far as it goes."""
    agency = AgencyId(agency_id)
    while True:
        with unit_of_work_of(context.sessions) as session:
            after = store.find_notice(session, agency)
            notices = list_notices(
                session, context.keyring, agency, after=after, limit=NOTICES_AT_ONCE
            )
            for notice in notices:
                make_webhook(
                    session,
                    PartnerId(partner_of(agency)),
                    event_type=f"life_event.{notice.kind}",
                    event_key=str(notice.event_id),
                    occurred_at=context.clock.now(),
                    data={
                        "event_id": str(notice.event_id),
                        "position": str(notice.position),
                        "pseudonym": notice.pseudonym,
                    },
                    order=(notice.pseudonym, notice.position),
                    at=context.clock.now(),
                )
            if notices:
                store.save_notice(session, agency, notices[-1].position)
        if len(notices) < NOTICES_AT_ONCE:
            return


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
