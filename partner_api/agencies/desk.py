"""What one process keeps between agencies' requests. Nothing here decides.

Concurrency: one per process, used by the event loop and by worker threads. What is remembered of an
agency carries its revision, and the statement that uses it asks whether it is still that one.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Final

from sqlalchemy.orm import Session, sessionmaker
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from idp.api import (
    InsufficientScope,
    InvalidResourceProof,
    InvalidToken,
    PublicKey,
    TokenVerifier,
    VerifiedToken,
    assertion_binds,
    challenge,
    client_token_binds,
    presented_in,
    provider_of,
)
from kernel.clock import Clock
from kernel.ids import AgencyId, ClientId, PartnerId
from kernel.keyring import Keyring
from kernel.signing import SigningKeys
from partner_api import store
from partner_api.agencies import store as agency_store
from partner_api.agencies.counting import Tally
from partner_api.agencies.errors import OfficialUnproven
from partner_api.agencies.official import (
    HEADER,
    Official,
    parse_official_keys,
    verify_official,
)
from partner_api.agencies.statements import admit
from partner_api.attempt import Row
from partner_api.errors import QuotaExceeded
from partner_api.quota import Quota, minute_of, seconds_left
from partner_api.reader import Memory
from population_register.api import (
    AgencyRights,
    Mandated,
    MandateMissing,
    NotMandated,
    UnknownAgency,
    civil_date,
    decide_mandate,
    load_rights,
)

if TYPE_CHECKING:
    import asyncpg

PATH: Final = "/agency/v1"
ADMINISTRATION: Final = "/agency/v1/administration"

FEED: Final = "register.feed"
FEED_REPORT: Final = "register.feed.report"
EVENTS: Final = "register.events"
RESOLVE: Final = "register.resolve"
WORKLIST: Final = "register.worklist"
MANDATES: Final = "register.mandates"

_TRIES: Final = 3

MOST_AGENCIES: Final = 1_000
MOST_DECIDED: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request of an agency's client, or of the administration's.

    Attributes:
        token: Verified; its proof and its client are for the statement.
        agency_id: Whose client; None for the administration's.
    """

    token: VerifiedToken
    agency_id: AgencyId | None
    request_id: str
    at: datetime

    @property
    def agency(self) -> AgencyId:
        """The agency of a call that is known to be an agency's."""
        assert self.agency_id is not None
        return self.agency_id

    def binds(self) -> dict[str, object]:
        """Return the binds of the statements that admit it."""
        return {
            **client_token_binds(self.token, at=self.at),
            "register_agency_id": self.agency_id,
        }


@dataclass(frozen=True, slots=True)
class Rights:
    """What an agency may ask, with its keys parsed.

    Attributes:
        decided: What each legal basis gives on a day. A mandate that is revoked is another
            revision of the agency; of one revision, only the day decides.
    """

    of: AgencyRights
    official_keys: tuple[PublicKey, ...]
    decided: dict[tuple[str, date], Mandated] = field(default_factory=dict)

    def mandated(self, legal_basis: str, at: datetime) -> Mandated:
        """Return what a legal basis gives the agency now.

        Raises:
            MandateMissing: 403. Nothing.
        """
        day = civil_date(at)
        known = self.decided.get((legal_basis, day))
        if known is not None:
            return known
        decision = decide_mandate(self.of.mandates, legal_basis=legal_basis, at=at)
        if isinstance(decision, NotMandated):
            raise MandateMissing(
                reason=decision.reason,
                agency=self.of.agency.agency_id,
                legal_basis=legal_basis,
            )
        if len(self.decided) >= MOST_DECIDED:
            self.decided.clear()
        self.decided[legal_basis, day] = decision
        return decision


