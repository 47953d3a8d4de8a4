"""What is done with consents: give, withdraw, end, rule on a read that was refused."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from audit.api import Actor, NewEntry, record_access
from consent import store
from consent.catalogue import get_purpose
from consent.decision import Decision, decide
from consent.errors import ConsentAlreadyEnded, InvalidDisclosure
from consent.events import (
    CONSENT_ENDED_TASK,
    ConsentEndedByDeath,
    ConsentGiven,
    ConsentWithdrawn,
)
from consent.model import ConsentRecord, ConsentRequest, Ending, ItemName, PurposeCode, Relation
from consent.receipt import receipt_of
from consent.signature import KEY_USE, sign_consent, verify_record
from kernel.errors import NotFound
from kernel.ids import ClientId, ConsentId, EntryId, PersonId, new_id
from kernel.jobs import enqueue
from kernel.signing import SigningKeys


def give(
    session: Session, signing: SigningKeys, request: ConsentRequest, *, at: datetime
) -> ConsentRecord:
    """Record that a person agreed, and sign what they agreed to.

    A live consent for the same client and purpose that the new one covers entirely is replaced by
    it: a person who agrees again has one consent to withdraw, not two. One that names something
    more stays.

    Args:
        session: The open transaction.
        signing: The keys; the one of use `consent` signs.
        request: What was on the page when the person pressed the button.
        at: Now.

    Raises:
        InvalidDisclosure: 400. Unknown purpose; items or periods that the purpose does not allow;
            a consent for somebody else's data given as one's own.

    Transaction:
        The consent, the ending of what it replaces, and the entry in the access log together.
    """
    check_request(request, at=at)
    consent_id = ConsentId(new_id(at))
    record = ConsentRecord(
        consent_id=consent_id,
        person_id=request.person_id,
        subject=request.subject,
        client_id=request.client_id,
        partner_id=request.partner_id,
        partner_name=request.partner_name,
        purpose=request.purpose,
        items=request.items,
        given_at=at,
        expires_at=request.expires_at,
        retention=request.retention,
        given_by=request.given_by,
        acr=request.acr,
        language=request.language,
        signature=sign_consent(signing, request, consent_id=consent_id, given_at=at),
        max_uses=request.max_uses,
    )
    store.insert_consent(session, record)
    store.end_replaced(session, record)
    _log(session, record, action=ConsentGiven.action, at=at)
    return record


def check_request(request: ConsentRequest, *, at: datetime) -> None:
    """Hold what a person is about to agree to against its purpose.

    Raises:
        InvalidDisclosure: 400. It asks for more than the purpose allows, or for nothing.
    """
    purpose = get_purpose(request.purpose)
    if not request.items or not request.items <= purpose.items:
        raise InvalidDisclosure(
            "An item can't be asked for under this purpose.",
            items=sorted(request.items - purpose.items),
        )
    if not at < request.expires_at <= at + purpose.longest:
        raise InvalidDisclosure("The period is longer than the purpose allows, or over.")
    if not request.retention.total_seconds() > 0 or request.retention > purpose.longest_retention:
        raise InvalidDisclosure("The retention is longer than the purpose allows, or none.")
    if request.max_uses is not None and request.max_uses < 1:
        raise InvalidDisclosure("A consent allows at least one read.")
    is_self = request.given_by.relation is Relation.SELF
    if is_self != (request.given_by.person_id == request.person_id):
        raise InvalidDisclosure("The one who consents is not who they are said to be.")


def withdraw(
    session: Session, person_id: PersonId, consent_id: ConsentId, *, at: datetime
) -> ConsentRecord:
    """Take a consent back: the first read that starts after this committed is refused.

    Withdrawing twice is withdrawing once: the second call returns the record as it is.

    Raises:
        NotFound: 404. This person has no such consent; somebody else may.
        ConsentAlreadyEnded: 409. It ended already in another way.

    Transaction:
        One UPDATE … RETURNING, the entry in the access log, and the job that tells the recipient.
    """
    record = store.end_consent(session, person_id, consent_id, ending=Ending.WITHDRAWN, at=at)
    if record is None:
        record = get_consent(session, person_id, consent_id)
        if record.ending is not Ending.WITHDRAWN:
            raise ConsentAlreadyEnded(ending=record.ending)
        return record
    _log(session, record, action=ConsentWithdrawn.action, at=at)
    _announce(session, record)
    return record


def withdraw_for(
    session: Session,
    person_id: PersonId,
    client_id: ClientId,
    purposes: Collection[PurposeCode],
    *,
    by_recipient: bool,
    at: datetime,
) -> int:
    """End every live consent of a person for a client under these purposes; return how many.

    Args:
        session: The open transaction.
        person_id: Whose.
        client_id: For whom.
        purposes: For what.
        by_recipient: Whether the client gives it up; the log then names it, not the person.
        at: Now.

    Transaction:
        Each as `withdraw`; the caller commits all of them or none.
    """
    ended = 0
    for purpose in sorted(purposes):
        for known in store.list_consents_for(session, person_id, client_id, purpose):
            if not known.is_live(at):
                continue
            record = store.end_consent(
                session, person_id, known.consent_id, ending=Ending.WITHDRAWN, at=at
            )
            if record is None:  # it ended a moment ago
                continue
            actor = Actor(kind="partner", id=record.partner_id) if by_recipient else None
            _log(session, record, action=ConsentWithdrawn.action, at=at, actor=actor)
            _announce(session, record)
            ended += 1
    return ended


def end_at_death(session: Session, person_id: PersonId, *, at: datetime) -> int:
    """End every live consent of a person who died; return how many.

    Transaction:
        Each as `withdraw`; the caller commits all of them or none. Doing it again changes nothing.
    """
    ended = 0
    for known in store.list_live(session, person_id, at=at):
        record = store.end_consent(session, person_id, known.consent_id, ending=Ending.DEATH, at=at)
        if record is not None:  # else it ended a moment ago
            actor = Actor(kind="system", id="life_events")
            _log(session, record, action=ConsentEndedByDeath.action, at=at, actor=actor)
            _announce(session, record)
            ended += 1
    return ended


def announce_endings(session: Session, *, at: datetime, limit: int = 500) -> int:
    """End what ran out, and tell the recipients of what ended by itself; return how many.

    Nothing waits for this: a read looks at `expires_at` and `uses` itself. It writes down what is
    already so, and lets the recipients know.
    """
    endings = store.take_endings(session, at=at, limit=limit)
    for record in endings:
        _announce(session, record)
    return len(endings)


def get_consent(session: Session, person_id: PersonId, consent_id: ConsentId) -> ConsentRecord:
    """Return one consent of one person.

    Raises:
        NotFound: 404. This person has no such consent; somebody else may.
    """
    record = store.find_consent(session, person_id, consent_id)
    if record is None:
        raise NotFound(consent_id=consent_id)
    return record


def list_consents(session: Session, person_id: PersonId) -> Sequence[ConsentRecord]:
    """Return a person's consents, live and ended, the newest first; at most 500."""
    return store.list_consents(session, person_id)


