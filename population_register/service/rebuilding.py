"""Derive how records stand in matching anew: of persons who have no standings yet, or of everybody.

For registers from before records were compared with records, and when what is compared changes.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from sqlalchemy.orm import Session, sessionmaker

from audit.api import Actor, NewEntry
from kernel.clock import Clock
from kernel.db import unit_of_work_of
from kernel.ids import EntryId, PersonId, new_id
from kernel.keyring import Keyring, PersonKey
from population_register import linking_store, matching_store, store
from population_register.authority import live_versions
from population_register.events import PersonRederived
from population_register.model import SourceRecord
from population_register.profiles import profile_of_records
from population_register.sealed_standings import standing_of
from population_register.service.comparing import Change
from population_register.service.consistency import check_person
from population_register.service.deriving import open_source_record
from population_register.service.fragments import Fragments
from population_register.service.settling import settle
from population_register.standings import Ref

BATCH: Final = 100  # persons a transaction
_ACTOR = Actor(kind="system", id="matching")


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildCounts:
    """What a rebuilding came to.

    Attributes:
        persons: Looked at.
        changed: Of whom a record stands otherwise now.
        last: The last one looked at; go on after it.
    """

    persons: int = 0
    changed: int = 0
    last: PersonId | None = None


Progress = Callable[[RebuildCounts], None]
"""Told after each batch what is done."""


def rebuild(
    sessions: sessionmaker[Session],
    keyring: Keyring,
    clock: Clock,
    *,
    person_ids: Sequence[PersonId] = (),
    everybody: bool = False,
    after: PersonId | None = None,
    holidays: Collection[date] = (),
    progress: Progress | None = None,
) -> RebuildCounts:
    """Derive standings anew, and with them who is one person, and what can't be true of whom.

    Args:
        sessions: Where to.
        keyring: Opens and seals.
        clock: Tells when.
        person_ids: Only these.
        everybody: Those who have standings, too.
        after: Go on after this person.
        holidays: On which agencies don't work.
        progress: Told after each batch.

    Transaction:
        One for each batch. Broken off anywhere it can be begun again: what stands right is left
        alone, and whoever has no standings yet is found by that.
    """
    counts = RebuildCounts(last=after)
    named = sorted(set(person_ids))
    while True:
        if person_ids:
            batch, named = named[:BATCH], named[BATCH:]
        else:
            with sessions() as session:
                batch = matching_store.next_persons(
                    session, counts.last, BATCH, only_missing=not everybody
                )
        if not batch:
            return counts
        at = clock.now()
        with unit_of_work_of(sessions) as session:
            changed = _rebuild(session, keyring, batch, at=at)
        for person_id in changed:
            check_person(sessions, keyring, person_id, holidays=holidays, at=at)
        counts = RebuildCounts(
            persons=counts.persons + len(batch),
            changed=counts.changed + len(changed),
            last=batch[-1],
        )
        if progress is not None:
            progress(counts)


def _rebuild(
    session: Session, keyring: Keyring, person_ids: Sequence[PersonId], *, at: datetime
) -> list[PersonId]:
    """Derive the standings of a batch anew; return whose stand otherwise now."""

    def because(person_id: PersonId) -> NewEntry:
        return NewEntry(
            entry_id=EntryId(new_id(at)),
            action=PersonRederived.action,
            outcome="allowed",
            actor=_ACTOR,
            subject=keyring.pseudonym("audit", person_id),
            occurred_at=at,
        )

    fragments = Fragments(session, keyring, because)
    changed: set[PersonId] = set()

    def plan() -> Sequence[Change]:
        fragments.load(person_ids)
        fragments.load_groups([p for p in person_ids if p in fragments.by_id])
        changes = list(_changes(session, keyring, fragments, person_ids))
        changed.clear()
        changed.update(change.home for change in changes if change.home is not None)
        return changes

    settling = settle(session, keyring, fragments, plan, at=at)
    # Numbers of persons who had no standings are there already, and are written again.
    bare = [p for p in changed if not fragments[p].were]
    linking_store.delete_identifiers_of(session, bare)
    settling.write({})
    return sorted(changed)


def _changes(
    session: Session, keyring: Keyring, fragments: Fragments, person_ids: Iterable[PersonId]
) -> Iterable[Change]:
    living = [p for p in person_ids if p in fragments.by_id and not fragments[p].is_erased]
    rows = store.source_records_of(session, living)
    for person_id in living:
        fragment = fragments[person_id]
        assert fragment.key is not None
        said = _by_record(fragment.key, rows.get(person_id, ()))
        for ref in sorted(said):
            was = fragment.standings.get(ref)
            profile = profile_of_records(live_versions(said[ref]))
            apart = frozenset[Ref]() if was is None else was.apart
            standing = standing_of(keyring, ref, profile, apart)
            if standing != was:
                yield Change(ref=ref, home=person_id, standing=standing)


def _by_record(
    key: PersonKey, rows: Iterable[store.SourceRecordRow]
) -> dict[Ref, list[SourceRecord]]:
    found: dict[Ref, list[SourceRecord]] = {}
    for row in rows:
        found.setdefault(row.record_digest, []).append(open_source_record(key, row))
    return found
