"""What officials decided about a case, and what agencies answered, in words. No I/O."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import chain
from uuid import UUID

from kernel.languages import Language, _
from population_register.api import CaseKey, CaseView, Decision, Proposal, Question
from portal.desk_words import case_address, case_number


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """Something that was decided about the case.

    Attributes:
        can_be_undone: By the clerk who holds the case.
    """

    decision_id: UUID
    what: str
    who: str
    at: datetime
    reason: str
    undone: str
    can_be_undone: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedRow:
    """What an agency was asked, and what it answered."""

    agency: str
    asked_by: str
    asked_at: datetime
    words: str = field(repr=False)
    due_on: date | None
    answered_at: datetime | None
    answer: str
    explanation: str = field(repr=False)


_DECIDED: Mapping[str, str] = {
    "automatic": _("The records put the two together"),
    "merged": _("One person"),
    "different": _("Two different people, or records of somebody else"),
    "asked": _("An agency was asked"),
    "proposed": _("Proposed: one person"),
    "approved": _("Confirmed by a second official"),
    "rejected": _("Not confirmed by a second official"),
}
_MERGED = {"automatic": "automatic", "decided": "merged"}
_ANSWERS: Mapping[str, str] = {
    "corrected": _("The agency has corrected it, or is about to"),
    "refused": _("The agency says that its record is right"),
}


def history_rows(
    view: CaseView,
    case: CaseKey,
    proposals: Iterable[Proposal],
    agencies: Mapping[str, str],
    language: Language,
) -> list[HistoryRow]:
    """Return what was decided about the two, the latest first."""
    rows = chain(
        _of_merges(view, case, language),
        _of_rulings(view, case, agencies, language),
        _of_proposals(proposals, language),
    )
    return sorted(rows, key=lambda row: row.at, reverse=True)


def _of_merges(view: CaseView, case: CaseKey, language: Language) -> Iterator[HistoryRow]:
    for merge in view.merges:
        who = merge.decided_by
        if merge.confirmed_by is not None:
            who = f"{who}, {merge.confirmed_by}"
        yield HistoryRow(
            decision_id=merge.merge_id,
            what=language.text(_DECIDED[_MERGED[merge.kind]]),
            who=who,
            at=merge.decided_at,
            reason=merge.reason,
            undone=_undone(merge.undone_at, merge.undone_by, merge.undone_reason, language),
            can_be_undone=merge.undone_at is None and merge.persons == case,
        )


def _of_rulings(
    view: CaseView, case: CaseKey, agencies: Mapping[str, str], language: Language
) -> Iterator[HistoryRow]:
    for ruling in view.rulings:
        what = language.text(_DECIDED[ruling.verdict])
        if ruling.agency_id is not None:
            what = f"{what}: {agencies.get(ruling.agency_id, ruling.agency_id)}"
        yield HistoryRow(
            decision_id=ruling.ruling_id,
            what=what,
            who=ruling.decided_by,
            at=ruling.decided_at,
            reason=ruling.reason,
            undone=_undone(ruling.undone_at, ruling.undone_by, ruling.undone_reason, language),
            can_be_undone=ruling.undone_at is None
            and ruling.verdict == "different"
            and ruling.persons == case,
        )


def _of_proposals(proposals: Iterable[Proposal], language: Language) -> Iterator[HistoryRow]:
    for proposal in proposals:
        yield HistoryRow(
            decision_id=proposal.proposal_id,
            what=language.text(_DECIDED["proposed"]),
            who=proposal.proposed_by,
            at=proposal.proposed_at,
            reason=proposal.reason,
            undone="",
            can_be_undone=False,
        )
        if proposal.closed_at is not None:
            yield HistoryRow(
                decision_id=proposal.proposal_id,
                what=language.text(_DECIDED[proposal.closed_as or "rejected"]),
                who=proposal.closed_by or "",
                at=proposal.closed_at,
                reason=proposal.closed_reason or "",
                undone="",
                can_be_undone=False,
            )


def _undone(at: datetime | None, by: str | None, reason: str | None, language: Language) -> str:
    if at is None:
        return ""
    return language.text(_("Undone on %(when)s by %(who)s: %(why)s")) % {
        "when": language.instant(at),
        "who": by,
        "why": reason,
    }


def asked_rows(
    questions: Iterable[Question], agencies: Mapping[str, str], language: Language
) -> Iterable[AskedRow]:
    """Put what agencies were asked, and what they answered, into words."""
    for question in questions:
        yield AskedRow(
            agency=agencies.get(question.agency_id, question.agency_id),
            asked_by=question.asked_by,
            asked_at=question.asked_at,
            words=question.words,
            due_on=question.due_on,
            answered_at=question.answered_at,
            answer="" if question.answer is None else language.text(_ANSWERS[question.answer]),
            explanation=question.explanation,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedRow:
    """One decision of any case, as the list of all shows it."""

    href: str
    number: str
    what: str
    who: str
    at: datetime
    reason: str
    is_undone: bool


def decided_row(decision: Decision, language: Language) -> DecidedRow:
    """Put a decision into words."""
    who = decision.decided_by
    if decision.confirmed_by is not None:
        who = f"{who}, {decision.confirmed_by}"
    return DecidedRow(
        href=case_address(decision.case),
        number=case_number(decision.case),
        what=language.text(_DECIDED[decision.kind]),
        who=who,
        at=decision.decided_at,
        reason=decision.reason,
        is_undone=decision.undone_at is not None,
    )