def decide_disclosure(
    session: Session,
    person_id: PersonId,
    *,
    client_id: ClientId,
    purpose: PurposeCode,
    items: frozenset[ItemName],
    at: datetime,
) -> Decision:
    """Rule on a disclosure from the stored records, with the reason.

    For reasons and for pages. A read that hands out data does not ask this first: it carries
    `covering_consent` in its own statement.
    """
    records = store.list_consents_for(session, person_id, client_id, purpose)
    return decide(records, purpose=purpose, requested=items, at=at)


def issue_receipt(
    session: Session,
    signing: SigningKeys,
    person_id: PersonId,
    consent_id: ConsentId,
    *,
    at: datetime,
) -> dict[str, object]:
    """Return the ISO/IEC TS 27560 receipt of a consent, its signature verified once more.

    Raises:
        NotFound: 404. This person has no such consent.
        ConsentNotAuthentic: 500. The stored row is not what was signed.
    """
    record = get_consent(session, person_id, consent_id)
    verify_record(record, jwks=signing.public_jwks(KEY_USE))
    return receipt_of(record, issued_at=at)


def _announce(session: Session, record: ConsentRecord) -> None:
    assert record.ended_at is not None
    assert record.ending is not None
    # The person appears under the recipient's own pseudonym only (promise 4).
    enqueue(
        session,
        CONSENT_ENDED_TASK,
        consent_id=str(record.consent_id),
        client_id=record.client_id,
        partner_id=record.partner_id,
        subject=record.subject,
        purpose=record.purpose,
        ending=record.ending.value,
        ended_at=record.ended_at.isoformat(),
    )


def _log(
    session: Session,
    record: ConsentRecord,
    *,
    action: str,
    at: datetime,
    actor: Actor | None = None,
) -> None:
    entry = NewEntry(
        entry_id=EntryId(new_id(at)),
        action=action,
        outcome="allowed",
        actor=actor or Actor(kind="person", id=record.subject),
        purpose=record.purpose,
        items=tuple(sorted(record.items)),
        consent_id=record.consent_id,
        client_id=record.client_id,
        subject=record.subject,
        occurred_at=at,
    )
    record_access(session, entry, person_id=record.person_id)
