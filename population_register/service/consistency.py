"""Look for what can't be true: the whole population, or one person after their records changed.

Whoever is looked at sees it in their access log. What is found goes to the work lists of the
agencies whose records are concerned; what is no longer found is closed by itself.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session, sessionmaker

from audit.api import Actor, NewEntry, record_accesses
from kernel.clock import Clock
from kernel.db import unit_of_work_of
from kernel.ids import AgencyId, EntryId, PersonId, new_id
from kernel.keyring import Keyring, PersonKey
from population_register import finding_store, life_store, store, work_item_store
from population_register.attributes import ATTRIBUTES
from population_register.consistency import DISPUTED, SAME_PERSON, Finding, find_all
from population_register.events import ConsistencyChecked
from population_register.finding_store import FindingRow, SealedPerson
from population_register.kinship_rules import born_days, is_doubtful
from population_register.model import CurrentRecord, JSONValue, civil_date
from population_register.reading import said_by_agencies
from population_register.sealed_findings import (
    FindingContent,
    identity_digest,
    seal_finding,
    unseal_finding,
)
from population_register.sealed_forms import encode_value
from population_register.service.deriving import open_source_record
from population_register.service.opening_people import OpenedPerson, open_people, record_on_day
from population_register.suspicions import Case, LinkedParent, sources_of, words_on
from population_register.working_days import WORKING_DAYS, after_working_days

BATCH: Final = 200  # people a transaction

PURPOSE: Final = "consistency"
"""What the access log says it was for."""

Progress = Callable[[int], None]
"""Told how many people were done with."""

_ACTOR = Actor(kind="system", id="consistency")
_ITEMS = tuple(ATTRIBUTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckCounts:
    """What a check came to.

    Attributes:
        people: Looked at.
        opened: Findings that were not open before.
        known: Findings that were.
        corrected: Findings that were open and are no longer so.
        reopened: Answers that something was corrected, taken back: it was not, and time is over.
    """

    people: int = 0
    opened: int = 0
    known: int = 0
    corrected: int = 0
    reopened: int = 0

    def __add__(self, other: "CheckCounts") -> "CheckCounts":
        """Return the counts of two parts of a check together."""
        return CheckCounts(
            people=self.people + other.people,
            opened=self.opened + other.opened,
            known=self.known + other.known,
            corrected=self.corrected + other.corrected,
            reopened=self.reopened + other.reopened,
        )


def check_register(
    sessions: sessionmaker[Session],
    keyring: Keyring,
    clock: Clock,
    *,
    holidays: Collection[date] = (),
    progress: Progress | None = None,
) -> CheckCounts:
    """Look at everybody once, and see to the work lists.

    Persons who are merged are looked at together. Can be broken off and begun again at any moment:
    what was found stays found, and is not found twice.

    Raises:
        Exception: What one person's data raised; everybody else was looked at.

    Transaction:
        One for each batch; locks nobody.
    """
    counts = CheckCounts()
    after: PersonId | None = None
    fault: Exception | None = None
    while True:
        with sessions() as session:
            heads = finding_store.next_people(session, after, BATCH)
        try:
            counts += _check(sessions, keyring, clock, holidays, heads)
        except Exception:  # noqa: BLE001  # of one of them: raised at the end
            for head in heads:
                try:
                    counts += _check(sessions, keyring, clock, holidays, [head])
                except Exception as error:  # noqa: BLE001
                    fault = error
        if progress is not None:
            progress(counts.people)
        if len(heads) < BATCH:
            break
        after = heads[-1].person_id
    if fault is not None:
        raise fault
    return counts


def _check(
    sessions: sessionmaker[Session],
    keyring: Keyring,
    clock: Clock,
    holidays: Collection[date],
    heads: Sequence[SealedPerson],
) -> CheckCounts:
    with unit_of_work_of(sessions) as session:
        return _Checking(session, keyring, clock.now(), holidays).check(heads)


def check_person(
    sessions: sessionmaker[Session],
    keyring: Keyring,
    person_id: PersonId,
    *,
    holidays: Collection[date] = (),
    at: datetime,
) -> CheckCounts:
    """Look at one person: what was found may be so no longer. Somebody unknown is nobody."""
    with unit_of_work_of(sessions) as session:
        people = finding_store.find_people(session, [person_id])
        return _Checking(session, keyring, at, holidays).check(people[:1])


def stated_values(record: CurrentRecord) -> Iterable[tuple[str, AgencyId, JSONValue]]:
    """Return every value that the person is shown: attribute, who says so, and what."""
    for name in ATTRIBUTES:
        for value in said_by_agencies(record, name):
            yield name, value.source, value.value


def dispute_identity(name: str, source: AgencyId, value: JSONValue) -> str:
    """Return what is the same whenever one value of one agency is disputed."""
    return f"{DISPUTED}\x1f{name}\x1f{source}\x1f{encode_value(value)}"


class _Checking:
    """One transaction of a check."""

    def __init__(
        self, session: Session, keyring: Keyring, at: datetime, holidays: Collection[date]
    ) -> None:
        self._session = session
        self._keyring = keyring
        self._at = at
        self._today = civil_date(at)
        self._due_on = after_working_days(self._today, WORKING_DAYS, holidays)

    def check(self, heads: Sequence[SealedPerson]) -> CheckCounts:
        """Look at people, and write what was found."""
        people = open_people(self._session, self._keyring, heads, self._entry)
        members = {member for person in people for member in person.keys}
        known = finding_store.open_findings(self._session, members)
        holders = work_item_store.agencies_of(self._session, known) if known else {}
        parents = self._doubtful_parents(people)
        counts = CheckCounts(people=len(people))
        for person in people:
            own = [row for member in person.keys for row in known.get(member, ())]
            case = replace(person.case, parents=parents.get(person.person_id, ()))
            counts += self._settle(person, case, own, holders)
        return counts

    def _doubtful_parents(
        self, people: Sequence[OpenedPerson]
    ) -> dict[PersonId, list[LinkedParent]]:
        """Return the parents of people who can't well be their parents, by child.

        The derived record of each parent is opened, and what agencies sent about them only where
        there is a doubt; all children of a batch at once.
        """
        of_member = {member: person for person in people for member in person.keys}
        links = life_store.find_parents(self._session, of_member)
        wanted = {parent for parents in links.values() for parent in parents}
        records, keys = self._open_records(wanted, of_member)
        doubtful: dict[PersonId, set[PersonId]] = {}
        for child_id, parents in links.items():
            child = of_member[child_id]
            born = born_days(child.record)
            for parent_id in parents:
                if parent_id not in records or parent_id in child.keys or born is None:
                    continue
                theirs = born_days(records[parent_id])
                if theirs is not None and is_doubtful(theirs, born):
                    doubtful.setdefault(child.person_id, set()).add(parent_id)
        rows = store.source_records_of(
            self._session, sorted({p for parents in doubtful.values() for p in parents})
        )
        found: dict[PersonId, list[LinkedParent]] = {}
        for child_id, parent_ids in doubtful.items():
            for parent_id in sorted(parent_ids):
                said = [open_source_record(keys[parent_id], r) for r in rows.get(parent_id, ())]
                born = born_days(records[parent_id])
                assert born is not None
                found.setdefault(child_id, []).append(
                    LinkedParent(
                        name=str(parent_id),
                        born=born,
                        sources=sources_of(words_on(said, self._today), "birthdate"),
                    )
                )
        return found

    def _open_records(
        self, wanted: Collection[PersonId], opened: Mapping[PersonId, OpenedPerson]
    ) -> tuple[dict[PersonId, CurrentRecord], dict[PersonId, PersonKey]]:
        """Open derived records of persons, each with an access entry; destroyed ones are absent."""
        records = {p: opened[p].record for p in wanted if p in opened}
        keys = {p: opened[p].keys[p] for p in records}
        others = {
            person.person_id: person
            for person in finding_store.find_people(self._session, set(wanted) - records.keys())
            if person.person_id in wanted
        }
        ordered = sorted(others)
        accesses = [(self._entry(person), person) for person in ordered]
        for entry in record_accesses(self._session, accesses):
            person = others[entry.person_id]
            key = self._keyring.person_key(person.person_id, person.wrapped_key, because=entry)
            keys[person.person_id] = key
            records[person.person_id] = record_on_day(key, person, entry)
        return records, keys

    def _settle(
        self,
        person: OpenedPerson,
        case: Case,
        known: Sequence[FindingRow],
        holders: Mapping[UUID, set[AgencyId]],
    ) -> CheckCounts:
        found = {
            identity_digest(self._keyring, finding.identity): finding for finding in find_all(case)
        }
        shown = set()
        if any(row.rule == DISPUTED for row in known):
            shown = {
                identity_digest(self._keyring, dispute_identity(*value))
                for value in stated_values(person.record)
            }
        corrected = 0
        still: dict[bytes, FindingRow] = {}
        for row in known:
            if row.identity_digest in shown or row.rule == SAME_PERSON:
                continue
            if row.identity_digest in found and row.identity_digest not in still:
                still[row.identity_digest] = row
                continue
            corrected += finding_store.close_finding(
                self._session, row.person_id, row.finding_id, at=self._at, how="corrected"
            )
        opened = 0
        for digest, finding in found.items():
            if digest in still:
                self._widen(person, finding, still[digest], holders)
            else:
                opened += self._open(person, finding, digest)
        reopened = work_item_store.reopen_work_items(
            self._session, {row.finding_id: row.person_id for row in still.values()}, self._today
        )
        return CheckCounts(opened=opened, known=len(still), corrected=corrected, reopened=reopened)

    def _open(self, person: OpenedPerson, finding: Finding, digest: bytes) -> bool:
        row = FindingRow(
            person_id=person.person_id,
            finding_id=(finding_id := new_id(self._at)),
            rule=finding.rule,
            identity_digest=digest,
            content_sealed=seal_finding(
                person.keys[person.person_id],
                finding_id,
                FindingContent(
                    attributes=finding.suspicion.attributes, sources=finding.suspicion.sources
                ),
            ),
            opened_at=self._at,
        )
        if not finding_store.insert_finding(self._session, row):
            return False
        self._assign(row, finding.agencies)
        return True

    def _widen(
        self,
        person: OpenedPerson,
        finding: Finding,
        row: FindingRow,
        holders: Mapping[UUID, set[AgencyId]],
    ) -> None:
        """Give a finding that is open to agencies that have joined in it."""
        new = set(finding.agencies) - holders.get(row.finding_id, set())
        if not new:
            return
        key = person.keys[row.person_id]
        known = unseal_finding(key, row.finding_id, row.content_sealed)
        content = FindingContent(
            attributes=known.attributes,
            sources=tuple(sorted({*known.sources, *finding.suspicion.sources})),
        )
        sealed = seal_finding(key, row.finding_id, content)
        finding_store.update_content(self._session, row.person_id, row.finding_id, sealed)
        self._assign(row, new)

    def _assign(self, row: FindingRow, agencies: Iterable[AgencyId]) -> None:
        work_item_store.insert_work_items(
            self._session,
            agencies,
            person_id=row.person_id,
            finding_id=row.finding_id,
            due_on=self._due_on,
        )

    def _entry(self, person_id: PersonId) -> NewEntry:
        return NewEntry(
            entry_id=EntryId(new_id(self._at)),
            action=ConsistencyChecked.action,
            outcome="allowed",
            actor=_ACTOR,
            purpose=PURPOSE,
            items=_ITEMS,
            subject=self._keyring.pseudonym("audit", person_id),
            occurred_at=self._at,
        )
