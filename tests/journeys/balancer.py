"""A balancer for tests: passes each connection on to the next backend that answers."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count

CHUNK = 65536


class Balancer:
    """Listens on one port, spreads connections over several.

    Args:
        port: Where it listens, on the loopback address.
        backends: Where it passes on to, in turn; one that refuses is skipped.
    """

    def __init__(self, port: int, backends: Sequence[int]) -> None:
        self.port = port
        self.served: dict[int, int] = dict.fromkeys(backends, 0)
        self._backends = backends
        self._turn = count()
        self._listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self._is_open = True

    def serve(self) -> None:
        """Accept connections until closed."""
        while self._is_open:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def close(self) -> None:
        """Stop accepting."""
        self._is_open = False
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _pass_on(self, client: socket.socket) -> None:
        backend = self._connect()
        if backend is None:
            client.close()
            return
        back = threading.Thread(target=_pump, args=(backend, client), daemon=True)
        back.start()
        _pump(client, backend)
        back.join()
        client.close()
        backend.close()

    def _connect(self) -> socket.socket | None:
        first = next(self._turn)
        for offset in range(len(self._backends)):
            port = self._backends[(first + offset) % len(self._backends)]
            with suppress(OSError):
                connection = socket.create_connection(("127.0.0.1", port), timeout=5)
                connection.settimeout(None)
                self.served[port] += 1
                return connection
        return None


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(CHUNK):
            sink.sendall(data)
    for end, how in ((sink, socket.SHUT_WR), (source, socket.SHUT_RD)):
        with suppress(OSError):
            end.shutdown(how)


@contextmanager
def balanced(port: int, backends: Sequence[int]) -> Iterator[Balancer]:
    """Open a balancer in a thread of its own."""
    balancer = Balancer(port, backends)
    thread = threading.Thread(target=balancer.serve, daemon=True)
    thread.start()
    try:
        yield balancer
    finally:
        balancer.close()
        thread.join(5)
