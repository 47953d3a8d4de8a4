"""Reading feeds: from any row on, with flat memory, whatever is in them."""

import io
from typing import Any

import pytest

from population_register.errors import FeedRefused
from population_register.feed_formats import (
    MAX_COLUMNS,
    MAX_ROW_BYTES,
    START,
    FeedFormat,
    RawRow,
    read_rows,
)
from population_register.mapping import FeedMapping, parse_mapping

OURS = FeedMapping()


def ndjson(data: bytes) -> list[RawRow]:
    return list(read_rows(io.BytesIO(data), FeedFormat.NDJSON, OURS, START))


def table(data: bytes, mapping: FeedMapping = OURS) -> list[RawRow]:
    return list(read_rows(io.BytesIO(data), FeedFormat.CSV, mapping, START))


def told(rows: list[RawRow]) -> list[tuple[int, Any]]:
    """Line, and what was read or the reason why not."""
    return [(row.line, row.problem.reason if row.problem else row.cells) for row in rows]


class TestNDJSON:
    def test_each_line_is_a_row(self) -> None:
        data = b'{"snils": "1"}\n\n  {"snils": "2", "passport": {"a": [1]}}\r\n{"snils": "3"}'

        assert told(ndjson(data)) == [
            (1, {"snils": "1"}),
            (3, {"snils": "2", "passport": {"a": [1]}}),
            (4, {"snils": "3"}),
        ]

    def test_byte_order_mark_is_no_part_of_the_row(self) -> None:
        assert told(ndjson(b'\xef\xbb\xbf{"a": 1}\n')) == [(1, {"a": 1})]

    def test_byte_order_mark_stands_before_the_first_row_only(self) -> None:
        mark = b"\xef\xbb\xbf"

        assert told(ndjson(mark + b' \n{"a": 1}\n' + mark + b'{"a": 2}\n')) == [
            (2, {"a": 1}),
            (3, "not_json"),
        ]

    @pytest.mark.parametrize("end", [b"", b"\n"])
    def test_row_may_be_as_long_as_is_said(self, end: bytes) -> None:
        row = b'{"a": 1}'

        assert told(ndjson(row.ljust(MAX_ROW_BYTES) + end)) == [(1, {"a": 1})]
        assert told(ndjson(row.ljust(MAX_ROW_BYTES + 1) + end)) == [(1, "row_too_long")]

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            (b'{"a": 1', "not_json"),
            (b"{'a': 1}", "not_json"),
            (b'{"a": NaN}', "not_json"),
            (b'{"a": "\xff"}', "not_json"),
            (b'{"a": 1} {"b": 2}', "not_json"),
            (b"[" * 100_000, "not_json"),
            (b'{"a":' * 600 + b"1" + b"}" * 600, "not_json"),
            (b"[1]", "not_an_object"),
            (b'"text"', "not_an_object"),
            (b"null", "not_an_object"),
        ],
        ids=lambda value: value[:12],
    )
    def test_bad_line_is_a_problem_and_the_next_is_read(self, line: bytes, reason: str) -> None:
        assert told(ndjson(line + b'\n{"a": 2}\n')) == [(1, reason), (2, {"a": 2})]

    def test_line_too_long_is_skipped_without_being_kept(self) -> None:
        data = b'{"a": "' + b"x" * (3 * MAX_ROW_BYTES) + b'"}\n{"a": 2}\n'

        rows = ndjson(data)

        assert told(rows) == [(1, "row_too_long"), (2, {"a": 2})]
        assert rows[-1].end.offset == len(data)

    def test_last_line_too_long_ends_the_feed(self) -> None:
        assert told(ndjson(b"x" * (3 * MAX_ROW_BYTES))) == [(1, "row_too_long")]


