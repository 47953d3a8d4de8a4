"""What a proxy in front of us says of a request: who called, over what, with which certificate.

Only the addresses in `CIVITAS_TRUSTED_PROXIES` are believed. What they say is written where a
server that terminated TLS itself would have put it: `client` and `scheme` of the ASGI scope, and
the certificates of the ASGI TLS extension. Nothing behind this reads the headers, so that whoever
sends them past the proxy says nothing.

Source:
    RFC 9440 (Client-Cert, Client-Cert-Chain); ASGI TLS Extension, 0.2.
"""

import ssl
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import unquote_to_bytes

from starlette.types import Scope

LONGEST_CERTIFICATE = 16 * 1024  # bytes of DER; a certificate of a client takes one or two thousand
MOST_INTERMEDIATES = 8

_CLIENT_CERT = b"client-cert"  # RFC 9440, 2.2
_CLIENT_CERT_CHAIN = b"client-cert-chain"  # RFC 9440, 2.3
_ESCAPED_PEM = b"-----BEGIN%20CERTIFICATE-----"  # as nginx and Apache write it
_FORWARDED_FOR = b"x-forwarded-for"
_FORWARDED_PROTO = b"x-forwarded-proto"


class TrustedProxies:
    """The proxies that are believed; one per process."""

    def __init__(self, addresses: Sequence[str], *, pass_certificates: bool = False) -> None:
        """Read the addresses.

        Args:
            addresses: Addresses or networks (`10.0.0.0/8`).
            pass_certificates: Whether they were set up for mutual TLS. A proxy that was not lets
                a caller's own `Client-Cert` through, and a certificate is no secret.

        Raises:
            ValueError: One of them is neither.
        """
        self._networks: tuple[IPv4Network | IPv6Network, ...] = tuple(
            ip_network(address, strict=False) for address in addresses
        )
        self._pass_certificates = pass_certificates

    def __bool__(self) -> bool:
        return bool(self._networks)

    def trusts(self, host: str) -> bool:
        """Tell whether a host is one of the proxies."""
        try:
            address = ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self._networks)

    def seen_through(self, scope: Scope) -> Scope:
        """Return the scope of a request as the proxy saw it; the same one if none is in between."""
        client = scope.get("client")
        if client is None or not self.trusts(client[0]):
            return scope
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name, []).append(value)
        seen = {
            **scope,
            "extensions": {
                **(scope.get("extensions") or {}),
                # The proxy's own certificate, if it has one, is not the client's.
                "tls": {
                    "client_cert_chain": _certificates(headers) if self._pass_certificates else ()
                },
            },
        }
        caller = self._caller(headers.get(_FORWARDED_FOR, []))
        if caller is not None:
            seen["client"] = (caller, 0)
        scheme = headers.get(_FORWARDED_PROTO, [])
        if len(scheme) == 1 and scheme[0] in {b"http", b"https"}:
            seen["scheme"] = scheme[0].decode()
        return seen

    def _caller(self, values: list[bytes]) -> str | None:
        """Return the last address in `X-Forwarded-For` that is not a proxy of ours.

        Whatever stands before it was written by whoever called.
        """
        addresses = b",".join(values).decode("latin-1").split(",")
        for address in reversed(addresses):
            try:
                host = str(ip_address(address.strip()))
            except ValueError:
                return None
            if not self.trusts(host):
                return host
        return None


def _certificates(headers: dict[bytes, list[bytes]]) -> tuple[str, ...]:
    """Return the certificates as PEM, the client's first; none unless the header is well formed.

    A certificate is a Byte Sequence of Structured Fields (RFC 8941, 3.3.5), of DER, as RFC 9440,
    2.1 has it. nginx and Apache can not write that; the percent-encoded PEM of theirs is taken too.
    """
    leaf = headers.get(_CLIENT_CERT, [])
    if len(leaf) != 1:  # RFC 9440, 2.2: one value, not a list
        return ()
    chain = b",".join(headers.get(_CLIENT_CERT_CHAIN, []))
    members = [leaf[0], *(chain.split(b",") if chain else ())]
    if len(members) > 1 + MOST_INTERMEDIATES:
        return ()
    try:
        return tuple(ssl.DER_cert_to_PEM_cert(_der(member)) for member in members)
    except (NotBase64, ValueError):
        return ()


def _der(member: bytes) -> bytes:
    """Decode a certificate: base64 between colons, or percent-encoded PEM.

    Raises:
        ValueError: It is neither, is empty, or is too long.
    """
    text = member.strip(b" \t")
    if text.startswith(_ESCAPED_PEM):
        decoded = ssl.PEM_cert_to_DER_cert(unquote_to_bytes(text).decode("ascii"))
    elif len(text) > 2 and text[:1] == text[-1:] == b":":  # noqa: PLR2004  # two colons and something
        decoded = b64decode(text[1:-1], validate=True)
    else:
        raise ValueError("not a certificate")
    if not 0 < len(decoded) <= LONGEST_CERTIFICATE:
        raise ValueError("no certificate has this length")
    return decoded
