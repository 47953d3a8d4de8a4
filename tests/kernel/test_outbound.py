"""What we call elsewhere is public, and holds us up for a moment at most."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Event, Thread
from time import monotonic

import httpx
import httpx2
import pytest

from idp.upstream_client import LARGEST_ANSWER, Bounded
from kernel.outbound import Sender, is_public, tls_context

LONGEST = 0.1  # seconds
MUCH_LONGER = 5.0


@pytest.mark.parametrize(
    "address",
    [
        "93.184.216.34",
        "2606:2800:220:1:248:1893:25c8:1946",
        "64:ff9b::5db8:d822",  # 93.184.216.34, where only version 6 is spoken
        "::ffff:93.184.216.34",
    ],
)
def test_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.9",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",  # 127.0.0.1
        "64:ff9b::a00:1",  # 10.0.0.1
        "64:ff9b:1::a00:1",
        "100::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "5f00::1",
        "fc00::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
    ],
)
def test_not_public(address: str) -> None:
    assert not is_public(address)


@contextmanager
def server(beginning: bytes, then: bytes) -> Iterator[int]:
    """Answer with a beginning, and then with the same few bytes again and again."""
    is_over = Event()

    def answer() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65536)
            try:
                connection.sendall(beginning)
                while not is_over.is_set():
                    connection.sendall(then)
                    is_over.wait(LONGEST / 20)
            except OSError:  # they have gone
                return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=answer)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            is_over.set()
            thread.join()


HEADERS_THAT_NEVER_END = (b"HTTP/1.1 200 OK\r\nx: ", b"x")
BODY_THAT_NEVER_ENDS = (b"HTTP/1.1 200 OK\r\ncontent-length: 9000000\r\n\r\n", b" ")


class TestSender:
    def send(self, port: int, *, longest: float = MUCH_LONGER) -> int | None:
        sender = Sender(allow_local=True, timeout=timedelta(seconds=longest))
        return sender.send(f"http://127.0.0.1:{port}/", b"{}", {})

    def test_headers_a_byte_at_a_time_are_no_answer(self) -> None:
        with server(*HEADERS_THAT_NEVER_END) as port:
            began = monotonic()

            assert self.send(port, longest=LONGEST) is None
            assert monotonic() - began < MUCH_LONGER

    def test_body_is_not_waited_for(self) -> None:
        with server(*BODY_THAT_NEVER_ENDS) as port:
            assert self.send(port) == 200

    def test_name_that_nobody_resolves_in_time_is_no_answer(self) -> None:
        is_over = Event()

        def slowly(_host: str, _port: int) -> list[str]:
            is_over.wait(2 * MUCH_LONGER)
            return ["93.184.216.34"]

        sender = Sender(allow_local=False, timeout=timedelta(seconds=LONGEST), resolve=slowly)
        began = monotonic()
        try:
            assert sender.send("https://bank.example/", b"{}", {}) is None
            assert monotonic() - began < MUCH_LONGER
        finally:
            is_over.set()

    def test_this_machine_is_called_in_the_demonstration_only(self) -> None:
        with server(*BODY_THAT_NEVER_ENDS) as port:
            sender = Sender(allow_local=False)

            assert sender.send(f"http://127.0.0.1:{port}/", b"{}", {}) is None
            assert self.send(port) == 200


@pytest.fixture(scope="module")
def trusted() -> ssl.SSLContext:
    return tls_context(None)


class TestUpstream:
    def ask(self, port: int, trusted: ssl.SSLContext, longest: float = LONGEST) -> httpx2.Response:
        with httpx2.Client(transport=Bounded(trusted, longest), trust_env=False) as client:
            return client.post(f"http://127.0.0.1:{port}/token", data={"code": "x"})

    @pytest.mark.parametrize(
        "drip", [HEADERS_THAT_NEVER_END, BODY_THAT_NEVER_ENDS], ids=["headers", "body"]
    )
    def test_answer_a_byte_at_a_time_is_none(
        self, trusted: ssl.SSLContext, drip: tuple[bytes, bytes]
    ) -> None:
        with server(*drip) as port, pytest.raises(httpx2.ReadTimeout):
            self.ask(port, trusted)

    def test_answer_without_an_end_is_none(self, trusted: ssl.SSLContext) -> None:
        flood = (BODY_THAT_NEVER_ENDS[0], b" " * LARGEST_ANSWER)

        with server(*flood) as port, pytest.raises(httpx2.ReadError):
            self.ask(port, trusted, MUCH_LONGER)

    def test_answer_is_returned_whole(self, trusted: ssl.SSLContext) -> None:
        answer = b'HTTP/1.1 201 Created\r\nx-of: them\r\ncontent-length: 7\r\n\r\n{"a":1}'

        with server(answer, b"") as port:
            response = self.ask(port, trusted, MUCH_LONGER)

        assert (response.status_code, response.headers["x-of"]) == (201, "them")
        assert response.json() == {"a": 1}


@pytest.mark.parametrize(
    ("uri", "asked", "called"),
    [
        ("https://a.example/x?y", ("a.example", 443), "https://93.184.216.34/x?y"),
        ("http://a.example/", ("a.example", 80), "http://93.184.216.34/"),
        ("https://a.example:8443/", ("a.example", 8443), "https://93.184.216.34:8443/"),
    ],
)
def test_what_is_called_is_the_address_that_was_looked_at(
    uri: str, asked: tuple[str, int], called: str
) -> None:
    """And it is told whom we meant: no answer of another look-up comes between."""
    looked_up, received = [], []

    def resolve(host: str, port: int) -> list[str]:
        looked_up.append((host, port))
        return ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"]

    def answer(request: httpx.Request) -> httpx.Response:
        received.append(request)
        return httpx.Response(204)

    sender = Sender(allow_local=False, resolve=resolve, transport=httpx.MockTransport(answer))

    assert sender.send(uri, b"body", {"content-type": "text/plain"}) == 204
    (request,) = received
    assert looked_up == [asked]
    assert str(request.url) == called
    assert request.headers["host"] == httpx.URL(uri).netloc.decode()
    assert request.extensions["sni_hostname"] == "a.example"
    assert request.content == b"body"


def test_address_of_version_6_is_called_in_brackets() -> None:
    received = []

    def answer(request: httpx.Request) -> httpx.Response:
        received.append(request.url)
        return httpx.Response(200)

    sender = Sender(
        allow_local=False,
        resolve=lambda _host, _port: ["2606:2800:220:1:248:1893:25c8:1946"],
        transport=httpx.MockTransport(answer),
    )

    assert sender.send("https://a.example/", b"", {}) == 200
    assert received[0].host == "2606:2800:220:1:248:1893:25c8:1946"


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["93.184.216.34", "127.0.0.1"]])
@pytest.mark.parametrize("uri", ["https://a.example/", "https:///", "https://a.example:x/"])
def test_nothing_is_called_where_one_address_is_not_public(uri: str, addresses: list[str]) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise AssertionError(request.url)

    sender = Sender(
        allow_local=False,
        resolve=lambda _host, _port: addresses,
        transport=httpx.MockTransport(answer),
    )

    assert sender.send(uri, b"", {}) is None
