"""What one process keeps between agencies' requests. Nothing here decides.

Concurrency: one per process, used by the event loop and by worker threads. What is remembered of an
agency carries its revision, and the statement that uses it asks whether it is still that one.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from sqlalchemy.orm import Session, sessionmaker
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from idp.api import (
    InsufficientScope,
    InvalidResourceProof,
    InvalidToken,
    VerifiedToken,
    assertion_binds,
    challenge,
)
from kernel.clock import Clock
from kernel.errors import DomainError
from kernel.ids import AgencyId, ClientId
from kernel.keyring import Keyring
from kernel.signing import SigningKeys
from partner_api.agencies import prepared
from partner_api.agencies import store as agency_store
from partner_api.agencies.asking import Asking, Call, Rights, decide_asking
from partner_api.agencies.counting import Tally
from partner_api.agencies.errors import OfficialUnproven
from partner_api.agencies.official import HEADER, Official, Officials
from partner_api.agencies.prepared import PreparedQuestion
from partner_api.agencies.questions import Frame
from partner_api.agencies.statements import admit
from partner_api.attempt import Row
from partner_api.entrance import Entrance
from partner_api.memory import Memory
from population_register.api import UnknownAgency, load_rights

if TYPE_CHECKING:
    from datetime import datetime

PATH: Final = "/agency/v1"
ADMINISTRATION: Final = "/agency/v1/administration"

FEED: Final = "register.feed"
FEED_REPORT: Final = "register.feed.report"
EVENTS: Final = "register.events"
RESOLVE: Final = "register.resolve"
WORKLIST: Final = "register.worklist"
MANDATES: Final = "register.mandates"

TRIES: Final = 3
"""How often what an agency may ask is read, when it changes between reading and asking."""

MOST_AGENCIES: Final = 1_000


class RightsKeepChanging(RuntimeError):
    """What an agency may ask changes faster than it can be read."""


class Desk:
    """What agencies' requests of one process share."""

    def __init__(
        self,
        *,
        entrance: Entrance,
        sessions: sessionmaker[Session],
        keyring: Keyring,
        signing: SigningKeys,
        clock: Clock,
        tell_alarm: Callable[[str], None],
    ) -> None:
        self.entrance = entrance
        self.issuer = entrance.issuer
        self.audience = entrance.issuer + PATH
        self.pool = entrance.pool
        self.sessions = sessions
        self.keyring = keyring
        self.signing = signing
        self.tally = Tally(sessions, clock, tell=tell_alarm)
        self._agency_of: Memory[ClientId, AgencyId | None] = Memory(MOST_AGENCIES)
        self._rights: Memory[AgencyId, Rights] = Memory(MOST_AGENCIES)
        self._prepared: Memory[prepared.Key, PreparedQuestion] = Memory()

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
        token = self.entrance.verify(request, at=at)
        if token.grant_id is not None or scope not in token.scope:
            raise _insufficient(token, scope, reason="scope")
        agency_id = self._agency_of.get(token.client_id) or await self._agency(token, scope)
        if (agency_id is None) is not (scope == MANDATES):
            raise _insufficient(token, scope, reason="agency")
        if not self.entrance.has_counted(token.partner_id, at=at):
            await self.entrance.count(token.partner_id, at=at)
        return Call(
            token=token,
            agency_id=agency_id,
            assertions=_assertions_in(request),
            request_id=request.scope["state"]["request_id"],
            at=at,
        )

    async def _agency(self, token: VerifiedToken, scope: str) -> AgencyId | None:
        """Find whom a client speaks for; the statement asks again."""
        bound = await run_in_threadpool(self._find_binding, token.client_id)
        if bound is None:
            raise _insufficient(token, scope, reason="bound to no agency")
        if bound.agency_id is not None:
            self._agency_of.put(token.client_id, bound.agency_id)
        return bound.agency_id

    def _find_binding(self, client_id: ClientId) -> agency_store.Binding | None:
        with self.sessions() as session:
            return agency_store.find_binding(session, client_id)

    # Agencies

    def known_rights(self, agency_id: AgencyId) -> Rights | None:
        """Return what an agency may ask, if it is remembered."""
        return self._rights.get(agency_id)

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
        return self._rights.put(agency_id, Rights(of, Officials(agency_id, of.official_keys)))

    async def decide(self, call: Call, frame: Frame) -> Asking:
        """Decide who asks and what they may get; what is remembered decides for, never against.

        Raises:
            InsufficientScope: 403. The agency was closed.
            OfficialUnproven: 403. It is not proven which official asks.
            MandateMissing: 403. The legal basis gives nothing.
        """
        known = self._rights.get(call.agency)
        if known is not None:
            try:
                return decide_asking(call, frame, known, audience=self.audience)
            except DomainError:
                pass  # a mandate may have been given, a key added, a moment ago
        return decide_asking(call, frame, await self.learn(call.agency), audience=self.audience)

    def decide_anew(self, call: Call, frame: Frame) -> Asking:
        """Do the same with what is read anew; from a worker thread."""
        return decide_asking(call, frame, self.learn_now(call.agency), audience=self.audience)

    def prepared(self, asking: Asking, count: int) -> PreparedQuestion:
        """Return what is the same in every question like this, by as many numbers."""
        key = prepared.key_of(asking, count)
        return self._prepared.get(key) or self._prepared.put(key, PreparedQuestion(asking, count))

    async def admit_official(self, call: Call) -> Official:
        """Spend the proof of a request, and the assertion that names its official.

        Raises:
            InvalidToken: 401. The token or the client is good for nothing any more.
            InvalidResourceProof: 401. The proof was used before.
            OfficialUnproven: 403. The assertion is not good, or was used before.

        Transaction:
            One of its own, committed before anything is done.
        """
        statement = admit(has_agency=True, has_assertion=True)
        rights = self.known_rights(call.agency) or await self.learn(call.agency)
        for _ in range(TRIES):
            try:
                official = rights.official(call, audience=self.audience)
            except OfficialUnproven:
                # What is remembered may be old: a key was added a moment ago.
                rights = await self.learn(call.agency)
                official = rights.official(call, audience=self.audience)
            row = await statement.fetchrow(
                self.pool,
                **call.binds(),
                **assertion_binds(official.digest, official.expires_at),
                register_revision=rights.revision,
            )
            assert row is not None  # it always answers
            if check_admitted(row):
                return official
            rights = await self.learn(call.agency)
        raise RightsKeepChanging

    async def admit(self, call: Call) -> None:
        """Spend the proof of a request that is not about a person, or about one it brings.

        Raises:
            InvalidToken: 401. The token or the client is good for nothing any more.
            InvalidResourceProof: 401. The proof was used before.
            InsufficientScope: 403. The agency was closed.

        Transaction:
            One of its own, committed before anything is done.
        """
        agency_id = call.agency_id
        statement = admit(has_agency=agency_id is not None, has_assertion=False)
        for _ in range(TRIES):
            binds = call.binds()
            if agency_id is not None:
                rights = self.known_rights(agency_id) or await self.learn(agency_id)
                binds["register_revision"] = rights.revision
            row = await statement.fetchrow(self.pool, **binds)
            assert row is not None  # it always answers
            if check_admitted(row):
                return
            await self.learn(call.agency)
        raise RightsKeepChanging


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
        raise OfficialUnproven(
            "The assertion was used before: each request has one of its own.", reason="used before"
        )
    if not row["is_proof_fresh"]:
        raise InvalidResourceProof(
            headers=challenge("dpop", "invalid_dpop_proof"), reason="replayed"
        )
    return True


