"""Webhooks: register an endpoint, make a webhook of an event, attempt to deliver it.

An attempt is two short transactions with the sending between them, so that no row is locked and no
connection is held while a stranger's server takes its time. The attempt is counted before it is
made. A process that dies in between leaves a job that the queue hands out again: a webhook may
arrive twice, with the same `webhook-id`, and never not at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy.orm import Session, sessionmaker

from kernel.db import unit_of_work_of
from kernel.envelope import associated_data
from kernel.ids import PartnerId, new_id
from kernel.jobs import enqueue
from kernel.keyring import Keyring
from kernel.secret import Secret, random_bytes
from partner_api import store
from partner_api.delivery import Sender
from partner_api.errors import NoEndpoint
from partner_api.webhooks import (
    SECRET_OVERLAP,
    Outcome,
    Webhook,
    check_webhook_uri,
    format_secret,
    judge_attempt,
    mint_secret,
    next_attempt_at,
    sign_webhook,
)

DELIVER_TASK = "partner_api.webhook.deliver"

_encode = msgspec.json.Encoder().encode


def _secret_place(partner_id: PartnerId) -> bytes:
    return associated_data("webhook_endpoints", "secret_sealed", partner_id)


def register_webhook(
    session: Session,
    keyring: Keyring,
    partner_id: PartnerId,
    *,
    uri: str,
    allow_local: bool,
    at: datetime,
) -> Secret[str]:
    """Register where a partner's webhooks go, and make a new signing secret.

    A secret that was there before signs beside the new one for a day.

    Returns:
        The secret, to be shown once.

    Raises:
        UnacceptableWebhookURI: 400. Not a public https address.
    """
    check_webhook_uri(uri, allow_local=allow_local)
    secret = mint_secret()
    sealed = keyring.seal_system(secret.reveal(), associated_data=_secret_place(partner_id))
    store.save_endpoint(session, partner_id, uri=uri, secret_sealed=sealed, at=at)
    return format_secret(secret)


def make_webhook(
    session: Session,
    partner_id: PartnerId,
    *,
    event_type: str,
    event_key: str,
    occurred_at: datetime,
    data: Mapping[str, str],
    at: datetime,
    order: tuple[str, int] | None = None,
) -> UUID | None:
    """Make a webhook of an event and enqueue its delivery; return its identifier.

    Args:
        session: The transaction in which the event happened, or its job runs.
        partner_id: Who is told.
        event_type: Full-stop delimited, as documented in `docs/partners.md`.
        event_key: Names the event among those of its type; a second webhook for it is not made.
        occurred_at: When it happened; an attempt has its own time.
        data: What happened. Pseudonyms of this partner only, no attribute of a person.
        at: Now.
        order: Key and place: of one key, each is sent when those before it are done with.

    Returns:
        None if the partner has no endpoint, or the webhook was made already.

    Transaction:
        The webhook and the job together.
    """
    if store.find_endpoint(session, partner_id) is None:
        return None
    webhook_id = new_id(at)
    body = _encode(Webhook(type=event_type, timestamp=occurred_at, data=dict(data)))
    is_new = store.insert_delivery(
        session,
        store.Delivery(
            webhook_id=webhook_id,
            partner_id=partner_id,
            event_type=event_type,
            event_key=event_key,
            body=body,
            created_at=at,
            order_key=None if order is None else order[0],
            order_place=None if order is None else order[1],
        ),
    )
    if not is_new:
        return None
    enqueue(session, DELIVER_TASK, webhook_id=str(webhook_id))
    return webhook_id


def replay_webhooks(session: Session, partner_id: PartnerId, *, since: datetime) -> int:
    """Send a partner again what it was sent, or could not be sent, since an instant.

    Each has the `webhook-id` and the body that it had, and all of its attempts anew; those of one
    key follow each other as before. What is on its way is left alone.

    Returns:
        How many there are; none that were forgotten (`DELIVERIES_KEPT`).

    Raises:
        NoEndpoint: 409. There is nowhere to send them.

    Transaction:
        The webhooks and their jobs together.
    """
    if store.find_endpoint(session, partner_id) is None:
        raise NoEndpoint
    again = store.begin_again(session, partner_id, since=since)
    for webhook_id in again:
        enqueue(session, DELIVER_TASK, webhook_id=str(webhook_id))
    return len(again)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    delivery: store.Delivery
    uri: str
    secrets: tuple[Secret[bytes], ...]


def attempt_delivery(
    sessions: sessionmaker[Session],
    keyring: Keyring,
    sender: Sender,
    webhook_id: UUID,
    *,
    at: datetime,
) -> Outcome:
    """Attempt to deliver a webhook once; enqueue the next attempt if it fails.

    Returns:
        `DELIVERED` also when there was nothing left to do.
    """
    attempt = _begin(sessions, keyring, webhook_id, at=at)
    if attempt is None:
        return Outcome.DELIVERED
    delivery = attempt.delivery
    headers = sign_webhook(
        delivery.body, webhook_id=str(webhook_id), at=at, secrets=attempt.secrets
    )
    status = sender.send(attempt.uri, delivery.body, headers.as_headers())
    outcome = judge_attempt(status, attempt=delivery.attempts)
    with unit_of_work_of(sessions) as session:
        is_over = outcome in {Outcome.ABANDONED, Outcome.GONE}
        store.record_attempt(
            session,
            webhook_id,
            status=status,
            delivered_at=at if outcome is Outcome.DELIVERED else None,
            abandoned_at=at if is_over else None,
        )
        if outcome is not Outcome.RETRY:
            _let_next_go(session, delivery)
        if outcome is Outcome.GONE:
            store.disable_endpoint(session, delivery.partner_id, uri=attempt.uri, at=at)
        if outcome is Outcome.RETRY:
            spread = int.from_bytes(random_bytes(2), "big") / 0xFFFF
            enqueue(
                session,
                DELIVER_TASK,
                run_at=next_attempt_at(attempt=delivery.attempts, at=at, spread=spread),
                webhook_id=str(webhook_id),
            )
    return outcome


def _let_next_go(session: Session, done: store.Delivery) -> None:
    """Enqueue the webhook that waited for one that is done with, if there is one."""
    if done.order_key is not None:
        waiting = store.find_next_in_order(session, done)
        if waiting is not None:
            enqueue(session, DELIVER_TASK, webhook_id=str(waiting))


def _begin(
    sessions: sessionmaker[Session], keyring: Keyring, webhook_id: UUID, *, at: datetime
) -> _Attempt | None:
    with unit_of_work_of(sessions) as session:
        delivery = store.begin_attempt(session, webhook_id, at=at)
        if delivery is None:
            return None
        endpoint = store.find_endpoint(session, delivery.partner_id)
        if endpoint is None:  # disabled since; what waited for it is given up
            store.record_attempt(session, webhook_id, status=None, abandoned_at=at)
            _let_next_go(session, delivery)
            return None
    place = _secret_place(delivery.partner_id)
    sealed = [endpoint.secret_sealed]
    if endpoint.previous_secret_sealed is not None:
        assert endpoint.rotated_at is not None
        if at < endpoint.rotated_at + SECRET_OVERLAP:
            sealed.append(endpoint.previous_secret_sealed)
    secrets = tuple(Secret(keyring.unseal_system(value, associated_data=place)) for value in sealed)
    return _Attempt(delivery=delivery, uri=endpoint.uri, secrets=secrets)
