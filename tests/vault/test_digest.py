"""The digest of a stream is that of its parts in order, whoever computes it."""

import hashlib
from itertools import cycle

from hypothesis import given
from hypothesis import strategies as st

from vault.digest import BESIDE_BYTES, StreamDigest

SIZES = st.sampled_from((0, 1, 1000, BESIDE_BYTES - 1, BESIDE_BYTES, 3 * BESIDE_BYTES))


class TestStreamDigest:
    @given(st.lists(SIZES, max_size=8))
    def test_is_that_of_the_whole(self, sizes: list[int]) -> None:
        parts = [bytes([number]) * size for number, size in enumerate(sizes)]
        digest = StreamDigest(b"head")

        for part in parts:
            digest.update(memoryview(part))

        assert digest.digest() == hashlib.sha256(b"".join([b"head", *parts])).digest()

    def test_part_is_needed_until_the_next_one_is_there(self) -> None:
        digest, whole = StreamDigest(), hashlib.sha256()
        buffers = cycle([bytearray(1 << 20) for _ in range(2)])

        for number, buffer in zip(range(20), buffers, strict=False):
            buffer[:] = bytes([number]) * len(buffer)
            whole.update(buffer)
            digest.update(buffer)

        assert digest.digest() == whole.digest()

    def test_goes_on_after_it_was_asked(self) -> None:
        digest = StreamDigest()
        digest.update(bytes(BESIDE_BYTES))

        assert digest.digest() == hashlib.sha256(bytes(BESIDE_BYTES)).digest()
        digest.update(b"more")
        assert digest.digest() == hashlib.sha256(bytes(BESIDE_BYTES) + b"more").digest()
