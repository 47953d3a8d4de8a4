"""Take one source record from an agency's own system, and tell what became of it.

The answer is made from what is stored, so that the same record sent again gets the same answer. It
says nothing of the person that the agency does not know but its own pseudonym.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from sqlalchemy.orm import Session

from kernel.ids import AgencyId
from kernel.keyring import Keyring
from population_register import linking_store, matching_store, receipt_store
from population_register.control import read_record
from population_register.errors import RecordRefused, VersionTaken
from population_register.mapping import parse_mapping
from population_register.model import (
    Accepted,
    FieldProblem,
    Held,
    JSONValue,
    Refused,
    SourceRecord,
    Unchanged,
)
from population_register.sealed_forms import record_digest
from population_register.sector_pseudonyms import sector_pseudonym
from population_register.service.accepting import accept_records
from population_register.service.agencies import get_agency


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What an agency is told about a record it sent.

    Attributes:
        status: `accepted`, or `held`: a withdrawal that came before its record.
        received_at: When this version arrived first.
        pseudonym: Of the person, in the agency's sector; None while it is held.
        is_new: Whether this very request brought it.
    """

    record_number: str
    version: int
    status: Literal["accepted", "held"]
    received_at: datetime
    pseudonym: str | None
    is_new: bool


def receive_record(
    session: Session,
    keyring: Keyring,
    agency_id: AgencyId,
    row: Mapping[str, JSONValue],
    *,
    at: datetime,
    request_id: str | None = None,
) -> Receipt:
    """Take one record under the agency's own names.

    Args:
        session: A transaction that has locked no person yet.
        keyring: Seals and finds.
        agency_id: Who sends it.
        row: As in NDJSON; not trusted.
        at: Now.
        request_id: For the access log.

    Raises:
        UnknownAgency: 404. Closed.
        RecordRefused: 422. Every problem with its field, under the agency's own name of it.
        VersionTaken: 409. This version was sent before with another content. Nothing is written.

    Transaction:
        As `accept_records`: idempotent by record number, version and content.
    """
    agency = get_agency(session, agency_id)
    mapping = parse_mapping(agency.mapping)
    cells = row if mapping.is_identity else mapping.nested(row)
    read = read_record(cells, agency_id=agency_id, at=at)
    if not isinstance(read, SourceRecord):
        raise RecordRefused(
            tuple(replace(problem, field=mapping.their_name(problem.field)) for problem in read)
        )
    (outcome,) = accept_records(session, keyring, agency_id, [read], at=at, request_id=request_id)
    match outcome:
        case Refused(problems=problems):
            raise _refusal(problems)
        case Held():
            return _receipt(read, status="held", received_at=at, is_new=True)
        case Accepted() | Unchanged():
            pass
    digest = record_digest(keyring, agency_id, read.record_number)
    person_id = linking_store.find_record_links(session, agency_id, [digest]).get(digest)
    received_at = receipt_store.find_arrival(
        session, agency_id, digest, read.version, person_id=person_id
    )
    pseudonym = None
    if person_id is not None:
        group = matching_store.find_groups(session, [person_id]).get(person_id, person_id)
        pseudonym = sector_pseudonym(keyring, agency.pseudonym_sector, group)
    return _receipt(
        read,
        status="held" if person_id is None else "accepted",
        received_at=received_at,
        pseudonym=pseudonym,
        is_new=isinstance(outcome, Accepted),
    )


def _receipt(
    record: SourceRecord,
    *,
    status: Literal["accepted", "held"],
    received_at: datetime,
    is_new: bool,
    pseudonym: str | None = None,
) -> Receipt:
    return Receipt(
        record_number=record.record_number,
        version=record.version,
        status=status,
        received_at=received_at,
        pseudonym=pseudonym,
        is_new=is_new,
    )


def _refusal(problems: tuple[FieldProblem, ...]) -> RecordRefused | VersionTaken:
    if any(problem.reason == "version_taken" for problem in problems):
        return VersionTaken()
    return RecordRefused(problems)
