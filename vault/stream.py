"""Tink's streaming format, AES256-GCM-HKDF. Deciding code: bytes in, bytes out.

Layout of a stream of `n` segments, for segments of `S` bytes (1 MiB unless said otherwise):

    header length     1 byte    40: the length of the header, this byte included
    salt             32 bytes   random
    nonce prefix      7 bytes   random
    segment 0        up to S - 40 bytes: ciphertext ‖ tag (16 bytes)
    segment 1 … n-1  S bytes each: ciphertext ‖ tag; the last one is shorter, or as long

    derived key = HKDF-SHA-256(data key, salt, info = associated data), 32 bytes
    nonce of segment i = nonce prefix ‖ u32be(i) ‖ 0x01 if it is the last, else 0x00

So segment i begins at i·S for every i but 0, and a range of the plaintext needs only the segments
it touches. There is always a last segment; it is empty only if the whole plaintext is.

We are stricter than Tink, which accepts bytes after the last segment when the plaintext ends on a
segment's border: a stream is opened against its length, which was stored when it was sealed, and
its last segment must be the one that ends there.

The format is published and other programs read it, so nothing here changes. Another format would
get another number in `document_versions.stream_format`.

Source:
    https://developers.google.com/tink/streaming-aead/aes_gcm_hkdf_streaming
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from typing_extensions import Buffer

from kernel.errors import Undecryptable
from kernel.secret import random_bytes

KEY_BYTES: Final = 32
SALT_BYTES: Final = 32
NONCE_PREFIX_BYTES: Final = 7
TAG_BYTES: Final = 16
HEADER_BYTES: Final = 1 + SALT_BYTES + NONCE_PREFIX_BYTES
SEGMENT_BYTES: Final = 1 << 20  # Tink's template AES256_GCM_HKDF_1MB
MAX_SEGMENTS: Final = 1 << 32  # the counter in the nonce


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the segments of a stream lie.

    Attributes:
        segment_bytes: Length of a whole segment with its tag; all of ours have `SEGMENT_BYTES`,
            tests take less.
    """

    segment_bytes: int = SEGMENT_BYTES

    def __post_init__(self) -> None:
        if self.segment_bytes <= HEADER_BYTES + TAG_BYTES:
            raise ValueError("a segment must hold the header, a tag, and something")

    @property
    def _stride(self) -> int:
        """Plaintext bytes from the beginning of one segment to that of the next."""
        return self.segment_bytes - TAG_BYTES

    def room(self, index: int) -> int:
        """Return how many plaintext bytes segment `index` can hold."""
        return self._stride - HEADER_BYTES if index == 0 else self._stride

    def plaintext_start(self, index: int) -> int:
        """Return the offset in the plaintext at which segment `index` begins."""
        return max(0, index * self._stride - HEADER_BYTES)

    def segment_at(self, offset: int) -> int:
        """Return the segment in which the plaintext byte at `offset` lies."""
        return (offset + HEADER_BYTES) // self._stride

    def segment_count(self, ciphertext_length: int) -> int:
        """Return how many segments a stream of this length has."""
        return -(-ciphertext_length // self.segment_bytes)

    def span(self, index: int, ciphertext_length: int) -> tuple[int, int]:
        """Return where segment `index` begins in the stream, and where it ends, exclusive."""
        start = HEADER_BYTES if index == 0 else index * self.segment_bytes
        return start, min((index + 1) * self.segment_bytes, ciphertext_length)

    def ciphertext_length(self, plaintext_length: int) -> int:
        """Return how long the stream of a plaintext is, header included."""
        segments = -(-(plaintext_length + HEADER_BYTES) // self._stride)
        return plaintext_length + HEADER_BYTES + segments * TAG_BYTES

    def plaintext_length(self, ciphertext_length: int) -> int:
        """Return how long the plaintext of a stream is.

        Raises:
            Undecryptable: No stream has this length.
        """
        count = self.segment_count(ciphertext_length)
        plaintext = ciphertext_length - HEADER_BYTES - count * TAG_BYTES
        if plaintext < 0 or self.ciphertext_length(plaintext) != ciphertext_length:
            raise Undecryptable(reason="length of no stream", length=ciphertext_length)
        return plaintext


LAYOUT: Final = Layout()
"""The layout of everything that is stored."""


class _SegmentCipher:
    """AES-256-GCM under the key and nonces of one stream."""

    __slots__ = ("_aead", "_nonce_prefix")

    def __init__(self, key: bytes, *, associated_data: bytes, header: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError("a data key has 32 bytes")
        salt = header[1 : 1 + SALT_BYTES]
        self._nonce_prefix = header[1 + SALT_BYTES :]
        derive = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=associated_data)
        self._aead = AESGCM(derive.derive(key))

    def nonce(self, index: int, *, is_last: bool) -> bytes:
        return self._nonce_prefix + index.to_bytes(4, "big") + (b"\x01" if is_last else b"\x00")

    def seal_into(
        self, index: int, plaintext: memoryview, into: memoryview, *, is_last: bool
    ) -> None:  # fmt: skip
        self._aead.encrypt_into(self.nonce(index, is_last=is_last), plaintext, None, into)

    def open(self, index: int, segment: memoryview, *, is_last: bool) -> bytes:
        try:
            return self._aead.decrypt(self.nonce(index, is_last=is_last), segment, None)
        except InvalidTag as error:
            raise Undecryptable(reason="tag", segment=index) from error


def seal_chunks(
    key: bytes, chunks: Iterable[Buffer], *, associated_data: bytes, layout: Layout = LAYOUT
) -> Iterator[memoryview]:
    """Seal a plaintext of any length that arrives in chunks of any size.

    Args:
        key: 32 random bytes that seal this one stream only.
        chunks: Read one at a time. An exception from them passes through; what was yielded until
            then is no stream, because it has no last segment.
        associated_data: Where the stream will lie (`kernel.envelope.associated_data`).
        layout: Of the stream.

    Yields:
        The stream in order, the header together with the first segment: `segment_bytes` each but
        for the last. Two buffers are used in turn: **a part is valid until the one after the next
        is asked for**, so whoever keeps it copies it.

    Security:
        Three buffers of one segment are all the memory this takes. They are not cleared: Python
        copies too much elsewhere for that to mean anything.
    """
    header = bytes([HEADER_BYTES]) + random_bytes(SALT_BYTES + NONCE_PREFIX_BYTES)
    cipher = _SegmentCipher(key, associated_data=associated_data, header=header)
    plaintext = memoryview(bytearray(layout.segment_bytes))
    streams = [memoryview(bytearray(layout.segment_bytes)) for _ in range(2)]
    streams[0][:HEADER_BYTES] = header
    index, filled, room = 0, 0, layout.room(0)

    def seal(*, is_last: bool) -> memoryview:
        start = HEADER_BYTES if index == 0 else 0
        end = start + filled + TAG_BYTES
        stream = streams[index % 2]
        cipher.seal_into(index, plaintext[:filled], stream[start:end], is_last=is_last)
        return stream[:end]

    for chunk in chunks:
        rest = memoryview(chunk).cast("B")
        while rest:
            # A full segment waits for one more byte: only then it is known not to be the last.
            if filled == room:
                yield seal(is_last=False)
                index, filled, room = index + 1, 0, layout.room(index + 1)
                if index == MAX_SEGMENTS:
                    raise ValueError("a stream has at most 2**32 segments")
            taken = min(room - filled, len(rest))
            plaintext[filled : filled + taken] = rest[:taken]
            filled += taken
            rest = rest[taken:]
    yield seal(is_last=True)


class StreamOpener:
    """Opens the segments of one stream, in any order.

    Attributes:
        layout: Of the stream.
        segment_count: How many segments there are, the last one included.
    """

    __slots__ = ("_cipher", "_ciphertext_length", "layout", "segment_count")

    def __init__(
        self,
        key: bytes,
        *,
        associated_data: bytes,
        header: bytes,
        ciphertext_length: int,
        layout: Layout = LAYOUT,
    ) -> None:
        """Take what is known of the stream before any of it is opened.

        Args:
            key: The key that sealed it.
            associated_data: The place for which it was sealed.
            header: Its first `HEADER_BYTES`.
            ciphertext_length: Its length as it was stored when it was sealed, header included.
            layout: The layout in which it was sealed.

        Raises:
            Undecryptable: The header is none of this format, or no stream has this length.
        """
        if len(header) != HEADER_BYTES or header[0] != HEADER_BYTES:
            raise Undecryptable(reason="header of no stream", length=len(header))
        layout.plaintext_length(ciphertext_length)  # refuses what is the length of no stream
        self.layout = layout
        self.segment_count = layout.segment_count(ciphertext_length)
        self._ciphertext_length = ciphertext_length
        self._cipher = _SegmentCipher(key, associated_data=associated_data, header=header)

    def open_segment(self, index: int, segment: Buffer) -> bytes:
        """Return the plaintext of segment `index`.

        Args:
            index: From 0 to `segment_count` - 1.
            segment: The bytes between `Layout.span(index, ciphertext_length)`.

        Raises:
            Undecryptable: Changed, truncated, another segment, another stream, another place.
        """
        start, end = self.layout.span(index, self._ciphertext_length)
        view = memoryview(segment)
        if not 0 <= index < self.segment_count or view.nbytes != end - start:
            raise Undecryptable(reason="length of segment", segment=index, length=view.nbytes)
        return self._cipher.open(index, view, is_last=index == self.segment_count - 1)
