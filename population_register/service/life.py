"""Derive life events: look at whoever changed, and at whoever's day of the calendar has come."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal
from uuid import UUID

import msgspec
from sqlalchemy.orm import Session, sessionmaker

from audit.api import Actor, NewEntry, record_accesses
from kernel.db import unit_of_work_of
from kernel.envelope import associated_data
from kernel.ids import EntryId, PersonId, new_id
from kernel.jobs import enqueue
from kernel.keyring import Keyring, PersonKey
from population_register import life_store as store
from population_register import linking_store
from population_register.events import LIFE_EVENT_TASK, LIFE_EVENTS_TOLD_TASK, LifeLookedAt
from population_register.identifiers import IdentifierKind
from population_register.life_events import (
    Facts,
    LifeEvent,
    LifeEventKind,
    consequence_between,
    events_between,
    facts_of,
    is_minor,
    is_news,
    next_due,
)
from population_register.model import CurrentRecord, JSONValue, civil_date
from population_register.model_files import register_scorer
from population_register.profiles import profile_of
from population_register.reading import evaluate
from population_register.sealed_forms import unseal_derived
from population_register.service.candidates import find_candidates

BATCH = 100  # people a transaction

AGAIN_AFTER = timedelta(hours=1)
"""When somebody is looked at again whose data could not be read."""

_ACTOR = Actor(kind="system", id="life_events")
_CALENDAR = "calendar"
_LONGEST_ABSENCE = 400  # days that are looked back on, should no worker have run

_facts = msgspec.json.Decoder(Facts)


class EventBody(msgspec.Struct, frozen=True, kw_only=True):
    """An event as it lies sealed.

    Attributes:
        relative: The other person of the event: the child that was born.
    """

    v: Literal[1] = 1
    kind: LifeEventKind
    occurred_on: str
    relative: UUID | None = None


def event_place(person_id: PersonId, event_id: UUID) -> bytes:
    """Return the place to which an event is sealed."""
    return associated_data("life_events", "body_sealed", person_id, event_id)


def note_birthdays(session: Session, keyring: Keyring, *, at: datetime) -> int:
    """Note whoever's day of the calendar has come and was not looked at; return how many."""
    today = civil_date(at)
    digests = [
        _due_digest(keyring, today - timedelta(days=back)) for back in range(_LONGEST_ABSENCE)
    ]
    return store.note_due(session, digests, at)


def _due_digest(keyring: Keyring, day: date) -> bytes:
    return keyring.blind_index(_CALENDAR, day.isoformat())


def derive_life_events(
    sessions: sessionmaker[Session],
    keyring: Keyring,
    now: Callable[[], datetime],
    *,
    most: int | None = None,
) -> int:
    """Look at everybody who waits for it; return how many events were derived.

    Args:
        sessions: Opens transactions.
        keyring: Opens records, seals events.
        now: The time.
        most: How many people at most; None for all.

    Raises:
        Exception: What one person's data raised. Everybody else was looked at, and this one is in
            an hour again: what is damaged about one keeps no news from the others.

    Transaction:
        One for a batch of people: what was derived, the places in the subscribers' sequences, what
        is remembered, and the jobs. So each event is derived once, and told once in a sequence.
    """
    derived = looked_at = 0
    fault: Exception | None = None
    while most is None or looked_at < most:
        with sessions() as session:
            person_ids = store.next_changed(session, BATCH, now())
        try:
            taken, found = _look_at(sessions, keyring, now(), person_ids)
        except Exception:  # noqa: BLE001  # of one of them
            taken, found, error = _look_at_each(sessions, keyring, now(), person_ids)
            fault = error or fault
        derived += found
        looked_at += taken
        if len(person_ids) < BATCH or not taken:
            break
    if fault is not None:
        raise fault
    return derived


def _look_at(
    sessions: sessionmaker[Session],
    keyring: Keyring,
    at: datetime,
    person_ids: Sequence[PersonId],
) -> tuple[int, int]:
    """Look at a batch; return how many people, and how many events were derived."""
    with unit_of_work_of(sessions) as session:
        looks = _Looks(session=session, keyring=keyring, at=at)
        return looks.look_at(person_ids), looks.derived


def _look_at_each(
    sessions: sessionmaker[Session],
    keyring: Keyring,
    at: datetime,
    person_ids: Sequence[PersonId],
) -> tuple[int, int, Exception | None]:
    """Look at the people of a batch that failed, one by one; postpone those for whom it failed."""
    taken = derived = 0
    fault: Exception | None = None
    for person_id in person_ids:
        try:
            one, found = _look_at(sessions, keyring, at, [person_id])
        except Exception as error:  # noqa: BLE001  # raised at the end, by whoever called
            fault = error
            with unit_of_work_of(sessions) as session:
                store.postpone_changed(session, person_id, at + AGAIN_AFTER)
            one, found = 1, 0
        taken, derived = taken + one, derived + found
    return taken, derived, fault


