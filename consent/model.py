"""Values of consent and their rules. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, NewType, TypeAlias

from kernel.ids import ClientId, ConsentId, PartnerId, PersonId

ItemName = NewType("ItemName", str)
"""What a consent may name: an attribute (`birthdate`), a predicate (`over_18`), a document kind
(`document:ct_scan`)."""

PurposeCode = NewType("PurposeCode", str)

Language: TypeAlias = Literal["ru", "en"]

DOCUMENT_PREFIX = "document:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """One text in the languages in which people are asked."""

    ru: str
    en: str

    def of(self, language: str) -> str:
        """Return the text in `language`; English for one that we do not speak."""
        return self.ru if language == "ru" else self.en


class ItemKind(StrEnum):
    """What is handed over."""

    ATTRIBUTE = "attribute"
    PREDICATE = "predicate"  # an answer, not the value it follows from
    DOCUMENT = "document"


class Sensitivity(StrEnum):
    """How much harm a wrong disclosure does; decides how loudly the consent page says it."""

    ORDINARY = "ordinary"
    SENSITIVE = "sensitive"  # opens accounts, proves who one is, tells where one sleeps
    SPECIAL = "special"  # health: GDPR, 9; 152-FZ, 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing that can be shared.

    Attributes:
        label: In the citizen's words, as it stands on the consent page.
        origin: Who says so: where the value comes from, in the citizen's words.
    """

    name: ItemName
    kind: ItemKind
    label: Words
    origin: Words
    sensitivity: Sensitivity = Sensitivity.ORDINARY

    @property
    def document_kind(self) -> str:
        """The kind of document in the vault; empty for anything else."""
        return self.name.removeprefix(DOCUMENT_PREFIX) if self.is_document else ""

    @property
    def is_document(self) -> bool:
        """Whether the item is a document of the vault."""
        return self.kind is ItemKind.DOCUMENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """What data may be asked for, and the most that may be asked.

    Attributes:
        label: What the recipient wants to do, as the end of "… wants your data to".
        explanation: What will be done with the data, one or two sentences.
        purpose_type: Class of the purpose in the receipt (ISO/IEC TS 27560, 6.3.4).
        items: Everything that may be asked for this purpose: nothing else is proportionate.
        longest: The longest period a consent may last.
        longest_retention: The longest a recipient may keep what it received.
        usual: The period when the recipient names none.
        usual_retention: The retention when the recipient names none.
    """

    code: PurposeCode
    label: Words
    explanation: Words
    purpose_type: str
    items: frozenset[ItemName]
    longest: timedelta
    longest_retention: timedelta
    usual: timedelta
    usual_retention: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """What a client asks for in `authorization_details` of type `civitas_disclosure` (RFC 9396).

    Attributes:
        items: In the order in which the client named them; no repetition.
        expires_in: How long the consent shall last.
        retention: How long the client will keep what it reads.
        max_uses: How many reads; None for any number.
    """

    purpose: PurposeCode
    items: tuple[ItemName, ...]
    expires_in: timedelta
    retention: timedelta
    max_uses: int | None = None

    def as_authorization_details(self) -> dict[str, object]:
        """Return the member of `authorization_details` that says the same, nothing left out."""
        details: dict[str, object] = {
            "type": AUTHORIZATION_DETAILS_TYPE,
            "purpose": self.purpose,
            "items": list(self.items),
            "expires_in_days": self.expires_in.days,
            "retention_days": self.retention.days,
        }
        if self.max_uses is not None:
            details["max_uses"] = self.max_uses
        return details


AUTHORIZATION_DETAILS_TYPE = "civitas_disclosure"


class Relation(StrEnum):
    """What the one who consents is to the person whose data it is."""

    SELF = "self"
    PARENT = "parent"
    GUARDIAN = "guardian"


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenBy:
    """Who consented."""

    relation: Relation
    person_id: PersonId


class Ending(StrEnum):
    """Why a consent covers nothing any more."""

    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    USED_UP = "used_up"
    DEATH = "death"
    REPLACED = "replaced"  # a later consent for the same purpose covers all of its items


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRequest:
    """What a person is about to agree to, before it has an identifier and a signature.

    Attributes:
        subject: The pairwise `sub` under which the client knows the person; it stands in the
            receipt, in the log and in webhooks, so that no identifier of ours leaves (promise 4).
        partner_name: As it was shown to the person.
        expires_at: End of the period, exclusive.
        retention: How long the recipient may keep what it received.
        acr: How sure we were of the one who consented, as in the `acr` of the sign-in.
        language: In which the person was asked.
        max_uses: How many reads; None for any number.
    """

    person_id: PersonId
    subject: str
    client_id: ClientId
    partner_id: PartnerId
    partner_name: str
    purpose: PurposeCode
    items: frozenset[ItemName]
    expires_at: datetime
    retention: timedelta
    given_by: GivenBy
    acr: str
    language: Language
    max_uses: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRecord:
    """A consent as it was given, and how it ended if it did.

    Attributes:
        signature: Compact JWS over the canonical form, made when the consent was given.
        uses: Reads so far; counted only where `max_uses` limits them.
        ended_at: When it ended; None while no ending was written down. A record past its
            `expires_at` covers nothing, whether or not that was written down yet.
    """

    consent_id: ConsentId
    person_id: PersonId
    subject: str
    client_id: ClientId
    partner_id: PartnerId
    partner_name: str
    purpose: PurposeCode
    items: frozenset[ItemName]
    given_at: datetime
    expires_at: datetime
    retention: timedelta
    given_by: GivenBy
    acr: str
    language: Language
    signature: str
    max_uses: int | None = None
    uses: int = 0
    ended_at: datetime | None = None
    ending: Ending | None = None

    def ending_at(self, at: datetime) -> Ending | None:
        """Return why the consent covers nothing at the instant `at`; None while it is live.

        An ending that was written down counts from the moment it is there, whatever its instant:
        the clock of the process that wrote it may be ahead of ours, and a person who withdrew
        must not wait for our clock.
        """
        if self.ending is not None:
            return self.ending
        if self.expires_at <= at:
            return Ending.EXPIRED
        if self.max_uses is not None and self.uses >= self.max_uses:
            return Ending.USED_UP
        return None

    def is_live(self, at: datetime) -> bool:
        """Tell whether the consent covers anything at the instant `at`."""
        return self.ending_at(at) is None


PublicJWKS: TypeAlias = Mapping[str, object]
"""A JWK Set (RFC 7517, 5) of public keys."""
