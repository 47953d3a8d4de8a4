"""Decide whether an access entry opens a document. No I/O: facts come in, a decision goes out.

The entry was written by whoever let the caller in: the portal for a person, the consent's owner for
a partner. Here nobody is let in; here it is made sure that what is opened is what was written down,
so that no caller's mistake can turn an entry about one thing into the plaintext of another.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias
from uuid import UUID

from kernel.ids import AgencyId, PersonId
from vault.model import DocumentKind

ActorKind: TypeAlias = Literal["person", "partner", "agency", "operator", "system"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What an access entry says.

    Attributes:
        person_id: Whose data was accessed.
        items: What was accessed, as consents name it.
        consent_id: The consent that covers it, if one was needed.
    """

    person_id: PersonId
    is_allowed: bool
    actor_kind: ActorKind
    actor_id: str
    items: tuple[str, ...]
    consent_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What is about to be opened, or to be stored.

    Attributes:
        source: The agency that issued the document; None if the person brought it.
    """

    person_id: PersonId
    kind: DocumentKind
    source: AgencyId | None


@dataclass(frozen=True, slots=True)
class Granted:
    """The entry says exactly this."""


@dataclass(frozen=True, slots=True)
class Denied:
    """The entry says something else; `reason` is for us, the caller is told there is nothing."""

    reason: Literal[
        "another_person",
        "entry_of_a_refusal",
        "item_not_in_entry",
        "kind_is_never_shared",
        "no_consent",
        "another_agency_issued_it",
        "actor_never_reads",
        "actor_never_stores",
    ]


Decision: TypeAlias = Granted | Denied


def decide_opening(access: Access, holding: Holding) -> Decision:
    """Decide whether `access` accounts for opening `holding`.

    1. The entry is about this person.
    2. It records that the access was allowed.
    3. It names this kind of document, so that the person can see that it was read.
    4. The actor may read it at all: the person everything; a partner what can be consented to,
       under a consent; an agency what it issued; an operator and the system nothing.
    """
    if (denied := _decide_subject(access, holding)) is not None:
        return denied
    match access.actor_kind:
        case "person":
            return Granted()
        case "partner":
            return _decide_partner(access, holding)
        case "agency":
            return _decide_issuer(holding, access.actor_id)
        case "operator" | "system":
            return Denied("actor_never_reads")


def _decide_partner(access: Access, holding: Holding) -> Decision:
    if holding.kind is DocumentKind.OTHER:
        return Denied("kind_is_never_shared")
    if access.consent_id is None:
        return Denied("no_consent")
    return Granted()


def decide_filing(access: Access, holding: Holding) -> Decision:
    """Decide whether `access` accounts for storing `holding`.

    The first three rules are those of opening. A person stores what has no issuer, an operator does
    so for a person who came to the desk, an agency stores what it issued; nobody else stores.
    """
    if (denied := _decide_subject(access, holding)) is not None:
        return denied
    match access.actor_kind:
        case "person" | "operator":
            return _decide_issuer(holding, None)
        case "agency":
            return _decide_issuer(holding, access.actor_id)
        case "partner" | "system":
            return Denied("actor_never_stores")


def _decide_issuer(holding: Holding, issuer: str | None) -> Decision:
    if holding.source != issuer:
        return Denied("another_agency_issued_it")
    return Granted()


def _decide_subject(access: Access, holding: Holding) -> Denied | None:
    """Apply the rules that do not depend on who the actor is."""
    if access.person_id != holding.person_id:
        return Denied("another_person")
    if not access.is_allowed:
        return Denied("entry_of_a_refusal")
    if holding.kind.item not in access.items:
        return Denied("item_not_in_entry")
    return None
