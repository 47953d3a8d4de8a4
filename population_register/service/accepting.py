"""Accept source records: link each to a person, account for it, derive the person's record anew.

A batch is one transaction. Its steps, in the order that `kernel.db` gives to locks:

1. lock the identifiers and record numbers of the batch;
2. see which records are known, and let `linking` decide about the others;
3. lock the persons, by `person_id` ascending;
4. write one access entry for each record that is new; each opens what is known about its person;
5. seal the new versions, derive each person's record once, replace what they are found by.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from audit.api import Actor, NewEntry, RecordedEntry, record_accesses
from kernel.ids import AgencyId, EntryId, PersonId, new_id
from kernel.keyring import Keyring, NewPersonKey, PersonKey
from population_register import linking_store, store
from population_register.events import RecordAccepted
from population_register.model import (
    Accepted,
    FieldProblem,
    Held,
    LinkOutcome,
    RecordKind,
    RecordOutcome,
    Refused,
    SourceRecord,
    Unchanged,
)
from population_register.sealed_forms import (
    body_place,
)
from population_register.service.deriving import PersonChanges, open_source_record
from population_register.service.incoming import Incoming, incoming_of, open_early, seal_early
from population_register.service.matching import Matcher

if TYPE_CHECKING:
    from population_register.linking import LinkDecision

_SAME_VERSION = FieldProblem(
    field="version",
    reason="version_taken",
    advice="This version was sent before with another content; number the new one higher.",
)
_ERASED = FieldProblem(
    field="record_number",
    reason="person_erased",
    advice="The data of this person was destroyed; send no more of it.",
)


@dataclass(slots=True, kw_only=True)
class _Person:
    """A person whom the batch touches, while it does."""

    person_id: PersonId
    new_key: NewPersonKey | None = None
    row: store.PersonRow | None = None
    incoming: list[Incoming] = field(default_factory=list)
    entries: list[RecordedEntry] = field(default_factory=list)

    @property
    def is_erased(self) -> bool:
        return self.new_key is None and (self.row is None or self.row.wrapped_key is None)


def accept_record(
    session: Session, keyring: Keyring, record: SourceRecord, at: datetime
) -> RecordOutcome:
    """Accept one source record; see `accept_records`."""
    (outcome,) = accept_records(session, keyring, record.agency_id, [record], at=at)
    return outcome


def accept_records(
    session: Session,
    keyring: Keyring,
    agency_id: AgencyId,
    records: Sequence[SourceRecord],
    *,
    at: datetime,
    request_id: str | None = None,
) -> list[RecordOutcome]:
    """Accept source records of one agency.

    Args:
        session: A transaction that has locked no person yet.
        keyring: Seals and finds.
        agency_id: Who sends them; of every record.
        records: Past format-and-logic control, in the order of arrival.
        at: When they arrive.
        request_id: Of the request or the feed, for the access log.

    Returns:
        The outcome of each record, in order. A refused record leaves no trace; the others stay.

    Transaction:
        Waits for other batches that carry one of the same identifiers. Idempotent: a version that
        is known with the same content is `Unchanged`.
    """
    if not records:
        return []
    batch = _Batch(session, keyring, agency_id, at=at, request_id=request_id)
    return batch.accept(records)


class _Batch:
    """One call of `accept_records`."""

    def __init__(
        self,
        session: Session,
        keyring: Keyring,
        agency_id: AgencyId,
        *,
        at: datetime,
        request_id: str | None,
    ) -> None:
        self._session = session
        self._keyring = keyring
        self._agency_id = agency_id
        self._at = at
        self._request_id = request_id
        self._persons: dict[PersonId, _Person] = {}
        self._links: dict[bytes, PersonId] = {}
        # Of records that were not known, by the version that made them known.
        self._decisions: dict[tuple[bytes, int], LinkDecision] = {}
        self._held: list[Incoming] = []

    def accept(self, records: Sequence[SourceRecord]) -> list[RecordOutcome]:
        incoming = [incoming_of(self._keyring, record) for record in records]
        self._lock(incoming)
        refusals = self._link(incoming)
        self._lock_persons()
        self._account()
        self._write()
        return self._outcomes(incoming, refusals)

    # 1

    def _lock(self, incoming: Iterable[Incoming]) -> None:
        digests = {digest for item in incoming for _, digest in item.evidence.identifiers}
        digests.update(item.record_digest for item in incoming)
        linking_store.lock_linking_keys(self._session, digests)

    # 2

    def _link(self, incoming: Sequence[Incoming]) -> list[RecordOutcome | None]:
        """Find or decide about whom every record is; None where it is to be accepted."""
        digests = {item.record_digest for item in incoming}
        self._links = linking_store.find_record_links(self._session, self._agency_id, digests)
        versions = store.find_versions(self._session, self._agency_id, self._links)
        waiting = linking_store.find_early_withdrawals(self._session, self._agency_id, digests)
        versions.update(((w.record_digest, w.version), w.content_digest) for w in waiting)
        matcher = Matcher(
            self._session,
            self._keyring,
            (item.evidence for item in incoming if item.record_digest not in self._links),
            linked=self._links.values(),
        )
        outcomes: list[RecordOutcome | None] = []
        for item in incoming:
            seen = versions.get(item.key)
            if seen is None:
                versions[item.key] = item.content_digest
                self._place(item, matcher)
                outcomes.append(None)
            else:
                is_same = seen == item.content_digest
                outcomes.append(Unchanged() if is_same else Refused(problems=(_SAME_VERSION,)))
        self._adopt(waiting)
        return outcomes

    def _place(self, item: Incoming, matcher: Matcher) -> None:
        person_id = self._links.get(item.record_digest)
        if person_id is None and item.record.kind is RecordKind.WITHDRAWAL:
            self._held.append(item)
            return
        if person_id is None:
            decision = matcher.decide(item.evidence)
            person_id = decision.person_id
            if person_id is None:
                person_id = PersonId(new_id(self._at))
                self._persons[person_id] = _Person(
                    person_id=person_id, new_key=self._keyring.new_person_key(person_id)
                )
            self._links[item.record_digest] = person_id
            self._decisions[item.key] = decision
        matcher.learn(person_id, item.evidence)
        self._person(person_id).incoming.append(item)

    def _person(self, person_id: PersonId) -> _Person:
        return self._persons.setdefault(person_id, _Person(person_id=person_id))

    def _adopt(self, waiting: Iterable[linking_store.EarlyWithdrawal]) -> None:
        """Give withdrawals that waited for their record to its person, as if it had been first."""
        for item in self._held:
            if item.record_digest in self._links:
                self._person(self._links[item.record_digest]).incoming.append(item)
        self._held = [item for item in self._held if item.record_digest not in self._links]
        adopted = [w for w in waiting if w.record_digest in self._links]
        for withdrawal in adopted:
            self._person(self._links[withdrawal.record_digest]).incoming.append(
                open_early(self._keyring, self._agency_id, withdrawal)
            )
        if adopted:
            linking_store.delete_early_withdrawals(
                self._session, self._agency_id, {w.record_digest for w in adopted}
            )

    # 3

    def _lock_persons(self) -> None:
        known = [person.person_id for person in self._persons.values() if person.new_key is None]
        rows = store.lock_persons(self._session, known) if known else {}
        for person_id, row in rows.items():
            self._persons[person_id].row = row

    def _living(self) -> list[_Person]:
        """Return the persons whose data was not destroyed."""
        return [person for person in self._persons.values() if not person.is_erased]

    # 4

    def _account(self) -> None:
        living = self._living()
        accesses = [
            (self._entry(person.person_id, item), person.person_id)
            for person in living
            for item in person.incoming
        ]
        recorded = iter(record_accesses(self._session, accesses))
        for person in living:
            person.entries = [next(recorded) for _ in person.incoming]

    def _entry(self, person_id: PersonId, item: Incoming) -> NewEntry:
        return NewEntry(
            entry_id=EntryId(new_id(self._at)),
            action=RecordAccepted.action,
            outcome="allowed",
            reason=None,
            actor=Actor(kind="agency", id=self._agency_id),
            purpose=None,
            items=tuple(item.record.attributes),
            consent_id=None,
            client_id=None,
            subject=self._keyring.pseudonym("audit", person_id),
            request_id=self._request_id,
            occurred_at=self._at,
        )

    # 5

    def _write(self) -> None:
        living = self._living()
        changes = PersonChanges(
            session=self._session,
            keyring=self._keyring,
            at=self._at,
            roles={a.agency_id: a.role for a in store.list_agencies(self._session)},
        )
        stored = store.source_records_of(
            self._session, [p.person_id for p in living if p.new_key is None]
        )
        for person in living:
            key = self._key(person)
            rows = [
                self._row(person.person_id, item, entry, key)
                for item, entry in zip(person.incoming, person.entries, strict=True)
            ]
            changes.derive(
                key,
                was=person.row,
                new_key=person.new_key,
                rows=rows,
                said=[
                    *(item.record for item in person.incoming),
                    *(open_source_record(key, row) for row in stored.get(person.person_id, ())),
                ],
            )
        changes.write()
        self._write_links()

    def _key(self, person: _Person) -> PersonKey:
        if person.new_key is not None:
            return person.new_key.key
        assert person.row is not None
        assert person.row.wrapped_key is not None
        return self._keyring.person_key(
            person.person_id, person.row.wrapped_key, because=person.entries[0]
        )

    def _row(
        self, person_id: PersonId, item: Incoming, entry: RecordedEntry, key: PersonKey
    ) -> store.SourceRecordRow:
        place = body_place(person_id, self._agency_id, item.record_digest, item.record.version)
        return store.SourceRecordRow(
            person_id=person_id,
            agency_id=self._agency_id,
            record_digest=item.record_digest,
            version=item.record.version,
            content_digest=item.content_digest,
            body_sealed=key.seal(item.body, associated_data=place),
            arrived_at=item.record.arrived_at,
            entry_id=entry.entry_id,
        )

    def _write_links(self) -> None:
        decided = [
            (digest, self._links[digest], decision)
            for (digest, _), decision in self._decisions.items()
            if not self._persons[self._links[digest]].is_erased
        ]
        linking_store.insert_links(
            self._session,
            self._agency_id,
            [
                (digest, person_id, decision.outcome, [c.evidence() for c in decision.candidates])
                for digest, person_id, decision in decided
            ],
            self._at,
        )
        linking_store.insert_early_withdrawals(
            self._session,
            self._agency_id,
            [seal_early(self._keyring, item) for item in self._held],
        )

    def _outcomes(
        self, incoming: Sequence[Incoming], refusals: Sequence[RecordOutcome | None]
    ) -> list[RecordOutcome]:
        entries = {
            item.key: entry.entry_id
            for person in self._living()
            for item, entry in zip(person.incoming, person.entries, strict=True)
        }
        outcomes: list[RecordOutcome] = []
        for item, refusal in zip(incoming, refusals, strict=True):
            person_id = self._links.get(item.record_digest)
            if refusal is not None:
                outcomes.append(refusal)
            elif person_id is None:
                outcomes.append(Held())
            elif item.key not in entries:
                outcomes.append(Refused(problems=(_ERASED,)))
            else:
                decision = self._decisions.get(item.key)
                outcomes.append(
                    Accepted(
                        person_id=person_id,
                        entry_id=entries[item.key],
                        outcome=decision.outcome if decision else LinkOutcome.LINKED,
                    )
                )
        return outcomes
