"""What partners ask through the back channel (CIBA): the person decides, the client is told."""

from collections.abc import Sequence
from datetime import datetime

import orjson
from sqlalchemy.orm import Session, sessionmaker

from idp.claims import parse_claims_parameter
from idp.errors import RequestGone
from idp.model import PUSH, Client, SignInSession
from idp.provider import Provider
from idp.ring_tokens import MintedRingToken, RingToken
from idp.service import devices
from idp.service.devices import Waiting, waiting
from idp.service.pushed_tokens import push
from idp.store import deferred as store
from idp.store.clients import find_client
from kernel.db import unit_of_work_of
from kernel.envelope import associated_data
from kernel.jobs import enqueue
from kernel.outbound import Sender
from kernel.secret import Secret

NOTIFY_TASK = "idp.ciba.notify"


class NotNotified(Exception):  # never leaves idp: makes the job be retried
    """The client did not answer."""


def seal_notification(
    provider: Provider, auth_req_id: MintedRingToken, token: Secret[str] | None
) -> bytes | None:
    """Return how the client will be told, sealed; None where it polls."""
    if token is None:
        return None
    content = {"auth_req_id": auth_req_id.token.reveal(), "token": token.reveal()}
    return provider.keyring.seal_system(
        orjson.dumps(content), associated_data=_place(auth_req_id.stored)
    )


def list_waiting(
    session: Session, provider: Provider, sign_in: SignInSession, *, at: datetime
) -> Sequence[Waiting]:
    """Return what partners wait for this person to decide, the oldest first."""
    found = []
    for stored in store.list_waiting(session, sign_in.person_id, at=at):
        try:
            found.append(waiting(session, provider, stored, sign_in=sign_in, at=at))
        except RequestGone:
            continue
    return found


def get_waiting(
    session: Session, provider: Provider, name: str, *, sign_in: SignInSession, at: datetime
) -> Waiting:
    """Return one of them.

    Args:
        session: The open transaction.
        provider: Ourselves.
        name: `name_of` it.
        sign_in: Whose it must be.
        at: Now.

    Raises:
        RequestGone: 404. None of this name waits for this person.
    """
    for found in list_waiting(session, provider, sign_in, at=at):
        if name_of(found) == name:
            return found
    raise RequestGone(reason="unknown, decided, expired or somebody else's")


def name_of(it: Waiting) -> str:
    """Return the name of a request in addresses; it opens nothing by itself."""
    return it.stored.token.digest.hex()[:32]


def allow(
    session: Session, provider: Provider, it: Waiting, *, language: str, at: datetime
) -> None:
    """Store what the person agreed to, and let the client be told; see `devices.allow`."""
    devices.allow(session, provider, it, language=language, at=at)
    _announce(session, it)


def deny(session: Session, it: Waiting, *, at: datetime) -> None:
    """Store that the person refused, and let the client be told; see `devices.deny`."""
    devices.deny(session, it, at=at)
    _announce(session, it)


def _announce(session: Session, it: Waiting) -> None:
    if it.stored.notification_sealed is not None:
        token = it.stored.token
        enqueue(session, NOTIFY_TASK, slot=token.slot, digest=token.digest.hex())


def notify(
    sessions: sessionmaker[Session],
    provider: Provider,
    sender: Sender,
    token: RingToken,
    *,
    at: datetime,
) -> None:
    """Tell a client once that the person has decided: by a ping, or by the tokens themselves.

    A client that answers is not called again, whatever it answers; redirects are not followed.

    Raises:
        NotNotified: There was no answer, or the client is out of order (5xx).

    Source:
        CIBA, 10.2, 10.3 and 12.
    """
    with unit_of_work_of(sessions) as session:
        decided = store.find_decided(session, token, at=at)
        client = None if decided is None else find_client(session, decided.stored.client_id)
    if decided is None or client is None or decided.stored.notification_sealed is None:
        return  # it has expired, or the client has gone: nobody is interested any more
    endpoint = client.metadata.backchannel_client_notification_endpoint
    if endpoint is None:
        return
    told = orjson.loads(
        provider.keyring.unseal_system(
            decided.stored.notification_sealed, associated_data=_place(token)
        )
    )
    body: dict[str, object] = {"auth_req_id": told["auth_req_id"]}
    if client.metadata.backchannel_token_delivery_mode == PUSH:
        if decided.grant_id is None:
            body |= {"error": "access_denied", "error_description": "The person did not agree."}
        else:
            pushed = _push(sessions, provider, client, decided, told["auth_req_id"], at=at)
            if pushed is None:
                return
            body |= pushed
    status = sender.send(
        endpoint,
        orjson.dumps(body),
        {"content-type": "application/json", "authorization": f"Bearer {told['token']}"},
    )
    if status is None or status >= 500:  # noqa: PLR2004  # RFC 9110, 15.6
        raise NotNotified(str(status))


def _push(
    sessions: sessionmaker[Session],
    provider: Provider,
    client: Client,
    decided: store.Decided,
    auth_req_id: str,
    *,
    at: datetime,
) -> dict[str, object] | None:
    """Return the tokens; None when the grant has been revoked."""
    with unit_of_work_of(sessions) as session:
        store.mark_spent(session, decided.stored.token, at=at)
        asked = decided.stored.request["parameters"].get("claims")
        return push(
            session,
            provider,
            client,
            decided.grant_id,
            auth_req_id,
            claims=parse_claims_parameter(asked),
            at=at,
        )


def _place(token: RingToken) -> bytes:
    return associated_data(
        "deferred_requests", "notification_sealed", token.slot, token.digest.hex()
    )
