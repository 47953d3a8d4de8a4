"""Agencies: who may send records, and how their rows are read."""

from datetime import datetime

from sqlalchemy.orm import Session

from kernel.ids import AgencyId
from population_register import store
from population_register.errors import UnknownAgency
from population_register.mapping import parse_mapping
from population_register.model import Agency


def add_agency(session: Session, agency: Agency, at: datetime) -> None:
    """Register an agency, or replace what is known of it.

    Raises:
        MappingRefused: 400. Its mapping names something that does not exist; nothing is stored.

    Transaction:
        One upsert; idempotent. Feeds that are being loaded keep the mapping they began with.
    """
    parse_mapping(agency.mapping)
    store.upsert_agency(session, agency, at)


def list_agencies(session: Session) -> list[Agency]:
    """Return all agencies by identifier, closed ones too: their values are still shown."""
    return store.list_agencies(session)


def get_agency(session: Session, agency_id: AgencyId) -> Agency:
    """Return an agency that may send records.

    Raises:
        UnknownAgency: 404. Not registered, or closed; the caller cannot tell which.
    """
    for agency in store.list_agencies(session):
        if agency.agency_id == agency_id and agency.is_active:
            return agency
    raise UnknownAgency(agency_id=agency_id)
