"""Put an access entry into the words of the access policy."""

from audit.api import RecordedEntry
from vault.access_policy import Access


def access_of(entry: RecordedEntry) -> Access:
    """Return what the entry says that the policy asks for."""
    said = entry.entry
    return Access(
        person_id=entry.person_id,
        is_allowed=said.outcome == "allowed",
        actor_kind=said.actor.kind,
        actor_id=said.actor.id,
        items=said.items,
        consent_id=said.consent_id,
    )
