"""Keys that a client publishes at an address of its own (`jwks_uri`).

Fetching an address that a stranger chose is a way to make us talk to our own network. So: https
only (http where the policy allows it), no redirects, a small answer, a short wait; in production no
address that is not global. What was fetched is kept for a while; an unknown `kid` fetches again,
not more than once in `_REFETCHED_AFTER`.
"""

import asyncio
import ipaddress
import socket
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import httpx

from idp.jose import NotVerified, PublicKey, parse_jwks, peek_header
from idp.policy import Policy
from kernel.errors import InvalidRequest
from kernel.strict_json import parse_json

LARGEST_ANSWER = 64 * 1024  # bytes
MOST_REMEMBERED = 1000
_TIMEOUT = httpx.Timeout(3.0)  # seconds; the client waits for its own keys
_KEPT_FOR = timedelta(minutes=5)
_REFETCHED_AFTER = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fetched:
    keys: tuple[PublicKey, ...]
    at: datetime


class RemoteKeys:
    """The key sets that this process has fetched; used from its event loop only."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """Begin with nothing fetched.

        Args:
            transport: What carries requests; httpx's own when None.
        """
        self._transport = transport
        self._fetched: OrderedDict[str, _Fetched] = OrderedDict()
        self._fetching: dict[str, asyncio.Task[tuple[PublicKey, ...]]] = {}

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
        fetched = self._fetched.get(jwks_uri)
        if fetched is not None:
            is_known = _kid(needed_for) in {key.kid for key in fetched.keys}
            if at - fetched.at < (_KEPT_FOR if is_known else _REFETCHED_AFTER):
                return fetched.keys
        task = self._fetching.get(jwks_uri)
        if task is None:
            task = self._fetching[jwks_uri] = asyncio.ensure_future(self._fetch(jwks_uri, policy))
            task.add_done_callback(lambda _: self._fetching.pop(jwks_uri, None))
        keys = await asyncio.shield(task)
        self._fetched[jwks_uri] = _Fetched(keys=keys, at=at)
        self._fetched.move_to_end(jwks_uri)
        if len(self._fetched) > MOST_REMEMBERED:
            self._fetched.popitem(last=False)
        return keys

    async def _fetch(self, jwks_uri: str, policy: Policy) -> tuple[PublicKey, ...]:
        try:
            await _check_address(jwks_uri, policy)
            async with (
                httpx.AsyncClient(
                    timeout=_TIMEOUT,
                    follow_redirects=False,
                    trust_env=False,
                    transport=self._transport,
                ) as client,
                client.stream("GET", jwks_uri) as response,
            ):
                if response.status_code != httpx.codes.OK:
                    return ()
                body = b""
                async for part in response.aiter_bytes():
                    body += part
                    if len(body) > LARGEST_ANSWER:
                        return ()
            jwks = parse_json(body)
            return parse_jwks(jwks) if isinstance(jwks, dict) else ()
        except (httpx.HTTPError, InvalidRequest, NotVerified, OSError, _Forbidden):
            return ()  # the assertion does not verify: the client is told just that


class _Forbidden(Exception):  # never leaves this module
    """The address is one that we don't talk to."""


async def _check_address(jwks_uri: str, policy: Policy) -> None:
    parts = urlsplit(jwks_uri)
    if parts.scheme != "https" and not (parts.scheme == "http" and policy.allows_http):
        raise _Forbidden
    if policy.allows_http or parts.hostname is None:
        return
    port = parts.port or 443
    found = await asyncio.get_running_loop().getaddrinfo(
        parts.hostname, port, type=socket.SOCK_STREAM
    )
    if not all(ipaddress.ip_address(address[0]).is_global for *_, address in found):
        raise _Forbidden


def _kid(compact: str) -> str | None:
    try:
        kid = peek_header(compact).get("kid")
    except NotVerified:
        return None
    return kid if isinstance(kid, str) else None
