"""Entries and logs, valid by default; one override is visible in each test."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from audit.api import (
    Actor,
    NewEntry,
    RecordedEntry,
    record_access,
    record_accesses,
    sequence,
)
from kernel.ids import ClientId, ConsentId, EntryId, PersonId, new_id
from kernel.signing import SigningKeys

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ORIGIN = "civitas.example/log"


def a_person_id() -> PersonId:
    return PersonId(new_id(NOON))


def an_entry(**overrides: object) -> NewEntry:
    values: dict[str, Any] = {
        "entry_id": EntryId(new_id(NOON)),
        "action": "partner_api.person.read",
        "outcome": "allowed",
        "actor": Actor(kind="partner", id="sober-bank"),
        "subject": "Qe5Zk0m3n7q1JtV0b4o9sYw2x6a8c1d3e5f7g9h1i2k",
        "occurred_at": NOON,
        "purpose": "account_opening",
        "items": ("family_name", "birthdate"),
        "consent_id": ConsentId(new_id(NOON)),
        "client_id": ClientId("sober-bank-web"),
        "request_id": "0198-request",
    }
    return NewEntry(**values | overrides)


def record(
    session: Session, *, person_id: PersonId | None = None, **overrides: object
) -> RecordedEntry:
    return record_access(session, an_entry(**overrides), person_id=person_id or a_person_id())


def record_many(session: Session, count: int) -> list[RecordedEntry]:
    """Append entries that happened one millisecond after another, each of its own person."""
    moments = [NOON + timedelta(milliseconds=each) for each in range(count)]
    entries = [an_entry(entry_id=EntryId(new_id(at)), occurred_at=at) for at in moments]
    return record_accesses(session, [(entry, a_person_id()) for entry in entries])


def a_log(session: Session, signing: SigningKeys, *sizes: int) -> list[RecordedEntry]:
    """Build a log that was signed at each of `sizes`."""
    entries: list[RecordedEntry] = []
    for size in sizes:
        entries += record_many(session, size - len(entries))
        sequence(session, signing, origin=ORIGIN, at=NOON)
    return entries
