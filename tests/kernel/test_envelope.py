"""The sealed-value format: what opens, and everything that does not."""

from uuid import UUID

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from kernel.envelope import (
    OVERHEAD_BYTES,
    associated_data,
    cipher_of,
    key_version_of,
    seal,
    unseal,
)
from kernel.errors import Undecryptable

KEY = bytes(range(32))
PLACE = associated_data("persons", "record_sealed", UUID(int=7))

place_parts = st.lists(st.text(max_size=8) | st.integers() | st.uuids() | st.binary(max_size=8))


@given(plaintext=st.binary(max_size=300), version=st.integers(0, 2**32 - 1))
def test_unseal_returns_what_was_sealed(plaintext: bytes, version: int) -> None:
    envelope = seal(KEY, plaintext, key_version=version, associated_data=PLACE)

    assert unseal(KEY, envelope, associated_data=PLACE) == plaintext
    assert key_version_of(envelope) == version
    assert len(envelope) == len(plaintext) + OVERHEAD_BYTES


@given(plaintext=st.binary(max_size=60), data=st.data())
def test_no_bit_of_an_envelope_can_change(plaintext: bytes, data: st.DataObject) -> None:
    envelope = bytearray(seal(KEY, plaintext, key_version=1, associated_data=PLACE))
    bit = data.draw(st.integers(0, len(envelope) * 8 - 1))
    envelope[bit // 8] ^= 1 << (bit % 8)

    with pytest.raises(Undecryptable):
        unseal(KEY, bytes(envelope), associated_data=PLACE)


@given(length=st.integers(0, OVERHEAD_BYTES + 9))
def test_a_truncated_envelope_does_not_open(length: int) -> None:
    envelope = seal(KEY, b"0123456789", key_version=1, associated_data=PLACE)

    with pytest.raises(Undecryptable):
        unseal(KEY, envelope[:length], associated_data=PLACE)


def test_a_value_moved_to_another_row_does_not_open() -> None:
    envelope = seal(KEY, b"x", key_version=1, associated_data=PLACE)

    with pytest.raises(Undecryptable):
        unseal(
            KEY,
            envelope,
            associated_data=associated_data("persons", "record_sealed", UUID(int=8)),
        )


def test_another_key_does_not_open_it() -> None:
    envelope = seal(KEY, b"x", key_version=1, associated_data=PLACE)

    with pytest.raises(Undecryptable):
        unseal(bytes(32), envelope, associated_data=PLACE)


def test_the_refusal_tells_its_caller_nothing_of_the_reason() -> None:
    envelope = seal(KEY, b"x", key_version=1, associated_data=PLACE)
    details = set()

    for broken in (b"", envelope[:-1], b"\x02" + envelope[1:]):
        with pytest.raises(Undecryptable) as refusal:
            unseal(KEY, broken, associated_data=PLACE)
        details.add(refusal.value.detail)

    assert len(details) == 1


@given(left=place_parts, right=place_parts)
def test_two_places_never_give_the_same_associated_data(
    left: list[str | int | UUID | bytes], right: list[str | int | UUID | bytes]
) -> None:
    as_bytes = [
        [
            p.bytes if isinstance(p, UUID) else p if isinstance(p, bytes) else str(p).encode()
            for p in parts
        ]
        for parts in (left, right)
    ]

    same = associated_data("t", "c", *left) == associated_data("t", "c", *right)

    assert same == (as_bytes[0] == as_bytes[1])


def test_form_of_what_lies_in_databases_is_this_one() -> None:
    """Whoever changes it can open nothing that was sealed before."""
    row = UUID(int=7)
    place = bytes.fromhex(
        "000000017400000001630000001000000000000000000000000000000007"
        "000000016100000002313200000002ff00"
    )  # fmt: skip
    header, nonce = bytes.fromhex("0100000102"), bytes(range(12))
    envelope = header + nonce + AESGCM(KEY).encrypt(nonce, b"plain", header + place)

    assert associated_data("t", "c", row, "a", 12, b"\xff\x00") == place
    assert unseal(KEY, envelope, associated_data=place) == b"plain"
    assert key_version_of(envelope) == 258
    assert seal(KEY, b"", key_version=258, associated_data=place)[:5] == header


def test_key_made_ready_seals_and_opens_what_its_bytes_do() -> None:
    sealed = seal(cipher_of(KEY), b"x", key_version=1, associated_data=PLACE)

    assert unseal(KEY, sealed, associated_data=PLACE) == b"x"
    assert unseal(cipher_of(KEY), sealed, associated_data=PLACE) == b"x"


@pytest.mark.parametrize("suite", [0, 2, 255])
def test_envelope_of_a_suite_that_is_not_ours_names_no_key(suite: int) -> None:
    sealed = seal(KEY, b"x", key_version=1, associated_data=PLACE)

    with pytest.raises(Undecryptable):
        key_version_of(bytes([suite]) + sealed[1:])


def test_shortest_envelope_is_of_nothing() -> None:
    sealed = seal(KEY, b"", key_version=1, associated_data=PLACE)

    assert unseal(KEY, sealed, associated_data=PLACE) == b""
    with pytest.raises(Undecryptable):
        key_version_of(sealed[:-1])
