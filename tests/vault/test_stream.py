"""The streaming format, both ways against Tink, and everything that must not open."""

import io
from collections.abc import Iterator

import pytest
import tink
from hypothesis import given
from hypothesis import strategies as st
from tink import cleartext_keyset_handle, streaming_aead
from tink.proto import aes_gcm_hkdf_streaming_pb2, common_pb2, tink_pb2
from typing_extensions import Buffer, override

from kernel.errors import Undecryptable
from vault.stream import (
    HEADER_BYTES,
    KEY_BYTES,
    SEGMENT_BYTES,
    TAG_BYTES,
    Layout,
    StreamOpener,
    seal_chunks,
)

SMALL = Layout(64)  # rooms of 8 and 48 bytes: many segments in few bytes
KEY = bytes(range(KEY_BYTES))
PLACE = b"documents/7"

# Around every border of the first three small segments.
LENGTHS = [0, 1, 7, 8, 9, 55, 56, 57, 103, 104, 105, 500]


def plaintext_of(length: int) -> bytes:
    return bytes(i * 31 % 251 for i in range(length))


def seal(
    plaintext: bytes, *, layout: Layout = SMALL, key: bytes = KEY, place: bytes = PLACE
) -> bytes:
    return b"".join(
        bytes(part) for part in seal_chunks(key, [plaintext], associated_data=place, layout=layout)
    )


def open_stream(
    stream: bytes,
    *,
    length: int | None = None,
    layout: Layout = SMALL,
    key: bytes = KEY,
    place: bytes = PLACE,
) -> bytes:
    """Open the whole of a stream that was stored with `length`."""
    stored = len(stream) if length is None else length
    opener = StreamOpener(
        key,
        associated_data=place,
        header=stream[:HEADER_BYTES],
        ciphertext_length=stored,
        layout=layout,
    )
    spans = (layout.span(i, stored) for i in range(opener.segment_count))
    return b"".join(
        opener.open_segment(i, stream[start:end]) for i, (start, end) in enumerate(spans)
    )


def tink_of(segment_bytes: int, key: bytes = KEY) -> streaming_aead.StreamingAead:
    """Tink's own implementation with our key and segment length."""
    proto = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingKey(
        key_value=key,
        params=aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingParams(
            ciphertext_segment_size=segment_bytes,
            derived_key_size=KEY_BYTES,
            hkdf_hash_type=common_pb2.SHA256,
        ),
    )
    keyset = tink_pb2.Keyset(primary_key_id=1)
    keyset.key.add(
        key_data=tink_pb2.KeyData(
            type_url="type.googleapis.com/google.crypto.tink.AesGcmHkdfStreamingKey",
            value=proto.SerializeToString(),
            key_material_type=tink_pb2.KeyData.SYMMETRIC,
        ),
        status=tink_pb2.ENABLED,
        key_id=1,
        output_prefix_type=tink_pb2.RAW,
    )
    reader = tink.BinaryKeysetReader(keyset.SerializeToString())
    primitive: streaming_aead.StreamingAead = cleartext_keyset_handle.read(reader).primitive(
        streaming_aead.StreamingAead
    )
    return primitive


@pytest.fixture(scope="module", autouse=True)
def _registered() -> None:
    streaming_aead.register()


class TestAgainstTink:
    """What we seal Tink opens, and the other way round."""

    @pytest.mark.spec("Tink-AES-GCM-HKDF-Streaming")
    @pytest.mark.parametrize("length", LENGTHS)
    def test_tink_opens_what_we_sealed(self, length: int) -> None:
        stream = seal(plaintext_of(length))

        opened = tink_of(64).new_decrypting_stream(io.BytesIO(stream), PLACE).read()

        assert opened == plaintext_of(length)

    @pytest.mark.spec("Tink-AES-GCM-HKDF-Streaming")
    @pytest.mark.parametrize("length", LENGTHS)
    def test_we_open_what_tink_sealed(self, length: int) -> None:
        stream = tink_seal(plaintext_of(length), 64)

        assert open_stream(stream) == plaintext_of(length)

    @pytest.mark.parametrize("beyond", [-1, 0, 1])
    @pytest.mark.parametrize("segments", [1, 2, 3])
    def test_segments_of_one_mebibyte_go_both_ways(self, segments: int, beyond: int) -> None:
        layout = Layout(SEGMENT_BYTES)
        plaintext = bytes(layout.plaintext_start(segments) + beyond)
        ours = seal(plaintext, layout=layout)
        theirs = tink_seal(plaintext, SEGMENT_BYTES)

        opened = tink_of(SEGMENT_BYTES).new_decrypting_stream(io.BytesIO(ours), PLACE).read()

        assert opened == plaintext
        assert open_stream(theirs, layout=layout) == plaintext
        assert len(ours) == len(theirs)

    def test_trailing_bytes_that_tink_accepts_are_refused(self) -> None:
        """The reason why the length is stored: a plaintext that ends on a border hides a tail."""
        plaintext = plaintext_of(8 + 48)
        stream = tink_seal(plaintext, 64) + b"tail"

        accepted = tink_of(64).new_decrypting_stream(io.BytesIO(stream), PLACE).read()

        assert accepted == plaintext
        with pytest.raises(Undecryptable):
            open_stream(stream)


