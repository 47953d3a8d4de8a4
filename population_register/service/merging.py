"""Humans decide who is one person: merge, unmerge, rule apart, take back.

A merge is logical: each of the two keeps its records under its own key, and both rows hold the
record of the two together. So undoing is exact, with all that arrived in between: a new record is
matched with records, and lies with the person whose records it is like, merged or not.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import msgspec
from sqlalchemy.orm import Session

from audit.api import Actor, NewEntry
from kernel.ids import AgencyId, EntryId, PersonId, new_id
from kernel.keyring import Keyring
from population_register import (
    linking_store,
    matching_store,
    merge_store,
    ruling_store,
    store,
)
from population_register.consistency import SAME_PERSON
from population_register.errors import (
    AgencyNotAsked,
    AlreadyDecided,
    PersonUnknown,
    SecondOfficialNeeded,
    UnknownDecision,
)
from population_register.events import (
    AgencyAsked,
    PersonsMerged,
    PersonsUnmerged,
    RecordsRuledApart,
)
from population_register.finding_store import FindingRow
from population_register.merge_store import Merge
from population_register.ruling_store import Ruling
from population_register.sealed_findings import FindingContent, identity_digest, seal_finding
from population_register.service.comparing import Change
from population_register.service.deriving import open_source_record
from population_register.service.fragments import Because, Fragments
from population_register.service.groups import members_of
from population_register.service.settling import settle
from population_register.service.work_lists import put_on_work_lists
from population_register.standings import Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Decider:
    """Who decides, why, and when.

    Attributes:
        official: Who; of the operator's staff.
        reason: Why, in their words; without personal data.
        at: When.
        confirmed_by: The second official, where one is needed.
        request_id: Of the request, for the access log.
    """

    official: str
    reason: str
    at: datetime
    confirmed_by: str | None = None
    request_id: str | None = None


def merge_persons(
    session: Session,
    keyring: Keyring,
    one: PersonId,
    other: PersonId,
    *,
    by: Decider,
) -> Merge:
    """Decide that two persons are one.

    Args:
        session: The transaction.
        keyring: Opens and seals.
        one: One of them.
        other: The other one.
        by: Who decides; where both have a confirmed account, a second official confirms.

    Raises:
        PersonUnknown: 404. There is no such person, or the data was destroyed.
        AlreadyDecided: 409. They are one already.
        SecondOfficialNeeded: 409. Nobody but the decider has confirmed.
    """
    fragments = Fragments(session, keyring, because(keyring, by, PersonsMerged.action))

    def plan() -> Sequence[Change]:
        _load(fragments, (one, other))
        return ()

    settling = settle(session, keyring, fragments, plan, at=by.at)
    groups = [members_of(session, person_id) for person_id in (one, other)]
    if groups[0] == groups[1]:
        raise AlreadyDecided
    if by.confirmed_by in {None, by.official} and all(
        matching_store.find_account_holders(session, group) for group in groups
    ):
        raise SecondOfficialNeeded
    merge = Merge(
        merge_id=new_id(by.at),
        persons=(min(one, other), max(one, other)),
        kind="decided",
        decided_at=by.at,
        decided_by=by.official,
        confirmed_by=by.confirmed_by,
        reason=by.reason,
    )
    merge_store.insert_merges(session, [merge])
    settling.write({}, regrouped=merge.persons)
    return merge


def undo_merge(session: Session, keyring: Keyring, merge_id: UUID, *, by: Decider) -> Merge:
    """Decide that two persons are not one after all, whoever had put them together.

    What a human had decided is as if it never had been. Where the records themselves had said so,
    the ruling that they are two people stands against it from now on.

    Raises:
        UnknownDecision: 404. There is no such merge.
        AlreadyDecided: 409. It was undone already.
    """
    merge = merge_store.find_merge(session, merge_id)
    if merge is None:
        raise UnknownDecision(merge_id=str(merge_id))
    fragments = Fragments(session, keyring, because(keyring, by, PersonsUnmerged.action))
    sides: list[frozenset[Ref]] = []

    def plan() -> Sequence[Change]:
        _load(fragments, merge.persons)
        if merge.kind == "decided":
            return ()
        sides[:] = _sides_before(session, fragments, merge)
        ours, theirs = sides
        return [*_apart(fragments, ours, theirs), *_apart(fragments, theirs, ours)]

    settling = settle(session, keyring, fragments, plan, at=by.at)
    if not merge_store.undo_merges(session, [merge], at=by.at, by=by.official, reason=by.reason):
        raise AlreadyDecided
    settling.settlement.parted = [
        parted for parted in settling.settlement.parted if parted.merge_id != merge_id
    ]
    settling.write({}, regrouped=merge.persons)
    if merge.kind == "automatic":
        ruling_store.insert_ruling(
            session, _ruling(by, merge.persons, (sides[0], sides[1]), verdict="different")
        )
    return merge


def rule_apart(
    session: Session,
    keyring: Keyring,
    one: PersonId,
    other: PersonId,
    *,
    by: Decider,
    records: Iterable[Ref] = (),
) -> Ruling:
    """Decide that two persons are two, or that some records of one person are somebody else's.

    Args:
        session: The transaction.
        keyring: Opens and seals.
        one: One person.
        other: The other one; the same person again to split off `records`.
        by: Who decides.
        records: Of `one`, those that are not about the same person as the rest.

    Raises:
        PersonUnknown: 404. There is no such person, or no such record of the person.
        AlreadyDecided: 409. They are merged; unmerge them first.
    """
    named = frozenset(records)
    fragments = Fragments(session, keyring, because(keyring, by, RecordsRuledApart.action))
    sides: list[frozenset[Ref]] = []

    def plan() -> Sequence[Change]:
        _load(fragments, {one, other})
        known = frozenset(fragments[one].standings)
        ours = named or known
        theirs = frozenset(fragments[other].standings) - named
        if not named <= known or not ours or not theirs:
            raise PersonUnknown(person_id=str(one), reason="no such records")
        sides[:] = [ours, theirs]
        return [*_apart(fragments, ours, theirs), *_apart(fragments, theirs, ours)]

    settling = settle(session, keyring, fragments, plan, at=by.at)
    if one != other and other in members_of(session, one):
        raise AlreadyDecided
    settling.write({})
    ours, theirs = sides
    homes = (fragments.homes[min(ours)], fragments.homes[min(theirs)])
    ruling = _ruling(by, homes, (ours, theirs), verdict="different")
    ruling_store.insert_ruling(session, ruling)
    return ruling


def ask_agency(
    session: Session,
    keyring: Keyring,
    one: PersonId,
    other: PersonId,
    agency_id: AgencyId,
    *,
    by: Decider,
    holidays: Collection[date] = (),
) -> Ruling:
    """Ask an agency, on its work list, whether its records are about one person.

    It reads the numbers of its own records and the decider's words, nothing of what others say.

    Args:
        session: The transaction.
        keyring: Opens and seals.
        one: One person.
        other: The other one.
        agency_id: Whom to ask.
        by: Who asks; the reason is the question.
        holidays: On which agencies don't work.

    Raises:
        PersonUnknown: 404. There is no such person, or the data was destroyed.
        AgencyNotAsked: 400. The agency has no record of either.
        AlreadyDecided: 409. It was asked already, and has not answered.
    """
    case = (min(one, other), max(one, other))
    fragments = Fragments(session, keyring, because(keyring, by, AgencyAsked.action))
    _load(fragments, case)
    sources = _records_of(session, fragments, case, agency_id)
    if not sources:
        raise AgencyNotAsked
    ruling = _ruling(by, case, (frozenset(), frozenset()), verdict="asked", agency_id=agency_id)
    about = min(sources)
    key = fragments[about].key
    assert key is not None
    content = FindingContent(
        attributes=(),
        sources=tuple(sorted((agency_id, n) for numbers in sources.values() for n in numbers)),
        words=by.reason,
    )
    identity = f"{SAME_PERSON}\x1f{case[0]}\x1f{case[1]}\x1f{agency_id}"
    question = FindingRow(
        person_id=about,
        finding_id=ruling.ruling_id,
        rule=SAME_PERSON,
        identity_digest=identity_digest(keyring, identity),
        content_sealed=seal_finding(key, ruling.ruling_id, content),
        opened_at=by.at,
    )
    if not put_on_work_lists(session, question, [agency_id], holidays=holidays):
        raise AlreadyDecided(reason="asked already")
    ruling_store.insert_ruling(session, ruling)
    return ruling


def _records_of(
    session: Session, fragments: Fragments, case: Sequence[PersonId], agency_id: AgencyId
) -> dict[PersonId, set[str]]:
    """Return the numbers of an agency's records, of those of the two about whom it has any."""
    rows = store.source_records_of(session, list(case))
    found: dict[PersonId, set[str]] = {}
    for person_id in case:
        key = fragments[person_id].key
        assert key is not None
        said = (open_source_record(key, row) for row in rows.get(person_id, ()))
        numbers = {record.record_number for record in said if record.agency_id == agency_id}
        if numbers:
            found[person_id] = numbers
    return found


