"""Write what matching decided: keys, links, decisions, merges, and the records derived anew.

A *claim* takes the locks and sees that nothing has changed since it was read; what is written after
it is right. Both accepting records and deciding by hand come through here.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

import msgspec
from sqlalchemy.orm import Session

from kernel.ids import AgencyId, PersonId, new_id
from kernel.keyring import Keyring, PersonKey
from population_register import linking_store, matching_store, merge_store, store
from population_register.errors import RegisterBusy
from population_register.linking_store import LinkDecision
from population_register.merge_store import Merge
from population_register.model import RecordKind, SourceRecord
from population_register.model_files import register_scorer
from population_register.scoring import Scorer
from population_register.sealed_forms import decision_place
from population_register.service.comparing import Change
from population_register.service.deriving import PersonChanges, open_source_record, reseal
from population_register.service.fragments import Fragment, Fragments
from population_register.service.matching import Matcher, Settlement
from population_register.service.regrouping import groups_of, regroup
from population_register.standings import (
    ENTRY_BYTES,
    MOST_ENTRIES,
    Ref,
    Standing,
    bearer,
    bearers_in,
)

BY_MODEL = "model"
MOST_ATTEMPTS = 20
_encode = msgspec.msgpack.Encoder().encode


Arrivals: TypeAlias = Mapping[PersonId, Sequence[tuple[SourceRecord, store.SourceRecordRow]]]
"""New versions of records by person, each with its row."""


@dataclass(slots=True, kw_only=True)
class Settling:
    """One settlement on its way into the database."""

    session: Session
    keyring: Keyring
    scorer: Scorer
    fragments: Fragments
    matcher: Matcher
    settlement: Settlement
    at: datetime
    _keys: dict[int, bytes] = field(default_factory=dict)

    # Claiming

    def claim(self) -> bool:
        """Lock all that the settlement rests on; tell whether it is as it was read.

        Transaction:
            Within a savepoint that is rolled back if not: then no lock is left of it.
        """
        known = self.matcher.comparison.bearers
        self._keys = self._changed_keys()
        new = {key: stored for key, stored in self._keys.items() if not known[key]}
        if not matching_store.insert_keys(self.session, new):
            return False
        old = self._keys.keys() - new.keys()
        if old and matching_store.lock_keys(self.session, old) != {k: known[k] for k in old}:
            return False
        if not self.fragments.lock() or not self.matcher.holding.is_as_read():
            return False
        read = self.matcher.comparison.read
        rest = [(key, *read[key]) for key in read.keys() - self._keys.keys()]
        return matching_store.are_as_read(self.session, rest)

    def _changed_keys(self) -> dict[int, bytes]:
        """Return who will bear each key that changes hands."""
        gone: dict[int, list[bytes]] = {}
        come: dict[int, list[bytes]] = {}
        for fragment in self.fragments.by_id.values():
            if fragment.standings != fragment.were:
                for changes, borne in zip((gone, come), fragment.key_changes(), strict=True):
                    for mark, keys in borne.items():
                        _add_bearer(changes, keys, fragment.person_id, mark)
        self.matcher.comparison.look_up(gone.keys() | come.keys())
        known = self.matcher.comparison.bearers
        found: dict[int, bytes] = {}
        for key, new in come.items():
            stored = known[key]
            if not stored:
                found[key] = b"".join(sorted(new))[: MOST_ENTRIES * ENTRY_BYTES]
            elif len(stored) < MOST_ENTRIES * ENTRY_BYTES:  # or closed for ever
                found[key] = _borne_by(stored, gone.get(key, ()), new)
        for key, old in gone.items():
            if key not in come and len(known[key]) < MOST_ENTRIES * ENTRY_BYTES:
                found[key] = _borne_by(known[key], old, ())
        return found

    # Writing

    def write(self, incoming: Arrivals, *, regrouped: Iterable[PersonId] = ()) -> None:
        """Write everything, and derive anew whoever has changed.

        Args:
            incoming: What has come.
            regrouped: Persons of whom merges began or ended by hand, stored already.
        """
        settlement = self.settlement
        known = self.matcher.comparison.bearers
        matching_store.update_keys(self.session, {k: v for k, v in self._keys.items() if known[k]})
        changed = self._write_merges(regrouped)
        dirty = {p for _, *persons in settlement.moved for p in persons} | changed
        dirty.update(incoming)
        dirty.update(p for p, f in self.fragments.by_id.items() if f.standings != f.were)
        self._derive(dirty, incoming, changed)
        matching_store.delete_pairs(self.session, settlement.pairs_gone.values())
        matching_store.insert_pairs(self.session, settlement.pairs_come.values())

    def _write_merges(self, regrouped: Iterable[PersonId]) -> set[PersonId]:
        """Store automatic merges and their ends; return whose groups are others now."""
        settlement = self.settlement
        merge_store.undo_merges(
            self.session,
            settlement.parted,
            at=self.at,
            by=BY_MODEL,
            reason=self.scorer.model.version,
        )
        merge_store.insert_merges(
            self.session,
            (
                Merge(
                    merge_id=new_id(self.at),
                    persons=(min(pair), max(pair)),
                    kind="automatic",
                    decided_at=self.at,
                    decided_by=BY_MODEL,
                    reason=self.scorer.model.version,
                )
                for pair in settlement.joined
            ),
        )
        touched = {p for pair in settlement.joined for p in pair}
        touched.update(p for merge in settlement.parted for p in merge.persons)
        touched.update(regrouped)
        return regroup(self.session, self.fragments, touched)

    def _derive(
        self,
        dirty: set[PersonId],
        incoming: Arrivals,
        regrouped: set[PersonId],
    ) -> None:
        fragments = self.fragments
        groups = groups_of(fragments, dirty)
        changes = PersonChanges(
            session=self.session,
            keyring=self.keyring,
            at=self.at,
            roles={a.agency_id: a.role for a in store.list_agencies(self.session)},
        )
        alone = {group[0] for group in groups if len(group) == 1}
        done = self._extend(changes, alone - regrouped, incoming)
        groups = [group for group in groups if group[0] not in done]
        members = {p for group in groups for p in group}
        stored = store.source_records_of(
            self.session, [p for p in members if fragments[p].new_key is None]
        )
        rows: list[store.SourceRecordRow] = [row for items in incoming.values() for _, row in items]
        rows += self._move(stored)
        for group in groups:
            said: list[SourceRecord] = []
            living: list[Fragment] = []
            for person_id in group:
                fragment = fragments[person_id]
                if fragment.key is None:
                    continue
                living.append(fragment)
                said.extend(record for record, _ in incoming.get(person_id, ()))
                said.extend(
                    open_source_record(fragment.key, row) for row in stored.get(person_id, ())
                )
            changes.derive(living, said)
        changes.write()
        store.insert_source_records(self.session, rows)
        changes.write_identifiers(fragments)

    def _extend(
        self, changes: PersonChanges, alone: Iterable[PersonId], incoming: Arrivals
    ) -> set[PersonId]:
        """Derive the records of those about whom there is one new record and no other change.

        Args:
            changes: Collects what is derived.
            alone: Persons who are merged with nobody, and were not.
            incoming: What has come.

        Returns:
            Whose records are derived by that.
        """
        begun: set[PersonId] = set()
        news: dict[PersonId, SourceRecord] = {}
        for person_id in alone:
            fragment = self.fragments[person_id]
            said = incoming.get(person_id, ())
            if fragment.key is None or len(said) != 1:
                continue
            ((record, row),) = said
            left, taken = fragment.changes()
            if (
                record.kind is RecordKind.STATEMENT
                and not left
                and [standing.ref for standing in taken] == [row.record_digest]
            ):
                if fragment.new_key is None:
                    news[person_id] = record
                else:
                    changes.begin(fragment, record)
                    begun.add(person_id)
        stored = store.find_records(self.session, news)
        return begun | {
            person_id
            for person_id, record in news.items()
            if changes.extend(self.fragments[person_id], stored[person_id], record)
        }

    def _move(
        self, stored: dict[PersonId, list[store.SourceRecordRow]]
    ) -> list[store.SourceRecordRow]:
        """Take records to their new persons; return their rows as they are to be inserted."""
        moved = {ref: (was, now) for ref, was, now in self.settlement.moved}
        if not moved:
            return []
        gone: list[store.SourceRecordRow] = []
        come: list[store.SourceRecordRow] = []
        decisions: list[LinkDecision] = []
        links: dict[bytes, tuple[AgencyId, bytes, PersonId]] = {}
        for was in {was for was, _ in moved.values()}:
            leaving = [row for row in stored.get(was, ()) if row.record_digest in moved]
            stored[was] = [row for row in stored.get(was, ()) if row.record_digest not in moved]
            gone.extend(leaving)
            for row in leaving:
                now = moved[row.record_digest][1]
                come.append(reseal(row, self._key(was), self._key(now)))
                stored.setdefault(now, []).append(come[-1])
                links[row.record_digest] = row.agency_id, row.record_digest, now
        for agency_id, ref, now in links.values():
            was = moved[ref][0]
            decisions += (
                self._decision(was, agency_id, ref, "left", other=now),
                self._decision(now, agency_id, ref, "came", other=was),
            )
        store.delete_source_records(self.session, gone)
        linking_store.move_links(self.session, links.values())
        linking_store.insert_decisions(self.session, decisions)
        return come

    def _key(self, person_id: PersonId) -> PersonKey:
        key = self.fragments[person_id].key
        assert key is not None
        return key

    # Decisions

    def decide(self, agency_id: AgencyId, refs: Iterable[Ref]) -> None:
        """Keep why new records are about whom they are about."""
        settlement = self.settlement
        linking_store.insert_decisions(
            self.session,
            [
                self._decision(
                    settlement.homes[ref],
                    agency_id,
                    ref,
                    settlement.outcomes[ref].value,
                    evidence=self._evidence(ref),
                )
                for ref in refs
            ],
        )

    def _evidence(self, ref: Ref) -> bytes | None:
        other = self.settlement.likest.get(ref)
        if other is None:
            return None
        one, near = self._standing(ref), self._standing(other)
        judge = self.matcher.comparison.judge
        levels, rarities = judge.compare(one, near)
        bits = judge(one, near).bits
        return _encode(
            (
                self.scorer.model.version,
                other,
                round(bits, 3),
                levels,
                [round(rarity, 3) if rarity else 0.0 for rarity in rarities],
            )
        )

    def _standing(self, ref: Ref) -> Standing:
        return self.fragments[self.fragments.homes[ref]].standings[ref]

    def _decision(
        self,
        person_id: PersonId,
        agency_id: AgencyId,
        ref: Ref,
        outcome: str,
        *,
        other: PersonId | None = None,
        evidence: bytes | None = None,
    ) -> LinkDecision:
        decision_id = new_id(self.at)
        if evidence is not None:
            evidence = self._key(person_id).seal(
                evidence, associated_data=decision_place(person_id, decision_id)
            )
        return LinkDecision(
            person_id, decision_id, agency_id, ref, self.at, outcome, other, evidence
        )


def _add_bearer(
    bearers: dict[int, list[bytes]], keys: Iterable[int], person_id: PersonId, mark: int
) -> None:
    entry = bearer(person_id, mark)
    for key in keys:
        known = bearers.get(key)
        if known is None:
            bearers[key] = [entry]
        else:
            known.append(entry)


def _borne_by(stored: bytes, gone: Collection[bytes], come: Collection[bytes]) -> bytes:
    """Return who bears a key from now on, as it is stored."""
    kept = [entry for entry in bearers_in(stored) if entry not in gone]
    kept += sorted(entry for entry in come if entry not in kept)
    return b"".join(kept)[: MOST_ENTRIES * ENTRY_BYTES]


def settle(
    session: Session,
    keyring: Keyring,
    fragments: Fragments,
    plan: Callable[[], Sequence[Change]],
    *,
    at: datetime,
    scorer: Scorer | None = None,
) -> Settling:
    """Decide anew about records that humans ruled on, and claim it; the caller writes.

    Args:
        session: The transaction.
        keyring: Seals and finds.
        fragments: The persons.
        plan: Loads the persons concerned, with all whom they are merged with, and returns the
            records that stand otherwise from now on. Called again if others were faster.
        at: When it is decided.
        scorer: Of the register's model, when not the shipped one.

    Raises:
        RegisterBusy: 409. Others change the same persons all the time.
    """
    scorer = scorer or register_scorer()
    for _ in range(MOST_ATTEMPTS):
        matcher = Matcher(session, keyring, scorer, fragments, at=at)
        settlement = matcher.settle(plan())
        fragments.load_groups(list(fragments.by_id))
        settling = Settling(
            session=session,
            keyring=keyring,
            scorer=scorer,
            fragments=fragments,
            matcher=matcher,
            settlement=settlement,
            at=at,
        )
        with session.begin_nested() as claim:
            is_claimed = settling.claim()
            if not is_claimed:
                claim.rollback()
        if is_claimed:
            return settling
        fragments.forget()
    raise RegisterBusy
