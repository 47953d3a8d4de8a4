"""Agencies: who may send records and ask, how their rows are read, and what they were before."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from kernel.ids import AgencyId
from population_register import mandate_store, store
from population_register.authority import AUTHORITY, rank
from population_register.errors import MappingRefused, UnknownAgency
from population_register.mandate import Mandate
from population_register.mandate_store import AgencyChange
from population_register.mapping import parse_mapping
from population_register.model import Agency, AgencyRole, JSONValue

_AGENCY_ID = re.compile("[a-z][a-z0-9_-]{1,63}")
_NEEDED = frozenset({"agency_id", "role", "name_ru", "name_en"})


def add_agency(session: Session, agency: Agency, at: datetime, *, by: str = "command") -> None:
    """Register an agency, or replace what is known of it; what it was stays in its history.

    Args:
        session: The transaction.
        agency: As it is to be; its revision is counted here.
        at: Now.
        by: Who says so, for the history.

    Raises:
        MappingRefused: 400. Its mapping names something that does not exist, or it is known in
            another sector; nothing is stored.

    Transaction:
        One upsert; idempotent. Feeds that are being loaded keep the mapping they began with.
    """
    parse_mapping(agency.mapping)
    sector, revision = store.upsert_agency(session, agency, at)
    if agency.sector and sector != agency.sector:
        raise MappingRefused("The sector of an agency is set once: its pseudonyms depend on it.")
    change = mandate_store.AgencyChange(
        revision=revision,
        document=describe_agency(replace(agency, sector=sector)),
        changed_at=at,
        changed_by=by,
    )
    mandate_store.insert_agency_change(session, agency.agency_id, change)


def describe_agency(agency: Agency) -> dict[str, JSONValue]:
    """Return an agency as `parse_agency` reads it, for its history and for whoever changes it."""
    return {
        "agency_id": agency.agency_id,
        "role": agency.role.value,
        "name_ru": agency.name_ru,
        "name_en": agency.name_en,
        "sector": agency.pseudonym_sector,
        "mapping": dict(agency.mapping),
        "is_active": agency.is_active,
    }


def list_agency_changes(session: Session, agency_id: AgencyId) -> list[AgencyChange]:
    """Return what an agency was made to be, latest first.

    Raises:
        UnknownAgency: 404. Nobody was ever entered under this identifier.
    """
    changes = mandate_store.list_agency_changes(session, agency_id)
    if not changes:
        raise UnknownAgency(agency_id=agency_id)
    return changes


def close_agency(session: Session, agency_id: AgencyId, at: datetime, *, by: str) -> None:
    """Let an agency send and ask nothing any more; what it said stays.

    Raises:
        UnknownAgency: 404. Not registered, or closed before.
    """
    agency = get_agency(session, agency_id)
    add_agency(session, replace(agency, is_active=False), at, by=by)


def authority_of(role: AgencyRole) -> dict[str, int]:
    """Return the rank of a role for every attribute: 0 where nobody could overrule it."""
    return {name: rank(role, name) for name in AUTHORITY}


# Keys by which agencies sign which official asks


def add_official_key(
    session: Session, agency_id: AgencyId, *, kid: str, jwk: Mapping[str, JSONValue], at: datetime
) -> None:
    """Let an agency sign by one more key; the caller has made sure that it is a public key.

    Raises:
        UnknownAgency: 404. Not registered.
        MappingRefused: 400. The agency has, or had, a key of this `kid`.
    """
    if mandate_store.next_revision(session, agency_id) is None:
        raise UnknownAgency(agency_id=agency_id)
    key = mandate_store.OfficialKey(kid=kid, jwk=jwk, added_at=at)
    if not mandate_store.insert_official_key(session, agency_id, key):
        raise MappingRefused("The agency has, or had, a key of this kid.")


def retire_official_key(session: Session, agency_id: AgencyId, kid: str, at: datetime) -> None:
    """Let an agency sign by a key no more.

    Raises:
        UnknownAgency: 404. It has no such key.
    """
    if not mandate_store.retire_official_key(session, agency_id, kid, at=at):
        raise UnknownAgency("The agency has no such key.", agency_id=agency_id)
    mandate_store.next_revision(session, agency_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyRights:
    """Everything that decides what an agency may ask, as of `agency.revision`.

    Attributes:
        mandates: All, revoked ones too: `mandate.decide` looks at them at every question.
        official_keys: Of its officials' assertions, those that still sign.
    """

    agency: Agency
    mandates: tuple[Mandate, ...]
    official_keys: tuple[Mapping[str, JSONValue], ...]


def load_rights(session: Session, agency_id: AgencyId) -> AgencyRights:
    """Return what an agency may ask, for a process to remember under its revision.

    Raises:
        UnknownAgency: 404. Not registered, or closed.

    Transaction:
        The agency is read first: whatever changes afterwards counts a revision that is asked for
        by the statement that uses this (`unchanged_agency`).
    """
    agency = get_agency(session, agency_id)
    return AgencyRights(
        agency=agency,
        mandates=tuple(mandate_store.list_mandates(session, agency_id)),
        official_keys=tuple(
            key.jwk
            for key in mandate_store.list_official_keys(session, agency_id)
            if key.retired_at is None
        ),
    )


def parse_agency(document: Mapping[str, JSONValue]) -> Agency:
    """Read what an administrator writes down about an agency; see docs/feeds.md for its form.

    Raises:
        MappingRefused: 400. A key is missing or unknown, the identifier or the role is not one,
            or the mapping names something that does not exist.
    """
    if not _NEEDED <= document.keys() <= _NEEDED | {"mapping", "sector"}:
        raise MappingRefused(
            "An agency has agency_id, role, name_ru, name_en, and may have mapping and sector."
        )
    texts = {key: document[key] for key in _NEEDED}
    if not all(isinstance(text, str) and text for text in texts.values()):
        raise MappingRefused("agency_id, role, name_ru and name_en are text.")
    if not _AGENCY_ID.fullmatch(texts["agency_id"]):
        raise MappingRefused("agency_id has lower-case Latin letters, digits, - and _ only.")
    sector = document.get("sector", "")
    if not isinstance(sector, str) or (sector and not _AGENCY_ID.fullmatch(sector)):
        raise MappingRefused("sector has lower-case Latin letters, digits, - and _ only.")
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
        sector=sector,
    )


def list_agencies(session: Session) -> list[Agency]:
    """Return all agencies by identifier, closed ones too: their values are still shown."""
    return store.list_agencies(session)


def get_agency(session: Session, agency_id: AgencyId, *, may_be_closed: bool = False) -> Agency:
    """Return an agency that may send records.

    Args:
        session: The transaction.
        agency_id: Which.
        may_be_closed: Whether somebody else acts in its stead.

    Raises:
        UnknownAgency: 404. Not registered, or closed; the caller cannot tell which.
    """
    for agency in store.list_agencies(session):
        if agency.agency_id == agency_id and (agency.is_active or may_be_closed):
            return agency
    raise UnknownAgency(agency_id=agency_id)
