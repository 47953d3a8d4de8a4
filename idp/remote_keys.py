"""Keys that a client publishes at an address of its own (`jwks_uri`).

What was fetched is kept for a while; an unknown `kid` fetches again, though an address is asked no
more than `MOST_FETCHES` times within `_WITHIN`, whatever is invented for it.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

import httpx
from starlette.requests import Request

from idp.jose import NotVerified, PublicKey, parse_jwks, peek_header
from idp.model import Client, JSONObject
from idp.policy import Policy
from idp.remote import NotFetched, fetch_json

MOST_REMEMBERED = 1000
_KEPT_FOR = timedelta(minutes=5)
_WITHIN = timedelta(seconds=30)

MOST_FETCHES = 4
"""More than one: who rotates twice in a row, or shares an address, is not kept waiting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fetched:
    jwks: JSONObject
    keys: tuple[PublicKey, ...]
    at: datetime
    asked_at: tuple[datetime, ...]
    """This time and those before it, as far back as they count."""

    def may_be_asked_again(self, at: datetime) -> bool:
        return len(_recent(self.asked_at, at)) < MOST_FETCHES


class RemoteKeys:
    """The key sets that this process has fetched; used from its event loop only."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """Begin with nothing fetched.

        Args:
            transport: What carries requests; httpx's own when None.
        """
        self._transport = transport
        self._fetched: OrderedDict[str, _Fetched] = OrderedDict()
        self._fetching: dict[str, asyncio.Task[JSONObject]] = {}

    async def get(
        self, jwks_uri: str, *, policy: Policy, needed_for: str | None, at: datetime
    ) -> tuple[PublicKey, ...]:
        """Return the keys at an address; none when they can't be had.

        Args:
            jwks_uri: Registered by the client.
            policy: Whether http and private addresses are allowed.
            needed_for: The JWS to be verified: if no remembered key has its `kid`, they are
                fetched again.
            at: Now.
        """
        if needed_for is None:
            return ()
        kid = _kid(needed_for)
        current = await self._current(
            jwks_uri,
            policy=policy,
            is_enough=lambda known: kid in {key.kid for key in known.keys},
            at=at,
        )
        return current.keys

    async def get_jwks(
        self,
        jwks_uri: str,
        *,
        policy: Policy,
        is_enough: Callable[[JSONObject], bool],
        at: datetime,
    ) -> JSONObject:
        """Return the key set at an address as it is published; empty when it can't be had.

        Args:
            jwks_uri: Registered by the client.
            policy: Whether http and private addresses are allowed.
            is_enough: Whether what is looked for is in a set; if not, it is fetched again.
            at: Now.
        """
        current = await self._current(
            jwks_uri, policy=policy, is_enough=lambda known: is_enough(known.jwks), at=at
        )
        return current.jwks

    async def _current(
        self, jwks_uri: str, *, policy: Policy, is_enough: Callable[[_Fetched], bool], at: datetime
    ) -> _Fetched:
        fetched = self._fetched.get(jwks_uri)
        if fetched is not None and (
            at - fetched.at < _KEPT_FOR
            if is_enough(fetched)
            else not fetched.may_be_asked_again(at)
        ):
            return fetched
        task = self._fetching.get(jwks_uri)
        if task is None:
            task = self._fetching[jwks_uri] = asyncio.ensure_future(self._fetch(jwks_uri, policy))
            task.add_done_callback(lambda _: self._fetching.pop(jwks_uri, None))
        jwks = await asyncio.shield(task)
        before = () if fetched is None else _recent(fetched.asked_at, at)
        fetched = self._fetched[jwks_uri] = _Fetched(
            jwks=jwks, keys=_parse(jwks), at=at, asked_at=(*before, at)
        )
        self._fetched.move_to_end(jwks_uri)
        if len(self._fetched) > MOST_REMEMBERED:
            self._fetched.popitem(last=False)
        return fetched

    async def _fetch(self, jwks_uri: str, policy: Policy) -> JSONObject:
        try:
            jwks = await fetch_json(jwks_uri, policy=policy, transport=self._transport)
        except NotFetched:
            return {}  # the assertion does not verify: the client is told just that
        return jwks if isinstance(jwks, dict) else {}


def _recent(asked_at: tuple[datetime, ...], at: datetime) -> tuple[datetime, ...]:
    return tuple(earlier for earlier in asked_at if at - earlier < _WITHIN)


def remote_keys_of(request: Request) -> RemoteKeys:
    """Return the key sets that this process has fetched."""
    state = request.app.state
    keys: RemoteKeys | None = getattr(state, "remote_keys", None)
    if keys is None:
        keys = state.remote_keys = RemoteKeys()
    return keys


FindRemoteKeys: TypeAlias = Callable[[str, str], Sequence[PublicKey]]
"""Takes an address and the JWS to be verified; returns the keys at the address."""


def no_remote_keys(_jwks_uri: str, _needed_for: str) -> Sequence[PublicKey]:
    """Find no keys: for callers that serve no client with an address."""
    return ()


def keys_of(client: Client, needed_for: str, remote_keys: FindRemoteKeys) -> Sequence[PublicKey]:
    """Return a client's keys, wherever it keeps them; none if they are not usable."""
    if client.metadata.jwks_uri is not None:
        return remote_keys(client.metadata.jwks_uri, needed_for)
    try:
        return () if client.metadata.jwks is None else parse_jwks(client.metadata.jwks)
    except NotVerified:
        return ()  # registered before we refused such keys


def _parse(jwks: JSONObject) -> tuple[PublicKey, ...]:
    try:
        return parse_jwks(jwks)
    except NotVerified:
        return ()


def _kid(compact: str) -> str | None:
    try:
        kid = peek_header(compact).get("kid")
    except NotVerified:
        return None
    return kid if isinstance(kid, str) else None