_OFFICIAL_HEADER = HEADER.lower().encode()


def _assertions_in(request: Request) -> list[str]:
    """Return every header of a request that is to name the official."""
    return [
        value.decode("latin-1")
        for name, value in request.scope["headers"]
        if name == _OFFICIAL_HEADER
    ]


def _insufficient(token: VerifiedToken, scope: str, *, reason: str) -> InsufficientScope:
    whose = "the administration" if scope == MANDATES else "an agency"
    scheme = "bearer" if token.jkt is None else "dpop"
    return InsufficientScope(
        f"This takes a token of scope {scope} and of no person, of a client bound to {whose}.",
        headers=challenge(scheme, "insufficient_scope", {"scope": scope}),
        reason=reason,
        client=token.client_id,
    )


def desk_of(request: Request) -> Desk:
    """Return the desk of this process."""
    state = request.app.state
    desk: Desk | None = getattr(state, "agency_desk", None)
    if desk is None:
        # Made from values that never change; of two that are made at once, the second stays.
        desk = state.agency_desk = Desk(
            entrance=Entrance(request, PATH),
            sessions=state.sessions,
            keyring=state.keyring,
            signing=state.signing,
            clock=state.clock,
            tell_alarm=state.metrics.count_agency_alarm,
        )
    return desk
