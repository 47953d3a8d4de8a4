"""The review queue: what a human is asked, with both sides' records and the evidence in words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

import msgspec
from sqlalchemy.orm import Session

from kernel.ids import AgencyId, PersonId
from kernel.keyring import Keyring
from population_register import (
    linking_store,
    merge_store,
    ruling_store,
    store,
    work_item_store,
)
from population_register.authority import live_versions
from population_register.consistency import SAME_PERSON
from population_register.errors import PersonUnknown
from population_register.events import CaseOpened
from population_register.merge_store import Merge
from population_register.model import SourceRecord
from population_register.model_files import find_model, register_scorer
from population_register.ruling_store import Case, Ruling, list_cases
from population_register.scoring import Part, Score, Scorer
from population_register.sealed_findings import unseal_answer
from population_register.sealed_forms import decision_place
from population_register.service.deriving import open_source_record
from population_register.service.fragments import Fragment, Fragments
from population_register.service.merging import Decider, because
from population_register.standings import Ref
from population_register.work_item_store import Answer, WorkRow

MOST_COMPARED = 10
"""Pairs of records whose evidence is shown."""
MOST_ASKED = 100
"""Questions to agencies that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRecord:
    """A record of one side of a case: all its versions, as they were sent."""

    ref: Ref
    versions: tuple[SourceRecord, ...]

    @property
    def live(self) -> list[SourceRecord]:
        """Return the versions that count."""
        return live_versions(self.versions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Two records of a case: the score, and what speaks for and against."""

    records: tuple[Ref, Ref]
    bits: float
    parts: tuple[Part, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """Return the evidence in words."""
        return tuple(Score(bits=self.bits, parts=self.parts).words())


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What an agency was asked about a case, and what it answered.

    Attributes:
        words: The clerk's.
        answer: None while there is none.
        explanation: The agency's.
    """

    agency_id: AgencyId
    asked_at: datetime
    asked_by: str
    due_on: date | None
    words: str = field(repr=False)
    answered_at: datetime | None = None
    answer: Answer | None = None
    explanation: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """A case with everything that is needed to decide it.

    Attributes:
        persons: The two.
        records: The records of each.
        compared: Pairs of their records, the likest first.
        merges: Every merge of either, the undone ones too.
        rulings: Every ruling about either, the undone ones too.
        questions: What agencies were asked about the two.
    """

    persons: tuple[PersonId, PersonId]
    records: tuple[tuple[CaseRecord, ...], tuple[CaseRecord, ...]]
    compared: tuple[Compared, ...]
    merges: tuple[Merge, ...]
    rulings: tuple[Ruling, ...]
    questions: tuple[Question, ...]


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
    rulings = tuple(ruling_store.find_rulings(session, (one, other)))
    return CaseView(
        persons=(one, other),
        records=(_records(left, rows.get(one, ())), _records(right, rows.get(other, ()))),
        compared=tuple(
            Compared(records=(ours, theirs), bits=score.bits, parts=score.parts)
            for score, ours, theirs in scores[:MOST_COMPARED]
        ),
        merges=tuple(
            {
                merge.merge_id: merge
                for person_id in (one, other)
                for merge in merge_store.list_merges(session, person_id)
            }.values()
        ),
        rulings=rulings,
        questions=_questions(session, (left, right), rulings),
    )


def _questions(
    session: Session, sides: tuple[Fragment, Fragment], rulings: Iterable[Ruling]
) -> tuple[Question, ...]:
    """Return what agencies were asked about two persons, in order of time."""
    persons = {side.person_id for side in sides}
    about = [r for r in rulings if r.verdict == "asked" and set(r.persons) == persons]
    if not about:
        return ()
    asked = {
        row.finding_id: (side, row)
        for side in sides
        for row in work_item_store.work_about(session, side.person_id, SAME_PERSON, MOST_ASKED)
    }
    found: list[Question] = []
    for ruling in about:
        assert ruling.agency_id is not None
        question = Question(
            agency_id=ruling.agency_id,
            asked_at=ruling.decided_at,
            asked_by=ruling.decided_by,
            due_on=None,
            words=ruling.reason,
        )
        if ruling.ruling_id in asked:
            side, row = asked[ruling.ruling_id]
            question = replace(
                question,
                due_on=row.due_on,
                answered_at=row.answered_at,
                answer=row.answer,
                explanation=_explanation(side, row),
            )
        found.append(question)
    return tuple(found)


def _explanation(side: Fragment, row: WorkRow) -> str:
    if row.answer_sealed is None:
        return ""
    assert side.key is not None
    return unseal_answer(side.key, row.agency_id, row.finding_id, row.answer_sealed).explanation


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
            known = find_model(model)
            if known is None:
                words = (f"by the model {model}, which this release has not",)
            else:
                words = tuple(Scorer(known).explain(tuple(levels), rarities).words())
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
    "Question",
    "explain_person",
    "list_cases",
    "read_case",
]
