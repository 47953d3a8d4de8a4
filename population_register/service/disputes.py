"""What people dispute: a value that an agency states of them goes onto its work list."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from audit.api import RecordedEntry
from kernel.ids import AgencyId, PersonId, new_id
from kernel.keyring import Keyring, PersonKey
from population_register import finding_store, work_item_store
from population_register.consistency import DISPUTED
from population_register.errors import (
    AlreadyDisputed,
    DisputeRefused,
    PersonUnknown,
    TooManyDisputes,
    ValueNotStated,
)
from population_register.finding_store import FindingRow
from population_register.model import LEGAL_TIME, JSONValue, civil_date
from population_register.reading import NAME_PARTS
from population_register.sealed_findings import (
    FindingContent,
    identity_digest,
    seal_finding,
    unseal_finding,
)
from population_register.service.consistency import dispute_identity, stated_values
from population_register.service.opening_people import OpenedPerson, open_people
from population_register.service.work_lists import (
    LONGEST_TEXT,
    MOST_LISTED,
    Because,
    clean,
    explanation_of,
    is_plain,
    put_on_work_lists,
)
from population_register.suspicions import sources_in
from population_register.work_item_store import Answer, Status, WorkRow

LONGEST_SUGGESTION: Final = 300  # characters
DISPUTES_A_DAY: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """A value that a person disputes, as the person sees it.

    Attributes:
        source: The agency that says it.
        value: As it was when it was disputed.
        explanation: The agency's.
    """

    dispute_id: UUID
    attribute: str
    source: AgencyId
    value: JSONValue = field(repr=False)
    words: str = field(repr=False)
    suggested: str
    opened_at: datetime
    due_on: date
    status: Status
    answered_at: datetime | None
    answer: Answer | None
    explanation: str = field(repr=False)


def open_dispute(
    session: Session,
    keyring: Keyring,
    person_id: PersonId,
    *,
    attribute: str,
    source: AgencyId,
    words: str,
    suggested: str,
    because: Because,
    holidays: Collection[date] = (),
    at: datetime,
) -> UUID:
    """Dispute a value: the agency that says it gets it on its work list.

    Args:
        session: The transaction.
        keyring: Opens and seals.
        person_id: Whose value.
        attribute: Which.
        source: The agency that says it.
        words: What is wrong, in the person's words.
        suggested: What it should be; may be empty.
        because: Makes the access entries.
        holidays: On which agencies don't work.
        at: Now.

    Raises:
        DisputeRefused: 400. No words, too many, or something that is no text.
        PersonUnknown: 404. The register has no such person any more.
        ValueNotStated: 404. That agency does not say such a value now.
        AlreadyDisputed: 409. And the agency has not answered yet.
        TooManyDisputes: 429. Five were opened today.

    Transaction:
        Locks the person's row: disputes of one person follow one another.
    """
    words, suggested = _check_texts(words, suggested)
    finding_store.lock_person(session, person_id)
    person = _open_person(session, keyring, person_id, because)
    value = _stated_by(person, attribute, source)
    digest = identity_digest(keyring, dispute_identity(attribute, source, value))
    _check_may_dispute(session, person_id, digest, at=at)
    dispute_id = new_id(at)
    # A former name is also one that a record said before.
    named = {attribute, *(NAME_PARTS if attribute == "former_names" else ())}
    content = FindingContent(
        attributes=(attribute,),
        sources=sources_in(
            said
            for said in person.case.words
            if said.agency_id == source and not named.isdisjoint(said.attributes)
        ),
        source=source,
        value=value,
        words=words,
        suggested=suggested,
    )
    dispute = FindingRow(
        person_id=person_id,
        finding_id=dispute_id,
        rule=DISPUTED,
        identity_digest=digest,
        content_sealed=seal_finding(person.keys[person_id], dispute_id, content),
        opened_at=at,
    )
    if not put_on_work_lists(session, dispute, [source], holidays=holidays):
        raise AlreadyDisputed
    return dispute_id


def _check_texts(words: str, suggested: str) -> tuple[str, str]:
    words, suggested = clean(words), clean(suggested)
    if not words or len(words) > LONGEST_TEXT or not is_plain(words):
        raise DisputeRefused(field="words")
    if len(suggested) > LONGEST_SUGGESTION or not is_plain(suggested):
        raise DisputeRefused(
            f"Say in at most {LONGEST_SUGGESTION} characters what it should be.", field="suggested"
        )
    return words, suggested


def _open_person(
    session: Session, keyring: Keyring, person_id: PersonId, because: Because
) -> OpenedPerson:
    people = finding_store.find_people(session, [person_id])
    own = [person for person in people if person.person_id == person_id]
    if not own:
        raise PersonUnknown(person_id=str(person_id))
    (person,) = open_people(session, keyring, own, because)
    return person


def _stated_by(person: OpenedPerson, attribute: str, source: AgencyId) -> JSONValue:
    for name, agency_id, value in stated_values(person.record):
        if (name, agency_id) == (attribute, source):
            return value
    raise ValueNotStated(attribute=attribute)


def _check_may_dispute(
    session: Session, person_id: PersonId, identity: bytes, *, at: datetime
) -> None:
    """Refuse what is disputed already, and more than anybody may dispute in a day.

    Transaction:
        The caller has locked the person's row.
    """
    known = finding_store.open_findings(session, [person_id]).get(person_id, ())
    if any(row.identity_digest == identity for row in known):
        raise AlreadyDisputed
    today = civil_date(at)
    midnight = datetime(today.year, today.month, today.day, tzinfo=LEGAL_TIME)
    if finding_store.count_opened(session, person_id, DISPUTED, since=midnight) >= DISPUTES_A_DAY:
        raise TooManyDisputes


def list_disputes(session: Session, keyring: Keyring, entry: RecordedEntry) -> list[Dispute]:
    """Return what the person of an access entry disputes and disputed, the latest first.

    At most a hundred; as they stand on the day of the access.
    """
    rows = work_item_store.work_about(session, entry.person_id, DISPUTED, MOST_LISTED)
    if not rows:
        return []
    key = keyring.person_key(entry.person_id, rows[0].wrapped_key, because=entry)
    today = civil_date(entry.entry.occurred_at)
    return [_dispute(key, row, today) for row in rows]


def _dispute(key: PersonKey, row: WorkRow, today: date) -> Dispute:
    content = unseal_finding(key, row.finding_id, row.content_sealed)
    return Dispute(
        dispute_id=row.finding_id,
        attribute=content.attributes[0],
        source=row.agency_id,
        value=content.value,
        words=content.words,
        suggested=content.suggested,
        opened_at=row.opened_at,
        due_on=row.due_on,
        status=row.status(today),
        answered_at=row.answered_at,
        answer=row.answer,
        explanation=explanation_of(key, row),
    )
