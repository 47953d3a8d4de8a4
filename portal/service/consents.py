"""A person's consents: those in force, those that ended, and the one that they withdraw."""

from sqlalchemy.orm import Session

from consent.api import ConsentAlreadyEnded, ConsentRecord, get_consent, list_consents
from kernel.errors import NotFound
from kernel.ids import ConsentId
from portal.log_view import ConsentView, consent_view
from portal.service.visiting import Visit


def view_consents(session: Session, visit: Visit) -> tuple[list[ConsentView], list[ConsentView]]:
    """Return the person's consents: those in force, and those that ended."""
    records = [record for member in visit.members for record in list_consents(session, member)]
    records.sort(key=lambda record: record.given_at, reverse=True)
    views = [consent_view(record, language=visit.language, at=visit.at) for record in records]
    return [view for view in views if view.is_live], [view for view in views if not view.is_live]


def find_consent(session: Session, visit: Visit, consent_id: ConsentId) -> ConsentRecord:
    """Return a consent of the person, whichever of those who are this person gave it.

    Raises:
        NotFound: 404. This person has no such consent; somebody else may.
    """
    for member in visit.members[:-1]:
        try:
            return get_consent(session, member, consent_id)
        except NotFound:
            continue
    return get_consent(session, visit.members[-1], consent_id)


def view_live_consent(visit: Visit, record: ConsentRecord) -> ConsentView:
    """Return a consent that can be withdrawn.

    Raises:
        ConsentAlreadyEnded: 409. It covers nothing any more.
    """
    view = consent_view(record, language=visit.language, at=visit.at)
    if not view.is_live:
        raise ConsentAlreadyEnded(consent_id=str(record.consent_id))
    return view
