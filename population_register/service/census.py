"""Go through the whole population, each person with their access entry."""

from collections.abc import Callable, Iterator
from datetime import datetime

from sqlalchemy.orm import Session, sessionmaker

from audit.api import Actor, NewEntry, record_accesses
from kernel.clock import Clock
from kernel.db import unit_of_work_of
from kernel.ids import EntryId, PersonId, new_id
from kernel.keyring import Keyring
from population_register import statistics_store as store
from population_register.deidentification import Cell, cell_of
from population_register.events import StatisticsRead
from population_register.service.persons import open_record

BATCH = 500  # people a transaction

Progress = Callable[[int], None]
"""Told how many people were done with."""

PURPOSE = "statistics"
"""What the access log says it was for."""

_ACTOR = Actor(kind="system", id="statistics")
_ITEMS = (
    "gender",
    "birthdate",
    "deathdate",
    "registration_address",
    "citizenships",
    "marital_status",
)


def everybody(
    sessions: sessionmaker[Session],
    keyring: Keyring,
    clock: Clock,
    *,
    progress: Progress | None,
) -> Iterator[list[tuple[PersonId, Cell]]]:
    """Open everybody's record, each with its entry, and return the cells of the living."""
    after: PersonId | None = None
    done = 0
    while True:
        with unit_of_work_of(sessions) as session:
            people = store.next_persons(session, after, BATCH)
            at = clock.now()
            entries = record_accesses(
                session,
                [(_entry(keyring, person.person_id, at), person.person_id) for person in people],
            )
            found = [
                (
                    person.person_id,
                    cell_of(
                        open_record(
                            keyring,
                            entry,
                            sealed_record=person.sealed_record,
                            wrapped_key=person.wrapped_key,
                        )
                    ),
                )
                for person, entry in zip(people, entries, strict=True)
            ]
        yield [(person_id, cell) for person_id, cell in found if cell is not None]
        done += len(people)
        if progress is not None:
            progress(done)
        if len(people) < BATCH:
            return
        after = people[-1].person_id


def _entry(keyring: Keyring, person_id: PersonId, at: datetime) -> NewEntry:
    return NewEntry(
        entry_id=EntryId(new_id(at)),
        action=StatisticsRead.action,
        outcome="allowed",
        actor=_ACTOR,
        purpose=PURPOSE,
        items=_ITEMS,
        subject=keyring.pseudonym("audit", person_id),
        occurred_at=at,
    )