def tink_seal(plaintext: bytes, segment_bytes: int) -> bytes:
    destination = KeptOpen()
    with tink_of(segment_bytes).new_encrypting_stream(destination, PLACE) as writer:
        writer.write(plaintext)
    return destination.content


class KeptOpen(io.BytesIO):
    """Tink closes its destination; what was written must outlive that."""

    content = b""

    @override
    def close(self) -> None:
        self.content = self.getvalue()
        super().close()


class TestLayout:
    @given(st.integers(0, 10**13))
    def test_lengths_are_inverse(self, length: int) -> None:
        layout = Layout()

        assert layout.plaintext_length(layout.ciphertext_length(length)) == length

    @given(st.integers(57, 200), st.integers(0, 2000))
    def test_lengths_of_no_stream_are_refused(self, segment_bytes: int, length: int) -> None:
        layout = Layout(segment_bytes)
        real = {layout.ciphertext_length(n) for n in range(length + 1)}

        if length in real:
            assert layout.ciphertext_length(layout.plaintext_length(length)) == length
        else:
            with pytest.raises(Undecryptable):
                layout.plaintext_length(length)

    @given(st.integers(57, 200), st.integers(0, 5000))
    def test_every_byte_lies_in_the_segment_that_is_named(
        self, segment_bytes: int, offset: int
    ) -> None:
        layout = Layout(segment_bytes)

        index = layout.segment_at(offset)

        start = layout.plaintext_start(index)
        assert start <= offset < start + layout.room(index)

    @pytest.mark.parametrize("segment_bytes", [0, -1, HEADER_BYTES + TAG_BYTES])
    def test_a_segment_too_short_for_anything_is_refused(self, segment_bytes: int) -> None:
        with pytest.raises(ValueError, match="segment"):
            Layout(segment_bytes)


class TestSealing:
    @given(st.lists(st.binary(max_size=150), max_size=12))
    def test_opens_to_the_same_however_it_was_cut(self, chunks: list[bytes]) -> None:
        parts = seal_chunks(KEY, chunks, associated_data=PLACE, layout=SMALL)
        stream = b"".join(bytes(part) for part in parts)

        assert open_stream(stream) == b"".join(chunks)
        assert len(stream) == SMALL.ciphertext_length(len(b"".join(chunks)))

    @pytest.mark.parametrize("length", LENGTHS)
    def test_parts_are_whole_segments(self, length: int) -> None:
        parts = [
            part.nbytes
            for part in seal_chunks(
                KEY, [plaintext_of(length)], associated_data=PLACE, layout=SMALL
            )
        ]

        assert all(part == 64 for part in parts[:-1])
        assert 0 < parts[-1] <= 64

    def test_part_is_valid_until_the_one_after_the_next_is_asked_for(self) -> None:
        parts = seal_chunks(KEY, [plaintext_of(300)], associated_data=PLACE, layout=SMALL)
        stream, before = b"", next(parts)
        for part in parts:
            stream += bytes(before)
            before = part

        assert open_stream(stream + bytes(before)) == plaintext_of(300)

    def test_every_stream_has_its_own_salt_and_nonces(self) -> None:
        headers = {seal(b"the same")[:HEADER_BYTES] for _ in range(50)}

        assert len(headers) == 50

    def test_a_source_that_fails_leaves_no_stream(self) -> None:
        def source() -> Iterator[bytes]:
            yield plaintext_of(200)
            raise ConnectionError

        parts: list[bytes] = []
        with pytest.raises(ConnectionError):
            parts.extend(
                bytes(part)
                for part in seal_chunks(KEY, source(), associated_data=PLACE, layout=SMALL)
            )

        with pytest.raises(Undecryptable):
            open_stream(b"".join(parts))

    def test_chunks_may_be_of_any_buffer_type(self) -> None:
        chunks: list[Buffer] = [bytearray(b"ab"), memoryview(b"cd"), memoryview(b"efgh").cast("H")]

        parts = seal_chunks(KEY, chunks, associated_data=PLACE, layout=SMALL)

        assert open_stream(b"".join(bytes(part) for part in parts)) == b"abcdefgh"

    @pytest.mark.parametrize("key", [b"", bytes(16), bytes(31), bytes(33)], ids=len)
    def test_a_key_of_another_length_is_a_defect(self, key: bytes) -> None:
        with pytest.raises(ValueError, match="32 bytes"):
            list(seal_chunks(key, [b"x"], associated_data=PLACE))


