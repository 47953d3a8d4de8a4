"""Who may read what is for whoever runs the service: metrics. No I/O.

They stand on the service's own port, so that every copy is asked by itself. An address is no secret
and no password: it is enough because the answer names nobody, and because nobody comes from such an
address through a proxy.
"""

from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from starlette.requests import Request

from app.proxies import TrustedProxies

_SAYS_PROXY: Final = ("forwarded", "via", "x-forwarded-for", "x-real-ip")
"""Whoever sends one of these asks through a proxy, which asks for anybody."""


class Insiders:
    """Addresses and networks from which the inside is asked; one per process."""

    def __init__(self, addresses: Sequence[str], proxies: TrustedProxies) -> None:
        """Read the addresses.

        Args:
            addresses: Addresses or networks (`10.0.0.0/8`).
            proxies: They ask for others, never for themselves.

        Raises:
            ValueError: An address is neither.
        """
        self._networks = tuple(ip_network(address, strict=False) for address in addresses)
        self._proxies = proxies

    def include(self, request: Request) -> bool:
        """Tell whether a request comes from one of them, and from nobody else through them."""
        host = request.client.host if request.client else ""
        try:
            address = ip_address(host)
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if not any(address in network for network in self._networks):
            return False
        is_proxy = self._proxies.trusts(host)
        return not is_proxy and not any(name in request.headers for name in _SAYS_PROXY)
