"""Register the OAuth clients by which agencies call, and the keys that name their officials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from idp.api import ClientProfile, Provider, add_client, add_partner, list_partners
from kernel.errors import InvalidRequest
from kernel.ids import AgencyId, ClientId
from partner_api.agencies import store
from partner_api.agencies.desk import EVENTS, FEED, FEED_REPORT, MANDATES, RESOLVE, WORKLIST
from partner_api.agencies.official import check_official_key
from partner_api.agencies.store import Binding, RaisedAlarm
from population_register.api import add_official_key, get_agency

AGENCY_SCOPES: Final = (FEED, FEED_REPORT, RESOLVE, EVENTS, WORKLIST)

ADMINISTRATION: Final = "register-administration"
"""The partner that owns the clients of whoever administers mandates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyClient:
    """A client that was registered for an agency, or for the administration.

    Attributes:
        client_id: What it authenticates as.
        scope: What its tokens may be good for.
    """

    client_id: ClientId
    agency_id: AgencyId | None
    scope: str


def partner_of(agency_id: AgencyId) -> str:
    """Return the partner that owns an agency's clients; its limit of requests is the agency's."""
    return f"agency-{agency_id}"


def add_agency_client(
    session: Session,
    provider: Provider,
    agency_id: AgencyId | None,
    asked: Mapping[str, Any],
    *,
    client_id: str | None = None,
    at: datetime,
) -> AgencyClient:
    """Register a client on an operator's word, and bind it to one agency for ever.

    Args:
        session: The open transaction.
        provider: Ourselves, as an authorization server.
        agency_id: Whose client; None for the administration of mandates.
        asked: Client metadata (RFC 7591, 2). Grant type, authentication and scope are filled in.
        client_id: A chosen identifier; a random one when None.
        at: Now.

    Raises:
        UnknownAgency: 404. Not registered, or closed.
        InvalidRequest: 400. A scope is not one of those that such a client may have.
        InvalidClientMetadata: 400. A field is not acceptable; the text names it.
        Conflict: 409. The identifier is taken.
    """
    offered: tuple[str, ...]
    if agency_id is None:
        partner_id, name, offered = ADMINISTRATION, "Register administration", (MANDATES,)
    else:
        agency = get_agency(session, agency_id)
        partner_id, name, offered = partner_of(agency_id), agency.name_ru, AGENCY_SCOPES
    scope = asked.get("scope") or " ".join(offered)
    if not isinstance(scope, str) or not set(scope.split()) <= set(offered):
        raise InvalidRequest(f"Scopes of such a client are: {' '.join(offered)}.")
    if all(each.partner_id != partner_id for each in list_partners(session)):
        add_partner(session, partner_id=partner_id, name=name, at=at)
    registered = add_client(
        session,
        provider,
        partner_id=partner_id,
        profile=ClientProfile.FAPI2,
        asked={
            "client_name": name[:100],
            "token_endpoint_auth_method": "private_key_jwt",
            **asked,
            "grant_types": ["client_credentials"],
            "response_types": [],
            "scope": scope,
        },
        at=at,
        client_id=client_id,
    )
    bound = ClientId(registered.client.client_id)
    store.insert_binding(session, Binding(bound, agency_id), at)
    return AgencyClient(client_id=bound, agency_id=agency_id, scope=scope)


def list_agency_clients(session: Session, agency_id: AgencyId | None = None) -> Sequence[Binding]:
    """Return the clients of an agency, or all that are bound."""
    return store.list_bindings(session, agency_id)


def add_agency_official_key(
    session: Session, agency_id: AgencyId, jwk: Mapping[str, Any], *, at: datetime
) -> str:
    """Let an agency sign by one more key which of its officials asks; return its `kid`.

    Raises:
        UnacceptableOfficialKey: 400. Not a public key that we verify with.
        UnknownAgency: 404. Not registered.
        MappingRefused: 400. The agency has, or had, a key of this `kid`.
    """
    kid = check_official_key(jwk)
    add_official_key(session, agency_id, kid=kid, jwk=jwk, at=at)
    return kid


def list_raised_alarms(session: Session, *, limit: int = 200) -> Sequence[RaisedAlarm]:
    """Return alarms about patterns of browsing, latest first."""
    return store.list_alarms(session, limit=limit)
