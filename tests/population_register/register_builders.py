"""Records, accesses and agencies of the register's tests: valid by default."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from audit.api import Actor, NewEntry, RecordedEntry, record_access
from kernel.ids import AgencyId, EntryId, PersonId, new_id
from kernel.keyring import Keyring
from population_register.model import (
    Accepted,
    Agency,
    AgencyRole,
    CurrentRecord,
    RecordKind,
    SourceRecord,
)
from population_register.reading import attributes_of
from population_register.service.accepting import accept_record
from population_register.service.agencies import add_agency
from population_register.service.persons import read_record

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)

ANNA: Mapping[str, Any] = {
    "family_name": "Волкова",
    "given_name": "Анна",
    "middle_name": "Дмитриевна",
    "birthdate": "1986-03-14",
    "snils": "900-000-002 83",
}


OLEG: Mapping[str, Any] = {
    "family_name": "Дробот",
    "given_name": "Олег",
    "middle_name": "Львович",
    "birthdate": "1955-11-30",
    "snils": "900-000-001 82",
}
"""Somebody who has nothing in common with Anna."""

_ROOTS = ("Берез", "Вишн", "Громов", "Дорон", "Ермил", "Жиг", "Зем", "Истом", "Ковыл", "Лукош",
          "Мохн", "Носк", "Овсян", "Пестр", "Рудн", "Сорок", "Толбух", "Уваж", "Фролк")  # fmt: skip
_GIVEN = ("Анна", "Юлия", "Дарья", "Ксения", "Галина", "Тамара", "Вера", "Нина", "Софья", "Ольга",
          "Римма", "Жанна", "Эмма")  # fmt: skip


def a_stranger(ordinal: int) -> dict[str, Any]:
    """Names and birth date of somebody; another ordinal's have little in common."""
    return {
        "family_name": f"{_ROOTS[ordinal % len(_ROOTS)]}ина",
        "given_name": _GIVEN[ordinal % len(_GIVEN)],
        "birthdate": (date(1931, 1, 1) + timedelta(days=ordinal * 37 % 30_000)).isoformat(),
    }


def an_agency(agency_id: str, role: AgencyRole, mapping: Mapping[str, Any] | None = None) -> Agency:
    return Agency(
        agency_id=AgencyId(agency_id),
        role=role,
        name_ru=f"Ведомство {agency_id}",
        name_en=f"Agency {agency_id}",
        mapping=mapping or {},
    )


def add_agencies(session: Session) -> None:
    """Register one agency of each role, named after it."""
    for role in AgencyRole:
        add_agency(session, an_agency(role.value, role), NOON)


def a_record(
    agency: str = "pension",
    number: str = "1",
    version: int = 1,
    *,
    kind: RecordKind = RecordKind.STATEMENT,
    corrects: int | None = None,
    valid_from: date = date(2020, 1, 1),
    valid_to: date | None = None,
    attributes: Mapping[str, Any] | None = None,
    arrived_at: datetime = NOON,
) -> SourceRecord:
    """Anna's record at the pension fund; `attributes` replace hers."""
    return SourceRecord(
        agency_id=AgencyId(agency),
        record_number=number,
        version=version,
        kind=kind,
        corrects=corrects,
        valid_from=valid_from,
        valid_to=valid_to,
        attributes=ANNA if attributes is None else attributes,
        arrived_at=arrived_at,
    )


def a_withdrawal(agency: str = "pension", number: str = "1", version: int = 2) -> SourceRecord:
    return a_record(agency, number, version, kind=RecordKind.WITHDRAWAL, attributes={})


def accept(session: Session, keyring: Keyring, record: SourceRecord) -> Accepted:
    """Accept a record that must be accepted."""
    outcome = accept_record(session, keyring, record, record.arrived_at)
    assert isinstance(outcome, Accepted), outcome
    return outcome


def an_access(session: Session, person_id: PersonId, at: datetime = NOON) -> RecordedEntry:
    entry = NewEntry(
        entry_id=EntryId(new_id(at)),
        action="test.record.read",
        outcome="allowed",
        actor=Actor(kind="system", id="test"),
        subject="nobody",
        occurred_at=at,
    )
    return record_access(session, entry, person_id=person_id)


def read(
    session: Session, keyring: Keyring, person_id: PersonId, at: datetime = NOON
) -> CurrentRecord:
    return read_record(session, keyring, an_access(session, person_id, at))


def values_of(record: CurrentRecord) -> dict[str, Any]:
    return {name: value.value for name, value in attributes_of(record).items()}
