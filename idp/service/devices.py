"""What a device asks is decided in a browser: RFC 8628, 3.3.

And what a partner asks through the back channel (CIBA) in the same way, once it is found.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from idp import checks
from idp.assurance import has_essential_acr
from idp.errors import OAuthError, RequestGone, UnknownUserCode
from idp.model import Client, DeferredRequest, Disclosure, SignInSession
from idp.provider import Provider
from idp.service.agreements import agree, uncovered
from idp.service.received_requests import submission_of
from idp.store import accounts as failures
from idp.store import deferred as store
from idp.store.clients import find_client
from idp.throttling import network_of
from idp.user_codes import MalformedUserCode, UserCode, parse_user_code

FREE_ATTEMPTS_PER_PERSON = 5
FREE_ATTEMPTS_PER_ADDRESS = 50
"""Wrong user codes before waiting begins (RFC 8628, 5.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A request that waits for this person.

    Attributes:
        asked: What no live consent covers yet.
    """

    stored: store.StoredDeferred
    client: Client
    request: DeferredRequest
    session: SignInSession
    asked: tuple[Disclosure, ...]

    @property
    def is_unmet(self) -> bool:
        """Whether the person does not reach an `acr` that the client called essential."""
        return not has_essential_acr(self.session.level, self.request.claims.essential_acr)


def user_code_digest(provider: Provider, user_code: UserCode) -> bytes:
    """Return under what a user code is found: the code itself is stored nowhere."""
    return provider.keyring.blind_index("user_code", user_code.letters)


def find_device(
    session: Session,
    provider: Provider,
    typed: str,
    *,
    sign_in: SignInSession,
    address: str,
    at: datetime,
) -> tuple[UserCode, Waiting]:
    """Return the request of the device that shows this code.

    Args:
        session: The open transaction.
        provider: Ourselves.
        typed: As the person typed it.
        sign_in: Who typed it.
        address: Of the browser; throttled like the person.
        at: Now.

    Raises:
        UnknownUserCode: 404. No such device, too late, or too many tries: the caller can't tell.
            The try is counted (writes kept).
    """
    keys = {
        provider.keyring.blind_index("user_code.person", str(sign_in.person_id)): (
            FREE_ATTEMPTS_PER_PERSON
        ),
        provider.keyring.blind_index("user_code.address", network_of(address)): (
            FREE_ATTEMPTS_PER_ADDRESS
        ),
    }
    if failures.is_blocked(session, list(keys), at=at):
        raise UnknownUserCode(reason="throttled")
    try:
        user_code = parse_user_code(typed)
    except MalformedUserCode as error:
        raise UnknownUserCode(reason="malformed") from error
    found = store.find_by_user_code(
        session, user_code.slot, user_code_digest(provider, user_code), at=at
    )
    if found is None:
        for key, free in keys.items():
            failures.count_failure(session, key, free=free, at=at)
        raise UnknownUserCode(reason="unknown, expired or decided")
    return user_code, waiting(session, provider, found, sign_in=sign_in, at=at)


def waiting(
    session: Session,
    provider: Provider,
    found: store.StoredDeferred,
    *,
    sign_in: SignInSession,
    at: datetime,
) -> Waiting:
    """Return a stored request as it is now: what changed at the client in between counts.

    Raises:
        RequestGone: 404. The client was disabled, or may not ask this any more.
    """
    client = find_client(session, found.client_id)
    if client is None:
        raise RequestGone(reason="client disabled")
    try:
        request = checks.check_deferred(submission_of(provider, client, found.request))
    except OAuthError as error:
        raise RequestGone(reason="registration changed") from error
    return Waiting(
        stored=found,
        client=client,
        request=request,
        session=sign_in,
        asked=uncovered(session, sign_in.person_id, client, request.disclosures, at=at),
    )


def allow(
    session: Session, provider: Provider, it: Waiting, *, language: str, at: datetime
) -> None:
    """Store what the person agreed to; the client fetches its tokens when it polls.

    Raises:
        RequestGone: 404. It was decided a moment ago, or has expired.
        UnmetAuthenticationRequirements: 400. The person's assurance is not the essential one.

    Transaction:
        The consents, the grant and the decision together: of two that decide, one does, and what
        the other stored is rolled back.
    """
    grant_id = agree(
        session,
        provider,
        it.client,
        it.request,
        it.session,
        asked=it.asked,
        binds_session=False,
        redeemable_for=provider.policy.deferred_request,
        language=language,
        at=at,
    )
    if not store.decide(session, it.stored.token, grant_id=grant_id, at=at):
        raise RequestGone(reason="decided or expired a moment ago")


def deny(session: Session, it: Waiting, *, at: datetime) -> None:
    """Store that the person refused, or can't do.

    Raises:
        RequestGone: 404. It was decided a moment ago, or has expired.
    """
    if not store.decide(session, it.stored.token, grant_id=None, at=at):
        raise RequestGone(reason="decided or expired a moment ago")
