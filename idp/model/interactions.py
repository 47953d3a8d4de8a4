"""Authorization requests that wait for a person."""

from dataclasses import dataclass
from datetime import datetime
from typing import NewType

from idp.model.clients import Client
from idp.model.requests import AuthorizationRequest, Disclosure
from idp.model.sessions import SignInSession
from idp.ring_tokens import RingToken
from kernel.secret import Secret

InteractionId = NewType("InteractionId", str)
"""What stands in the address of the sign-in and consent pages; unguessable, and useless in another
browser than the one that made the authorization request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """An authorization request that waits for a person, and what is still missing.

    Attributes:
        interaction_id: Stands in the address of the pages.
        session: Who is signed in in this browser and acceptable for this request; None when the
            person has to sign in first: nobody is, not recently enough, or it is somebody else
            than the client asks for.
        asked: What the person still has to agree to: the request's disclosures that no live
            consent covers; all of them when the client asks to be shown them again.
        is_unmet: Whether who is signed in does not reach an `acr` that the client called
            essential: nothing is asked of them, the client is told.
        needs_consent: Whether the consent page must be shown: something is asked, or the person
            has not been to this client before.
        expires_at: After this the person has to start again at the client.
        request_uri: The pushed request behind it, used up together with it (RFC 9126, 7.3).
    """

    interaction_id: InteractionId
    client: Client
    request: AuthorizationRequest
    session: SignInSession | None
    asked: tuple[Disclosure, ...]
    is_unmet: bool
    needs_consent: bool
    created_at: datetime
    expires_at: datetime
    request_uri: RingToken | None = None

    @property
    def needs_sign_in(self) -> bool:
        """Whether the person has to sign in first."""
        return self.session is None


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionStarted:
    """An authorization request was stored; the browser goes on to the pages.

    Attributes:
        binding: Value of the cookie that ties the interaction to this browser.
    """

    interaction_id: InteractionId
    binding: Secret[str]
