"""Send one request to an address that somebody else chose.

The name in the address is resolved here, every address that it has is looked at, and the connection
goes to the address that was looked at: a name that resolves to something else a moment later
(DNS rebinding) gains nothing. The certificate is still checked against the name.
"""

import asyncio
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import structlog

log = structlog.get_logger("civitas")

Resolve = Callable[[str, int], list[str]]

TIMEOUT = timedelta(seconds=10)

_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")  # of version 6, all that IANA has given out
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: leads to the IPv4 address in its end
_LEADS_ELSEWHERE = (
    ipaddress.ip_network("192.0.0.0/24"),  # RFC 6890: agreements between machines
    ipaddress.ip_network("192.88.99.0/24"),  # RFC 7526: relays of 6to4
    ipaddress.ip_network("2001::/32"),  # RFC 4380: Teredo, with an IPv4 address inside
    ipaddress.ip_network("2002::/16"),  # RFC 3056: 6to4, likewise
)


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a name.

    Raises:
        OSError: It has none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def is_public(address: str) -> bool:
    """Tell whether an address is one that anybody on the Internet may be at.

    What `ipaddress` calls global is more than that: multicast, and addresses of version 6 that
    lead to any of version 4.

    Args:
        address: As `getaddrinfo` writes it; with a zone, it is one of this machine's neighbours.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if ip not in _GLOBAL_UNICAST:
            return False
    return (
        ip.is_global
        and not ip.is_multicast
        and not any(ip in network for network in _LEADS_ELSEWHERE)
    )


@lru_cache
def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return whose certificates are trusted when we call somebody.

    Args:
        ca_file: Authorities beside the well-known ones, as PEM; None for no others.

    Raises:
        OSError: The file can't be read.
        ssl.SSLError: There is no certificate in it.
    """
    context = httpx.create_ssl_context(trust_env=False)
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Posts to addresses of partners.

    Attributes:
        allow_local: In the demonstration, this machine may receive.
        user_agent: What we call ourselves.
        timeout: For all of it, the name's resolution too; whoever answers a byte at a time gets
            no more.
        ca_file: Authorities that are trusted beside the well-known ones, as PEM.
        resolve: How a name becomes addresses.
        transport: For tests; the network otherwise.
    """

    allow_local: bool
    user_agent: str = "Civitas/1"
    timeout: timedelta = TIMEOUT
    ca_file: Path | None = None
    resolve: Resolve = resolve
    transport: httpx.AsyncBaseTransport | None = None

    def send(self, uri: str, body: bytes, headers: Mapping[str, str]) -> int | None:
        """Post `body` to `uri` and return the HTTP status; None if there was no answer.

        Not an answer: a name that does not resolve, an address that is not public, a broken
        connection, a bad certificate, a timeout. Redirects are not followed and the body of the
        answer is not read. For threads without an event loop.

        Args:
            uri: `https`, or `http` where the caller let it be registered.
            body: As it is sent.
            headers: `content-type` among them.
        """
        try:
            return asyncio.run(self._send(uri, body, headers))
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            # TimeoutError is an OSError; a host that can't be one is a ValueError.
            log.info("outbound.unanswered", reason=type(error).__name__)
            return None

    async def _send(self, uri: str, body: bytes, headers: Mapping[str, str]) -> int:
        parts = urlsplit(uri)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        seconds = self.timeout.total_seconds()
        async with asyncio.timeout(seconds):
            address = self._public_address(await _in_thread(lambda: self.resolve(host, port)))
            bracketed = f"[{address}]" if ":" in address else address
            url = httpx.URL(uri).copy_with(host=bracketed)
            async with (
                httpx.AsyncClient(
                    timeout=seconds,
                    follow_redirects=False,
                    trust_env=False,
                    transport=self.transport,
                    verify=tls_context(self.ca_file),
                ) as client,
                client.stream(
                    "POST",
                    url,
                    content=body,
                    headers={**headers, "host": parts.netloc, "user-agent": self.user_agent},
                    extensions={"sni_hostname": host},
                ) as response,
            ):
                return response.status_code

    def _public_address(self, addresses: Sequence[str]) -> str:
        for address in addresses:
            is_ours = (
                self.allow_local and ipaddress.ip_address(address.partition("%")[0]).is_loopback
            )
            if not is_ours and not is_public(address):
                raise PermissionError("the address resolves to one that is not public")
        return addresses[0]


async def _in_thread(work: Callable[[], list[str]]) -> list[str]:
    """Do what can't be interrupted in a thread of its own, and leave it behind if cancelled.

    The C library resolves for as long as `resolv.conf` lets it; an executor's thread would be
    waited for when the event loop ends.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()

    def deliver(found: list[str] | None, error: BaseException | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(found or [])

    def run() -> None:
        found: list[str] | None = None
        failed: BaseException | None = None
        try:
            found = work()
        except Exception as error:  # noqa: BLE001  # whatever it is, it is theirs who asked
            failed = error
        with suppress(RuntimeError):  # nobody waits any more: the loop is closed
            loop.call_soon_threadsafe(deliver, found, failed)

    threading.Thread(target=run, name="resolve", daemon=True).start()
    return await answer