class TestCSV:
    def test_rows_have_the_names_of_the_header(self) -> None:
        data = 'snils,family_name\r\n1,Волкова\r\n2,"Голенищев-Орлов"\r\n'.encode()

        assert told(table(data)) == [
            (2, {"snils": "1", "family_name": "Волкова"}),
            (3, {"snils": "2", "family_name": "Голенищев-Орлов"}),
        ]

    def test_quoted_cell_may_hold_lines_quotes_and_delimiters(self) -> None:
        data = 'snils,birthplace\n1,"д. ""Сосновка"",\nк. 2"\n2,x\n'.encode()

        assert told(table(data)) == [
            (2, {"snils": "1", "birthplace": 'д. "Сосновка",\nк. 2'}),
            (4, {"snils": "2", "birthplace": "x"}),
        ]

    def test_mark_and_spaces_of_the_header_are_no_part_of_its_names(self) -> None:
        data = b"\xef\xbb\xbf snils , inn\n1, 2\n"

        assert told(table(data)) == [(2, {"snils": "1", "inn": " 2"})]

    def test_header_may_have_envelope_and_ignored_columns(self) -> None:
        mapping = parse_mapping({"ignore": ["КОД"]})

        assert told(table("КОД,version,snils\n7,1,2\n".encode(), mapping)) == [
            (2, {"КОД": "7", "version": "1", "snils": "2"})
        ]

    def test_header_has_so_many_columns_at_most(self) -> None:
        names = [f"c{number}" for number in range(MAX_COLUMNS + 1)]
        mapping = parse_mapping({"ignore": names})

        assert table(",".join(names[:-1]).encode(), mapping) == []
        with pytest.raises(FeedRefused, match="too many"):
            table(",".join(names).encode(), mapping)

    def test_column_that_is_no_field_is_told_by_its_number(self) -> None:
        with pytest.raises(FeedRefused, match="Column 2 "):
            table("snils,Волкова\n".encode())

    def test_separators_of_unicode_end_no_row(self) -> None:
        data = "snils,birthplace\n1,a\u2028b\u0085c\n".encode()

        assert told(table(data)) == [(2, {"snils": "1", "birthplace": "a\u2028b\u0085c"})]

    def test_agency_says_encoding_delimiter_and_columns(self) -> None:
        mapping = parse_mapping(
            {"encoding": "windows-1251", "delimiter": ";", "fields": {"ИМЯ": "given_name"}}
        )

        assert told(table("ИМЯ;snils\r\nАнна;1".encode("windows-1251"), mapping)) == [
            (2, {"ИМЯ": "Анна", "snils": "1"})
        ]

    @pytest.mark.parametrize(
        ("row", "reason"),
        [
            (b"1,2,3", "cell_count"),
            (b"1", "cell_count"),
            (b'"1"x,2', "csv_quoting"),
            (b"\xff,2", "encoding"),
            (b"1\r2,3", "csv_quoting"),
        ],
    )
    def test_bad_row_is_a_problem_and_the_next_is_read(self, row: bytes, reason: str) -> None:
        data = b"snils,inn\n" + row + b"\n5,6\n"

        assert told(table(data)) == [(2, reason), (3, {"snils": "5", "inn": "6"})]

    def test_line_too_long_is_a_problem_and_the_next_is_read(self) -> None:
        data = b"snils,inn\n" + b"1" * (2 * MAX_ROW_BYTES) + b",2\n3,4\n"

        assert told(table(data)) == [(2, "row_too_long"), (3, {"snils": "3", "inn": "4"})]

    def test_unclosed_quote_costs_one_line_and_not_the_file(self) -> None:
        data = b'snils,inn\n"1,2\n3,4\n5,6\n'

        assert told(table(data)) == [
            (2, "unclosed_quote"),
            (3, {"snils": "3", "inn": "4"}),
            (4, {"snils": "5", "inn": "6"}),
        ]

    def test_unclosed_quote_in_a_large_file_is_given_up_early(self) -> None:
        rows = 40_000
        data = b'snils,inn\n"1,2\n' + b"3,4444444444\n" * rows

        found = table(data)

        assert told(found)[:2] == [(2, "row_too_long"), (3, {"snils": "3", "inn": "4444444444"})]
        assert len(found) == rows + 1

    def test_empty_lines_are_no_rows(self) -> None:
        assert told(table(b"snils,inn\n\n,\n1,2\n\n")) == [(4, {"snils": "1", "inn": "2"})]

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\n1,2\n",
            b"snils,snils\n1,2\n",
            b"snils,shoe_size\n1,44\n",
            b"\xff\xfe\n",
            b'"snils\n1\n',
            b"x" * (MAX_ROW_BYTES + 2),
            b",".join(b"%d" % n for n in range(600)),
            "Волкова,Анна\n".encode(),
        ],
        ids=["empty", "blank", "twice", "unknown", "utf16", "quote", "long", "wide", "no header"],
    )
    def test_header_that_is_none_refuses_the_feed(self, data: bytes) -> None:
        with pytest.raises(FeedRefused) as refusal:
            table(data)

        assert "Волкова" not in refusal.value.detail


@pytest.mark.parametrize(
    ("feed_format", "data"),
    [
        (FeedFormat.NDJSON, b'{"a": 1}\nbad\n\n{"a": 2}\n{"a": 3}'),
        (FeedFormat.CSV, b'snils,inn\n1,2\n"a\nb",3\n"x,4\n\n5,6\n'),
    ],
    ids=["ndjson", "csv"],
)
def test_reading_goes_on_from_the_end_of_any_row(feed_format: FeedFormat, data: bytes) -> None:
    rows = list(read_rows(io.BytesIO(data), feed_format, OURS, START))

    for number, row in enumerate(rows):
        rest = list(read_rows(io.BytesIO(data), feed_format, OURS, row.end))

        assert rest == rows[number + 1 :]
    assert rows[-1].end.offset == len(data)
