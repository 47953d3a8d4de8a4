"""Statistics about the population: who gets them, snapshots, and counts with noise.

Whoever is counted sees it in their access log: reading a record takes its entry here as anywhere.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
from sqlalchemy.orm import Session, sessionmaker

from kernel.clock import Clock
from kernel.db import unit_of_work_of
from kernel.envelope import associated_data
from kernel.errors import Conflict, InvalidRequest
from kernel.ids import new_id
from kernel.keyring import Keyring
from population_register import statistics_store as store
from population_register.errors import BudgetSpent, CountRefused, NoSnapshot, UnknownRecipient
from population_register.private_counts import MILLI, NoisyCounts, answer, parse_query
from population_register.service.census import Progress, everybody

if TYPE_CHECKING:
    from population_register.deidentification import Cell

_LONGEST_NAME = 200  # characters
_MOST_BUDGET = 100 * MILLI
_MOST_LISTED = 200

_cells = msgspec.msgpack.Decoder(list[tuple[tuple[str, ...], int]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """The answer to a counting query.

    Attributes:
        taken_at: When the population was counted that the answer is about.
        paid_milli: Thousandths of ε that this answer took; 0 if it was given before.
        left_milli: Thousandths of ε that are left.
    """

    release_id: UUID
    noisy: NoisyCounts
    by: tuple[str, ...]
    taken_at: datetime
    epsilon_milli: int
    paid_milli: int
    left_milli: int


# Recipients


def add_recipient(
    session: Session, *, recipient_id: str, name: str, budget_milli: int, at: datetime
) -> None:
    """Enter who may get statistics, and the privacy budget of all answers to it together.

    Raises:
        InvalidRequest: 400. The identifier, the name or the budget can't be used.
        Conflict: 409. The identifier is taken.
    """
    if not recipient_id.replace("-", "").isalnum() or not recipient_id.isascii():
        raise InvalidRequest("An identifier is Latin letters, digits and hyphens.")
    if not 0 < len(name) <= _LONGEST_NAME:
        raise InvalidRequest(f"Give a name of at most {_LONGEST_NAME} characters.")
    if not 0 < budget_milli <= _MOST_BUDGET:
        raise InvalidRequest("A budget is between 0.001 and 100.")
    if not store.insert_recipient(
        session, recipient_id=recipient_id, name=name, budget_milli=budget_milli, at=at
    ):
        raise Conflict("There is a recipient of this identifier.")


def list_recipients(session: Session) -> list[store.Recipient]:
    """Return all recipients by identifier."""
    return store.list_recipients(session)


def list_releases(session: Session, recipient_id: str) -> Sequence[store.Release]:
    """Return what was last given out to a recipient, the latest first.

    Raises:
        UnknownRecipient: 404.
    """
    _recipient(session, recipient_id)
    return store.list_releases(session, recipient_id, _MOST_LISTED)


def _recipient(session: Session, recipient_id: str) -> store.Recipient:
    found = store.find_recipient(session, recipient_id)
    if found is None:
        raise UnknownRecipient(recipient_id=recipient_id)
    return found


# Snapshots


def take_snapshot(
    sessions: sessionmaker[Session],
    keyring: Keyring,
    clock: Clock,
    progress: Progress | None = None,
) -> UUID:
    """Count the whole population by cells and keep the counts, sealed.

    Transaction:
        One for each batch of people; memory is that of the cells. If it is interrupted nothing is
        kept but the entries, which are true: these people were counted.
    """
    counts: Counter[Cell] = Counter()
    for batch in everybody(sessions, keyring, clock, progress=progress):
        counts.update(cell for _, cell in batch)
    at = clock.now()
    snapshot_id = new_id(at)
    with unit_of_work_of(sessions) as session:
        store.insert_snapshot(
            session,
            snapshot_id,
            table_sealed=keyring.seal_system(
                msgspec.msgpack.encode(sorted(counts.items())), associated_data=_place(snapshot_id)
            ),
            at=at,
        )
    return snapshot_id


def _place(snapshot_id: UUID) -> bytes:
    return associated_data("statistics_snapshots", "table_sealed", snapshot_id)


# Counts


def count_people(
    sessions: sessionmaker[Session],
    keyring: Keyring,
    *,
    recipient_id: str,
    where: Sequence[str],
    by: Sequence[str],
    epsilon_milli: int,
    at: datetime,
) -> Counted:
    """Answer a counting query about the latest snapshot, with noise, and take its price.

    The same question of the same recipient about the same snapshot has one answer: asking again
    costs nothing and tells nothing new, also with another ε.

    Args:
        sessions: Opens the transaction: the answer is given out after it is committed.
        keyring: Opens the snapshot.
        recipient_id: Who asks.
        where: Conditions; see `private_counts.parse_query`.
        by: Groupings.
        epsilon_milli: The price, in thousandths of ε. Less of it means more noise.
        at: Now.

    Raises:
        CountRefused: 400. The query, or its price, is malformed.
        UnknownRecipient: 404.
        NoSnapshot: 404.
        BudgetSpent: 403. The budget does not cover the price; nothing was taken.

    Transaction:
        Locks the recipient's row: of two who ask the same at once, one pays. The price is one
        UPDATE with its condition.
    """
    query = parse_query(where, by)
    if not 0 < epsilon_milli <= _MOST_BUDGET:
        raise CountRefused("The price of an answer is between 0.001 and 100.")
    question = msgspec.json.encode(query.as_json())
    digest = hashlib.sha256(question).digest()
    with unit_of_work_of(sessions) as session:
        recipient = store.lock_recipient(session, recipient_id)
        if recipient is None:
            raise UnknownRecipient(recipient_id=recipient_id)
        latest = store.find_latest_snapshot(session)
        if latest is None:
            raise NoSnapshot
        snapshot_id, table_sealed, taken_at = latest
        known = store.find_answer(session, recipient_id, snapshot_id, digest)
        paid = 0 if known is not None else epsilon_milli
        if known is None:
            if not store.spend(session, recipient_id, epsilon_milli):
                raise BudgetSpent(
                    f"{recipient.left_milli / MILLI:g} of the budget is left, and the answer costs "
                    f"{epsilon_milli / MILLI:g}.",
                    recipient_id=recipient_id,
                )
            place = _place(snapshot_id)
            people = _cells.decode(keyring.unseal_system(table_sealed, associated_data=place))
            known = _store_answer(
                session,
                recipient_id,
                snapshot_id,
                question,
                answer(dict(people), query, epsilon_milli=epsilon_milli),
                epsilon_milli=epsilon_milli,
                at=at,
            )
        assert known.answer is not None
        assert known.epsilon_milli is not None
    return Counted(
        release_id=known.release_id,
        noisy=NoisyCounts(
            groups=tuple(tuple(group) for group in known.answer["groups"]),
            counts=tuple(known.answer["counts"]),
            within=known.answer["within"],
        ),
        by=tuple(known.request["by"]),
        taken_at=taken_at,
        epsilon_milli=known.epsilon_milli,
        paid_milli=paid,
        left_milli=recipient.left_milli - paid,
    )


def _store_answer(
    session: Session,
    recipient_id: str,
    snapshot_id: UUID,
    question: bytes,
    noisy: NoisyCounts,
    *,
    epsilon_milli: int,
    at: datetime,
) -> store.Release:
    digest = hashlib.sha256(question).digest()
    store.insert_release(
        session,
        {
            "release_id": new_id(at),
            "recipient_id": recipient_id,
            "kind": "count",
            "released_at": at,
            "request": msgspec.json.decode(question),
            "report": {"epsilon": epsilon_milli / MILLI, "within": noisy.within},
            "snapshot_id": snapshot_id,
            "question_digest": digest,
            "epsilon_milli": epsilon_milli,
            "answer": {
                "groups": noisy.groups,
                "counts": noisy.counts,
                "within": noisy.within,
            },
        },
    )
    stored = store.find_answer(session, recipient_id, snapshot_id, digest)
    assert stored is not None
    return stored
