"""TLS that asks who connects for a certificate, takes any, and says which one it was.

A handshake proves that the caller holds the key of the certificate it sent, whoever signed it.
Whether the certificate is good for anything is decided where its client is known (`idp.mtls`):
a registered self-signed certificate has no authority, and a token can be bound to any. CPython's
`ssl` ends the handshake of a certificate that nobody vouches for; OpenSSL need not, and pyOpenSSL
lets us say so. See docs/decisions/0038-a-listener-of-our-own-for-client-certificates.md.

Source:
    RFC 8705, 2.2 and 3; RFC 9325, 3 and 4; FAPI 2.0 Security Profile, 5.2.
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL
from typing_extensions import override

CIPHERS = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    b"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"
)
"""For TLS 1.2: those that RFC 9325, 4.2 recommends. TLS 1.3 has no others than good ones."""

LONGEST_CHAIN = 8  # certificates between the client's and its authority's, as in idp.mtls

_READ_BYTES = 64 * 1024
_SESSION_CONTEXT = b"civitas"

Chain = tuple[str, ...]
"""The certificates that a caller sent, as PEM, its own first; empty if it sent none."""


class BadCertificate(Exception):
    """The certificate or the key of the server can't be used; the text says why."""


def server_context(certificate_file: Path, key_file: Path) -> SSL.Context:
    """Make the context of a listener.

    Args:
        certificate_file: PEM, the server's certificate first, then those between it and a root.
        key_file: PEM, its private key, without a password.

    Raises:
        BadCertificate: One of them can't be read, is malformed, or they don't belong together.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list(CIPHERS)
    context.set_options(
        SSL.OP_NO_RENEGOTIATION
        | SSL.OP_NO_COMPRESSION
        | SSL.OP_CIPHER_SERVER_PREFERENCE
        # Of a session that is taken up again the chain is gone, and the key was not proven anew.
        | SSL.OP_NO_TICKET
    )
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_session_id(_SESSION_CONTEXT)
    context.set_verify(SSL.VERIFY_PEER, _take_any)
    context.set_verify_depth(LONGEST_CHAIN)
    context.set_alpn_select_callback(_choose_protocol)
    try:
        context.use_certificate_chain_file(str(certificate_file))
        context.use_privatekey_file(str(key_file))
        context.check_privatekey()
    except (SSL.Error, OSError) as error:
        raise BadCertificate(
            f"{certificate_file} and {key_file} are not a certificate and its key, as PEM."
        ) from error
    return context


def _take_any(
    _connection: SSL.Connection, _certificate: object, _error: int, _depth: int, _ok: int
) -> bool:
    return True


def _choose_protocol(_connection: SSL.Connection, offered: Sequence[bytes]) -> Any:  # noqa: ANN401  # bytes, or pyOpenSSL's word for none
    return b"http/1.1" if b"http/1.1" in offered else SSL.NO_OVERLAPPING_PROTOCOLS


class TLSConnection(asyncio.Protocol):
    """One connection: TLS outside, another protocol inside.

    The inner protocol is made when the handshake is over, with the certificates of the caller. It
    gets a transport that enciphers what it writes; its calls and ours come from one event loop.
    """

    def __init__(
        self,
        context: SSL.Context,
        make_inner: Callable[[Chain], asyncio.Protocol],
        *,
        handshake_seconds: float,
        on_close: Callable[["TLSConnection"], None],
    ) -> None:
        """Wait for a connection.

        Args:
            context: From `server_context`.
            make_inner: Makes what speaks inside.
            handshake_seconds: What a handshake may take.
            on_close: Told when the connection is gone, whether or not it ever spoke.
        """
        self._tls = SSL.Connection(context, None)
        self._tls.set_accept_state()
        self._make_inner = make_inner
        self._handshake_seconds = handshake_seconds
        self._on_close = on_close
        self._inner: asyncio.Protocol | None = None
        self._raw: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._is_paused = False
        self._is_closing = False

    @property
    def raw(self) -> asyncio.Transport:
        """The connection as the network sees it."""
        assert self._raw is not None
        return self._raw

    # What the event loop calls

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._raw = cast("asyncio.Transport", transport)  # uvloop's are of no class of asyncio
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self._handshake_seconds, self._raw.abort)

    @override
    def data_received(self, data: bytes) -> None:
        self._tls.bio_write(data)
        if self._inner is None and not self._has_shaken_hands():
            return
        self._read()

    @override
    def eof_received(self) -> bool | None:
        # An end without a notice may be an attacker's, but HTTP says itself where a message ends.
        self._is_closing = True
        return False

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._is_closing = True
        if self._deadline is not None:
            self._deadline.cancel()
        if self._inner is not None:
            self._inner.connection_lost(exc)
        self._on_close(self)

    @override
    def pause_writing(self) -> None:
        if self._inner is not None:
            self._inner.pause_writing()

    @override
    def resume_writing(self) -> None:
        if self._inner is not None:
            self._inner.resume_writing()

    # What the transport of the inner protocol calls

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encipher and send; nothing after `close`."""
        if self._is_closing or not data:
            return
        self._tls.sendall(bytes(data))
        self._flush()

    def close(self) -> None:
        """Say that nothing follows, send what is buffered, and close."""
        if self._is_closing:
            return
        self._is_closing = True
        try:
            self._tls.shutdown()
        except SSL.Error:  # nobody to say it to
            pass
        else:
            self._flush()
        self.raw.close()

    def abort(self) -> None:
        """Drop the connection."""
        self._is_closing = True
        self.raw.abort()

    @property
    def is_closing(self) -> bool:
        """Whether nothing is sent any more."""
        return self._is_closing

    def pause_reading(self) -> None:
        """Hand nothing on until `resume_reading`."""
        self._is_paused = True
        if not self.raw.is_closing():
            self.raw.pause_reading()

    def resume_reading(self) -> None:
        """Hand on what came in between, and what comes."""
        if not self._is_paused:
            return
        self._is_paused = False
        if not self.raw.is_closing():
            self.raw.resume_reading()
            # Not from within the call: whoever resumes is not ready for data before it returns.
            asyncio.get_running_loop().call_soon(self._read)

    @property
    def is_reading(self) -> bool:
        """Whether what comes is handed on."""
        return not self._is_paused and not self._is_closing

    # TLS

    def _has_shaken_hands(self) -> bool:
        """Go on with the handshake; make the inner protocol when it is over."""
        try:
            self._tls.do_handshake()
        except SSL.WantReadError:
            self._flush()
            return False
        except SSL.Error:
            self._flush()  # the alert that says why
            self._is_closing = True
            self.raw.close()
            return False
        self._flush()
        if self._deadline is not None:
            self._deadline.cancel()
        self._inner = self._make_inner(self._presented())
        self._inner.connection_made(_Inside(self))
        return True

    def _presented(self) -> Chain:
        leaf = self._tls.get_peer_certificate(as_cryptography=True)
        if leaf is None:
            return ()
        # A server finds the chain without the leaf (SSL_get_peer_cert_chain).
        sent = self._tls.get_peer_cert_chain(as_cryptography=True) or []
        others = [certificate for certificate in sent if certificate != leaf]
        return tuple(
            certificate.public_bytes(Encoding.PEM).decode() for certificate in (leaf, *others)
        )

    def _read(self) -> None:
        assert self._inner is not None
        while not self._is_paused and not self._is_closing:
            try:
                data = self._tls.recv(_READ_BYTES)
            except SSL.WantReadError:
                break
            except SSL.ZeroReturnError:  # the caller says that nothing follows
                self.close()
                return
            except SSL.Error:
                self.abort()
                return
            self._inner.data_received(data)
        if not self._is_closing:
            self._flush()  # what TLS itself has to say: new keys, alerts

    def _flush(self) -> None:
        while True:
            try:
                enciphered = self._tls.bio_read(_READ_BYTES)
            except SSL.WantReadError:
                return
            self.raw.write(enciphered)


class _Inside(asyncio.Transport):
    """The connection as the inner protocol sees it."""

    def __init__(self, connection: TLSConnection) -> None:
        super().__init__()
        self._connection = connection

    @override
    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "sslcontext":  # by this a server tells https from http
            return self._connection
        return self._connection.raw.get_extra_info(name, default)

    @override
    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._connection.write(data)

    @override
    def can_write_eof(self) -> bool:
        return False

    @override
    def close(self) -> None:
        self._connection.close()

    @override
    def abort(self) -> None:
        self._connection.abort()

    @override
    def is_closing(self) -> bool:
        return self._connection.is_closing

    @override
    def pause_reading(self) -> None:
        self._connection.pause_reading()

    @override
    def resume_reading(self) -> None:
        self._connection.resume_reading()

    @override
    def is_reading(self) -> bool:
        return self._connection.is_reading

    @override
    def get_write_buffer_size(self) -> int:
        return self._connection.raw.get_write_buffer_size()

    @override
    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._connection.raw.set_write_buffer_limits(high, low)
