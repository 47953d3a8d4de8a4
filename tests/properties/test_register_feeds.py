"""Feeds of any bytes: every row is read once, from wherever reading begins again."""

import io
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kernel.ids import AgencyId
from population_register.attributes import identifiers_in
from population_register.control import read_record
from population_register.errors import FeedRefused
from population_register.feed_formats import START, FeedFormat, RawRow, read_rows
from population_register.identifiers import Identifier
from population_register.mapping import FeedMapping
from population_register.model import FieldProblem, SourceRecord
from population_register.sealed_forms import decode_body, encode_body
from tests.population_register.register_builders import ANNA, NOON

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    [
        *("record_number", "version", "kind", "corrects", "valid_from", "valid_to"),
        *("family_name", "birthdate", "deathdate", "citizenships", "passport", "children"),
        *("parents", "snils", "arrivals", "civil_acts", "registration_address"),
    ]
)


def rows_of(data: bytes, feed_format: FeedFormat) -> list[RawRow]:
    return list(read_rows(io.BytesIO(data), feed_format, FeedMapping(), START))


@given(st.binary(max_size=200), st.data())
def test_ndjson_of_any_bytes_is_read_to_its_end_and_resumed_anywhere(
    data: bytes, draw: st.DataObject
) -> None:
    rows = rows_of(data, FeedFormat.NDJSON)

    if rows:
        number = draw.draw(st.integers(0, len(rows) - 1))
        rest = list(read_rows(io.BytesIO(data), FeedFormat.NDJSON, FeedMapping(), rows[number].end))
        assert rest == rows[number + 1 :]


@given(st.text('",\n\r a\u2028я', max_size=60), st.data())
def test_csv_of_any_text_is_read_to_its_end_and_resumed_anywhere(
    text: str, draw: st.DataObject
) -> None:
    data = f"snils,inn\n{text}".encode()
    rows = rows_of(data, FeedFormat.CSV)

    if rows:
        number = draw.draw(st.integers(0, len(rows) - 1))
        rest = list(read_rows(io.BytesIO(data), FeedFormat.CSV, FeedMapping(), rows[number].end))
        assert rest == rows[number + 1 :]


@given(st.binary(max_size=200))
def test_csv_of_any_bytes_is_read_or_refused(data: bytes) -> None:
    try:
        rows = rows_of(data, FeedFormat.CSV)
    except FeedRefused:
        return

    assert all((row.cells is None) == (row.problem is not None) for row in rows)


@given(st.dictionaries(FIELDS | st.text(max_size=5), JSON, max_size=8))
def test_any_row_at_all_is_a_record_or_its_problems(row: dict[str, Any]) -> None:
    given_row = json.loads(json.dumps(row))

    found = read_record(
        {"record_number": "1", "version": 1, "valid_from": "2020-01-01", **ANNA, **given_row},
        agency_id=AgencyId("pension"),
        at=NOON,
    )

    if isinstance(found, SourceRecord):
        body = encode_body(found)
        opened = decode_body(
            body, agency_id=found.agency_id, version=found.version, arrived_at=found.arrived_at
        )
        assert opened == found
        assert all(isinstance(one, Identifier) for one in identifiers_in(found.attributes.items()))
    else:
        assert found
        assert all(isinstance(problem, FieldProblem) for problem in found)


@given(st.dictionaries(st.text(max_size=10), JSON, max_size=5))
def test_mapping_turns_any_row_into_a_row(row: dict[str, Any]) -> None:
    nested = FeedMapping().nested(row)

    assert isinstance(nested, dict)
    read_record(nested, agency_id=AgencyId("pension"), at=NOON)
