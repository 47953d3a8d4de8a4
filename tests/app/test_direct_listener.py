"""The listener that asks for client certificates: real sockets, real handshakes."""

import asyncio
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import format_datetime
from itertools import count
from pathlib import Path

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from OpenSSL import SSL
from starlette.types import Message, Receive, Scope, Send

from app.direct_listener import Certificate, DirectListener, Patience
from app.direct_tls import BadCertificate, server_context
from app.ports import free_port
from app.proxies import TrustedProxies
from kernel.clock import FrozenClock
from tests.idp import certificates
from tests.idp.certificates import (
    SINCE_NOON,
    TODAY,
    a_client_certificate,
    a_server_certificate,
    an_authority,
    make,
    name,
    with_key,
)
from tests.idp.idp_world import NOON

LARGE = b"0123456789abcdef" * 65536 * 2  # two megabytes: more than any buffer on the way
HASTY = Patience(handshake_seconds=0.2, request_seconds=0.2, idle_seconds=1, connections=3)
_numbers = count(1)


@dataclass
class Application:
    """Keeps what it was asked, and answers as the path says."""

    scopes: list[Scope] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        body = b""
        while True:
            message: Message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            if not message["more_body"]:
                break
            if scope["path"] == "/slowly":
                await asyncio.sleep(0.001)
        self.bodies.append(body)
        if scope["path"] == "/wait":
            self.begun.set()
            await asyncio.sleep(0.2)
        answer = LARGE if scope["path"] == "/large" else scope["path"].encode()
        headers = [(b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    @property
    def chain(self) -> tuple[str, ...]:
        found: tuple[str, ...] = self.scopes[-1]["extensions"]["tls"]["client_cert_chain"]
        return found


@dataclass
class Listening:
    app: Application
    port: int
    folder: Path
    portal: BlockingPortal

    def context(self, *presented: certificates.Certificate) -> ssl.SSLContext:
        """A client's context, with its certificate and what it sends along."""
        context = ssl.create_default_context(cafile=str(self.folder / "server.pem"))
        if presented:
            mine = self.folder / f"client-{next(_numbers)}.pem"
            mine.write_bytes(with_key(presented[0]) + b"".join(c.pem for c in presented[1:]))
            context.load_cert_chain(mine)
        return context

    @contextmanager
    def connected(
        self, context: ssl.SSLContext, session: ssl.SSLSession | None = None
    ) -> Iterator[ssl.SSLSocket]:
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=5) as raw,
            context.wrap_socket(raw, server_hostname="localhost", session=session) as secured,
        ):
            yield secured

    def asks(
        self,
        *presented: certificates.Certificate,
        path: str = "/",
        more: str = "",
        body: bytes = b"",
    ) -> bytes:
        with self.connected(self.context(*presented)) as connection:
            connection.sendall(
                f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}"
                f"Content-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
            return everything(connection)


def everything(connection: socket.socket) -> bytes:
    """Read to the end; an end without a notice is one too."""
    received = b""
    try:
        while data := connection.recv(65536):
            received += data
    except (ssl.SSLEOFError, ConnectionResetError):
        pass
    return received


@contextmanager
def a_listener(folder: Path, patience: Patience | None = None) -> Iterator[Listening]:
    (folder / "server.pem").write_bytes(with_key(a_server_certificate()))
    files = (folder / "server.pem", folder / "server.pem")
    with start_blocking_portal() as portal:
        app = portal.call(Application)
        listener = DirectListener(
            app,
            Certificate(*files),
            host="127.0.0.1",
            port=free_port(),
            clock=FrozenClock(NOON),
            patience=patience or Patience(),
        )
        with portal.wrap_async_context_manager(listener.listening()):
            yield Listening(app, listener._port, folder, portal)  # noqa: SLF001


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listening]:
    with a_listener(tmp_path_factory.mktemp("tls")) as listening:
        yield listening


@pytest.fixture
def listening(shared: Listening) -> Listening:
    shared.app.scopes.clear()
    shared.app.bodies.clear()
    return shared


