"""What the sign-in and consent pages show, made from an interaction. No I/O."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from consent.api import ITEMS, ItemName, Sensitivity, get_purpose
from idp.client_addresses import is_web_address
from idp.model import Client, Disclosure, Interaction, SignInSession
from kernel.languages import Language
from kernel.secret import b64url, sha256

_LONGEST_NAME = 120  # characters of a client's own name that are shown
_INVISIBLE = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
"""Unicode categories that a shown name loses: with them a name could hide or turn around text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks.

    Attributes:
        name: What the client calls itself, without invisible characters.
        address: The site that the person will be sent back to.
        partner_name: The organisation behind it; empty when it has the client's name.
        is_verified: Whether an operator knows the organisation.
        policy_uri: The client's privacy policy; None when it named none that can be linked to.
        tos_uri: Its terms of service, likewise.
        logo_uri: Its logo, likewise.
    """

    name: str
    address: str
    partner_name: str
    is_verified: bool
    policy_uri: str | None
    tos_uri: str | None = None
    logo_uri: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedItem:
    """One line of the consent page."""

    label: str
    source: str
    is_special: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedDisclosure:
    """One purpose of the consent page, with everything that is asked for under it."""

    purpose: str
    explanation: str
    attributes: tuple[AskedItem, ...]
    documents: tuple[AskedItem, ...]
    expires_at: datetime
    retention: str
    max_uses: int | None


def asker_of(client: Client, redirect_uri: str, language: Language) -> Asker:
    """Describe who asks, in a form that can't deceive by characters that are not seen.

    Source:
        RFC 7591, 2.2: a name may be registered in several languages, as `client_name#ru`.
    """
    localised = client.metadata.descriptive.get(f"client_name#{language.code}")
    own_name = localised if isinstance(localised, str) else client.name
    name = visible(own_name) or visible(client.name) or client.client_id
    partner_name = visible(client.partner_name)
    return Asker(
        name=name,
        address=_address_of(redirect_uri),
        partner_name="" if partner_name == name else partner_name,
        is_verified=client.partner_is_verified,
        policy_uri=_link(client, "policy_uri", language),
        tos_uri=_link(client, "tos_uri", language),
        logo_uri=_link(client, "logo_uri", language),
    )


def _link(client: Client, name: str, language: Language) -> str | None:
    """Return an address that the client registered, in the person's language if it did that too."""
    localised = client.metadata.descriptive.get(f"{name}#{language.code}")
    if isinstance(localised, str) and is_web_address(localised, schemes=("https",)):
        return localised
    address: str | None = getattr(client.metadata, name)
    return address if address is not None and is_web_address(address) else None


def asked_disclosures(
    disclosures: Iterable[Disclosure], *, language: Language, at: datetime
) -> list[AskedDisclosure]:
    """Put what is asked for into the citizen's words.

    Args:
        disclosures: As checked; every item and purpose is in the catalogue.
        language: Of the page.
        at: Now; the period starts when the person agrees.
    """
    return [_asked(disclosure, language=language, at=at) for disclosure in disclosures]


def shown_digest(interaction: Interaction) -> str:
    """Name what the consent page showed, and to whom.

    It travels with the form. If meanwhile another person signed in, or something else is asked
    because a consent was withdrawn in another tab, the answer was not given to this question.
    """
    assert interaction.session is not None
    return shown_disclosures(interaction.session, interaction.asked)


def shown_disclosures(session: SignInSession, asked: Iterable[Disclosure]) -> str:
    """Name what a page asked whom; see `shown_digest`."""
    parts = [str(session.session_id)]
    parts += [repr(disclosure.as_authorization_details()) for disclosure in asked]
    return b64url(sha256("\n".join(parts).encode()))


def _asked(disclosure: Disclosure, *, language: Language, at: datetime) -> AskedDisclosure:
    purpose = get_purpose(disclosure.purpose)
    items = [ITEMS[ItemName(name)] for name in disclosure.items]
    lines = [
        (
            item.is_document,
            AskedItem(
                label=item.label.of(language.code),
                source=item.origin.of(language.code),
                is_special=item.sensitivity is Sensitivity.SPECIAL,
            ),
        )
        for item in items
    ]
    return AskedDisclosure(
        purpose=purpose.label.of(language.code),
        explanation=purpose.explanation.of(language.code),
        attributes=tuple(line for is_document, line in lines if not is_document),
        documents=tuple(line for is_document, line in lines if is_document),
        expires_at=at + disclosure.expires_in,
        retention=language.period(disclosure.retention),
        max_uses=disclosure.max_uses,
    )


def visible(text: str) -> str:
    """Return a name without what is not seen, and not too long."""
    kept = "".join(c for c in text if unicodedata.category(c) not in _INVISIBLE)
    kept = " ".join(kept.split())
    return kept if len(kept) <= _LONGEST_NAME else kept[: _LONGEST_NAME - 1] + "…"


def _address_of(redirect_uri: str) -> str:
    """Return the host that the person goes back to; the scheme of an installed application."""
    address = urlsplit(redirect_uri)
    return address.netloc.rpartition("@")[2] or f"{address.scheme}:"
