"""Which accounts of regional systems open a person's account, in the person's words."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from idp.api import SignInSession, can_unlink_upstream, list_upstream_links, list_upstreams
from kernel.languages import Language

LOGGED_AS = "upstream:"
"""How the access log names a regional system among its items."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkView:
    """One account elsewhere."""

    upstream_id: str
    name: str
    linked_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferView:
    """One regional system that can be connected."""

    name: str
    href: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamsView:
    """The page of regional accounts.

    Attributes:
        can_disconnect: Whether something else would still open the account.
    """

    links: tuple[LinkView, ...]
    offers: tuple[OfferView, ...]
    can_disconnect: bool


def view_upstreams(session: Session, person: SignInSession, *, language: Language) -> UpstreamsView:
    """Return what is connected, and what could be."""
    linked = list_upstream_links(session, person)
    taken = {upstream.upstream_id for upstream, _ in linked}
    return UpstreamsView(
        links=tuple(
            LinkView(
                upstream_id=upstream.upstream_id,
                name=upstream.name(language.code),
                linked_at=link.linked_at,
                last_used_at=link.last_used_at,
            )
            for upstream, link in linked
        ),
        offers=tuple(
            OfferView(
                name=upstream.name(language.code),
                href=f"/upstream/{upstream.upstream_id}/connect",
            )
            for upstream in list_upstreams(session)
            if upstream.disabled_at is None and upstream.upstream_id not in taken
        ),
        can_disconnect=can_unlink_upstream(session, person),
    )


def upstream_names(session: Session, language: Language) -> dict[str, str]:
    """Name regional systems as the access log names them."""
    return {
        LOGGED_AS + upstream.upstream_id: upstream.name(language.code)
        for upstream in list_upstreams(session)
    }
