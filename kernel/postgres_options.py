"""The settings that the embedded PostgreSQL is started with."""

from pathlib import Path

import psutil

_ALWAYS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
}
_MOST_SHARED_BYTES = 4 << 30
_LEAST_SHARED_BYTES = 128 << 20  # PostgreSQL's own default
_MOST_LOG = "8GB"
"""Of the write-ahead log between two checkpoints. After each, a page that changes is logged whole
once: with PostgreSQL's default, a register that is loaded logs most of its pages every few seconds.
"""
_FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def options_of(name: str, sockets: Path, *, durable: bool) -> dict[str, str]:
    """Return the settings of a server, by their names.

    Args:
        name: Of the cluster; tells our server from a stranger with its number.
        sockets: The folder for its socket.
        durable: False for tests: nothing need survive a crash of the machine.
    """
    kept = {"shared_buffers": shared_buffers(), "max_wal_size": _MOST_LOG}
    options = _ALWAYS | (kept if durable else _FORGETFUL)
    return options | {"cluster_name": name, "unix_socket_directories": str(sockets)}


def shared_buffers() -> str:
    """Return how much of its data the server may keep at hand: an eighth of the memory.

    It takes memory as it fills. With PostgreSQL's default, what a million people are signed in with
    does not fit, and every other page is read again from the system.
    """
    share = psutil.virtual_memory().total // 8
    return f"{min(max(share, _LEAST_SHARED_BYTES), _MOST_SHARED_BYTES) >> 20}MB"
