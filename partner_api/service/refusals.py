"""Say why a read was refused, and write the attempt into the person's access log."""

from sqlalchemy.orm import Session, sessionmaker

from audit.api import record_access
from consent.api import Covered, NotCovered, decide_disclosure
from kernel.db import unit_of_work_of
from kernel.errors import NotFound
from kernel.ids import ConsentId, PersonId
from partner_api.attempt import Attempt
from partner_api.errors import (
    ConsentExpired,
    ConsentMissing,
    ConsentOver,
    ConsentRefusal,
    ConsentUsedUp,
    ConsentWithdrawn,
    ItemsNotConsented,
)

_REFUSAL_OF: dict[str, type[ConsentRefusal]] = {
    refusal.reason: refusal
    for refusal in (
        ConsentMissing,
        ConsentWithdrawn,
        ConsentExpired,
        ConsentUsedUp,
        ConsentOver,
        ItemsNotConsented,
    )
}


def find_covering(
    sessions: sessionmaker[Session], attempt: Attempt, person_id: PersonId
) -> ConsentId:
    """Return the consent that covers an attempt which the read's statement did not allow.

    It may be another one than was expected, given a moment ago.

    Raises:
        ConsentRefusal: 403. None covers it, with the reason; the attempt is logged (writes kept).
    """
    with unit_of_work_of(sessions) as session:
        if not attempt.selection.is_granted:
            raise _recorded_refusal(session, attempt, person_id, NotCovered("items_missing"))
        decision = decide_disclosure(
            session,
            person_id,
            client_id=attempt.token.client_id,
            purpose=attempt.selection.purpose,
            items=frozenset(attempt.selection.items),
            at=attempt.at,
        )
        match decision:
            case Covered(consent_id):
                return consent_id
            case NotCovered():
                raise _recorded_refusal(session, attempt, person_id, decision)


def absent(
    sessions: sessionmaker[Session],
    attempt: Attempt,
    person_id: PersonId,
    consent_id: ConsentId | None,
) -> NotFound:
    """Log the read of something that is not there, and return the refusal.

    Returns:
        404. No record or document, another person's, destroyed, or of a kind that the token was
        not granted: the caller cannot tell which.
    """
    with unit_of_work_of(sessions) as session:
        record_access(session, attempt.entry(consent_id, reason="not_found"), person_id=person_id)
    return NotFound(action=attempt.action)


def _recorded_refusal(
    session: Session, attempt: Attempt, person_id: PersonId, decision: NotCovered
) -> ConsentRefusal:
    entry = attempt.entry(decision.consent_id, reason=decision.reason)
    record_access(session, entry, person_id=person_id)
    return _REFUSAL_OF[decision.reason](
        client_id=attempt.token.client_id, missing=sorted(decision.missing)
    )
