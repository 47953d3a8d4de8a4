"""Ports: is one free, which one is."""

import socket
import time

_PATIENCE_SECONDS = 3.0
"""How long a process that was just killed may take to let go of its port."""

_POLL_SECONDS = 0.1


class PortTaken(Exception):
    """Somebody else listens on the port."""

    def __init__(self, port: int) -> None:
        super().__init__(f"Port {port} is taken by another program.")
        self.port = port


def check_port_is_free(host: str, port: int) -> None:
    """Try to listen on the port, and let go of it.

    Raises:
        PortTaken: Somebody else has it, and kept it for three seconds.
    """
    give_up_at = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            with socket.socket() as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((host, port))
        except OSError as error:
            if time.monotonic() >= give_up_at:
                raise PortTaken(port) from error
            time.sleep(_POLL_SECONDS)
        else:
            return


def free_port() -> int:
    """Return a port of the loopback address that nobody has now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