class TestCertificate:
    """What a caller presented is in the scope, whoever signed it, and nothing else is."""

    @pytest.mark.spec("RFC8705-2")
    def test_caller_without_a_certificate_is_answered(self, listening: Listening) -> None:
        answer = listening.asks()

        assert answer.startswith(b"HTTP/1.1 200 ")
        assert listening.app.chain == ()
        assert listening.app.scopes[-1]["scheme"] == "https"

    @pytest.mark.spec("RFC8705-2.2")
    @pytest.mark.parametrize("days", [TODAY, (-9, -8), (SINCE_NOON + 8, SINCE_NOON + 9)])
    def test_certificate_that_nobody_vouches_for_is_passed_on(
        self, listening: Listening, days: tuple[float, float]
    ) -> None:
        certificate = a_client_certificate(None, days=days)

        listening.asks(certificate)

        assert listening.app.chain == (certificate.pem.decode(),)

    @pytest.mark.spec("RFC8705-2.1")
    def test_chain_is_passed_on_with_the_callers_own_first(self, listening: Listening) -> None:
        between = make(name("Between"), issuer=an_authority(), is_authority=True, days=TODAY)
        certificate = a_client_certificate(between, days=TODAY)

        listening.asks(certificate, between)

        assert listening.app.chain == (certificate.pem.decode(), between.pem.decode())

    @pytest.mark.spec("RFC9440-2.4")
    def test_headers_say_nothing(self, listening: Listening) -> None:
        spoofed = a_client_certificate(None)
        said = {
            **spoofed.headers, "X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "http",
        }  # fmt: skip

        listening.asks(more="".join(f"{name}: {value}\r\n" for name, value in said.items()))

        scope = listening.app.scopes[-1]
        assert listening.app.chain == ()
        assert (scope["client"][0], scope["scheme"]) == ("127.0.0.1", "https")
        # A proxy at this address would have been believed.
        believed = TrustedProxies(("127.0.0.1",), pass_certificates=True).seen_through(scope)
        assert believed["extensions"]["tls"]["client_cert_chain"]

    def test_certificates_of_two_connections_are_told_apart(self, listening: Listening) -> None:
        first, second = a_client_certificate(None), a_client_certificate(None)
        request = b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n"

        with (
            listening.connected(listening.context(first)) as one,
            listening.connected(listening.context(second)) as other,
        ):
            for connection in (one, other, one):
                connection.sendall(request)
                assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")

        seen = [
            scope["extensions"]["tls"]["client_cert_chain"][0] for scope in listening.app.scopes
        ]
        assert seen == [c.pem.decode() for c in (first, second, first)]


