"""Agencies' work lists: what each has to look at about whom, until when, and what it answered."""

import unicodedata
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final, TypeAlias, get_args
from uuid import UUID

from sqlalchemy.orm import Session

from audit.api import Actor, NewEntry, record_accesses
from kernel.ids import AgencyId, EntryId, PersonId, new_id
from kernel.keyring import Keyring, PersonKey
from population_register import finding_store, work_item_store
from population_register.consistency import DISPUTED, SAME_PERSON
from population_register.errors import (
    AnswerRefused,
    UnknownWorkItem,
    WorkItemDone,
)
from population_register.events import FindingAnswered, FindingRead
from population_register.finding_store import FindingRow
from population_register.model import civil_date
from population_register.sealed_findings import (
    AnswerContent,
    seal_answer,
    unseal_answer,
    unseal_finding,
)
from population_register.sector_pseudonyms import sector_pseudonym
from population_register.service.agencies import get_agency
from population_register.work_item_store import Answer, Status, WorkRow
from population_register.working_days import WORKING_DAYS, after_working_days

ANSWERS: Final[tuple[Answer, ...]] = get_args(Answer)
STATUSES: Final[tuple[Status, ...]] = get_args(Status)
WAITING: Final[tuple[Status, ...]] = ("open", "overdue")
"""What an agency still has to answer."""

LONGEST_TEXT: Final = 1000  # characters of an explanation, and of a person's words
MOST_LISTED: Final = 100  # items of one reading

_CONTROL: Final = frozenset({"Cc", "Cs", "Co", "Cn"})  # categories of Unicode

Because: TypeAlias = Callable[[PersonId], NewEntry]
"""Makes the access entry by which a person's data is opened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who reads a work list, or answers, for the access log.

    Attributes:
        official: Which of the agency's people; stands in the log and beside the answer.
        by_command: Whether an operator does it at a terminal, for the agency; for one that was
            closed nobody else can.
    """

    agency_id: AgencyId
    official: str
    at: datetime
    request_id: str | None = None
    by_command: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkItem:
    """One item of a work list, as its agency sees it.

    Attributes:
        rule: A code of `consistency.RULE_WORDS`.
        attributes: Whose values are concerned.
        record_numbers: The agency's own records to look at.
        agencies: The other agencies that have the same item.
        words: Of a dispute: what is wrong, in the person's words; of a question: a clerk's.
        suggested: Of a dispute: what it should be.
        pseudonym: The person's in the agency's sector.
    """

    item_id: UUID
    rule: str
    attributes: tuple[str, ...]
    record_numbers: tuple[str, ...]
    agencies: tuple[AgencyId, ...]
    words: str = field(repr=False)
    suggested: str
    pseudonym: str
    opened_at: datetime
    due_on: date
    status: Status
    answered_at: datetime | None
    answer: Answer | None
    explanation: str = field(repr=False)


def put_on_work_lists(
    session: Session,
    finding: FindingRow,
    agencies: Iterable[AgencyId],
    *,
    holidays: Collection[date] = (),
) -> bool:
    """Store a finding and let agencies look at it; tell whether the same was not open already.

    Transaction:
        Waits for whoever is inserting the same one.
    """
    if not finding_store.insert_finding(session, finding):
        return False
    work_item_store.insert_work_items(
        session,
        agencies,
        person_id=finding.person_id,
        finding_id=finding.finding_id,
        due_on=after_working_days(civil_date(finding.opened_at), WORKING_DAYS, holidays),
    )
    return True


def list_work(
    session: Session,
    keyring: Keyring,
    *,
    by: Reader,
    statuses: Iterable[Status] = WAITING,
    after: UUID | None = None,
    limit: int = MOST_LISTED,
) -> list[WorkItem]:
    """Return a part of an agency's work list, the oldest first.

    Each item opens what was found about a person, so each leaves an access entry.

    Args:
        session: The transaction.
        keyring: Opens.
        by: Whose list, and who reads it.
        statuses: Of which items; those that wait for an answer when left out.
        after: The last item of the part before.
        limit: At most so many, and never more than a hundred.

    Raises:
        UnknownAgency: 404. No such agency, or it was closed and nobody acts for it.
    """
    agency = get_agency(session, by.agency_id, may_be_closed=by.by_command)
    today = civil_date(by.at)
    rows = work_item_store.list_work(
        session,
        by.agency_id,
        statuses=tuple(statuses),
        after=after,
        limit=min(limit, MOST_LISTED),
        today=today,
    )
    sector = agency.pseudonym_sector
    keys = _open_keys(session, keyring, by, rows, sector=sector, action=FindingRead.action)
    return [
        _work_item(
            keys[row.person_id],
            row,
            pseudonym=sector_pseudonym(keyring, sector, row.person_id),
            today=today,
        )
        for row in rows
    ]


