"""Fetch a document from an address that a client chose.

Fetching an address that a stranger chose is a way to make us talk to our own network. So: https
only (http where the policy allows it), no redirects, a small answer, a short wait; where the policy
is strict, no address that is not public, and the connection goes to the very address that was
looked at.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import TypeAlias
from urllib.parse import urlsplit

import httpx
from starlette.requests import Request

from idp.policy import Policy
from kernel.errors import InvalidRequest
from kernel.outbound import is_public, tls_context
from kernel.strict_json import parse_json

LARGEST_ANSWER = 64 * 1024  # bytes
_TIMEOUT = httpx.Timeout(3.0)  # seconds, for each of connecting, sending and waiting
LONGEST_FETCH = 5.0
"""Seconds for all of it: whoever sends a byte now and then holds up a request of ours no longer."""


class NotFetched(Exception):  # never leaves idp
    """The document could not be had, for whatever reason."""


async def fetch_json(
    uri: str, *, policy: Policy, transport: httpx.AsyncBaseTransport | None = None
) -> object:
    """Return the JSON at an address.

    Args:
        uri: Chosen by a client.
        policy: Whether http and private addresses are allowed, and which authorities are trusted.
        transport: What carries requests; httpx's own when None.

    Raises:
        NotFetched: A forbidden address, an error, an answer that is not JSON or too large.
    """
    try:
        return parse_json(await _fetch(uri, policy, transport))
    except InvalidRequest as error:
        raise NotFetched(type(error).__name__) from error


async def fetch_text(
    uri: str, *, policy: Policy, transport: httpx.AsyncBaseTransport | None = None
) -> str:
    """Return the ASCII text at an address; as for `fetch_json`."""
    try:
        return (await _fetch(uri, policy, transport)).decode("ascii").strip()
    except UnicodeDecodeError as error:
        raise NotFetched("characters") from error


async def _fetch(uri: str, policy: Policy, transport: httpx.AsyncBaseTransport | None) -> bytes:
    try:
        async with asyncio.timeout(LONGEST_FETCH):
            return await _get(uri, policy, transport)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        # TimeoutError is an OSError; a host that can't be one is a ValueError.
        raise NotFetched(type(error).__name__) from error


async def _get(uri: str, policy: Policy, transport: httpx.AsyncBaseTransport | None) -> bytes:
    address = await _check_address(uri, policy)
    url, headers, extensions = _to(uri, address)
    headers["accept-encoding"] = "identity"
    async with (
        httpx.AsyncClient(
            timeout=_TIMEOUT,
            follow_redirects=False,
            trust_env=False,
            transport=transport,
            verify=tls_context(policy.outbound_ca_file),
        ) as client,
        client.stream("GET", url, headers=headers, extensions=extensions) as response,
    ):
        if response.status_code != httpx.codes.OK:
            raise NotFetched("status")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise NotFetched("unpacked, a small answer can be a large one")
        body = b""
        async for part in response.aiter_bytes():
            body += part
            if len(body) > LARGEST_ANSWER:
                raise NotFetched("size")
    return body


def _to(uri: str, address: str | None) -> tuple[httpx.URL, dict[str, str], dict[str, str]]:
    """Return where to connect, and as whom: to the very address that was looked at."""
    url = httpx.URL(uri).copy_with(fragment=None)  # RFC 9110, 4.2.5
    if address is None:
        return url, {}, {}
    bracketed = f"[{address}]" if ":" in address else address
    return (
        url.copy_with(host=bracketed),
        {"host": url.netloc.decode("ascii")},
        {"sni_hostname": url.raw_host.decode("ascii")},
    )


async def _check_address(uri: str, policy: Policy) -> str | None:
    """Return which address of the host to connect to; None for whichever."""
    parts = urlsplit(uri)
    if parts.scheme != "https" and not (parts.scheme == "http" and policy.allows_http):
        raise NotFetched("scheme")
    if policy.allows_http or parts.hostname is None:
        return None
    found = await asyncio.get_running_loop().getaddrinfo(
        parts.hostname, parts.port or 443, type=socket.SOCK_STREAM
    )
    addresses = [str(address[0]) for *_, address in found]
    if not all(is_public(address) for address in addresses):
        raise NotFetched("address")
    return addresses[0]


class RemoteDocuments:
    """What this process fetches from addresses of clients."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """Begin.

        Args:
            transport: What carries requests; httpx's own when None.
        """
        self._transport = transport

    async def json(self, uri: str, *, policy: Policy) -> object:
        """See `fetch_json`."""
        return await fetch_json(uri, policy=policy, transport=self._transport)

    async def text(self, uri: str, *, policy: Policy) -> str:
        """See `fetch_text`."""
        return await fetch_text(uri, policy=policy, transport=self._transport)


def remote_documents_of(request: Request) -> RemoteDocuments:
    """Return what fetches documents in this process."""
    state = request.app.state
    documents: RemoteDocuments | None = getattr(state, "remote_documents", None)
    if documents is None:
        documents = state.remote_documents = RemoteDocuments()
    return documents


FetchText: TypeAlias = Callable[[str], str]
"""Takes an address and returns the text at it, or raises `NotFetched`."""


def fetch_nothing(_uri: str) -> str:
    """Fetch nothing: for callers that serve no client with an address."""
    raise NotFetched("nothing is fetched here")
