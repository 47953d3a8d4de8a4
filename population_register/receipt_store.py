"""When a version of a record arrived first."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from kernel.ids import AgencyId, PersonId
from population_register.tables import early_withdrawals, source_records


def find_arrival(
    session: Session,
    agency_id: AgencyId,
    record_digest: bytes,
    version: int,
    *,
    person_id: PersonId | None,
) -> datetime:
    """Return when a version that is known arrived.

    Args:
        session: The transaction that has just met it.
        agency_id: Who sent it.
        record_digest: Of its record number.
        version: Of it.
        person_id: Whom it is about; None for a withdrawal that waits for its record.
    """
    table = early_withdrawals if person_id is None else source_records
    statement = select(table.c.arrived_at).where(
        table.c.agency_id == agency_id,
        table.c.record_digest == record_digest,
        table.c.version == version,
    )
    if person_id is not None:
        statement = statement.where(source_records.c.person_id == person_id)
    arrived_at: datetime = session.execute(statement).scalar_one()
    return arrived_at
