"""A person's access log: who saw what, and the proof that an entry stands in the tree."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from audit.api import InclusionProof, list_entries, prove_inclusion
from consent.api import list_consents
from idp.api import partner_names
from kernel.errors import NotFound
from kernel.ids import EntryId
from kernel.keyring import Keyring
from population_register.api import list_legal_bases
from portal.log_view import EntryView, entry_view
from portal.service.visiting import Visit, agency_names
from portal.upstreams import upstream_names

ENTRIES_A_PAGE = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPage:
    """A part of the access log, the newest first.

    Attributes:
        next_before: Where the following part begins; None at the end of the log.
    """

    entries: Sequence[EntryView]
    next_before: EntryId | None


def find_proof(session: Session, visit: Visit, entry_id: EntryId) -> InclusionProof:
    """Return the proof that an entry of the person's log is in the tree.

    Raises:
        NotFound: 404. This person has no such entry; somebody else may.
        NotInTreeYet: 409. Recorded a moment ago; its proof is ready in seconds.
    """
    for member in visit.members[:-1]:
        try:
            return prove_inclusion(session, member, entry_id)
        except NotFound:
            continue
    return prove_inclusion(session, visit.members[-1], entry_id)


def view_log(
    session: Session, keyring: Keyring, visit: Visit, *, before: EntryId | None
) -> LogPage:
    """Return a page of the person's access log, refused attempts included.

    Args:
        session: The open transaction.
        keyring: Tells what the person did from what others did.
        visit: Whose log.
        before: Where the page begins; None for the newest.
    """
    logged = [
        entry
        for member in visit.members
        for entry in list_entries(session, member, before=before, limit=ENTRIES_A_PAGE + 1)
    ]
    logged.sort(key=lambda each: each.entry.entry_id, reverse=True)
    shown = logged[:ENTRIES_A_PAGE]
    names = {
        **agency_names(session, visit.language),
        **partner_names(session, {each.entry.actor.id for each in shown}),
        **_recipient_names(session, visit),  # as the person saw them, where they did
        **upstream_names(session, visit.language),
    }
    own = {keyring.pseudonym("audit", member) for member in visit.members}
    legal_bases = {
        basis.code: f"{basis.title_ru if visit.language.code == 'ru' else basis.title_en}"
        f" ({basis.reference})"
        for basis in list_legal_bases(session)
    }
    return LogPage(
        entries=[
            entry_view(each, names=names, language=visit.language, legal_bases=legal_bases, own=own)
            for each in shown
        ],
        next_before=shown[-1].entry.entry_id if len(logged) > len(shown) else None,
    )


def _recipient_names(session: Session, visit: Visit) -> dict[str, str]:
    """Name recipients as they stood on the consent pages that the person saw."""
    names: dict[str, str] = {}
    for record in (r for member in visit.members for r in list_consents(session, member)):
        names.setdefault(record.client_id, record.partner_name)
        names.setdefault(record.partner_id, record.partner_name)
    return names
