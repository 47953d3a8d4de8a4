"""Queries about who records are about: links, and what people are found by. One function each."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import LargeBinary, Text, Uuid, and_, delete, select, tuple_, update
from sqlalchemy.orm import Session

from kernel.ids import AgencyId, PersonId
from population_register.bulk import any_id_of, any_of, copy_new_rows, copy_rows, rows_of
from population_register.tables import (
    early_withdrawals,
    link_decisions,
    person_identifiers,
    record_links,
)


def find_record_links(
    session: Session, agency_id: AgencyId, digests: Iterable[bytes]
) -> dict[bytes, PersonId]:
    """Return whom an agency's records are about; unknown records are absent."""
    rows = session.execute(
        select(record_links.c.record_digest, record_links.c.person_id).where(
            record_links.c.agency_id == agency_id,
            record_links.c.record_digest == any_of(list(digests)),
        )
    )
    return {row.record_digest: PersonId(row.person_id) for row in rows}


def find_homes(session: Session, records: Mapping[bytes, AgencyId]) -> dict[bytes, PersonId]:
    """Return whom records are about now, given by digest with the agency of each."""
    if not records:
        return {}
    wanted = rows_of(agency_id=(Text, list(records.values())), digest=(LargeBinary, list(records)))
    rows = session.execute(
        select(record_links.c.record_digest, record_links.c.person_id).join(
            wanted,
            and_(
                record_links.c.agency_id == wanted.c.agency_id,
                record_links.c.record_digest == wanted.c.digest,
            ),
        )
    )
    return {row.record_digest: PersonId(row.person_id) for row in rows}


def insert_links(session: Session, agency_id: AgencyId, links: Mapping[bytes, PersonId]) -> bool:
    """Store whom new records of an agency are about; tell whether all of them were new indeed.

    Transaction:
        In ascending order; waits for whoever is inserting one of them. Within a savepoint that is
        rolled back if one was there.
    """
    rows = ((agency_id, digest, links[digest]) for digest in sorted(links))
    return copy_new_rows(session, record_links, rows)


def move_links(session: Session, moves: Iterable[tuple[AgencyId, bytes, PersonId]]) -> None:
    """Store that records are about others from now on."""
    moved = list(moves)
    if moved:
        now = rows_of(
            agency_id=(Text, [agency_id for agency_id, _, _ in moved]),
            record_digest=(LargeBinary, [digest for _, digest, _ in moved]),
            person_id=(Uuid, [person_id for _, _, person_id in moved]),
        )
        session.execute(
            update(record_links)
            .where(
                record_links.c.agency_id == now.c.agency_id,
                record_links.c.record_digest == now.c.record_digest,
            )
            .values(person_id=now.c.person_id)
        )


class LinkDecision(NamedTuple):
    """When and why a record came to a person, or left; in the order of the table's columns."""

    person_id: PersonId
    decision_id: UUID
    agency_id: AgencyId
    record_digest: bytes
    decided_at: datetime
    outcome: str
    other_person_id: PersonId | None
    evidence_sealed: bytes | None


def insert_decisions(session: Session, decisions: Iterable[LinkDecision]) -> None:
    """Keep decisions."""
    copy_rows(session, link_decisions, decisions)


def list_decisions(session: Session, person_ids: Iterable[PersonId]) -> list[LinkDecision]:
    """Return every decision about records of persons, in the order in which they were taken."""
    rows = session.execute(
        select(link_decisions)
        .where(link_decisions.c.person_id == any_id_of(person_ids))
        .order_by(link_decisions.c.decided_at, link_decisions.c.decision_id)
    )
    return [LinkDecision(*row) for row in rows]


def find_former_homes(session: Session, person_ids: Iterable[PersonId]) -> set[PersonId]:
    """Return the persons from whom records came to persons."""
    table = link_decisions.c
    return set(
        session.scalars(
            select(table.other_person_id)
            .where(table.person_id == any_id_of(person_ids), table.outcome == "came")
            .distinct()
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyWithdrawal:
    """A withdrawal that waits for its record; the body is sealed under the zone key."""

    record_digest: bytes
    version: int
    content_digest: bytes
    body_sealed: bytes
    arrived_at: datetime


def find_early_withdrawals(
    session: Session, agency_id: AgencyId, digests: Iterable[bytes]
) -> list[EarlyWithdrawal]:
    """Return the withdrawals that wait for the given records."""
    rows = session.execute(
        select(early_withdrawals)
        .where(
            early_withdrawals.c.agency_id == agency_id,
            early_withdrawals.c.record_digest == any_of(list(digests)),
        )
        .order_by(early_withdrawals.c.record_digest, early_withdrawals.c.version)
    )
    return [
        EarlyWithdrawal(
            record_digest=row.record_digest,
            version=row.version,
            content_digest=row.content_digest,
            body_sealed=row.body_sealed,
            arrived_at=row.arrived_at,
        )
        for row in rows
    ]


def insert_early_withdrawals(
    session: Session, agency_id: AgencyId, withdrawals: Iterable[EarlyWithdrawal]
) -> None:
    """Keep withdrawals until their records arrive."""
    copy_rows(
        session,
        early_withdrawals,
        (
            (agency_id, w.record_digest, w.version, w.content_digest, w.body_sealed, w.arrived_at)
            for w in withdrawals
        ),
    )


def delete_early_withdrawals(
    session: Session, agency_id: AgencyId, digests: Iterable[bytes]
) -> None:
    """Forget the withdrawals of the given records: they are source records now."""
    session.execute(
        delete(early_withdrawals).where(
            early_withdrawals.c.agency_id == agency_id,
            early_withdrawals.c.record_digest == any_of(list(digests)),
        )
    )


def find_identifier_holders(
    session: Session, digests: Iterable[bytes]
) -> dict[bytes, set[PersonId]]:
    """Return who has or had each identifier; an identifier that nobody has is absent."""
    rows = session.execute(
        select(person_identifiers.c.digest, person_identifiers.c.person_id).where(
            person_identifiers.c.digest == any_of(list(digests))
        )
    )
    holders: dict[bytes, set[PersonId]] = {}
    for row in rows:
        holders.setdefault(row.digest, set()).add(PersonId(row.person_id))
    return holders


def insert_identifiers(session: Session, rows: Iterable[tuple[PersonId, str, bytes]]) -> None:
    """Store that persons have identifiers, given as person, kind and digest."""
    copy_rows(
        session, person_identifiers, ((digest, kind, person) for person, kind, digest in rows)
    )


def delete_identifiers_of(session: Session, person_ids: Collection[PersonId]) -> None:
    """Forget all identifiers of persons."""
    if person_ids:
        session.execute(
            delete(person_identifiers).where(
                person_identifiers.c.person_id == any_id_of(person_ids)
            )
        )


def delete_identifiers(session: Session, rows: Sequence[tuple[PersonId, str, bytes]]) -> None:
    """Forget that persons have identifiers, given as person, kind and digest."""
    if rows:
        table = person_identifiers.c
        named = rows_of(
            digest=(LargeBinary, [digest for _, _, digest in rows]),
            kind=(Text, [kind for _, kind, _ in rows]),
            person_id=(Uuid, [person_id for person_id, _, _ in rows]),
        )
        key = tuple_(table.digest, table.kind, table.person_id)
        session.execute(delete(person_identifiers).where(key.in_(select(named))))
