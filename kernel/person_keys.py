"""Rows of `person_keys`: one wrapped key per person."""

from sqlalchemy import CTE, ColumnElement, select
from sqlalchemy.orm import Session

from kernel.errors import Undecryptable
from kernel.ids import PersonId
from kernel.tables import person_keys


def wrapped_person_key(person_id: ColumnElement[object]) -> CTE:
    """Return this context's part of a composed statement: the person's wrapped key.

    Columns `person_id`, `wrapped_key`. A shredded person has no row.
    """
    return (
        select(person_keys.c.person_id, person_keys.c.wrapped_key)
        .where(person_keys.c.person_id == person_id, person_keys.c.wrapped_key.is_not(None))
        .cte("wrapped_person_key")
    )


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
