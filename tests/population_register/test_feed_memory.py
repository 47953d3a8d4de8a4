"""Memory stays flat: a feed is never in it as a whole."""

import tracemalloc
from pathlib import Path

import pytest

from population_register.feed_formats import START, FeedFormat, read_rows
from population_register.mapping import FeedMapping

MIB = 1 << 20


@pytest.mark.parametrize(
    ("feed_format", "head", "row"),
    [
        (FeedFormat.NDJSON, b"", b'{"birthplace": "' + b"x" * 1000 + b'"}\n'),
        (FeedFormat.CSV, b"birthplace\n", b"x" * 1000 + b"\n"),
        (FeedFormat.NDJSON, b"", b"x" * (4 * MIB) + b"\n"),
        (FeedFormat.CSV, b"birthplace\n", b'"' + b"x" * (4 * MIB) + b"\n"),
    ],
    ids=["ndjson", "csv", "endless ndjson lines", "endless csv quotes"],
)
def test_reading_eight_mebibytes_takes_less_than_two(
    tmp_path: Path, feed_format: FeedFormat, head: bytes, row: bytes
) -> None:
    path = tmp_path / "feed"
    path.write_bytes(head + row * (8 * MIB // len(row)))

    tracemalloc.start()
    with path.open("rb") as file:
        rows = sum(1 for _ in read_rows(file, feed_format, FeedMapping(), START))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert rows == 8 * MIB // len(row)
    assert peak < 2 * MIB
