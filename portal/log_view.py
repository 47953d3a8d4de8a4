"""Write entries of the access log and consents in the person's own words. No I/O."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from audit.api import Actor, LoggedEntry, NewEntry
from consent.api import ITEMS, PURPOSES, ConsentRecord, Ending, ItemName, PurposeCode
from kernel.languages import Language, _
from portal.events import (
    ChildViewed,
    DisputesViewed,
    DocumentDeleted,
    DocumentRead,
    DocumentsExported,
    DocumentsListed,
    DocumentStored,
    RecordViewed,
    ValueDisputed,
)
from portal.record_view import LABELS


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryView:
    """One entry of the log as it is shown.

    Attributes:
        stated_purpose: What an agency said it asks for, in its own words.
        official: Which of an agency's officials asked, or of the operator's: the staff identifier.
            Whose it is, they tell.
    """

    entry_id: UUID
    who: str
    occurred_at: datetime
    is_refused: bool
    action: str
    labels: tuple[str, ...]
    purpose: str
    stated_purpose: str
    official: str
    reason: str
    is_provable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentView:
    """One consent as it is shown.

    Attributes:
        ended_at: When it ended; its `expires_at` while no ending was written down.
    """

    consent_id: UUID
    partner_name: str
    purpose: str
    labels: tuple[str, ...]
    given_at: datetime
    expires_at: datetime
    ended_at: datetime
    retention: str
    is_live: bool
    state: str


_ACTIONS: Mapping[str, str] = {
    RecordViewed.action: _("You looked at your data"),
    ChildViewed.action: _("A parent looked at your data"),
    ValueDisputed.action: _("You disputed a value"),
    DisputesViewed.action: _("You looked at what you dispute"),
    DocumentsListed.action: _("You looked at the list of your documents"),
    DocumentRead.action: _("You downloaded a document"),
    DocumentStored.action: _("You stored a document"),
    DocumentsExported.action: _("You took all of your documents along"),
    DocumentDeleted.action: _("You deleted a document"),
    "consent.record.given": _("You gave a consent"),
    "consent.record.withdrawn": _("You withdrew a consent"),
    "partner_api.person.read": _("Read your data"),
    "partner_api.agencies.person.resolved": _("Asked the register about you"),
    "partner_api.agencies.person.considered": _("Compared you with whom it asked about"),
    "partner_api.agencies.pseudonym.converted": _("Was told your pseudonym at another agency"),
    "partner_api.documents.listed": _("Listed your documents"),
    "partner_api.document.read": _("Read a document"),
    "idp.userinfo.read": _("Read your data when you signed in"),
    "idp.upstream.linked": _("You connected a regional account: it opens your account now"),
    "idp.upstream.unlinked": _("You disconnected a regional account"),
    "population_register.record.accepted": _("Reported data about you"),
    "population_register.life.looked_at": _("Looked at what happened in your life"),
    "population_register.life_event.told": _("Was told what happened in your life"),
    "consent.record.ended_by_death": _("Ended a consent because of a death"),
    "population_register.statistics.read": _("Counted you for statistics that name nobody"),
    "population_register.person.compared": _("Compared you with whom it reported about"),
    "population_register.case.opened": _("Looked whether two records are both about you"),
    "population_register.person.merged": _("Found that two records are both about you"),
    "population_register.person.unmerged": _("Found that two records are not both about you"),
    "population_register.person.ruled_apart": _("Decided whether a record is about somebody else"),
    "population_register.merge.proposed": _("Proposed that two records are both about you"),
    "population_register.merge.confirmed": _("Confirmed that two records are both about you"),
    "population_register.merge.rejected": _("Did not confirm that two records are both about you"),
    "population_register.agency.asked": _("Asked an agency whether records are about you"),
    "population_register.person.rederived": _("Put your data together anew"),
    "population_register.consistency.checked": _("Looked through your data for contradictions"),
    "population_register.finding.read": _("Read what it has to check about you"),
    "population_register.finding.answered": _("Answered what it had to check about you"),
    "vault.document.stored": _("Put a document into your vault"),
}
_LEGAL_PURPOSES: Mapping[str, str] = {
    "statistics": _("Statistics of the population"),
    "consistency": _("Keeping the register free of mistakes"),
}
_OTHER_ACTION = _("Another access to your data")

_REASONS: Mapping[str, str] = {
    "never_given": _("You had not given a consent"),
    "withdrawn": _("You had withdrawn the consent"),
    "expired": _("The consent had expired"),
    "used_up": _("The consent was used up"),
    "ended": _("The consent was over"),
    "replaced": _("A later consent had replaced this one"),
    "items_missing": _("More was asked for than you had allowed"),
    "attributes_missing": _("More was asked for than you had allowed"),
    "not_found": _("There is no such document"),
}
_OTHER_REASON = _("The rules did not allow it")

_ENDINGS: Mapping[Ending, str] = {
    Ending.WITHDRAWN: _("Withdrawn by you"),
    Ending.EXPIRED: _("Expired"),
    Ending.USED_UP: _("Used up"),
    Ending.DEATH: _("Ended by death"),
    Ending.REPLACED: _("Replaced by a later one"),
}


_ORDER = {name: place for place, name in enumerate(dict.fromkeys([*LABELS, *ITEMS]))}


def entry_view(
    logged: LoggedEntry,
    *,
    names: Mapping[str, str],
    language: Language,
    legal_bases: Mapping[str, str] = MappingProxyType({}),
    own: Collection[str] = (),
) -> EntryView:
    """Put one entry into words.

    Args:
        logged: As the log holds it; of the person who looks.
        names: Names of partners, clients, agencies and regional systems, by identifier.
        language: Of the page.
        legal_bases: What agencies' questions rest on, in words, by code.
        own: Under which the person who looks stands in logs, beside the entry's own subject.
    """
    entry = logged.entry
    is_refused = entry.outcome == "refused"
    reason = _REASONS.get(entry.reason or "", _OTHER_REASON)
    return EntryView(
        entry_id=entry.entry_id,
        who=_who(entry, names, language, own),
        occurred_at=entry.occurred_at,
        is_refused=is_refused,
        action=language.text(_ACTIONS.get(entry.action, _OTHER_ACTION)),
        labels=tuple(names.get(label, label) for label in labels_of(entry.items, language)),
        purpose=legal_bases.get(entry.purpose or "") or purpose_label(entry.purpose, language),
        stated_purpose=entry.stated_purpose or "",
        official=entry.actor.official or (entry.actor.id if entry.actor.kind == "operator" else ""),
        reason=language.text(reason) if is_refused else "",
        is_provable=logged.leaf_index is not None,
    )


def consent_view(record: ConsentRecord, *, language: Language, at: datetime) -> ConsentView:
    """Put one consent into words, as it stands at the instant `at`."""
    ending = record.ending_at(at)
    return ConsentView(
        consent_id=record.consent_id,
        partner_name=record.partner_name,
        purpose=purpose_label(record.purpose, language),
        labels=labels_of(record.items, language),
        given_at=record.given_at,
        expires_at=record.expires_at,
        ended_at=record.ended_at or record.expires_at,
        retention=language.period(record.retention),
        is_live=ending is None,
        state=language.text(_("In force") if ending is None else _ENDINGS[ending]),
    )


def labels_of(items: Iterable[str], language: Language) -> tuple[str, ...]:
    """Name items in the person's words, in the order of the record; an unknown one as it is."""
    names = sorted(items, key=lambda name: _ORDER.get(name, len(_ORDER)))
    found = ((name, ITEMS.get(ItemName(name))) for name in names)
    return tuple(
        language.text(LABELS.get(name, name)) if item is None else item.label.of(language.code)
        for name, item in found
    )


def purpose_label(code: str | None, language: Language) -> str:
    """Name a purpose in the person's words; empty when there is none."""
    if not code:
        return ""
    if code in _LEGAL_PURPOSES:
        return language.text(_LEGAL_PURPOSES[code])
    purpose = PURPOSES.get(PurposeCode(code))
    return code if purpose is None else purpose.label.of(language.code)


def _who(
    entry: NewEntry, names: Mapping[str, str], language: Language, own: Collection[str]
) -> str:
    match entry.actor:
        case Actor(kind="person", id=actor_id) if actor_id == entry.subject or actor_id in own:
            return language.text(_("You"))
        case Actor(kind="person") if entry.action == ChildViewed.action:
            return language.text(_("Your parent"))
        case Actor(kind="person"):
            return language.text(_("Somebody who was taken for you"))
        case Actor(kind="operator"):
            return language.text(_("A service-centre operator"))
        case Actor(kind="system"):
            return language.text(_("Civitas itself"))
        case Actor(id=actor_id):
            return names.get(actor_id) or names.get(entry.client_id or "") or actor_id
