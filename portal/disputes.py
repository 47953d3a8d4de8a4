"""What a person says is wrong in their data: one value of one agency, and what it answers."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from uuid import UUID

from sqlalchemy.orm import Session

from kernel.ids import AgencyId
from kernel.keyring import Keyring
from kernel.languages import _
from population_register.api import (
    Dispute,
    ValueNotStated,
    list_disputes,
    open_dispute,
    read_record,
    said_by_agencies,
)
from portal.events import DisputesViewed, RecordViewed, ValueDisputed
from portal.record_view import LABELS
from portal.service.visiting import Visit, agency_names, own_entry, write_down
from portal.value_words import lines_of


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputedValue:
    """A value that the person is about to dispute, as it stands on the form."""

    attribute: str
    source_id: str
    label: str
    lines: tuple[str, ...]
    source: str
    as_of: date


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeView:
    """One dispute as it is shown.

    Attributes:
        colour: Of the tag that says how it stands.
        waits: Whether the agency has not answered yet.
    """

    dispute_id: UUID
    label: str
    lines: tuple[str, ...]
    source: str
    words: str = field(repr=False)
    suggested: str
    opened_at: datetime
    due_on: date
    state: str
    colour: str
    waits: bool
    answered_at: datetime | None
    explanation: str = field(repr=False)


def view_value(
    session: Session, keyring: Keyring, visit: Visit, *, attribute: str, source: str
) -> DisputedValue:
    """Return the value that a person is about to dispute.

    Raises:
        ValueNotStated: 404. That agency does not say such a value of this person now. Nothing is
            written.
        PersonUnknown: 404. The register has no such person any more.
    """
    items = (attribute,) if attribute in LABELS else ()
    entry = write_down(session, keyring, visit, RecordViewed, items)
    record = read_record(session, keyring, entry)
    for value in said_by_agencies(record, attribute) if attribute in LABELS else ():
        if value.source == source:
            return DisputedValue(
                attribute=attribute,
                source_id=source,
                label=visit.language.text(LABELS[attribute]),
                lines=tuple(lines_of(attribute, value.value, visit.language)),
                source=agency_names(session, visit.language).get(source, source),
                as_of=value.as_of,
            )
    raise ValueNotStated(attribute=attribute)


def send_dispute(
    session: Session,
    keyring: Keyring,
    visit: Visit,
    *,
    attribute: str,
    source: str,
    words: str,
    suggested: str,
    holidays: Collection[date],
) -> UUID:
    """Dispute a value.

    Raises:
        DisputeRefused: 400. No words, too many, or something that is no text.
        ValueNotStated: 404. That agency does not say such a value of this person now.
        AlreadyDisputed: 409. And the agency has not answered yet.
        TooManyDisputes: 429. Enough for today.
    """
    items = (attribute,) if attribute in LABELS else ()
    return open_dispute(
        session,
        keyring,
        visit.person_id,
        attribute=attribute,
        source=AgencyId(source),
        words=words,
        suggested=suggested,
        because=partial(own_entry, keyring, visit, ValueDisputed, items),
        holidays=holidays,
        at=visit.at,
    )


def view_disputes(session: Session, keyring: Keyring, visit: Visit) -> list[DisputeView]:
    """Return what the person disputes and disputed, the latest first."""
    agencies = agency_names(session, visit.language)
    disputes = [
        dispute
        for member in visit.members
        for dispute in list_disputes(
            session, keyring, write_down(session, keyring, visit, DisputesViewed, owner=member)
        )
    ]
    disputes.sort(key=lambda dispute: dispute.opened_at, reverse=True)
    return [
        _dispute_view(dispute, visit, source=agencies.get(dispute.source, dispute.source))
        for dispute in disputes
    ]


_STATES = {
    "open": (_("The agency has not answered yet"), "blue"),
    "overdue": (_("The agency is late"), "red"),
    "corrected": (_("The agency says this no more"), "green"),
}
_ANSWERS = {
    "corrected": (_("The agency has corrected it, or is about to"), "green"),
    "refused": (_("The agency says that its record is right"), "orange"),
}


def _dispute_view(dispute: Dispute, visit: Visit, *, source: str) -> DisputeView:
    words, colour = _STATES.get(dispute.status) or _ANSWERS[dispute.answer or "corrected"]
    return DisputeView(
        dispute_id=dispute.dispute_id,
        label=visit.language.text(LABELS[dispute.attribute]),
        lines=tuple(lines_of(dispute.attribute, dispute.value, visit.language)),
        source=source,
        words=dispute.words,
        suggested=dispute.suggested,
        opened_at=dispute.opened_at,
        due_on=dispute.due_on,
        state=visit.language.text(words),
        colour=colour,
        waits=dispute.status in {"open", "overdue"},
        answered_at=dispute.answered_at,
        explanation=dispute.explanation,
    )
