"""What an authorization request still needs of the person: a sign-in, answers, or a first look."""

from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy.orm import Session

from idp.errors import InvalidAuthorizationRequest
from idp.interaction_state import expected_sub, is_acceptable
from idp.jose import NotVerified
from idp.model import AuthorizationRequest, Client, Disclosure, SignInSession
from idp.provider import Provider
from idp.service.agreements import uncovered
from idp.store import authorization as store
from idp.tokens import our_keys, verify_id_token_hint


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """What a request still needs: a sign-in, answers, or a first confirmation."""

    session: SignInSession | None
    asked: tuple[Disclosure, ...]
    is_first_visit: bool

    @property
    def needs_consent(self) -> bool:
        """Whether the consent page has to be shown."""
        return bool(self.asked) or self.is_first_visit


def find_needs(
    session: Session,
    provider: Provider,
    client: Client,
    request: AuthorizationRequest,
    *,
    sign_in: SignInSession | None,
    requested_at: datetime,
    at: datetime,
) -> Pending:
    """Find out what the request still needs of the person."""
    wanted = expected_sub(request, read_hint=lambda hint: _read_hint(provider, client, hint))
    person = sign_in
    if person is not None and not is_acceptable(
        person,
        request,
        sub=provider.sub(client, person.person_id),
        expected_sub=wanted,
        requested_at=requested_at,
    ):
        person = None
    if person is None:
        return Pending(session=None, asked=request.disclosures, is_first_visit=True)
    asked = (
        request.disclosures
        if "consent" in request.prompt
        else uncovered(session, person.person_id, client, request.disclosures, at=at)
    )
    return Pending(
        session=person,
        asked=asked,
        is_first_visit="consent" in request.prompt
        or not store.has_approved(session, person.person_id, client.client_id),
    )


def _read_hint(provider: Provider, client: Client, hint: str) -> str:
    try:
        claims = verify_id_token_hint(
            hint, our_keys(provider.signing), issuer=provider.issuer, client_id=client.client_id
        )
    except NotVerified as error:
        raise InvalidAuthorizationRequest("id_token_hint is not an ID token of ours.") from error
    return cast("str", claims["sub"])
