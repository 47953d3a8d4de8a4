"""Fetch a document from an address that a client chose.

Fetching an address that a stranger chose is a way to make us talk to our own network. So: https
only (http where the policy allows it), no redirects, a small answer, a short wait; where the policy
is strict, no address that is not global.
"""

import asyncio
import ipaddress
import socket
from urllib.parse import urlsplit

import httpx

from idp.policy import Policy
from kernel.errors import InvalidRequest
from kernel.strict_json import parse_json

LARGEST_ANSWER = 64 * 1024  # bytes
_TIMEOUT = httpx.Timeout(3.0)  # seconds


class NotFetched(Exception):  # never leaves idp
    """The document could not be had, for whatever reason."""


async def fetch_json(
    uri: str, *, policy: Policy, transport: httpx.AsyncBaseTransport | None = None
) -> object:
    """Return the JSON at an address.

    Args:
        uri: Chosen by a client.
        policy: Whether http and private addresses are allowed.
        transport: What carries requests; httpx's own when None.

    Raises:
        NotFetched: A forbidden address, an error, an answer that is not JSON or too large.
    """
    try:
        await _check_address(uri, policy)
        async with (
            httpx.AsyncClient(
                timeout=_TIMEOUT, follow_redirects=False, trust_env=False, transport=transport
            ) as client,
            client.stream("GET", uri) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise NotFetched("status")
            body = b""
            async for part in response.aiter_bytes():
                body += part
                if len(body) > LARGEST_ANSWER:
                    raise NotFetched("size")
        return parse_json(body)
    except (httpx.HTTPError, httpx.InvalidURL, InvalidRequest, OSError) as error:
        raise NotFetched(type(error).__name__) from error


async def _check_address(uri: str, policy: Policy) -> None:
    parts = urlsplit(uri)
    if parts.scheme != "https" and not (parts.scheme == "http" and policy.allows_http):
        raise NotFetched("scheme")
    if policy.allows_http or parts.hostname is None:
        return
    found = await asyncio.get_running_loop().getaddrinfo(
        parts.hostname, parts.port or 443, type=socket.SOCK_STREAM
    )
    if not all(ipaddress.ip_address(address[0]).is_global for *_, address in found):
        raise NotFetched("address")