@dataclass(slots=True, kw_only=True)
class _Looks:
    """One batch."""

    session: Session
    keyring: Keyring
    at: datetime
    _events: list[store.NewEvent] = field(default_factory=list)
    _consequences: list[tuple[PersonId, LifeEventKind]] = field(default_factory=list)

    @property
    def derived(self) -> int:
        """Return how many events were derived."""
        return len(self._events)

    def look_at(self, person_ids: Sequence[PersonId]) -> int:
        """Look at those of the persons whom nobody else holds; return how many."""
        locked = store.lock_lives(self.session, person_ids)
        taken = store.take_changed(self.session, [row.person_id for row in locked])
        rows = [row for row in locked if row.person_id in taken and row.wrapped_key is not None]
        keys = self._open(
            [(row.person_id, row.wrapped_key) for row in rows if row.wrapped_key is not None]
        )
        known = store.find_facts(self.session, keys)
        remembered: list[tuple[PersonId, bytes, bytes | None]] = []
        for row in rows:
            key = keys[row.person_id]
            version, history = unseal_derived(key, row.record_sealed)
            record = CurrentRecord(
                person_id=row.person_id, version=version, on=civil_date(self.at), history=history
            )
            facts = facts_of(record)
            place = associated_data("life_facts", "facts_sealed", row.person_id)
            sealed = known.get(row.person_id)
            before = (
                None if sealed is None else _facts.decode(key.unseal(sealed, associated_data=place))
            )
            consequence = consequence_between(before, facts)
            if consequence is not None:
                self._consequences.append((row.person_id, consequence))
            # Of persons who are one, one tells: the others have the same record.
            if row.group_id in {None, row.person_id}:
                for event in events_between(before, facts):
                    self._add(key, event)
                self._find_parents(record, facts)
            due = next_due(facts)
            remembered.append(
                (
                    row.person_id,
                    key.seal(msgspec.json.encode(facts), associated_data=place),
                    None if due is None else _due_digest(self.keyring, due),
                )
            )
        store.save_facts(self.session, remembered)
        told = store.insert_events(self.session, self._events, self.at)
        for agency_id in told:
            enqueue(self.session, LIFE_EVENTS_TOLD_TASK, lock=agency_id, agency_id=agency_id)
        self._tell_of_consequences()
        return len(taken)

    def _open(self, wrapped: Sequence[tuple[PersonId, bytes]]) -> dict[PersonId, PersonKey]:
        entries = record_accesses(
            self.session, [(self._entry(person_id), person_id) for person_id, _ in wrapped]
        )
        return {
            person_id: self.keyring.person_key(person_id, key, because=entry)
            for (person_id, key), entry in zip(wrapped, entries, strict=True)
        }

    def _entry(self, person_id: PersonId) -> NewEntry:
        return NewEntry(
            entry_id=EntryId(new_id(self.at)),
            action=LifeLookedAt.action,
            outcome="allowed",
            actor=_ACTOR,
            subject=self.keyring.pseudonym("audit", person_id),
            occurred_at=self.at,
        )

    def _add(self, key: PersonKey, event: LifeEvent, relative: PersonId | None = None) -> None:
        event_id = new_id(self.at)
        body = EventBody(kind=event.kind, occurred_on=event.occurred_on, relative=relative)
        place = event_place(key.person_id, event_id)
        self._events.append(
            store.NewEvent(
                person_id=key.person_id,
                event_id=event_id,
                kind=event.kind,
                body_sealed=key.seal(msgspec.json.encode(body), associated_data=place),
            )
        )

    def _tell_of_consequences(self) -> None:
        """Let the other contexts act; each of several persons who are one was looked at."""
        for person_id, kind in self._consequences:
            enqueue(
                self.session,
                LIFE_EVENT_TASK,
                lock=str(person_id),
                person_id=str(person_id),
                kind=kind.value,
            )

    # Kinship

    def _find_parents(self, record: CurrentRecord, facts: Facts) -> None:
        """Find out who the parents are, and tell of a birth as an event of theirs too.

        Kinship is kept while the child is under age: it is what lets a parent see the child.
        """
        said = evaluate(record, "parents", self.at) if is_minor(facts) else None
        found: dict[PersonId, str] = {}
        for parent in [] if said is None else said.value:
            person_id = self._find_parent(parent)
            if person_id is not None and person_id != record.person_id:
                found[person_id] = parent["role"]
        come = store.replace_parents(self.session, record.person_id, found)
        born = facts.birthdate
        if not come or born is None or not is_news(born, facts.looked_on):
            return
        keys = self._open(sorted(store.wrapped_keys(self.session, come).items()))
        for key in keys.values():
            event = LifeEvent(kind=LifeEventKind.CHILD_BORN, occurred_on=born)
            self._add(key, event, relative=record.person_id)

    def _find_parent(self, parent: JSONValue) -> PersonId | None:
        """Return who is meant: by SNILS and birth date, or by name and birth date if it is plain.

        A number that several people have, or two who are as like, tell nobody.
        """
        profile = profile_of(
            (name, parent[name])
            for name in ("family_name", "given_name", "middle_name", "birthdate", "snils")
            if name in parent
        )
        number = profile.get(IdentifierKind.SNILS.value)
        if number is not None:
            digest = self.keyring.blind_index(IdentifierKind.SNILS.value, number[0])
            if not linking_store.find_identifier_holders(self.session, [digest]):
                return None  # not known yet
        candidates = find_candidates(self.session, self.keyring, profile, because=self._entry)
        link = register_scorer().model.link
        matches = [one for one in candidates if one.score.bits >= link]
        return matches[0].person_id if len(matches) == 1 else None
