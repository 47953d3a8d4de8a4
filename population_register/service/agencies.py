"""Agencies: who may send records, and how their rows are read."""

import re
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from kernel.ids import AgencyId
from population_register import store
from population_register.errors import MappingRefused, UnknownAgency
from population_register.mapping import parse_mapping
from population_register.model import Agency, AgencyRole, JSONValue

_AGENCY_ID = re.compile("[a-z][a-z0-9_-]{1,63}")
_NEEDED = frozenset({"agency_id", "role", "name_ru", "name_en"})


def add_agency(session: Session, agency: Agency, at: datetime) -> None:
    """Register an agency, or replace what is known of it.

    Raises:
        MappingRefused: 400. Its mapping names something that does not exist; nothing is stored.

    Transaction:
        One upsert; idempotent. Feeds that are being loaded keep the mapping they began with.
    """
    parse_mapping(agency.mapping)
    store.upsert_agency(session, agency, at)


def parse_agency(document: Mapping[str, JSONValue]) -> Agency:
    """Read what an administrator writes down about an agency; see docs/feeds.md for its form.

    Raises:
        MappingRefused: 400. A key is missing or unknown, the identifier or the role is not one,
            or the mapping names something that does not exist.
    """
    if not _NEEDED <= document.keys() <= _NEEDED | {"mapping"}:
        raise MappingRefused(
            "An agency has agency_id, role, name_ru, name_en, and may have mapping."
        )
    texts = {key: document[key] for key in _NEEDED}
    if not all(isinstance(text, str) and text for text in texts.values()):
        raise MappingRefused("agency_id, role, name_ru and name_en are text.")
    if not _AGENCY_ID.fullmatch(texts["agency_id"]):
        raise MappingRefused("agency_id has lower-case Latin letters, digits, - and _ only.")
    if texts["role"] not in set(AgencyRole):
        raise MappingRefused(f"The role is one of: {', '.join(AgencyRole)}.")
    mapping = document.get("mapping", {})
    if not isinstance(mapping, Mapping):
        raise MappingRefused("`mapping` is a table.")
    parse_mapping(mapping)
    return Agency(
        agency_id=AgencyId(texts["agency_id"]),
        role=AgencyRole(texts["role"]),
        name_ru=texts["name_ru"],
        name_en=texts["name_en"],
        mapping=mapping,
    )


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
