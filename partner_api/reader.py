"""What one process keeps between the partners' reads. Nothing here decides: see `statements.py`.

Concurrency: one per process, used by the event loop and by worker threads.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session, sessionmaker
from starlette.requests import Request

from idp.api import (
    InsufficientScope,
    InsufficientUserAuthentication,
    InvalidResourceProof,
    InvalidToken,
    UseResourceNonce,
    VerifiedToken,
    challenge,
)
from kernel.keyring import Keyring
from kernel.signing import SigningKeys
from partner_api.attempt import Attempt
from partner_api.entrance import Entrance
from partner_api.memory import Memory
from partner_api.prepared import PreparedRead
from partner_api.selection import Granted, Query, Selection, parse_query
from partner_api.signatures import PersonSigner
from partner_api.step_up import Requirement, check_authentication, enough_until, requirement_of

PATH = "/partner/v1"
_CHALLENGED = (
    InsufficientScope,
    InsufficientUserAuthentication,
    InvalidResourceProof,
    InvalidToken,
    UseResourceNonce,
)

Selecting = Callable[[Sequence[Granted], Query], Selection]


@dataclass(slots=True)
class Remembered:
    """What was worked out for one token and one query.

    Attributes:
        needed: How well, and how lately, the person must have been known.
        enough_until: Until when the sign-in behind the token is enough for it.
        read: Prepared for the consent that covered it the last time.
    """

    selection: Selection
    needed: Requirement
    enough_until: datetime
    read: PreparedRead | None = None


class Reader:
    """What the reads of one process share."""

    def __init__(
        self,
        *,
        entrance: Entrance,
        sessions: sessionmaker[Session],
        keyring: Keyring,
        signing: SigningKeys,
    ) -> None:
        self.entrance = entrance
        self.issuer = entrance.issuer
        self.pool = entrance.pool
        self.sessions = sessions
        self.keyring = keyring
        self.signing = signing
        self.signer = PersonSigner()
        self._remembered: Memory[tuple[bytes, bytes, Selecting], Remembered] = Memory()

    async def begin(
        self, request: Request, *, selecting: Selecting, action: str
    ) -> tuple[Attempt, Remembered]:
        """Verify the token and its proof, read what is asked for, and count the request.

        Args:
            request: A GET.
            selecting: How the token's disclosures and the query become a selection.
            action: As the access log names it.

        Returns:
            The attempt, whose proof is still to be spent, and what is remembered for it.

        Raises:
            InvalidToken: 401. Missing, expired, revoked, for another audience, bound to another
                key, or not bound at all.
            InvalidResourceProof: 401. Missing, or not for this request.
            InsufficientScope: 403. A token without a person.
            InsufficientUserAuthentication: 401. The person signed in too weakly for the items.
            InvalidRequest: 400. The query is malformed.
            QuotaExceeded: 429. The partner's minute is used up.
        """
        at: datetime = request.app.state.clock.now()
        try:
            token = self.entrance.verify(request, at=at)
            if token.grant_id is None:
                raise InsufficientScope(
                    "The access token was not issued for a person.",
                    headers=challenge("dpop", "insufficient_scope"),
                )
            if not self.entrance.has_counted(token.partner_id, at=at):
                await self.entrance.count(token.partner_id, at=at)
            remembered = self._remember(token, request.scope["query_string"], selecting)
            if at > remembered.enough_until:
                check_authentication(token, remembered.needed, at=at)
        except _CHALLENGED as refusal:
            # Where the API describes itself: RFC 9728, 5.1.
            address = f"{self.issuer}/.well-known/oauth-protected-resource{PATH}"
            said = refusal.headers.get("WWW-Authenticate", "DPoP")
            said += "," if " " in said else ""
            refusal.headers = {
                **refusal.headers,
                "WWW-Authenticate": f'{said} resource_metadata="{address}"',
            }
            raise
        attempt = Attempt(
            token=token,
            selection=remembered.selection,
            action=action,
            request_id=request.scope["state"]["request_id"],
            at=at,
        )
        return attempt, remembered

    def _remember(self, token: VerifiedToken, query: bytes, selecting: Selecting) -> Remembered:
        """Return what is worked out once for a token and a query."""
        key = token.token_digest, query, selecting
        known = self._remembered.get(key)
        if known is not None:
            return known
        selection = selecting(token.disclosures, parse_query(query))
        needed = requirement_of(selection.items)
        return self._remembered.put(key, Remembered(selection, needed, enough_until(token, needed)))


def reader_of(request: Request) -> Reader:
    """Return the reader of this process."""
    state = request.app.state
    reader: Reader | None = getattr(state, "partner_reader", None)
    if reader is None:
        # Made from values that never change; of two that are made at once, the second stays.
        reader = state.partner_reader = Reader(
            entrance=Entrance(request, PATH),
            sessions=state.sessions,
            keyring=state.keyring,
            signing=state.signing,
        )
    return reader
