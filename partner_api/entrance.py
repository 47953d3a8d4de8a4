"""Who comes in by a token that is bound to a key, and how often: partners and agencies alike.

Concurrency: one per process and kind of caller, used by the event loop and by worker threads.
"""

from datetime import datetime
from typing import TYPE_CHECKING

from starlette.requests import Request

from idp.api import InvalidToken, TokenVerifier, VerifiedToken, challenge, presented_in, provider_of
from kernel.ids import PartnerId
from partner_api import store
from partner_api.errors import QuotaExceeded
from partner_api.quota import Quota, minute_of, seconds_left

if TYPE_CHECKING:
    from kernel.hot_pool import HotPool


class Entrance:
    """Verifies tokens and their proofs, and counts requests.

    Attributes:
        issuer: Our address.
        pool: Where hot statements run.
        quota: This process's shares of the callers' minutes.
    """

    def __init__(self, request: Request, path: str) -> None:
        """Open the entrance to what lies under a path.

        Args:
            request: Any; of it is only where the process keeps what never changes.
            path: Tokens are good here that are for it, or for everything.
        """
        state = request.app.state
        self.issuer: str = state.settings.issuer
        self.pool: HotPool = state.hot_pool
        self._verifier = TokenVerifier(
            provider_of(request), resources=(self.issuer, self.issuer + path)
        )
        self.quota = Quota()

    def verify(self, request: Request, *, at: datetime) -> VerifiedToken:
        """Verify the token of a request, and its proof.

        Returns:
            The token; its proof is still to be spent, and who is behind it to be asked for.

        Raises:
            InvalidToken: 401. Missing, expired, for another audience, bound to another key, or not
                bound at all.
            InvalidResourceProof: 401. Missing, or not for this request.
        """
        presented = presented_in(request, uri=self.issuer + request.scope["path"])
        token = self._verifier.verify(presented, at=at)
        if not token.is_sender_constrained:  # FAPI 2.0 Security Profile, 5.3.4
            raise InvalidToken(headers=challenge("dpop", "invalid_token"), reason="not bound")
        return token

    def has_counted(self, partner_id: PartnerId, *, at: datetime) -> bool:
        """Count a request against the partner's share of the minute, if there is any left of it.

        Where it says no, `count` asks for more.
        """
        return self.quota.spend(partner_id, at=at) is True

    async def count(self, partner_id: PartnerId, *, at: datetime, amount: int = 1) -> None:
        """Count requests against the partner's minute.

        Raises:
            QuotaExceeded: 429. It is used up.
        """
        for _ in range(amount):
            while (spent := self.quota.spend(partner_id, at=at)) is None:
                row = await store.lease_share.fetchrow(
                    self.pool, partner_id=partner_id, minute=minute_of(at)
                )
                self.quota.add(partner_id, at=at, granted=0 if row is None else row["granted"])
            if not spent:
                raise QuotaExceeded(retry_after_seconds=seconds_left(at))
