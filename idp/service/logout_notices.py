"""Clients learn that a session has ended: OpenID Connect Back-Channel Logout.

A job for each client, enqueued in the transaction that ends the session: it is told if and only if
the session ended. The browser's part (Front-Channel Logout) is in `idp.signing_out`.
"""

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlencode

from sqlalchemy.orm import Session, sessionmaker

from idp.logout_tokens import logout_token
from idp.model import SessionClient
from idp.provider import Provider
from idp.store import session_clients as store
from idp.store.clients import find_client
from kernel.db import unit_of_work_of
from kernel.ids import ClientId, PersonId, SessionId
from kernel.jobs import enqueue
from kernel.outbound import Sender
from kernel.secret import random_b64url
from kernel.web import FORM_TYPE

DELIVER_TASK = "idp.logout.deliver"

ACCEPTED = frozenset({200, 204})
"""Back-Channel Logout, 2.8: 200; some frameworks answer 204 to a request without a body."""

_JTI_BYTES = 16  # 128 random bits


class NotDelivered(Exception):  # never leaves idp: makes the job be retried
    """The client did not take the logout token."""


def announce(
    session: Session, person_id: PersonId, session_id: SessionId
) -> Sequence[SessionClient]:
    """Let every client that knows a session learn of its end, and return them.

    Transaction:
        The caller's, which ended the session.
    """
    told = store.take(session, person_id, session_id)
    for known in told:
        client = find_client(session, known.client_id)
        if client is not None and client.metadata.backchannel_logout_uri is not None:
            enqueue(
                session,
                DELIVER_TASK,
                client_id=known.client_id,
                person_id=str(person_id),
                session_id=str(known.session_id),
            )
    return told


def deliver(
    sessions: sessionmaker[Session],
    provider: Provider,
    sender: Sender,
    *,
    client_id: ClientId,
    person_id: PersonId,
    session_id: SessionId,
    at: datetime,
) -> None:
    """Post a logout token to a client once; every attempt has a token of its own.

    A client that has gone, or that takes no logout tokens any more, is not told.

    Raises:
        NotDelivered: There was no answer, or another than that it is done.

    Transaction:
        A short one to read the client; none is open while the client is waited for.

    Source:
        OpenID Connect Back-Channel Logout, 2.5 and 2.8.
    """
    with unit_of_work_of(sessions) as session:
        client = find_client(session, client_id)
    if client is None or client.metadata.backchannel_logout_uri is None:
        return
    token = logout_token(
        provider.signing,
        issuer=provider.issuer,
        client_id=client_id,
        sub=provider.sub(client, person_id),
        sid=provider.sid(client_id, session_id),
        jti=random_b64url(_JTI_BYTES),
        alg=client.metadata.id_token_signed_response_alg,
        at=at,
    )
    status = sender.send(
        client.metadata.backchannel_logout_uri,
        urlencode({"logout_token": token}).encode(),
        {"content-type": FORM_TYPE},
    )
    if status not in ACCEPTED:
        raise NotDelivered(str(status))
