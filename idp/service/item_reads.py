"""Reads of the ordinary lane, and the slow path of every read: why it was refused."""

from msgspec.structs import replace
from sqlalchemy.orm import Session, sessionmaker

from audit.api import NewEntry, record_access
from consent.api import Covered, ItemName, PurposeCode, decide_disclosure
from idp.item_reading import (
    ItemsRead,
    ReadRefused,
    binds_of,
    entry_of,
    reading_statement,
    values_of,
)
from idp.store.grants import find_person_of_grant
from kernel.db import unit_of_work_of
from kernel.ids import ClientId, GrantId, PersonId
from kernel.keyring import Keyring
from population_register.api import AttributeValue


def find_reason(
    sessions: sessionmaker[Session],
    attempt: NewEntry,
    *,
    grant_id: GrantId,
    is_proof_fresh: bool,
    is_live: bool,
) -> str:
    """Return why a read was not allowed, and let the person see the attempt.

    Args:
        sessions: Opens a transaction of its own: the hot one has ended.
        attempt: The entry that would have been written.
        grant_id: Under which it was tried; tells whose log it belongs to.
        is_proof_fresh: Whether the proof had not been used.
        is_live: Whether the grant was live.

    Returns:
        A code: `proof_replayed`, `token_revoked`, `record_missing`, or how the consent ended.
    """
    with unit_of_work_of(sessions) as session:
        return _record_refusal(
            session, attempt, grant_id=grant_id, is_proof_fresh=is_proof_fresh, is_live=is_live
        )


def read_items_in(
    session: Session, keyring: Keyring, read: ItemsRead
) -> dict[str, AttributeValue] | ReadRefused:
    """Read items about the person of a grant where no client waits for the answer.

    Returns:
        The items that have a value; or why nothing was read.

    Transaction:
        The caller's: with the read goes its entry, or that of the refused attempt.
    """
    entry = entry_of(read, request_id=None)
    row = reading_statement(has_proof=False).fetchrow_in(session, **binds_of(read, entry))
    assert row is not None  # the statement always returns one
    if row["entry_person_id"] is None:
        return ReadRefused(
            _record_refusal(
                session,
                entry,
                grant_id=read.grant_id,
                is_proof_fresh=True,
                is_live=row["is_live"],
            )
        )
    return values_of(keyring, read, entry, row)


def _record_refusal(
    session: Session,
    attempt: NewEntry,
    *,
    grant_id: GrantId,
    is_proof_fresh: bool,
    is_live: bool,
) -> str:
    person_id = find_person_of_grant(session, grant_id)
    if not is_proof_fresh:
        reason = "proof_replayed"
    elif not is_live or person_id is None:
        reason = "token_revoked"
    else:
        reason = _why_not_covered(session, person_id, attempt)
    if person_id is not None:
        refused = replace(attempt, outcome="refused", reason=reason)
        record_access(session, refused, person_id=person_id)
    return reason


def _why_not_covered(session: Session, person_id: PersonId, attempt: NewEntry) -> str:
    decision = decide_disclosure(
        session,
        person_id,
        client_id=ClientId(attempt.client_id or ""),
        purpose=PurposeCode(attempt.purpose or ""),
        items=frozenset(ItemName(item) for item in attempt.items),
        at=attempt.occurred_at,
    )
    return "record_missing" if isinstance(decision, Covered) else decision.reason