def answer_work(
    session: Session,
    keyring: Keyring,
    item_id: UUID,
    *,
    by: Reader,
    answer: str,
    explanation: str,
) -> WorkItem:
    """Answer an item of an agency's work list.

    Args:
        session: The transaction.
        keyring: Seals.
        item_id: Which.
        by: Whose list, and who answers.
        answer: `corrected`, or `refused`: the agency's record is right.
        explanation: For the person and for us; needed when the agency refuses.

    Raises:
        UnknownAgency: 404. No such agency, or it was closed and nobody acts for it.
        AnswerRefused: 400. No such answer, too long, or a refusal without a reason.
        UnknownWorkItem: 404. Not in this agency's list.
        WorkItemDone: 409. Answered before, or no longer so.

    Transaction:
        Locks the item; of answers that race, one is taken.
    """
    agency = get_agency(session, by.agency_id, may_be_closed=by.by_command)
    said: Answer | None = next((each for each in ANSWERS if each == answer), None)
    explanation = clean(explanation)
    if said is None or (said == "refused" and not explanation):
        raise AnswerRefused
    if len(explanation) > LONGEST_TEXT or not is_plain(explanation):
        raise AnswerRefused(f"An explanation is plain text of at most {LONGEST_TEXT} characters.")
    row = work_item_store.lock_work(session, by.agency_id, item_id)
    if row is None:
        raise UnknownWorkItem(item_id=str(item_id))
    if row.closed_at is not None or row.answer is not None:
        raise WorkItemDone(item_id=str(item_id))
    sector = agency.pseudonym_sector
    keys = _open_keys(session, keyring, by, [row], sector=sector, action=FindingAnswered.action)
    key = keys[row.person_id]
    sealed = seal_answer(key, by.agency_id, item_id, AnswerContent(explanation=explanation))
    work_item_store.answer_work(
        session, row, answer=said, answered_by=by.official, answer_sealed=sealed, at=by.at
    )
    if row.rule in {DISPUTED, SAME_PERSON}:
        finding_store.close_finding(session, row.person_id, item_id, at=by.at, how="answered")
    answered = work_item_store.lock_work(session, by.agency_id, item_id)
    assert answered is not None  # it is locked by us
    return _work_item(
        key,
        answered,
        pseudonym=sector_pseudonym(keyring, sector, row.person_id),
        today=civil_date(by.at),
    )


def count_work(session: Session, at: datetime) -> Sequence[tuple[AgencyId, dict[Status, int]]]:
    """Return how many items of each status every agency has; opens nothing."""
    return work_item_store.count_work(session, civil_date(at))


def _open_keys(
    session: Session,
    keyring: Keyring,
    by: Reader,
    rows: Sequence[WorkRow],
    *,
    sector: str,
    action: str,
) -> dict[PersonId, PersonKey]:
    """Write an access entry for each item, and open the keys of their persons."""
    entries = [
        NewEntry(
            entry_id=EntryId(new_id(by.at)),
            action=action,
            outcome="allowed",
            actor=Actor(kind="operator", id=by.official)
            if by.by_command
            else Actor(kind="agency", id=by.agency_id, official=by.official),
            subject=keyring.pseudonym("audit", row.person_id)
            if by.by_command
            else sector_pseudonym(keyring, sector, row.person_id),
            occurred_at=by.at,
            request_id=by.request_id,
        )
        for row in rows
    ]
    recorded = record_accesses(
        session, [(entry, row.person_id) for entry, row in zip(entries, rows, strict=True)]
    )
    return {
        row.person_id: keyring.person_key(row.person_id, row.wrapped_key, because=entry)
        for row, entry in zip(rows, recorded, strict=True)
    }


def _work_item(key: PersonKey, row: WorkRow, *, pseudonym: str, today: date) -> WorkItem:
    content = unseal_finding(key, row.finding_id, row.content_sealed)
    return WorkItem(
        item_id=row.finding_id,
        rule=row.rule,
        attributes=content.attributes,
        record_numbers=tuple(
            number for agency_id, number in content.sources if agency_id == row.agency_id
        ),
        agencies=tuple(
            sorted({agency for agency, _ in content.sources if agency != row.agency_id})
        ),
        words=content.words,
        suggested=content.suggested,
        pseudonym=pseudonym,
        opened_at=row.opened_at,
        due_on=row.due_on,
        status=row.status(today),
        answered_at=row.answered_at,
        answer=row.answer,
        explanation=explanation_of(key, row),
    )


def explanation_of(key: PersonKey, row: WorkRow) -> str:
    """Return what an agency said with its answer; empty when there is none."""
    if row.answer_sealed is None:
        return ""
    return unseal_answer(key, row.agency_id, row.finding_id, row.answer_sealed).explanation


def clean(text: str) -> str:
    """Return a text without what is not seen and turns around or hides what is."""
    seen = (character for character in text if unicodedata.category(character) != "Cf")
    return unicodedata.normalize("NFC", "".join(seen).replace("\r\n", "\n")).strip()


def is_plain(text: str) -> bool:
    """Tell whether a text has no characters but those that are read, and line ends."""
    return not any(
        unicodedata.category(character) in _CONTROL for character in text if character != "\n"
    )
