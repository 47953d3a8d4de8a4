"""Write a case of the review desk in words: both sides, the evidence, what was decided. No I/O."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from kernel.languages import Language, _
from population_register.api import CaseKey, CaseRecord, CaseView, OpenedCase, Proposal, QueuedCase
from portal.decisions_view import AskedRow, HistoryRow, asked_rows, history_rows
from portal.desk_words import Tag, case_address, case_number, tag
from portal.evidence_view import EvidenceRow, evidence_rows, signed
from portal.record_view import LABELS
from portal.value_words import lines_of


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    """A case as the queue lists it.

    Attributes:
        mine: Whether the clerk who looks holds it.
        held_by: Who else does.
    """

    href: str
    number: str
    found_at: datetime
    bits: str
    pairs: int
    agencies: tuple[str, ...]
    state: Tag
    mine: bool
    held_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A value that records of one side state, as it is shown.

    Attributes:
        sources: Who says so, since when, in which record.
    """

    lines: tuple[str, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRow:
    """One attribute on both sides, and whether they agree."""

    label: str
    tag: Tag
    sides: tuple[tuple[Said, ...], tuple[Said, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRow:
    """A record of one side.

    Attributes:
        ref: Names it in the form.
        can_be_split_off: Whether there is another one that would stay.
    """

    ref: str
    title: str
    versions: int
    arrived_at: datetime
    as_of: date
    counts: bool
    can_be_split_off: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePage:
    """A case as it is shown.

    Attributes:
        total: The score of the likest two records.
        agencies: Whom one may ask, by identifier.
        waiting: What waits for a second official.
        is_merged: Whether the two are one now.
    """

    number: str
    address: str
    persons: tuple[UUID, UUID]
    rows: tuple[ComparedRow, ...]
    records: tuple[tuple[RecordRow, ...], tuple[RecordRow, ...]]
    evidence: tuple[EvidenceRow, ...]
    total: str
    history: tuple[HistoryRow, ...]
    asked: tuple[AskedRow, ...]
    agencies: tuple[tuple[str, str], ...]
    waiting: Proposal | None
    needs_second: bool
    is_merged: bool
    held_until: datetime | None


_STATES: Mapping[str, tuple[str, str]] = {
    "open": (_("To be decided"), "blue"),
    "asked": (_("An agency was asked"), "yellow"),
    "waiting": (_("Waits for a second official"), "purple"),
}
_SAME = (_("Same"), "green")
_SIMILAR = (_("Partly the same"), "yellow")
_DIFFERENT = (_("Different"), "red")
_ONE_SIDE = (_("Only one side"), "grey")


def queue_row(
    queued: QueuedCase, *, official: str, agencies: Mapping[str, str], language: Language
) -> QueueRow:
    """Put a case of the queue into words."""
    return QueueRow(
        href=case_address(queued.case),
        number=case_number(queued.case),
        found_at=queued.found_at,
        bits=signed(queued.bits),
        pairs=queued.pairs,
        agencies=tuple(agencies.get(agency, agency) for agency in queued.agencies),
        state=tag(_STATES[queued.state], language),
        mine=queued.held_by == official,
        held_by="" if queued.held_by in {None, official} else str(queued.held_by),
    )


def case_page(
    opened: OpenedCase, case: CaseKey, *, agencies: Mapping[str, str], language: Language
) -> CasePage:
    """Put a case into words."""
    view = opened.view
    best = view.compared[0] if view.compared else None
    of_case = {said.agency_id for side in view.records for r in side for said in r.versions}
    return CasePage(
        number=case_number(case),
        address=case_address(case),
        persons=view.persons,
        rows=tuple(compared_rows(view, agencies, language)),
        records=(
            tuple(_records(view.records[0], agencies)),
            tuple(_records(view.records[1], agencies)),
        ),
        evidence=() if best is None else tuple(evidence_rows(best, language)),
        total="" if best is None else signed(best.bits),
        history=tuple(history_rows(view, case, opened.proposals, agencies, language)),
        asked=tuple(asked_rows(view.questions, agencies, language)),
        agencies=tuple((agency, agencies.get(agency, agency)) for agency in sorted(of_case)),
        waiting=opened.waiting,
        needs_second=opened.needs_second,
        is_merged=any(merge.undone_at is None and merge.persons == case for merge in view.merges),
        held_until=None if opened.lock is None else opened.lock.held_until,
    )


def compared_rows(
    view: CaseView, agencies: Mapping[str, str], language: Language
) -> Iterable[ComparedRow]:
    """Write what both sides say, attribute by attribute."""
    sides = [_said(side, agencies, language) for side in view.records]
    for name, label in LABELS.items():
        ours, theirs = (side.get(name, ()) for side in sides)
        if not ours and not theirs:
            continue
        left, right = ({_plain(s.lines) for s in said} for said in (ours, theirs))
        if not left or not right:
            words = _ONE_SIDE
        elif left == right:
            words = _SAME
        elif left & right:
            words = _SIMILAR
        else:
            words = _DIFFERENT
        yield ComparedRow(
            label=language.text(label), tag=tag(words, language), sides=(ours, theirs)
        )


def _plain(lines: Sequence[str]) -> str:
    return "\n".join(lines).casefold().replace("ё", "е")


def _said(
    side: Sequence[CaseRecord], agencies: Mapping[str, str], language: Language
) -> dict[str, tuple[Said, ...]]:
    """Return what the live versions of records say, by attribute; the same value once."""
    found: dict[str, dict[tuple[str, ...], list[str]]] = {}
    for record in side:
        live = record.live
        if not live:
            continue
        latest = live[-1]
        source = language.text(_("%(source)s, as of %(day)s")) % {
            "source": agencies.get(latest.agency_id, latest.agency_id),
            "day": language.day(latest.valid_from),
        }
        for name, value in latest.attributes.items():
            lines = tuple(lines_of(name, value, language))
            found.setdefault(name, {}).setdefault(lines, []).append(source)
    return {
        name: tuple(Said(lines=lines, sources=tuple(said)) for lines, said in values.items())
        for name, values in found.items()
    }


def _records(side: Sequence[CaseRecord], agencies: Mapping[str, str]) -> Iterable[RecordRow]:
    for record in side:
        latest = record.versions[-1]
        agency = agencies.get(latest.agency_id, latest.agency_id)
        yield RecordRow(
            ref=record.ref.hex(),
            title=f"{agency}, {latest.record_number}",
            versions=len(record.versions),
            arrived_at=latest.arrived_at,
            as_of=latest.valid_from,
            counts=bool(record.live),
            can_be_split_off=len(side) > 1,
        )