class TestRefusing:
    @pytest.mark.parametrize("length", [40, 55, 65, 80])
    def test_length_of_no_stream_is_refused_before_anything_is_opened(self, length: int) -> None:
        header = seal(b"")[:HEADER_BYTES]

        with pytest.raises(Undecryptable) as refusal:
            StreamOpener(
                KEY,
                associated_data=PLACE,
                header=header,
                ciphertext_length=length,
                layout=SMALL,
            )

        assert refusal.value.context["reason"] == "length of no stream"

    """No bit of a stream, its length, its key or its place can change."""

    @given(st.data(), st.sampled_from(LENGTHS))
    def test_any_changed_bit(self, data: st.DataObject, length: int) -> None:
        stream = bytearray(seal(plaintext_of(length)))
        bit = data.draw(st.integers(0, len(stream) * 8 - 1))
        stream[bit // 8] ^= 1 << bit % 8

        with pytest.raises(Undecryptable):
            open_stream(bytes(stream))

    @given(st.data(), st.sampled_from(LENGTHS))
    def test_any_truncation(self, data: st.DataObject, length: int) -> None:
        stream = seal(plaintext_of(length))
        kept = data.draw(st.integers(0, len(stream) - 1))

        with pytest.raises(Undecryptable):
            open_stream(stream[:kept])  # whoever cut it also changed the stored length
        with pytest.raises(Undecryptable):
            open_stream(stream[:kept], length=len(stream))

    @given(st.binary(min_size=1, max_size=200), st.sampled_from(LENGTHS))
    def test_any_tail(self, tail: bytes, length: int) -> None:
        with pytest.raises(Undecryptable):
            open_stream(seal(plaintext_of(length)) + tail)

    def test_segments_in_another_order(self) -> None:
        stream = seal(plaintext_of(300))
        swapped = stream[:64] + stream[128:192] + stream[64:128] + stream[192:]

        with pytest.raises(Undecryptable):
            open_stream(swapped)

    def test_a_segment_left_out(self) -> None:
        stream = seal(plaintext_of(300))

        with pytest.raises(Undecryptable):
            open_stream(stream[:64] + stream[128:])

    def test_a_segment_of_another_stream_under_the_same_key(self) -> None:
        one, other = seal(plaintext_of(300)), seal(plaintext_of(300))

        with pytest.raises(Undecryptable):
            open_stream(one[:128] + other[128:192] + one[192:])

    def test_a_header_of_another_stream(self) -> None:
        one, other = seal(plaintext_of(300)), seal(plaintext_of(300))

        with pytest.raises(Undecryptable):
            open_stream(other[:HEADER_BYTES] + one[HEADER_BYTES:])

    def test_another_place(self) -> None:
        with pytest.raises(Undecryptable):
            open_stream(seal(plaintext_of(9)), place=b"documents/8")

    def test_another_key(self) -> None:
        with pytest.raises(Undecryptable):
            open_stream(seal(plaintext_of(9)), key=bytes(KEY_BYTES))

    def test_another_segment_length(self) -> None:
        with pytest.raises(Undecryptable):
            open_stream(seal(plaintext_of(300)), layout=Layout(128))

    @pytest.mark.parametrize("index", [-1, 7, 1 << 32])
    def test_a_segment_that_is_not_there(self, index: int) -> None:
        stream = seal(plaintext_of(300))
        opener = StreamOpener(
            KEY,
            associated_data=PLACE,
            header=stream[:HEADER_BYTES],
            ciphertext_length=len(stream),
            layout=SMALL,
        )

        with pytest.raises(Undecryptable):
            opener.open_segment(index, stream[64:128])

    def test_the_last_segment_claimed_to_be_in_the_middle(self) -> None:
        """A stream cut at a border and continued with another stream's end, and vice versa."""
        short, long = seal(plaintext_of(56)), seal(plaintext_of(104))

        with pytest.raises(Undecryptable):
            open_stream(short + long[128:])

    def test_tink_refuses_the_same_truncations(self) -> None:
        """We are never more permissive than the reference."""
        stream = seal(plaintext_of(300))

        for kept in range(len(stream)):
            with pytest.raises((tink.TinkError, OSError)):
                tink_of(64).new_decrypting_stream(io.BytesIO(stream[:kept]), PLACE).read()
