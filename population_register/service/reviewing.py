"""The review queue: what a human is asked, with both sides' records and the evidence in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy.orm import Session

from kernel.ids import AgencyId, PersonId
from kernel.keyring import Keyring
from population_register import linking_store, matching_store, ruling_store, store
from population_register.errors import PersonUnknown
from population_register.events import CaseOpened
from population_register.matching_store import Merge
from population_register.model import SourceRecord
from population_register.ruling_store import Case, Ruling, list_cases
from population_register.scoring import Scorer, register_scorer, shipped_model
from population_register.sealed_forms import decision_place
from population_register.service.deriving import open_source_record
from population_register.service.fragments import Fragment, Fragments
from population_register.service.merging import Decider, because
from population_register.standings import Ref

MOST_COMPARED = 10
"""Pairs of records whose evidence is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRecord:
    """A record of one side of a case: all its versions, as they were sent."""

    ref: Ref
    versions: tuple[SourceRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Two records of a case: the score, and what speaks for and against in words."""

    records: tuple[Ref, Ref]
    bits: float
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """A case with everything that is needed to decide it.

    Attributes:
        persons: The two.
        records: The records of each.
        compared: Pairs of their records, the likest first.
        merges: Every merge of either, the undone ones too.
        rulings: Every ruling about either, the undone ones too.
    """

    persons: tuple[PersonId, PersonId]
    records: tuple[tuple[CaseRecord, ...], tuple[CaseRecord, ...]]
    compared: tuple[Compared, ...]
    merges: tuple[Merge, ...]
    rulings: tuple[Ruling, ...]


def read_case(
    session: Session,
    keyring: Keyring,
    one: PersonId,
    other: PersonId,
    *,
    by: Decider,
    scorer: Scorer | None = None,
) -> CaseView:
    """Open two persons' records side by side, each with an access entry.

    Raises:
        PersonUnknown: 404. There is no such person, or the data was destroyed.
    """
    scorer = scorer or register_scorer()
    fragments = Fragments(session, keyring, because(keyring, by, CaseOpened.action))
    fragments.load((one, other))
    sides = [fragments.by_id.get(person_id) for person_id in (one, other)]
    if any(side is None or side.is_erased for side in sides):
        raise PersonUnknown
    rows = store.source_records_of(session, [one, other])
    left, right = fragments[one], fragments[other]
    scores = [
        (scorer.score(ours.profile, theirs.profile), ours.ref, theirs.ref)
        for ours in left.standings.values()
        for theirs in right.standings.values()
        if ours.values and theirs.values
    ]
    scores.sort(key=lambda found: (-found[0].bits, found[1:]))
    return CaseView(
        persons=(one, other),
        records=(_records(left, rows.get(one, ())), _records(right, rows.get(other, ()))),
        compared=tuple(
            Compared(records=(ours, theirs), bits=score.bits, words=tuple(score.words()))
            for score, ours, theirs in scores[:MOST_COMPARED]
        ),
        merges=tuple(
            {
                merge.merge_id: merge
                for person_id in (one, other)
                for merge in matching_store.list_merges(session, person_id)
            }.values()
        ),
        rulings=tuple(ruling_store.find_rulings(session, (one, other))),
    )


def _records(fragment: Fragment, rows: Sequence[store.SourceRecordRow]) -> tuple[CaseRecord, ...]:
    assert fragment.key is not None
    found: dict[Ref, list[SourceRecord]] = {}
    for row in rows:
        found.setdefault(row.record_digest, []).append(open_source_record(fragment.key, row))
    return tuple(
        CaseRecord(ref=ref, versions=tuple(sorted(found[ref], key=lambda said: said.version)))
        for ref in sorted(found)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedDecision:
    """Why a record came to a person: the outcome, and the evidence at the time, in words."""

    agency_id: AgencyId
    record: Ref
    decided_at: datetime
    outcome: str
    other_person_id: PersonId | None
    bits: float | None
    words: tuple[str, ...]


def explain_person(
    session: Session, keyring: Keyring, person_id: PersonId, *, by: Decider
) -> list[ExplainedDecision]:
    """Return why each record came to a person, or left, in order of time.

    Raises:
        PersonUnknown: 404. There is no such person, or the data was destroyed.
    """
    fragments = Fragments(session, keyring, because(keyring, by, CaseOpened.action))
    fragments.load([person_id])
    fragment = fragments.by_id.get(person_id)
    if fragment is None or fragment.key is None:
        raise PersonUnknown(person_id=str(person_id))
    found: list[ExplainedDecision] = []
    for decision in linking_store.list_decisions(session, [person_id]):
        bits: float | None = None
        words: tuple[str, ...] = ()
        if decision.evidence_sealed is not None:
            place = decision_place(person_id, decision.decision_id)
            opened = fragment.key.unseal(decision.evidence_sealed, associated_data=place)
            model, _, bits, levels, rarities = msgspec.msgpack.decode(opened)
            score = Scorer(shipped_model(model)).explain(tuple(levels), rarities)
            words = tuple(score.words())
        found.append(
            ExplainedDecision(
                agency_id=decision.agency_id,
                record=decision.record_digest,
                decided_at=decision.decided_at,
                outcome=decision.outcome,
                other_person_id=decision.other_person_id,
                bits=bits,
                words=words,
            )
        )
    return found


__all__ = [
    "Case",
    "CaseRecord",
    "CaseView",
    "Compared",
    "ExplainedDecision",
    "explain_person",
    "list_cases",
    "read_case",
]