def undo_ruling(session: Session, keyring: Keyring, ruling_id: UUID, *, by: Decider) -> Ruling:
    """Take back that records are about two people: the records decide again.

    Raises:
        UnknownDecision: 404. There is no such ruling.
        AlreadyDecided: 409. It was taken back already.
    """
    ruling = ruling_store.find_ruling(session, ruling_id)
    if ruling is None:
        raise UnknownDecision(ruling_id=str(ruling_id))
    if not ruling_store.undo_ruling(session, ruling, at=by.at, by=by.official, reason=by.reason):
        raise AlreadyDecided
    fragments = Fragments(session, keyring, because(keyring, by, RecordsRuledApart.action))
    rulings = ruling_store.find_rulings(session, ruling.persons)

    def plan() -> Sequence[Change]:
        _load(fragments, ruling.persons)
        return [
            Change(ref=ref, home=fragments.homes[ref], standing=msgspec.structs.replace(
                fragments[fragments.homes[ref]].standings[ref], apart=_still_apart(ref, rulings)
            ))
            for side in ruling.records
            for ref in side
            if ref in fragments.homes
        ]  # fmt: skip

    settle(session, keyring, fragments, plan, at=by.at).write({})
    return ruling


def _sides_before(
    session: Session, fragments: Fragments, merge: Merge
) -> tuple[frozenset[Ref], frozenset[Ref]]:
    """Return the records of either person that were there before the merge; later ones are free."""
    later = {
        decision.record_digest
        for decision in linking_store.list_decisions(session, merge.persons)
        if decision.decided_at >= merge.decided_at
    }
    ours, theirs = (frozenset(fragments[person].standings) for person in merge.persons)
    return ours - later or ours, theirs - later or theirs


