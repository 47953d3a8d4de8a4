"""What the register's tests share: a keyring, and the agencies that send records."""

from datetime import UTC, datetime

import pytest
from sqlalchemy.orm import Session, sessionmaker

from kernel.ids import AgencyId
from kernel.keyring import Keyring
from kernel.root_keys import LocalKeyFile
from population_register.model import Agency, AgencyRole
from population_register.service.agencies import add_agency

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def agency(agency_id: str, role: AgencyRole, **mapping: object) -> Agency:
    """An agency with its own name, and a mapping if it needs one."""
    return Agency(
        agency_id=AgencyId(agency_id),
        role=role,
        name_ru=f"Ведомство {agency_id}",
        name_en=f"Agency {agency_id}",
        mapping=mapping,
    )


def add_agencies(session: Session) -> None:
    """Register one agency of each role that the demonstration knows."""
    for role in AgencyRole:
        add_agency(session, agency(role.value, role), NOON)


@pytest.fixture
def keyring(sessions: sessionmaker[Session]) -> Keyring:
    """A keyring under a root key of its own."""
    return Keyring.open(LocalKeyFile(bytes(range(32))), sessions, at=NOON)


@pytest.fixture
def agencies(session: Session) -> None:
    """Register the agencies in the test's transaction."""
    add_agencies(session)
