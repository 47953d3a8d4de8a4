"""From where somebody guesses, for counting how often. No I/O."""

import ipaddress

_OF_ONE_SUBSCRIBER = 64  # bits; RFC 6177: nobody is given less of version 6


def network_of(address: str) -> str:
    """Return what is counted as one place: an address of version 4, or a network of version 6.

    A subscriber of version 6 has 2**64 addresses at least: whoever counts each by itself counts
    nobody.

    Args:
        address: As the server or a trusted proxy tells it; anything that is no address is a place
            of its own.
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip, _OF_ONE_SUBSCRIBER), strict=False))
