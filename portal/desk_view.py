"""Write a case of the review desk in words: both sides, the evidence, what was decided. No I/O."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from kernel.languages import Language, _
from population_register.api import (
    CaseKey,
    CaseRecord,
    CaseView,
    Compared,
    Decision,
    EvidencePart,
    OpenedCase,
    Proposal,
    Question,
    QueuedCase,
)
from portal.record_view import LABELS
from portal.value_words import lines_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A word with a colour; the word alone says it."""

    text: str
    colour: str


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
class EvidenceRow:
    """What one feature says for or against."""

    words: str = field(repr=False)
    bits: str
    tag: Tag


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
_FOR = (_("For"), "green")
_AGAINST = (_("Against"), "red")
_NEITHER = (_("Neither"), "grey")

_EVIDENCE: Mapping[str, str] = {
    "same {}": _("%(feature)s: the same"),
    "{} one letter off, or spelled by another rule": _(
        "%(feature)s: one letter off, or spelled by another rule"
    ),
    "similar {}": _("%(feature)s: similar"),
    "short form of the {}": _("%(feature)s: a short form"),
    "initial of the {} agrees": _("%(feature)s: the initial agrees"),
    "somewhat similar {}": _("%(feature)s: somewhat similar"),
    "hardly similar {}": _("%(feature)s: hardly similar"),
    "different {}": _("%(feature)s: different"),
    "{} with day and month swapped": _("%(feature)s: day and month swapped"),
    "{} one digit off": _("%(feature)s: one digit off"),
    "{} two digits off": _("%(feature)s: two digits off"),
    "{} agrees in two of day, month and year": _(
        "%(feature)s: agrees in two of day, month and year"
    ),
    "{} agrees in the year": _("%(feature)s: agrees in the year"),
    "same {}, but others have it too": _("%(feature)s: the same, but others have it too"),
    "same {} by postal code or town, the other is unclear": _(
        "%(feature)s: the same by postal code or town, the other is unclear"
    ),
    "same town, other postal code": _("The same town, another postal code"),
    "postal code or town one letter off": _("Postal code or town one letter off"),
    "postal code two digits off": _("Postal code two digits off"),
    "same region only": _("Only the region is the same"),
    "{} the same but for spelling": _("%(feature)s: the same but for spelling"),
    "same street, other house": _("The same street, another house"),
    "{} with the same numbers only": _("%(feature)s: only the numbers are the same"),
    "names in the same order": _("Names in the same order"),
    "given and family name swapped": _("Given and family name swapped"),
    "one name stands in the other's place": _("One name stands in the other's place"),
}
"""What the register's model says of a feature, by its own words; a test compares them."""

_FEATURES: Mapping[str, str] = {
    **{name: LABELS[name] for name in (
        "family_name", "given_name", "middle_name", "birthdate", "birthplace", "gender", "snils",
        "inn", "enp", "passport", "foreign_passport", "birth_certificate",
    )},
    "place": _("Town or postal code"),
    "dwelling": _("Street, house and flat"),
    "phone": _("Telephone"),
}  # fmt: skip
_HOUSEHOLD = _("As like two of one household")
_PRIOR = _("Before looking: one person among so many")

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


def case_address(case: CaseKey) -> str:
    """Return where a case is shown."""
    return f"/desk/cases/{case.one}/{case.other}"


def case_number(case: CaseKey) -> str:
    """Return a short name of a case, for people to talk about it."""
    return f"{str(case.one)[-6:]}-{str(case.other)[-6:]}".upper()


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
        state=_tag(_STATES[queued.state], language),
        mine=queued.held_by == official,
        held_by="" if queued.held_by in {None, official} else str(queued.held_by),
    )


def signed(bits: float) -> str:
    """Write a score: with its sign, and a minus as typographers write it."""
    return f"{bits:+z.1f}".replace("-", "\N{MINUS SIGN}")


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
        evidence=() if best is None else tuple(_evidence(best, language)),
        total="" if best is None else signed(best.bits),
        history=tuple(_history(view, case, opened.proposals, agencies, language)),
        asked=tuple(_asked(view.questions, agencies, language)),
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
            label=language.text(label), tag=_tag(words, language), sides=(ours, theirs)
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


def _evidence(best: Compared, language: Language) -> Iterable[EvidenceRow]:
    for part in best.parts:
        bits = round(part.weight, 1)
        yield EvidenceRow(
            words=evidence_words(part, language),
            bits=signed(bits),
            tag=_tag(_FOR if bits > 0 else _AGAINST if bits < 0 else _NEITHER, language),
        )


def evidence_words(part: EvidencePart, language: Language) -> str:
    """Write what one feature says."""
    if part.feature == "household":
        return language.text(_HOUSEHOLD)
    if part.feature == "prior":
        return language.text(_PRIOR)
    label = language.text(_FEATURES.get(part.feature, part.feature))
    template = _EVIDENCE.get(part.template)
    return part.words if template is None else language.text(template) % {"feature": label}


def _history(
    view: CaseView,
    case: CaseKey,
    proposals: Iterable[Proposal],
    agencies: Mapping[str, str],
    language: Language,
) -> list[HistoryRow]:
    """Return what was decided about the two, the latest first."""
    rows: list[HistoryRow] = []
    for merge in view.merges:
        who = merge.decided_by
        if merge.confirmed_by is not None:
            who = f"{who}, {merge.confirmed_by}"
        rows.append(
            HistoryRow(
                decision_id=merge.merge_id,
                what=language.text(_DECIDED[_MERGED[merge.kind]]),
                who=who,
                at=merge.decided_at,
                reason=merge.reason,
                undone=_undone(merge.undone_at, merge.undone_by, merge.undone_reason, language),
                can_be_undone=merge.undone_at is None and merge.persons == case,
            )
        )
    for ruling in view.rulings:
        what = language.text(_DECIDED[ruling.verdict])
        if ruling.agency_id is not None:
            what = f"{what}: {agencies.get(ruling.agency_id, ruling.agency_id)}"
        rows.append(
            HistoryRow(
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
        )
    for proposal in proposals:
        rows.append(
            HistoryRow(
                decision_id=proposal.proposal_id,
                what=language.text(_DECIDED["proposed"]),
                who=proposal.proposed_by,
                at=proposal.proposed_at,
                reason=proposal.reason,
                undone="",
                can_be_undone=False,
            )
        )
        if proposal.closed_at is not None:
            rows.append(
                HistoryRow(
                    decision_id=proposal.proposal_id,
                    what=language.text(_DECIDED[proposal.closed_as or "rejected"]),
                    who=proposal.closed_by or "",
                    at=proposal.closed_at,
                    reason=proposal.closed_reason or "",
                    undone="",
                    can_be_undone=False,
                )
            )
    return sorted(rows, key=lambda row: row.at, reverse=True)


def _undone(at: datetime | None, by: str | None, reason: str | None, language: Language) -> str:
    if at is None:
        return ""
    return language.text(_("Undone on %(when)s by %(who)s: %(why)s")) % {
        "when": language.instant(at),
        "who": by,
        "why": reason,
    }


def _asked(
    questions: Iterable[Question], agencies: Mapping[str, str], language: Language
) -> Iterable[AskedRow]:
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


def _tag(words: tuple[str, str], language: Language) -> Tag:
    return Tag(text=language.text(words[0]), colour=words[1])