def _still_apart(ref: Ref, rulings: Iterable[Ruling]) -> frozenset[Ref]:
    return frozenset(
        other
        for ruling in rulings
        if ruling.undone_at is None
        for side in (0, 1)
        if ref in ruling.records[side]
        for other in ruling.records[1 - side]
    )


def _load(fragments: Fragments, person_ids: Collection[PersonId]) -> None:
    """Load persons and all whom they are merged with."""
    fragments.load(person_ids)
    for person_id in person_ids:
        fragment = fragments.by_id.get(person_id)
        if fragment is None or fragment.is_erased:
            raise PersonUnknown(person_id=str(person_id))
    fragments.load_groups(person_ids)


def _apart(fragments: Fragments, ours: Iterable[Ref], theirs: frozenset[Ref]) -> list[Change]:
    """Return records as they stand from now on, ruled to be about others than `theirs`."""
    changes: list[Change] = []
    for ref in ours:
        home = fragments.homes[ref]
        was = fragments[home].standings[ref]
        standing = msgspec.structs.replace(was, apart=was.apart | theirs)
        changes.append(Change(ref=ref, home=home, standing=standing))
    return changes


def _ruling(
    by: Decider,
    persons: tuple[PersonId, PersonId],
    records: tuple[frozenset[Ref], frozenset[Ref]],
    *,
    verdict: ruling_store.Verdict,
    agency_id: AgencyId | None = None,
) -> Ruling:
    return Ruling(
        ruling_id=new_id(by.at),
        persons=persons,
        records=records,
        verdict=verdict,
        agency_id=agency_id,
        decided_at=by.at,
        decided_by=by.official,
        reason=by.reason,
    )


def because(keyring: Keyring, by: Decider, action: str) -> Because:
    """Return what makes the access entries of a decision."""

    def entry(person_id: PersonId) -> NewEntry:
        return NewEntry(
            entry_id=EntryId(new_id(by.at)),
            action=action,
            outcome="allowed",
            actor=Actor(kind="operator", id=by.official),
            subject=keyring.pseudonym("audit", person_id),
            request_id=by.request_id,
            occurred_at=by.at,
        )

    return entry
