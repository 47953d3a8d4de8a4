"""What a verified access token says."""

from datetime import datetime

import msgspec

from idp.model.requests import Disclosure
from kernel.ids import ClientId, GrantId, PartnerId


class VerifiedToken(msgspec.Struct, frozen=True, kw_only=True):
    """What a verified access token says. Whether it was revoked, it can't say.

    Attributes:
        audience: The resources it is for.
        sub: Pairwise; the client's own identifier for a token without a person.
        claims: What the UserInfo endpoint returns for it.
        grant_id: None for a token without a person.
        disclosures: Its `authorization_details`.
        jkt: Thumbprint of the key it is bound to; None for a bearer token.
        x5t: Thumbprint of the certificate it is bound to (RFC 8705, 3.1); None for none.
        actor: The client that acts in place of `client_id` (RFC 8693, 4.1); None for none.
        acr: How sure we were of the person who signed in (RFC 9470, 6.1).
        auth_time: When they did.
        token_digest: Names the token itself, to be looked up among those revoked.
        proof_digest: Names the DPoP proof of this very request, to be spent; None for bearer.
        proof_made_at: When the proof says it was made.
    """

    client_id: ClientId
    partner_id: PartnerId
    sub: str
    audience: tuple[str, ...]
    scope: tuple[str, ...]
    claims: tuple[str, ...]
    grant_id: GrantId | None
    disclosures: tuple[Disclosure, ...]
    jkt: str | None
    token_digest: bytes
    issued_at: datetime
    expires_at: datetime
    proof_digest: bytes | None = None
    proof_made_at: datetime | None = None
    x5t: str | None = None
    actor: ClientId | None = None
    acr: str | None = None
    auth_time: datetime | None = None

    @property
    def is_sender_constrained(self) -> bool:
        """Whether only its owner can use it."""
        return self.jkt is not None or self.x5t is not None