class TestTLS:
    """Versions, ciphers, sessions: RFC 9325 and FAPI 2.0 Security Profile, 5.2."""

    def shaken(self, listening: Listening, context: SSL.Context) -> SSL.Connection:
        with socket.create_connection(("127.0.0.1", listening.port), timeout=5) as raw:
            raw.setblocking(True)  # noqa: FBT003
            connection = SSL.Connection(context, raw)
            connection.set_connect_state()
            connection.do_handshake()
            return connection

    @pytest.mark.spec("FAPI2-SP-FINAL-5.2.1-1")
    @pytest.mark.parametrize("version", [SSL.TLS1_VERSION, SSL.TLS1_1_VERSION])
    def test_old_versions_are_refused(self, listening: Listening, version: int) -> None:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(version)
        context.set_max_proto_version(version)
        context.set_cipher_list(b"ALL:@SECLEVEL=0")

        with pytest.raises(SSL.Error) as refused:
            self.shaken(listening, context)

        assert "alert protocol version" in str(refused.value)

    @pytest.mark.spec("FAPI2-SP-FINAL-5.2.2")
    @pytest.mark.parametrize(
        "cipher",
        [
            b"ECDHE-ECDSA-AES128-SHA256", b"ECDHE-ECDSA-AES256-SHA", b"ECDHE-ECDSA-AES128-CCM8",
            b"ECDHE-ECDSA-CHACHA20-POLY1305",
        ],
    )  # fmt: skip
    def test_ciphers_that_rfc_9325_does_not_recommend_are_refused(
        self, listening: Listening, cipher: bytes
    ) -> None:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_max_proto_version(SSL.TLS1_2_VERSION)
        context.set_cipher_list(cipher + b":@SECLEVEL=0")

        with pytest.raises(SSL.Error):
            self.shaken(listening, context)

    @pytest.mark.spec("FAPI2-SP-FINAL-5.2.2")
    @pytest.mark.parametrize("bits", [128, 256])
    def test_ciphers_that_it_recommends_are_taken(self, listening: Listening, bits: int) -> None:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_max_proto_version(SSL.TLS1_2_VERSION)
        context.set_cipher_list(
            b"ECDHE-ECDSA-AES%d-GCM-SHA%d" % (bits, 384 if bits == 256 else bits * 2)
        )

        assert self.shaken(listening, context).get_cipher_bits() == bits

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_session_is_not_taken_up_again(
        self, listening: Listening, version: ssl.TLSVersion
    ) -> None:
        """Of a session that is, the chain would be gone, and no key would be proven."""
        context = listening.context(a_client_certificate(None))
        context.maximum_version = version
        request = b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n"

        with listening.connected(context) as first:
            first.sendall(request)
            first.recv(4096)
            session = first.session
        with listening.connected(context, session) as second:
            second.sendall(request)
            second.recv(4096)

            assert not second.session_reused
        assert len(listening.app.chain) == 1

    @pytest.mark.spec("RFC9325-3.5")
    def test_renegotiation_is_refused(self, listening: Listening) -> None:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_max_proto_version(SSL.TLS1_2_VERSION)
        with socket.create_connection(("127.0.0.1", listening.port), timeout=5) as raw:
            raw.setblocking(True)  # noqa: FBT003
            connection = SSL.Connection(context, raw)
            connection.set_connect_state()
            connection.do_handshake()

            connection.renegotiate()
            with pytest.raises(SSL.Error, match="no renegotiation"):
                connection.do_handshake()

    def test_what_is_not_tls_is_dropped(self, listening: Listening) -> None:
        with socket.create_connection(("127.0.0.1", listening.port), timeout=5) as raw:
            raw.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = everything(raw)

        assert b"HTTP" not in answer
        assert listening.app.scopes == []

    def test_new_certificate_is_taken_without_a_restart(self, tmp_path: Path) -> None:
        with a_listener(tmp_path) as listening:
            before = listening.context()
            (tmp_path / "server.pem").write_bytes(b"half of a file")
            with listening.connected(before):
                pass  # the old one still serves

            (tmp_path / "server.pem").write_bytes(with_key(a_server_certificate()))

            assert listening.asks().startswith(b"HTTP/1.1 200 ")
            with pytest.raises(ssl.SSLCertVerificationError), listening.connected(before):
                pass

    @pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\n", None])
    def test_certificate_that_is_none_is_refused_at_the_start(
        self, tmp_path: Path, content: bytes | None
    ) -> None:
        if content is not None:
            (tmp_path / "server.pem").write_bytes(content)

        with pytest.raises(BadCertificate, match=r"server\.pem"):
            server_context(tmp_path / "server.pem", tmp_path / "server.pem")

    def test_key_of_another_certificate_is_refused_at_the_start(self, tmp_path: Path) -> None:
        (tmp_path / "one.pem").write_bytes(with_key(a_server_certificate()))
        (tmp_path / "other.pem").write_bytes(with_key(a_server_certificate()))

        with pytest.raises(BadCertificate):
            server_context(tmp_path / "one.pem", tmp_path / "other.pem")


