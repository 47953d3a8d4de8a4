"""Values of idp. No I/O."""

from idp.model.clients import (
    NO_AUTHENTICATION,
    PING,
    POLL,
    PRIVATE_KEY_JWT,
    PUSH,
    Client,
    ClientMetadata,
    ClientProfile,
    JSONObject,
    Partner,
)
from idp.model.interactions import (
    Interaction,
    InteractionId,
    InteractionStarted,
)
from idp.model.requests import (
    AccessRequest,
    AuthorizationRequest,
    AuthorizationResponse,
    ClaimsRequest,
    DeferredRequest,
    Disclosure,
    GrantChange,
    Prompt,
    ResponseMode,
    Transport,
)
from idp.model.sessions import (
    Account,
    OpenedSession,
    SessionClient,
    SignedIn,
    SignInSession,
)
from idp.model.tokens import (
    VerifiedToken,
)

__all__ = [
    "NO_AUTHENTICATION",
    "PING",
    "POLL",
    "PRIVATE_KEY_JWT",
    "PUSH",
    "AccessRequest",
    "Account",
    "AuthorizationRequest",
    "AuthorizationResponse",
    "ClaimsRequest",
    "Client",
    "ClientMetadata",
    "ClientProfile",
    "DeferredRequest",
    "Disclosure",
    "GrantChange",
    "Interaction",
    "InteractionId",
    "InteractionStarted",
    "JSONObject",
    "OpenedSession",
    "Partner",
    "Prompt",
    "ResponseMode",
    "SessionClient",
    "SignInSession",
    "SignedIn",
    "Transport",
    "VerifiedToken",
]
