"""Queries: which clients know a sign-in session."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from idp.model import SessionClient, SignInSession
from idp.tables import session_clients, sign_in_sessions
from kernel.ids import ClientId, PersonId, SessionId

_t = session_clients.c
_s = sign_in_sessions.c


def remember(
    session: Session, sign_in: SignInSession, client_id: ClientId, *, at: datetime
) -> bool:
    """Remember that a client learns of a session; tell whether the session still is live.

    Transaction:
        The row of the session is held, so that whoever ends it waits and then finds this client:
        no client learns of a session without being told of its end.
    """
    if not hold(session, sign_in, at=at):
        return False
    session.execute(
        upsert(session_clients)
        .values(
            person_id=sign_in.person_id,
            session_id=sign_in.session_id,
            client_id=client_id,
            known_session_id=sign_in.session_id,
            expires_at=sign_in.expires_at,
        )
        .on_conflict_do_nothing()
    )
    return True


def hold(session: Session, sign_in: SignInSession, *, at: datetime) -> bool:
    """Tell whether a session still is live.

    Transaction:
        Its row is held: whoever ends the session, and revokes what was allowed in it, waits and
        then finds what this transaction allowed.
    """
    live = session.execute(
        select(_s.session_id)
        .where(
            _s.person_id == sign_in.person_id,
            _s.session_id == sign_in.session_id,
            _s.ended_at.is_(None),
            _s.expires_at > at,
        )
        .with_for_update(read=True)
    ).one_or_none()
    return live is not None


def hand_over(
    session: Session, person_id: PersonId, *, ended: SessionId, to: SessionId, until: datetime
) -> None:
    """Let a session take over the clients of one that it follows."""
    session.execute(
        update(session_clients)
        .where(_t.person_id == person_id, _t.session_id == ended)
        .values(session_id=to, expires_at=until)
    )


def take(session: Session, person_id: PersonId, session_id: SessionId) -> Sequence[SessionClient]:
    """Return the clients that know a session, and forget them."""
    rows = session.execute(
        delete(session_clients)
        .where(_t.person_id == person_id, _t.session_id == session_id)
        .returning(_t.client_id, _t.known_session_id)
    )
    return sorted(
        (
            SessionClient(
                client_id=ClientId(row.client_id),
                session_id=SessionId(row.known_session_id),
            )
            for row in rows
        ),
        key=lambda known: (known.client_id, known.session_id),
    )