class TestHTTP:
    """Requests over it are read whole, one by one, and answered whole."""

    def test_large_bodies_both_ways(self, listening: Listening) -> None:
        answer = listening.asks(path="/large", body=LARGE)

        assert answer.endswith(LARGE)
        assert listening.app.bodies == [LARGE]

    def test_body_that_is_read_slowly_is_read_whole(self, listening: Listening) -> None:
        listening.asks(path="/slowly", body=LARGE[: 1 << 19])

        assert listening.app.bodies == [LARGE[: 1 << 19]]

    def test_requests_in_one_piece_are_answered_in_order(self, listening: Listening) -> None:
        last = {3: "Connection: close\r\n"}
        requests = "".join(
            f"GET /{number} HTTP/1.1\r\nHost: localhost\r\n{last.get(number, '')}\r\n"
            for number in (1, 2, 3)
        )
        with listening.connected(listening.context()) as connection:
            connection.sendall(requests.encode())
            answer = everything(connection)

        assert [part.rpartition(b"\r\n\r\n")[2] for part in answer.split(b"HTTP/1.1 200 ")[1:]] == [
            b"/1", b"/2", b"/3",
        ]  # fmt: skip

    @pytest.mark.spec("RFC9110-6.6.1")
    def test_answer_is_dated(self, listening: Listening) -> None:
        answer = listening.asks()

        assert f"date: {format_datetime(NOON, usegmt=True)}".encode() in answer

    @pytest.mark.spec("RFC9112-6.3")
    @pytest.mark.parametrize(
        "head",
        [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Transfer-Encoding: xchunked\r\n",
            "Content-Length: -1\r\n",
            "Client-Cert : x\r\n",
            "X: a\r\n b\x00\r\n",
        ],
    )
    def test_request_that_two_readers_might_read_differently_is_refused(
        self, listening: Listening, head: str
    ) -> None:
        with listening.connected(listening.context()) as connection:
            connection.sendall(
                f"POST / HTTP/1.1\r\nHost: localhost\r\n{head}\r\n0\r\n\r\nGET /second".encode()
            )
            answer = everything(connection)

        assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 501 "))
        assert answer.count(b"HTTP/1.1 ") == 1
        assert listening.app.scopes == []


class TestPatience:
    """Who takes long keeps nobody else from being answered."""

    @pytest.fixture
    def hasty(self, tmp_path: Path) -> Iterator[Listening]:
        with a_listener(tmp_path, HASTY) as listening:
            yield listening

    def test_handshake_that_does_not_go_on_is_dropped(self, hasty: Listening) -> None:
        with socket.create_connection(("127.0.0.1", hasty.port), timeout=5) as raw:
            raw.sendall(b"\x16\x03\x01")

            assert everything(raw) == b""

    @pytest.mark.parametrize(
        "sent",
        [
            "",
            "GET / HTTP/1.1\r\nHost: loc",
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf",
        ],
        ids=["nothing", "half of a head", "half of a body"],
    )
    def test_request_that_does_not_go_on_is_dropped(self, hasty: Listening, sent: str) -> None:
        with hasty.connected(hasty.context()) as connection:
            if sent:
                connection.sendall(sent.encode())

            assert everything(connection) == b""
        assert hasty.app.bodies == []

    def test_one_connection_too_many_is_dropped_and_the_others_are_answered(
        self, hasty: Listening
    ) -> None:
        with (
            socket.create_connection(("127.0.0.1", hasty.port), timeout=5),
            socket.create_connection(("127.0.0.1", hasty.port), timeout=5),
            hasty.connected(hasty.context()) as third,
        ):
            with pytest.raises((ssl.SSLError, ConnectionError)), hasty.connected(hasty.context()):
                pass
            third.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")

            assert everything(third).startswith(b"HTTP/1.1 200 ")

    def test_request_that_has_begun_is_answered_when_it_stops(self, tmp_path: Path) -> None:
        answered: list[bytes] = []

        with a_listener(tmp_path) as listening:
            connection = stack = listening.connected(listening.context())
            secured = stack.__enter__()
            secured.sendall(b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n")
            listening.portal.call(listening.app.begun.wait)
            began = time.monotonic()
        answered.append(everything(secured))
        connection.__exit__(None, None, None)

        assert answered[0].endswith(b"/wait")
        assert time.monotonic() - began < 4
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", listening.port), timeout=5)
