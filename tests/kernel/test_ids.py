"""Identifiers are UUIDv7: ordered by their instant, and never twice the same."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.ids import new_id, random_uuid, uuid_of

instants = st.datetimes(
    min_value=datetime(1971, 1, 1),  # noqa: DTZ001  # Hypothesis wants naive bounds
    max_value=datetime(2400, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@pytest.mark.spec("RFC9562-5.7")
@given(instants)
def test_version_variant_and_instant_are_where_the_specification_puts_them(at: datetime) -> None:
    identifier = new_id(at)

    assert identifier.version == 7
    assert identifier.variant == "specified in RFC 4122"
    assert identifier.int >> 80 == int(at.timestamp() * 1000)


@given(instants)
def test_a_later_identifier_sorts_after(at: datetime) -> None:
    assert new_id(at) < new_id(at + timedelta(milliseconds=2))


@given(st.binary(min_size=16, max_size=16))
def test_sixteen_bytes_are_the_uuid_that_the_standard_library_makes(data: bytes) -> None:
    ours, theirs = uuid_of(data), UUID(bytes=data)

    assert (ours, ours.bytes, hash(ours), ours.is_safe) == (
        theirs, data, hash(theirs), theirs.is_safe,
    )  # fmt: skip


def test_identifiers_of_one_instant_differ() -> None:
    at = datetime(2026, 11, 23, tzinfo=UTC)

    assert len({new_id(at) for _ in range(1000)}) == 1000


@pytest.mark.spec("RFC9562-5.4")
def test_random_ones_are_random_where_they_may_be() -> None:
    made = [random_uuid() for _ in range(200)]

    assert [str(UUID(text)) for text in made] == made
    assert {UUID(text).version for text in made} == {4}
    assert {UUID(text).variant for text in made} == {"specified in RFC 4122"}
    assert {text[19] for text in made} == set("89ab")
    assert len(set(made)) == len(made)
