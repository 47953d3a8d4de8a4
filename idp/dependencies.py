"""What routes and pages ask of the application: the provider, the hasher, who is signed in."""

from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from idp.client_certificates import load_authorities
from idp.cookies import interaction_binding, session_cookie
from idp.errors import NotSignedIn
from idp.model import Interaction, SignInSession
from idp.passwords import PROFILES, PasswordHasher
from idp.policy import Policy
from idp.provider import Provider
from idp.service import authorization, sessions
from idp.software_statements import NOBODY, StatementIssuers, parse_issuers
from kernel.db import UnitOfWork
from kernel.settings import Settings


def policy_of(settings: Settings) -> Policy:
    """Return the policy that the settings ask for."""
    is_demonstration = settings.mode != "production"
    return Policy(
        allows_open_registration=is_demonstration,
        allows_http=is_demonstration,
        outbound_ca_file=settings.outbound_ca_file,
    )


def load_issuers(file: Path | None) -> StatementIssuers:
    """Return whose software statements count.

    Raises:
        OSError: The file can't be read.
        ValueError: It does not hold JWK Sets by issuer.
    """
    return NOBODY if file is None else parse_issuers(file.read_bytes())


def provider_of(request: Request) -> Provider:
    """Return the authorization server of this process."""
    state = request.app.state
    provider: Provider | None = getattr(state, "provider", None)
    if provider is None:
        # Made from values that never change: two threads that both make it make the same.
        provider = state.provider = Provider(
            issuer=state.settings.issuer,
            keyring=state.keyring,
            signing=state.signing,
            policy=policy_of(state.settings),
            authorities=load_authorities(state.settings.client_ca_file),
            mtls_url=state.settings.mtls_url,
            statement_issuers=load_issuers(state.settings.software_statement_issuers_file),
        )
    return provider


def password_hasher_of(request: Request) -> PasswordHasher:
    """Return the hasher of this process."""
    state = request.app.state
    hasher: PasswordHasher | None = getattr(state, "password_hasher", None)
    if hasher is None:
        hasher = state.password_hasher = PasswordHasher(PROFILES[state.settings.password_profile])
    return hasher


def current_session(request: Request, session: UnitOfWork) -> SignInSession | None:
    """Return who is signed in in this browser; None if nobody is."""
    return sessions.find_session(
        session,
        session_cookie(request),
        policy=provider_of(request).policy,
        at=request.app.state.clock.now(),
    )


def current_person(request: Request, session: UnitOfWork) -> SignInSession:
    """Return who is signed in in this browser.

    Raises:
        NotSignedIn: 401. Nobody is.
    """
    found = current_session(request, session)
    if found is None:
        raise NotSignedIn
    return found


# scope="function": they use the transaction of the request, which ends with the function.
def interaction_of(request: Request, session: Session, interaction_id: str) -> Interaction:
    """Return an open interaction of this browser, and what it still needs.

    Raises:
        InteractionGone: 410. Unknown, expired, answered, or another browser's.
    """
    return authorization.get_interaction(
        session,
        provider_of(request),
        interaction_id,
        browser_binding=interaction_binding(request, interaction_id),
        sign_in=current_session(request, session),
        at=request.app.state.clock.now(),
    )


CurrentSession = Annotated[SignInSession | None, Depends(current_session, scope="function")]
CurrentPerson = Annotated[SignInSession, Depends(current_person, scope="function")]
TheProvider = Annotated[Provider, Depends(provider_of)]