class Desk:
    """What agencies' requests of one process share."""

    def __init__(
        self,
        *,
        issuer: str,
        verifier: TokenVerifier,
        pool: "asyncpg.Pool[asyncpg.Record]",
        sessions: sessionmaker[Session],
        keyring: Keyring,
        signing: SigningKeys,
        clock: Clock,
        tell_alarm: Callable[[str], None],
    ) -> None:
        self.issuer = issuer
        self.verifier = verifier
        self.pool = pool
        self.sessions = sessions
        self.keyring = keyring
        self.signing = signing
        self.quota = Quota()
        self.tally = Tally(sessions, clock, tell=tell_alarm)
        self._agency_of: Memory[ClientId, AgencyId | None] = Memory(MOST_AGENCIES)
        self._rights: Memory[AgencyId, Rights] = Memory(MOST_AGENCIES)

    async def begin(self, request: Request, scope: str) -> Call:
        """Verify the token and its proof, and count the request.

        Raises:
            InvalidToken: 401. Missing, expired, for another audience, bound to another key, or not
                bound at all.
            InvalidResourceProof: 401. Missing, or not for this request.
            InsufficientScope: 403. Issued for a person, without the scope, or to a client that
                speaks for no agency: the caller cannot tell which.
            QuotaExceeded: 429. The agency's minute is used up.
        """
        at: datetime = request.app.state.clock.now()
        token = self._verify(request, at=at)
        if token.grant_id is not None or scope not in token.scope:
            raise _insufficient(token, reason="scope")
        agency_id = await self._agency(token)
        if (agency_id is None) is not (scope == MANDATES):
            raise _insufficient(token, reason="agency")
        await self.spend_quota(token.partner_id, at=at)
        return Call(token=token, agency_id=agency_id, request_id=request.state.request_id, at=at)

    def _verify(self, request: Request, *, at: datetime) -> VerifiedToken:
        uri = self.issuer + request.scope["path"]
        token = self.verifier.verify(presented_in(request, uri=uri), at=at)
        if not token.is_sender_constrained:  # FAPI 2.0 Security Profile, 5.3.4
            raise InvalidToken(headers=challenge("dpop", "invalid_token"), reason="not bound")
        return token

    async def _agency(self, token: VerifiedToken) -> AgencyId | None:
        """Return whom a client speaks for; the statement asks again."""
        known = self._agency_of.get(token.client_id)
        if known is not None:
            return known
        bound = await run_in_threadpool(self._find_binding, token.client_id)
        if bound is None:
            raise _insufficient(token, reason="bound to no agency")
        if bound.agency_id is not None:
            self._agency_of.put(token.client_id, bound.agency_id)
        return bound.agency_id

    def _find_binding(self, client_id: ClientId) -> agency_store.Binding | None:
        with self.sessions() as session:
            return agency_store.find_binding(session, client_id)

    async def spend_quota(self, partner_id: PartnerId, *, at: datetime, amount: int = 1) -> None:
        """Count requests against the agency's minute.

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

    # Agencies

    async def rights(self, agency_id: AgencyId) -> Rights:
        """Return what an agency may ask, as it is remembered.

        Raises:
            InsufficientScope: 403. The agency was closed.
        """
        known = self._rights.get(agency_id)
        if known is not None:
            return known
        return await self.learn(agency_id)

    async def learn(self, agency_id: AgencyId) -> Rights:
        """Read anew what an agency may ask.

        Raises:
            InsufficientScope: 403. The agency was closed.
        """
        return await run_in_threadpool(self.learn_now, agency_id)

    def learn_now(self, agency_id: AgencyId) -> Rights:
        """Read anew what an agency may ask; from a worker thread."""
        try:
            with self.sessions() as session:
                of = load_rights(session, agency_id)
        except UnknownAgency as refusal:
            raise InsufficientScope(
                headers=challenge("dpop", "insufficient_scope"), reason="agency closed"
            ) from refusal
        rights = Rights(of, parse_official_keys(of.official_keys))
        return self._rights.put(agency_id, rights)

    def official(self, request: Request, call: Call, rights: Rights) -> Official:
        """Verify who asks.

        Raises:
            OfficialUnproven: 403. It is not proven.
        """
        given = request.headers.getlist(HEADER)
        if len(given) > 1:
            raise OfficialUnproven(reason="not one")
        return verify_official(
            given[0] if given else None,
            agency_id=call.agency,
            keys=rights.official_keys,
            audience=self.issuer + PATH,
            at=call.at,
        )

    async def admit_official(self, request: Request, call: Call) -> Official:
        """Spend the proof of a request, and the assertion that names its official.

        Raises:
            InvalidToken: 401. The token or the client is good for nothing any more.
            InvalidResourceProof: 401. The proof was used before.
            OfficialUnproven: 403. The assertion is not good, or was used before.

        Transaction:
            One of its own, committed before anything is done.
        """
        statement = admit(has_agency=True, has_assertion=True)
        rights = await self.rights(call.agency)
        for _ in range(_TRIES):
            try:
                official = self.official(request, call, rights)
            except OfficialUnproven:
                # What is remembered may be old: a key was added a moment ago.
                rights = await self.learn(call.agency)
                official = self.official(request, call, rights)
            row = await statement.fetchrow(
                self.pool,
                **call.binds(),
                **assertion_binds(official.digest, official.expires_at),
                register_revision=rights.of.agency.revision,
            )
            assert row is not None  # it always answers
            if check_admitted(row):
                return official
            rights = await self.learn(call.agency)
        raise RuntimeError("an agency's rights change faster than they can be read")

    async def admit(self, call: Call) -> None:
        """Spend the proof of a request that is not about a person, or about one it brings.

        Raises:
            InvalidToken: 401. The token or the client is good for nothing any more.
            InvalidResourceProof: 401. The proof was used before.

        Transaction:
            One of its own, committed before anything is done.
        """
        statement = admit(has_agency=False, has_assertion=False)
        row = await statement.fetchrow(self.pool, **call.binds())
        assert row is not None  # it always answers
        check_admitted(row)


def check_admitted(row: Row) -> bool:
    """Hold the row of a statement that admits a request against what must be so.

    Returns:
        Whether the agency is the one that is remembered; if not, nothing was spent.

    Raises:
        InvalidToken: 401. The token or the client is good for nothing any more.
        OfficialUnproven: 403. The official's assertion was used before.
        InvalidResourceProof: 401. The proof was used before.
    """
    if not row["is_bound"]:
        raise InvalidToken(headers=challenge("dpop", "invalid_token"), reason="client")
    if not row["is_unchanged"]:
        return False
    if not row["is_assertion_fresh"]:
        raise OfficialUnproven(reason="used before")
    if not row["is_proof_fresh"]:
        raise InvalidResourceProof(
            headers=challenge("dpop", "invalid_dpop_proof"), reason="replayed"
        )
    return True


def _insufficient(token: VerifiedToken, *, reason: str) -> InsufficientScope:
    return InsufficientScope(
        headers=challenge("bearer" if token.jkt is None else "dpop", "insufficient_scope"),
        reason=reason,
        client=token.client_id,
    )


def desk_of(request: Request) -> Desk:
    """Return the desk of this process."""
    state = request.app.state
    desk: Desk | None = getattr(state, "agency_desk", None)
    if desk is None:
        # Made from values that never change; of two that are made at once, the second stays.
        issuer = state.settings.issuer
        resources = (issuer, issuer + PATH)
        desk = state.agency_desk = Desk(
            issuer=issuer,
            verifier=TokenVerifier(provider_of(request), resources=resources),
            pool=state.hot_pool,
            sessions=state.sessions,
            keyring=state.keyring,
            signing=state.signing,
            clock=state.clock,
            tell_alarm=state.metrics.count_agency_alarm,
        )
    return desk
