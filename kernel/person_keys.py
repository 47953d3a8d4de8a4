"""Rows of `person_keys`: one wrapped key per person."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from kernel.errors import NotFound, Undecryptable
from kernel.ids import PersonId
from kernel.tables import person_keys


def load_wrapped_key(session: Session, person_id: PersonId) -> bytes:
    """Return the person's wrapped key.

    Raises:
        Undecryptable: There is none, or it was shredded; the caller cannot tell the two apart.
    """
    wrapped: bytes | None = session.scalar(
        select(person_keys.c.wrapped_key).where(person_keys.c.person_id == person_id)
    )
    if wrapped is None:
        raise Undecryptable(reason="no person key", person_id=str(person_id))
    return wrapped


def lock_person_key(session: Session, person_id: PersonId) -> bytes:
    """Return the person's wrapped key, which nobody can destroy until this transaction ends.

    For whoever seals something new for the person: what is written after the key is destroyed would
    stay behind, unreadable.

    Raises:
        NotFound: 404. There is no such person, or the key was destroyed.
    """
    wrapped: bytes | None = session.scalar(
        select(person_keys.c.wrapped_key)
        .where(person_keys.c.person_id == person_id)
        .with_for_update(read=True)
    )
    if wrapped is None:
        raise NotFound(reason="no person key")
    return wrapped


def shred_person_key(session: Session, person_id: PersonId, *, at: datetime) -> None:
    """Destroy a person's key: nothing that was sealed under it can be opened again (promise 7).

    The row stays, so that nobody makes the person a new key.

    Raises:
        NotFound: 404. There is no such person, or the key was destroyed before.

    Transaction:
        One UPDATE … RETURNING; waits for those who hold the key (`lock_person_key`).
    """
    shredded = session.scalar(
        update(person_keys)
        .where(person_keys.c.person_id == person_id, person_keys.c.wrapped_key.is_not(None))
        .values(wrapped_key=None, shredded_at=at)
        .returning(person_keys.c.person_id)
    )
    if shredded is None:
        raise NotFound(reason="no person key")
