"""Queries about who records are about: links, and what people are found by. One function each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import LargeBinary, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from kernel.ids import AgencyId, PersonId
from population_register.bulk import any_id_of, any_of, copy_rows
from population_register.model import LinkOutcome
from population_register.tables import (
    early_withdrawals,
    link_decisions,
    linking_keys,
    person_identifiers,
    person_traits,
    record_links,
)


def lock_linking_keys(session: Session, digests: Iterable[bytes]) -> None:
    """Lock identifiers and record numbers, known or not, until the transaction ends.

    Transaction:
        Called once per transaction, before any person is locked. First the unknown keys are
        inserted in ascending order, which waits for whoever is inserting the same; then the known
        ones are locked in ascending order. Nobody who waits in the first step holds a lock of the
        second, so that two callers never wait for each other.
    """
    ordered = sorted(set(digests))
    key = func.unnest(bindparam("digests", ordered, ARRAY(LargeBinary))).column_valued("key")
    session.execute(
        upsert(linking_keys)
        .from_select(["digest"], select(key).order_by(key))
        .on_conflict_do_nothing()
    )
    session.execute(
        select(linking_keys.c.digest)
        .where(linking_keys.c.digest == any_of(ordered))
        .order_by(linking_keys.c.digest)
        .with_for_update()
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


def insert_links(
    session: Session,
    agency_id: AgencyId,
    links: Iterable[tuple[bytes, PersonId, LinkOutcome, list[dict[str, object]]]],
    at: datetime,
) -> None:
    """Store whom records are about and why, given as record digest, person, outcome, evidence."""
    decided = list(links)
    copy_rows(
        session, record_links, ((agency_id, digest, person) for digest, person, *_ in decided)
    )
    copy_rows(
        session,
        link_decisions,
        (
            (person, agency_id, digest, at, outcome.value, evidence)
            for digest, person, outcome, evidence in decided
        ),
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


def find_traits(
    session: Session, person_ids: Iterable[PersonId]
) -> dict[PersonId, set[tuple[str, bytes]]]:
    """Return the trait digests of persons, as pairs of field and digest."""
    wanted = set(person_ids)
    traits: dict[PersonId, set[tuple[str, bytes]]] = {person_id: set() for person_id in wanted}
    table = person_traits.c
    for row in session.execute(
        select(table.person_id, table.field, table.digest).where(
            table.person_id == any_id_of(wanted)
        )
    ):
        traits[PersonId(row.person_id)].add((row.field, row.digest))
    return traits


def find_identifiers(
    session: Session, person_ids: Iterable[PersonId]
) -> dict[PersonId, set[tuple[str, bytes]]]:
    """Return the identifier digests of persons, as pairs of kind and digest."""
    wanted = set(person_ids)
    found: dict[PersonId, set[tuple[str, bytes]]] = {person_id: set() for person_id in wanted}
    table = person_identifiers.c
    for row in session.execute(
        select(table.person_id, table.kind, table.digest).where(
            table.person_id == any_id_of(wanted)
        )
    ):
        found[PersonId(row.person_id)].add((row.kind, row.digest))
    return found


def insert_identifiers(session: Session, rows: Iterable[tuple[PersonId, str, bytes]]) -> None:
    """Store that persons have identifiers, given as person, kind and digest."""
    copy_rows(
        session, person_identifiers, ((digest, kind, person) for person, kind, digest in rows)
    )


def insert_traits(session: Session, rows: Iterable[tuple[PersonId, str, bytes]]) -> None:
    """Store traits of persons, given as person, field and digest."""
    copy_rows(session, person_traits, rows)


def delete_identifiers(session: Session, rows: Sequence[tuple[PersonId, str, bytes]]) -> None:
    """Forget that persons have identifiers, given as person, kind and digest."""
    if rows:
        table = person_identifiers.c
        session.execute(
            delete(person_identifiers).where(
                table.person_id == bindparam("a_person"),
                table.kind == bindparam("a_kind"),
                table.digest == bindparam("a_digest"),
            ),
            [
                {"a_person": person, "a_kind": kind, "a_digest": digest}
                for person, kind, digest in rows
            ],
        )


def delete_traits(session: Session, rows: Sequence[tuple[PersonId, str, bytes]]) -> None:
    """Forget traits of persons, given as person, field and digest."""
    if rows:
        table = person_traits.c
        session.execute(
            delete(person_traits).where(
                table.person_id == bindparam("a_person"),
                table.field == bindparam("a_field"),
                table.digest == bindparam("a_digest"),
            ),
            [{"a_person": person, "a_field": f, "a_digest": digest} for person, f, digest in rows],
        )


def list_link_decisions(session: Session, person_id: PersonId) -> list[Any]:
    """Return why each record was linked to a person, latest first."""
    table = link_decisions.c
    return list(
        session.execute(
            select(table.agency_id, table.decided_at, table.outcome, table.evidence)
            .where(table.person_id == person_id)
            .order_by(table.decided_at.desc(), table.agency_id)
            .limit(1000)
        )
    )
