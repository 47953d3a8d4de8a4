"""Accept source records: find whom each is about, account for it, derive the person's record anew.

A batch is one transaction:

1. see which records are known, and compare all that are new, or say something else than before,
   with everybody whom they may be about: whoever is opened for it is written into the access log;
2. decide, in memory, by what hangs together with them (`service/matching.py`);
3. claim: lock the new numbers and keys, the keys that change hands, then the persons, each in
   ascending order, and see that nothing has changed since; if it has, begin again;
4. write one access entry for each record, seal the new versions, derive each person's record once.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from audit.api import RecordedEntry, record_accesses
from kernel.db import AdvisoryLock, lock, lock_shared
from kernel.ids import AgencyId, PersonId
from kernel.keyring import Keyring
from population_register import linking_store, matching_store, store
from population_register.authority import live_versions
from population_register.errors import RegisterBusy
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
from population_register.model_files import register_scorer
from population_register.profiles import profile_of_records
from population_register.scoring import Scorer
from population_register.sealed_forms import body_place
from population_register.sealed_standings import standing_of
from population_register.service.accounting import Accounts
from population_register.service.comparing import Change
from population_register.service.deriving import open_source_record
from population_register.service.fragments import Fragments
from population_register.service.incoming import (
    Incoming,
    incoming_of,
    open_early,
    seal_early,
    stands_alone,
)
from population_register.service.matching import Matcher
from population_register.service.settling import MOST_ATTEMPTS, Settling
from population_register.standings import Ref, Standing

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
    scorer: Scorer | None = None,
) -> list[RecordOutcome]:
    """Accept source records of one agency.

    Args:
        session: A transaction that has locked no person yet.
        keyring: Seals and finds.
        agency_id: Who sends them; of every record.
        records: Past format-and-logic control, in the order of arrival.
        at: When they arrive.
        request_id: Of the request or the feed, for the access log.
        scorer: Of the register's model, when not the shipped one.

    Returns:
        The outcome of each record, in order. A refused record leaves no trace; the others stay.

    Raises:
        RegisterBusy: 409. Others change the same persons all the time; try again.

    Transaction:
        Waits for other batches about the same people. Idempotent: a version that is known with the
        same content is `Unchanged`.
    """
    return accept_incoming(
        session,
        keyring,
        agency_id,
        [incoming_of(keyring, record) for record in records],
        at=at,
        request_id=request_id,
        scorer=scorer,
    )


def accept_incoming(
    session: Session,
    keyring: Keyring,
    agency_id: AgencyId,
    incoming: Sequence[Incoming],
    *,
    at: datetime,
    request_id: str | None = None,
    scorer: Scorer | None = None,
) -> list[RecordOutcome]:
    """Accept source records with their digests; see `accept_records`."""
    if not incoming:
        return []
    batch = _Batch(
        session,
        keyring,
        agency_id,
        scorer or register_scorer(),
        incoming,
        at=at,
        request_id=request_id,
    )
    return batch.accept()


class _Batch:
    """One call of `accept_records`."""

    def __init__(
        self,
        session: Session,
        keyring: Keyring,
        agency_id: AgencyId,
        scorer: Scorer,
        incoming: Sequence[Incoming],
        *,
        at: datetime,
        request_id: str | None,
    ) -> None:
        self._session = session
        self._keyring = keyring
        self._agency_id = agency_id
        self._scorer = scorer
        self._incoming = incoming
        self._at = at
        self._accounts = Accounts(keyring, agency_id, at=at, request_id=request_id)
        self._fragments = Fragments(session, keyring, self._accounts.compared)
        self._entries: dict[tuple[bytes, int], RecordedEntry] = {}
        self._clear()

    def _clear(self) -> None:
        self._links: dict[Ref, PersonId] = {}
        self._refusals: list[RecordOutcome | None] = []
        self._taken: dict[Ref, list[Incoming]] = {}
        self._held: list[Incoming] = []
        self._adopted: list[linking_store.EarlyWithdrawal] = []

    def accept(self) -> list[RecordOutcome]:
        self._lock_withdrawals()
        for _ in range(MOST_ATTEMPTS):
            settling = self._plan()
            with self._session.begin_nested() as claim:
                is_claimed = self._claim(settling)
                if not is_claimed:
                    claim.rollback()
            if is_claimed:
                self._write(settling)
                return self._outcomes(settling)
            self._fragments.forget()
            self._clear()
        raise RegisterBusy

    def _lock_withdrawals(self) -> None:
        """See to it that no record comes while a withdrawal decides to wait for it."""
        withdrawn = {
            item.record_digest
            for item in self._incoming
            if item.record.kind is RecordKind.WITHDRAWAL
        }
        if withdrawn and len(self._find_links(withdrawn)) < len(withdrawn):
            lock(self._session, AdvisoryLock.EARLY_WITHDRAWALS)
        else:
            lock_shared(self._session, AdvisoryLock.EARLY_WITHDRAWALS)

    # 1 and 2

    def _find_links(self, refs: Iterable[Ref]) -> dict[Ref, PersonId]:
        return linking_store.find_record_links(self._session, self._agency_id, refs)

    def _plan(self) -> Settling:
        refs = {item.record_digest for item in self._incoming}
        self._links = self._find_links(refs)
        self._sort_out(linking_store.find_early_withdrawals(self._session, self._agency_id, refs))
        erased = matching_store.find_erased(
            self._session, {self._links[ref] for ref in self._taken if ref in self._links}
        )
        for ref in [ref for ref in self._taken if self._links.get(ref) in erased]:
            del self._taken[ref]
        known = [ref for ref in self._taken if ref in self._links]
        self._account(item for ref in known for item in self._taken[ref])
        self._fragments.load(self._links[ref] for ref in known)
        matcher = Matcher(self._session, self._keyring, self._scorer, self._fragments, at=self._at)
        settlement = matcher.settle(self._changes(known))
        for ref in settlement.erased:
            del self._taken[ref]
        self._fragments.load_groups(
            {p for p, f in self._fragments.by_id.items() if f.group_id is not None}
        )
        return Settling(
            session=self._session,
            keyring=self._keyring,
            scorer=self._scorer,
            fragments=self._fragments,
            matcher=matcher,
            settlement=settlement,
            at=self._at,
        )

    def _sort_out(self, waiting: Iterable[linking_store.EarlyWithdrawal]) -> None:
        """Find out which versions are taken: None in `_refusals` where one is."""
        waiting = list(waiting)
        versions = store.find_versions(self._session, self._agency_id, self._links)
        versions.update(((w.record_digest, w.version), w.content_digest) for w in waiting)
        for item in self._incoming:
            seen = versions.get(item.key)
            if seen is not None:
                is_same = seen == item.content_digest
                self._refusals.append(
                    Unchanged() if is_same else Refused(problems=(_SAME_VERSION,))
                )
                continue
            versions[item.key] = item.content_digest
            self._refusals.append(None)
            self._taken.setdefault(item.record_digest, []).append(item)
        for ref, items in list(self._taken.items()):
            if ref not in self._links and all(
                item.record.kind is RecordKind.WITHDRAWAL for item in items
            ):
                self._held.extend(self._taken.pop(ref))
        self._adopted = [w for w in waiting if w.record_digest in self._taken]
        for withdrawal in self._adopted:
            item = open_early(self._keyring, self._agency_id, withdrawal)
            self._taken[withdrawal.record_digest].append(item)

    def _changes(self, known: Sequence[Ref]) -> list[Change]:
        """Return the records that are new, and those that stand otherwise from now on."""
        changes = [
            Change(ref=ref, home=None, standing=self._standing(ref, ()))
            for ref in self._taken
            if ref not in self._links
        ]
        said = self._said_before(known)
        for ref in known:
            home = self._links[ref]
            was = self._fragments[home].standings.get(ref)
            standing = self._standing(ref, said.get(ref, ()), was.apart if was else frozenset())
            if standing != was:
                changes.append(Change(ref=ref, home=home, standing=standing))
        return changes

    def _standing(
        self, ref: Ref, before: Iterable[SourceRecord], apart: frozenset[Ref] = frozenset()
    ) -> Standing:
        items = self._taken[ref]
        records = [*before, *(item.record for item in items)]
        if len(records) > 1 or apart:
            profile = profile_of_records(live_versions(records))
            return standing_of(self._keyring, ref, profile, apart)
        (only,) = items
        return only.standing or stands_alone(self._keyring, ref, only.record)

    def _said_before(self, refs: Iterable[Ref]) -> dict[Ref, list[SourceRecord]]:
        """Return the known versions of known records, opened."""
        wanted = set(refs)
        said: dict[Ref, list[SourceRecord]] = {}
        rows = store.source_records_of(self._session, [self._links[ref] for ref in wanted])
        for person_id, found in rows.items():
            key = self._fragments[person_id].key
            assert key is not None
            for row in found:
                if row.record_digest in wanted and row.agency_id == self._agency_id:
                    said.setdefault(row.record_digest, []).append(open_source_record(key, row))
        return said

    # 3

    def _claim(self, settling: Settling) -> bool:
        new = {
            ref: home
            for ref, home in settling.settlement.homes.items()
            if ref in settling.settlement.outcomes
        }
        if not linking_store.insert_links(self._session, self._agency_id, new):
            return False
        if not settling.claim():
            return False
        known = [ref for ref in self._taken if ref in self._links]
        return not known or self._find_links(known) == {ref: self._links[ref] for ref in known}

    # 4

    def _write(self, settling: Settling) -> None:
        homes = {**self._links, **settling.settlement.homes}
        self._links = homes
        self._account(item for items in self._taken.values() for item in items)
        arrivals: dict[PersonId, list[tuple[SourceRecord, store.SourceRecordRow]]] = {}
        for ref, items in self._taken.items():
            arrivals.setdefault(homes[ref], []).extend(
                (item.record, self._row(homes[ref], item)) for item in items
            )
        settling.write(arrivals)
        settling.decide(self._agency_id, settling.settlement.outcomes)
        linking_store.delete_early_withdrawals(
            self._session, self._agency_id, {w.record_digest for w in self._adopted}
        )
        linking_store.insert_early_withdrawals(
            self._session, self._agency_id, [seal_early(self._keyring, i) for i in self._held]
        )

    def _account(self, items: Iterable[Incoming]) -> None:
        """Write one access entry for each record, once."""
        new = [item for item in items if item.key not in self._entries]
        accesses = [
            (self._accounts.accepted(person_id, item.record), person_id)
            for item in new
            for person_id in (self._links[item.record_digest],)
        ]
        for item, entry in zip(new, record_accesses(self._session, accesses), strict=True):
            self._entries[item.key] = entry
            self._fragments.account(entry)

    def _row(self, person_id: PersonId, item: Incoming) -> store.SourceRecordRow:
        key = self._fragments[person_id].key
        assert key is not None
        place = body_place(person_id, self._agency_id, item.record_digest, item.record.version)
        return store.SourceRecordRow(
            person_id=person_id,
            agency_id=self._agency_id,
            record_digest=item.record_digest,
            version=item.record.version,
            content_digest=item.content_digest,
            body_sealed=key.seal(item.body, associated_data=place),
            arrived_at=item.record.arrived_at,
            entry_id=self._entries[item.key].entry_id,
        )

    def _outcomes(self, settling: Settling) -> list[RecordOutcome]:
        decided = {
            next(
                (i.key for i in self._taken[ref] if i.record.kind is not RecordKind.WITHDRAWAL),
                self._taken[ref][0].key,
            ): outcome
            for ref, outcome in settling.settlement.outcomes.items()
        }
        held = {item.key for item in self._held}
        outcomes: list[RecordOutcome] = []
        for item, refusal in zip(self._incoming, self._refusals, strict=True):
            ref = item.record_digest
            if refusal is not None:
                outcomes.append(refusal)
            elif item.key in held:
                outcomes.append(Held())
            elif ref not in self._taken:
                outcomes.append(Refused(problems=(_ERASED,)))
            else:
                outcomes.append(
                    Accepted(
                        person_id=self._links[ref],
                        entry_id=self._entries[item.key].entry_id,
                        outcome=decided.get(item.key, LinkOutcome.LINKED),
                    )
                )
        return outcomes
